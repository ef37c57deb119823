#include <stdlib.h>
#include <string.h>

#include "limits_internal.h"

__extension__ typedef __int128 wide;

void
meter_init(struct meter *meter, const struct rule *rule, const char *key, const char *model,
	int64_t now_us)
{
	*meter = (struct meter){.rule = rule, .key = strdup(key), .model = strdup(model)};
	meter->level = (wide)rule->amount * rule->span_us;
	meter->last_us = now_us;
	meter->end_us = INT64_MIN;
}

void
meter_finish(struct meter *meter)
{
	free(meter->key);
	free(meter->model);
	free(meter->log);
	*meter = (struct meter){0};
}

/* Brings the meter to NOW. A clock that was set back does not change what is in the past. */
static void
move(struct meter *meter, int64_t now_us)
{
	const struct rule *rule = meter->rule;
	wide capacity = (wide)rule->amount * rule->span_us;

	switch (rule->window) {
	case WINDOW_SLIDING:
		while (meter->count > 0 &&
			meter->log[meter->first].at_us <= now_us - rule->span_us) {
			meter->used -= meter->log[meter->first].amount;
			meter->first++;
			meter->count--;
		}
		break;
	case WINDOW_ALIGNED:
	case WINDOW_CALENDAR:
		if (now_us < meter->end_us)
			break;
		meter->used = 0;
		if (rule->window == WINDOW_CALENDAR) {
			rule_period(rule, now_us, &meter->start_us, &meter->end_us);
		} else {
			meter->start_us = now_us - now_us % rule->span_us;
			meter->end_us = meter->start_us + rule->span_us;
		}
		break;
	case WINDOW_REFILL:
		if (now_us > meter->last_us) {
			meter->level += (wide)(now_us - meter->last_us) * rule->amount;
			if (meter->level > capacity)
				meter->level = capacity;
			meter->last_us = now_us;
		}
		break;
	case WINDOW_NONE:
		break;
	}
}

/* Rounded up: a bucket that lacks a fraction of a token cannot give that token. */
static int64_t
refill_used(const struct meter *meter)
{
	wide lacking = (wide)meter->rule->amount * meter->rule->span_us - meter->level;

	return (int64_t)((lacking + meter->rule->span_us - 1) / meter->rule->span_us);
}

int64_t
meter_used(struct meter *meter, int64_t now_us)
{
	move(meter, now_us);
	return meter->rule->window == WINDOW_REFILL ? refill_used(meter) : meter->used;
}

static int64_t
refill_wait(const struct meter *meter, wide wanted)
{
	wide lacking = wanted - meter->level;

	if (lacking <= 0 || meter->rule->amount == 0)
		return 0;
	return (int64_t)((lacking + meter->rule->amount - 1) / meter->rule->amount);
}

int64_t
meter_wait(struct meter *meter, int64_t amount, int64_t now_us)
{
	const struct rule *rule = meter->rule;
	int64_t over = meter_used(meter, now_us) + amount - rule->amount;

	if (amount > rule->amount)
		return -1;
	if (over <= 0)
		return 0;
	if (rule->window == WINDOW_REFILL)
		return refill_wait(meter, (wide)amount * rule->span_us);
	if (rule->window == WINDOW_ALIGNED || rule->window == WINDOW_CALENDAR)
		return meter->end_us - now_us;
	for (size_t i = meter->first; i < meter->first + meter->count; i++) {
		over -= meter->log[i].amount;
		if (over <= 0)
			return meter->log[i].at_us + rule->span_us - now_us;
	}
	return 0;
}

int64_t
meter_full(struct meter *meter, int64_t now_us)
{
	const struct rule *rule = meter->rule;

	if (meter_used(meter, now_us) <= 0)
		return 0;
	if (rule->window == WINDOW_REFILL)
		return refill_wait(meter, (wide)rule->amount * rule->span_us);
	if (rule->window == WINDOW_SLIDING)
		return meter->log[meter->first + meter->count - 1].at_us + rule->span_us - now_us;
	return rule->window == WINDOW_NONE ? 0 : meter->end_us - now_us;
}

static void
append(struct meter *meter, int64_t amount, int64_t now_us)
{
	if (meter->first + meter->count == meter->cap) {
		if (meter->first > meter->count) {
			memcpy(meter->log, meter->log + meter->first,
				meter->count * sizeof(*meter->log));
			meter->first = 0;
		} else {
			meter->cap = meter->cap ? 2 * meter->cap : 64;
			meter->log = realloc(meter->log, meter->cap * sizeof(*meter->log));
			if (!meter->log)
				abort();
		}
	}
	meter->log[meter->first + meter->count++] = (struct charge){now_us, amount};
}

void
meter_charge(struct meter *meter, int64_t amount, int64_t now_us)
{
	int64_t used;

	move(meter, now_us);
	if (amount == 0)
		return;
	if (meter->rule->window == WINDOW_SLIDING)
		append(meter, amount, now_us);
	if (meter->rule->window == WINDOW_REFILL)
		meter->level -= (wide)amount * meter->rule->span_us;
	else
		meter->used += amount;
	meter->admitted += amount;
	used = meter_used(meter, now_us);
	if (used > meter->peak)
		meter->peak = used;
	if (used - meter->rule->amount > meter->overrun)
		meter->overrun = used - meter->rule->amount;
}
