#include "answer.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "answer_internal.h"
#include "exchange.h"
#include "logbook.h"
#include "mock.h"
#include "profile.h"

void
answer_error(struct exchange *exchange, int status, const char *message, struct plan *plan)
{
	struct mock *mock = exchange->mock;

	*plan = (struct plan){.status = status};
	buf_puts(&plan->head, "Content-Type: application/json\r\n");
	pthread_mutex_lock(&mock->lock);
	profile_error(mock->profile, status, message, "invalid_request_error", &plan->body);
	pthread_mutex_unlock(&mock->lock);
}

/* The secret of an Authorization header, or NULL. */
static const char *
bearer(const char *authorization)
{
	if (!authorization || strncasecmp(authorization, "Bearer ", 7) != 0)
		return NULL;
	return authorization + 7;
}

static bool
contains(json_t *list, const char *text)
{
	json_t *item;
	size_t i;

	json_array_foreach(list, i, item)
	{
		if (strcmp(json_string_value(item), text) == 0)
			return true;
	}
	return json_array_size(list) == 0;
}

/* Refuses a key that is not in the list. Returns whether it did. */
static bool
refuse_key(struct mock *mock, const char *secret, struct plan *plan)
{
	if (json_array_size(mock->keys) == 0 || (secret && contains(mock->keys, secret)))
		return false;
	buf_puts(&plan->head, "Content-Type: application/json\r\n");
	profile_bad_key(mock->profile, !secret, &plan->status, &plan->body);
	return true;
}

/* Lays the behaviours over each other. The head of the script is looked at, not taken. */
static const char *
choose_behaviour(struct mock *mock, struct plan *plan)
{
	json_t *own = json_object_get(plan->chat.root, "mock");
	json_t *scripted = json_array_get(mock->script, 0);
	json_t *options = behaviour_of_model(plan->chat.model);
	json_t *merged;
	const char *error = NULL;

	if (!own && !scripted && !options) {
		behaviour_copy(&plan->behaviour, &mock->defaults);
		return NULL;
	}
	merged = json_copy(mock->defaults.source);
	json_object_update(merged, options);
	if (own && json_object_update(merged, own) < 0)
		error = "'mock' must be an object";
	json_object_update(merged, scripted);
	if (!error)
		error = behaviour_parse(&plan->behaviour, merged);
	json_decref(merged);
	json_decref(options);
	return error;
}

/* What is wrong with the request or its behaviour: plans the answer and returns true. */
static bool
refuse_request(struct mock *mock, const char *error, struct plan *plan)
{
	int status = 400;

	if (!error)
		error = choose_behaviour(mock, plan);
	if (!error && !contains(mock->models, plan->chat.model)) {
		error = "The model does not exist or you do not have access to it.";
		status = 404;
	}
	if (!error)
		return false;
	plan->status = status;
	buf_puts(&plan->head, "Content-Type: application/json\r\n");
	profile_error(mock->profile, status, error, "invalid_request_error", &plan->body);
	return true;
}

static bool
counts_failed(const struct mock *mock)
{
	return mock->count_failed >= 0 ? mock->count_failed : profile_counts_failed(mock->profile);
}

static struct cost
cost_of(const struct plan *plan)
{
	const struct chat *chat = &plan->chat;
	json_t *usage = plan->behaviour.usage;
	struct cost cost = {.requests = 1};

	cost.input_tokens = chat->prompt_tokens;
	cost.tokens = chat->prompt_tokens + chat_completion_tokens(chat, &plan->behaviour);
	/* A usage that is given is what the provider charges. */
	if (json_is_integer(json_object_get(usage, "prompt_tokens")))
		cost.input_tokens = json_integer_value(json_object_get(usage, "prompt_tokens"));
	if (json_is_integer(json_object_get(usage, "total_tokens")))
		cost.tokens = json_integer_value(json_object_get(usage, "total_tokens"));
	return cost;
}

/* Counts what the provider counts, at the time when it does. */
static void
charge(struct mock *mock, struct exchange *exchange, const char *key, const char *model,
	struct cost cost, int64_t now_us)
{
	if (mock->charge_end) {
		exchange->late = (struct cost){0, cost.tokens, 0};
		cost.tokens = 0;
	}
	limits_charge(mock->limits, key, model, &cost, now_us);
	exchange->record->charged = true;
}

/* Judges by the limits. Returns whether they refuse, and plans that. */
static bool
refuse_limit(struct mock *mock, struct exchange *exchange, const char *key, struct plan *plan,
	const struct cost *cost, int64_t now_us)
{
	const char *model = plan->chat.model;
	struct cost gate = *cost;
	struct verdict verdict;

	if (mock->gate_asked && plan->chat.max_tokens >= 0)
		gate.tokens = plan->chat.prompt_tokens + plan->chat.max_tokens;
	if (mock->charge_end)
		gate.tokens = 1;
	verdict = limits_judge(mock->limits, key, model, &gate, now_us);
	if (!verdict.rule)
		return false;
	buf_puts(&plan->head, "Content-Type: application/json\r\n");
	profile_refuse(mock->profile, mock->limits, key, model, &verdict, now_us, &plan->status,
		&plan->head, &plan->body);
	exchange->record->limited = true;
	if (mock->count_rejected)
		charge(mock, exchange, key, model, (struct cost){.requests = 1}, now_us);
	return true;
}

/* Everything that needs the lock. Returns whether a completion is to be planned. */
static bool
judge(struct exchange *exchange, const char *authorization, const char *error, struct plan *plan)
{
	struct mock *mock = exchange->mock;
	const char *secret = bearer(authorization);
	const char *key = mock->account || !secret ? "" : secret;
	int64_t now_us = virtual_clock_us(&mock->clock);
	struct record *record = exchange->record;
	const char *model = plan->chat.model;
	struct cost cost;

	record->order = ++mock->log.last_order;
	record->judged_us = clock_monotonic_us();
	record->virtual_us = now_us;
	if (refuse_key(mock, secret, plan))
		return false;
	if (refuse_request(mock, error, plan)) {
		if (counts_failed(mock))
			charge(mock, exchange, key, model, (struct cost){.requests = 1}, now_us);
		return false;
	}
	cost = cost_of(plan);
	record->tokens = cost.tokens;
	record->input_tokens = cost.input_tokens;
	if (refuse_limit(mock, exchange, key, plan, &cost, now_us))
		return false;
	json_array_remove(mock->script, 0);
	plan_behaviour(plan, mock->recordings, mock->profile, record->sequence, now_us / 1000000);
	if (plan->status < 400 || counts_failed(mock))
		charge(mock, exchange, key, model, cost, now_us);
	exchange_enter(exchange, key, model);
	if (!plan->whole_head)
		profile_success(mock->profile, mock->limits, key, model, plan->chat.stream,
			cost.tokens, now_us, &plan->head);
	return true;
}

void
answer_chat(struct exchange *exchange, const char *authorization, struct plan *plan)
{
	struct mock *mock = exchange->mock;
	const char *error;

	*plan = (struct plan){0};
	error = chat_parse(&plan->chat, exchange->body.data, exchange->body.len);
	pthread_mutex_lock(&mock->lock);
	judge(exchange, authorization, error, plan);
	pthread_mutex_unlock(&mock->lock);
}

void
answer_models(struct exchange *exchange, const char *authorization, struct plan *plan)
{
	struct mock *mock = exchange->mock;
	json_t *list = json_array(), *model;
	size_t i;
	char *text;

	*plan = (struct plan){.status = 200};
	pthread_mutex_lock(&mock->lock);
	if (refuse_key(mock, bearer(authorization), plan)) {
		pthread_mutex_unlock(&mock->lock);
		json_decref(list);
		return;
	}
	json_array_foreach(mock->models, i, model)
	{
		json_array_append_new(list, json_pack("{s:O, s:s, s:i, s:s}", "id", model, "object",
						    "model", "created", 0, "owned_by", "mock"));
	}
	if (json_array_size(mock->models) == 0)
		json_array_append_new(
			list, json_pack("{s:s, s:s, s:i, s:s}", "id", "mock", "object", "model",
				      "created", 0, "owned_by", "mock"));
	pthread_mutex_unlock(&mock->lock);
	list = json_pack("{s:s, s:o}", "object", "list", "data", list);
	text = json_dumps(list, JSON_COMPACT);
	buf_puts(&plan->head, "Content-Type: application/json\r\n");
	buf_puts(&plan->body, text);
	free(text);
	json_decref(list);
}

void
plan_finish(struct plan *plan)
{
	buf_free(&plan->head);
	buf_free(&plan->body);
	source_finish(&plan->source);
	chat_finish(&plan->chat);
	behaviour_finish(&plan->behaviour);
}
