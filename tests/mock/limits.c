#include "limits.h"

#include <stdlib.h>
#include <string.h>

#include "limits_internal.h"

struct limits {
	struct rule *rules;
	size_t rule_count;
	struct meter *meters;
	size_t meter_count;
};

struct limits *
limits_create(void)
{
	struct limits *limits = calloc(1, sizeof(*limits));

	if (!limits)
		abort();
	return limits;
}

void
limits_destroy(struct limits *limits)
{
	if (!limits)
		return;
	limits_reset(limits, true);
	free(limits);
}

/* Meters point at their rules, and a new rule may move them. */
const char *
limits_add(struct limits *limits, const char *text)
{
	struct rule rule;
	const char *error = rule_parse(&rule, text);

	if (error)
		return error;
	limits_reset(limits, false);
	limits->rules = realloc(limits->rules, (limits->rule_count + 1) * sizeof(rule));
	if (!limits->rules)
		abort();
	limits->rules[limits->rule_count++] = rule;
	return NULL;
}

void
limits_reset(struct limits *limits, bool rules)
{
	for (size_t i = 0; i < limits->meter_count; i++)
		meter_finish(&limits->meters[i]);
	free(limits->meters);
	limits->meters = NULL;
	limits->meter_count = 0;
	if (!rules)
		return;
	for (size_t i = 0; i < limits->rule_count; i++)
		rule_finish(&limits->rules[i]);
	free(limits->rules);
	limits->rules = NULL;
	limits->rule_count = 0;
}

bool
limits_any(const struct limits *limits)
{
	return limits->rule_count > 0;
}

static bool
applies(const struct rule *rule, const char *model)
{
	return !rule->model || strcmp(rule->model, "*") == 0 || strcmp(rule->model, model) == 0;
}

static struct meter *
find(const struct limits *limits, const struct rule *rule, const char *key, const char *model)
{
	const char *name = rule->model ? model : "";

	for (size_t i = 0; i < limits->meter_count; i++) {
		struct meter *meter = &limits->meters[i];

		if (meter->rule == rule && strcmp(meter->key, key) == 0 &&
			strcmp(meter->model, name) == 0)
			return meter;
	}
	return NULL;
}

static struct meter *
find_or_add(struct limits *limits, const struct rule *rule, const char *key, const char *model,
	int64_t now_us)
{
	struct meter *meter = find(limits, rule, key, model);

	if (meter)
		return meter;
	limits->meters =
		realloc(limits->meters, (limits->meter_count + 1) * sizeof(*limits->meters));
	if (!limits->meters)
		abort();
	meter = &limits->meters[limits->meter_count++];
	meter_init(meter, rule, key, rule->model ? model : "", now_us);
	return meter;
}

static int64_t
cost_of(const struct rule *rule, const struct cost *cost)
{
	switch (rule->metric) {
	case METRIC_REQUESTS:
		return cost->requests;
	case METRIC_TOKENS:
		return cost->tokens;
	case METRIC_INPUT_TOKENS:
		return cost->input_tokens;
	case METRIC_CONCURRENT:
		return 1;
	}
	abort();
}

struct verdict
limits_judge(struct limits *limits, const char *key, const char *model, const struct cost *cost,
	int64_t now_us)
{
	struct verdict verdict = {0};

	for (size_t i = 0; i < limits->rule_count; i++) {
		const struct rule *rule = &limits->rules[i];
		int64_t amount = cost_of(rule, cost), used, wait;
		struct meter *meter;

		if (!applies(rule, model))
			continue;
		meter = find_or_add(limits, rule, key, model, now_us);
		used = meter_used(meter, now_us);
		if (used + amount <= rule->amount)
			continue;
		meter->refused++;
		wait = meter_wait(meter, amount, now_us);
		if (verdict.rule && (verdict.too_large || (wait >= 0 && wait <= verdict.wait_us)))
			continue;
		verdict = (struct verdict){rule, wait < 0, used, amount, wait < 0 ? 0 : wait};
	}
	return verdict;
}

void
limits_charge(struct limits *limits, const char *key, const char *model, const struct cost *cost,
	int64_t now_us)
{
	for (size_t i = 0; i < limits->rule_count; i++) {
		const struct rule *rule = &limits->rules[i];

		if (applies(rule, model) && rule->metric != METRIC_CONCURRENT)
			meter_charge(find_or_add(limits, rule, key, model, now_us),
				cost_of(rule, cost), now_us);
	}
}

static void
in_flight(struct limits *limits, const char *key, const char *model, int64_t by)
{
	for (size_t i = 0; i < limits->rule_count; i++) {
		const struct rule *rule = &limits->rules[i];
		struct meter *meter;

		if (!applies(rule, model) || rule->metric != METRIC_CONCURRENT)
			continue;
		meter = find_or_add(limits, rule, key, model, 0);
		if (by > 0)
			meter_charge(meter, by, 0);
		else if (meter->used > 0)
			meter->used--; /* none is left over from before a reset */
	}
}

void
limits_enter(struct limits *limits, const char *key, const char *model)
{
	in_flight(limits, key, model, 1);
}

void
limits_leave(struct limits *limits, const char *key, const char *model)
{
	in_flight(limits, key, model, -1);
}

bool
limits_standing(const struct limits *limits, size_t i, const char *key, const char *model,
	int64_t now_us, struct standing *out)
{
	for (size_t at = 0; at < limits->rule_count; at++) {
		const struct rule *rule = &limits->rules[at];
		struct meter *meter;

		if (!applies(rule, model) || i-- > 0)
			continue;
		meter = find(limits, rule, key, model);
		*out = (struct standing){.rule = rule, .remaining = rule->amount};
		if (meter) {
			out->used = meter_used(meter, now_us);
			out->remaining -= out->used;
			out->full_us = meter_full(meter, now_us);
		}
		if (out->remaining < 0)
			out->remaining = 0;
		return true;
	}
	return false;
}

json_t *
limits_report(struct limits *limits, int64_t now_us)
{
	json_t *report = json_array();

	for (size_t i = 0; i < limits->meter_count; i++) {
		struct meter *meter = &limits->meters[i];

		json_array_append_new(report,
			json_pack("{s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I}", "limit",
				meter->rule->text, "key", meter->key, "model", meter->model, "used",
				(json_int_t)meter_used(meter, now_us), "peak",
				(json_int_t)meter->peak, "admitted", (json_int_t)meter->admitted,
				"refused", (json_int_t)meter->refused, "overrun",
				(json_int_t)meter->overrun));
	}
	return report;
}
