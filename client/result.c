#include "result.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "json_value.h"

void
freellm_result_destroy(struct freellm_result *r)
{
	if (r == NULL)
		return;
	for (int i = 0; i < RESULT_TEXTS; i++)
		free(r->texts[i].data);
	for (size_t i = 0; i < r->attempt_count; i++) {
		free((char *)r->attempts[i].provider);
		free((char *)r->attempts[i].model);
		free((char *)r->attempts[i].error);
	}
	free(r->attempts);
	free(r);
}

const char *
freellm_result_text(const struct freellm_result *r, enum freellm_result_text field, size_t *len)
{
	static const struct result_text none;
	bool known = (int)field >= FREELLM_RESULT_TEXT && field <= FREELLM_ERROR_MESSAGE;
	const struct result_text *text = known ? &r->texts[field] : &none;
	if (len != NULL)
		*len = text->len;
	return text->data ? text->data : "";
}

int64_t
freellm_result_number(const struct freellm_result *r, enum freellm_result_number field)
{
	bool known = (int)field >= FREELLM_PROMPT_TOKENS && field <= FREELLM_ATTEMPTS;
	return known ? r->numbers[field] : -1;
}

const struct freellm_attempt *
freellm_result_attempt(const struct freellm_result *r, size_t index)
{
	return index < r->attempt_count ? &r->attempts[index] : NULL;
}

static char *
copy(struct slice text)
{
	char *to = malloc(text.len + 1);
	if (to == NULL)
		return NULL;
	if (text.len > 0)
		memcpy(to, text.data, text.len);
	to[text.len] = '\0';
	return to;
}

static int
set_text(struct freellm_result *r, enum freellm_result_text field, struct slice text)
{
	if (text.len == 0)
		return 0;
	r->texts[field].data = copy(text);
	r->texts[field].len = text.len;
	return r->texts[field].data ? 0 : -ENOMEM;
}

/* JSON in a text; NULL: it could not be made. */
static int
set_json(struct freellm_result *r, enum freellm_result_text field, const json_t *value)
{
	if (value == NULL)
		return -EPROTO;
	r->texts[field].data = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
	if (r->texts[field].data == NULL)
		return -ENOMEM;
	r->texts[field].len = strlen(r->texts[field].data);
	return 0;
}

static int
set_attempts(struct freellm_result *r, const struct attempt_report *from, size_t count)
{
	if (count > 0)
		r->attempts = calloc(count, sizeof(*r->attempts));
	if (count > 0 && r->attempts == NULL)
		return -ENOMEM;
	r->attempt_count = count;
	r->numbers[FREELLM_ATTEMPTS] = (int64_t)count;
	for (size_t i = 0; i < count; i++) {
		struct freellm_attempt *to = &r->attempts[i];
		to->provider = copy(from[i].provider);
		to->model = copy(from[i].model);
		to->error = copy(from[i].error);
		to->status = from[i].status;
		to->ms = from[i].ms;
		if (to->provider == NULL || to->model == NULL || to->error == NULL)
			return -ENOMEM;
	}
	return 0;
}

static struct freellm_result *
create(void)
{
	struct freellm_result *r = calloc(1, sizeof(*r));
	for (int i = 0; r != NULL && i < RESULT_NUMBERS; i++)
		r->numbers[i] = -1;
	return r;
}

static int
finish(int error, struct freellm_result *r, struct freellm_result **to)
{
	*to = error ? NULL : r;
	if (error)
		freellm_result_destroy(r);
	return error;
}

/* Providers have two names for it. */
static struct slice
reasoning_of(const json_t *message)
{
	static const char *const names[] = {"reasoning", "reasoning_content"};
	for (int i = 0; i < 2; i++) {
		const json_t *text = json_object_get(message, names[i]);
		if (json_is_string(text))
			return (struct slice){json_string_value(text), json_string_length(text)};
	}
	return (struct slice){0};
}

static int
set_message(struct freellm_result *r, json_t *message)
{
	const json_t *calls = json_object_get(message, "tool_calls");
	int error = set_json(r, FREELLM_RESULT_MESSAGE, message);
	if (error == 0)
		error = set_text(r, FREELLM_RESULT_REASONING, reasoning_of(message));
	if (error == 0 && json_array_size(calls) > 0)
		error = set_json(r, FREELLM_RESULT_TOOL_CALLS, calls);
	if (error == 0) {
		json_t *all = result_json(r, message);
		error = set_json(r, FREELLM_RESULT_JSON, all);
		json_decref(all);
	}
	return error;
}

static void
set_numbers(struct freellm_result *r, const struct completion *c)
{
	int64_t *n = r->numbers;
	n[FREELLM_PROMPT_TOKENS] = c->usage.prompt_tokens;
	n[FREELLM_COMPLETION_TOKENS] = c->usage.completion_tokens;
	n[FREELLM_TOTAL_TOKENS] = c->usage.total_tokens;
	n[FREELLM_CACHED] = c->cached;
	n[FREELLM_COALESCED] = c->coalesced;
	n[FREELLM_QUEUED_MS] = c->queued_ms;
	n[FREELLM_FIRST_TOKEN_MS] = c->first_token_ms;
	n[FREELLM_TOTAL_MS] = c->total_ms;
	n[FREELLM_EXIT_STATUS] = 0;
}

int
result_of_completion(const struct completion *c, struct freellm_result **to)
{
	struct freellm_result *r = create();
	json_t *message = c->message ? json_value_from(c->message)
				     : json_pack("{ssso}", "role", "assistant", "content",
					       json_value_text(c->text));
	int error = r == NULL ? -ENOMEM : message == NULL ? -EPROTO : 0;
	if (error == 0) {
		set_numbers(r, c);
		error = set_text(r, FREELLM_RESULT_TEXT, c->text);
	}
	if (error == 0)
		error = set_text(r, FREELLM_RESULT_FINISH_REASON, c->finish_reason);
	if (error == 0)
		error = set_text(r, FREELLM_RESULT_PROVIDER, c->provider);
	if (error == 0)
		error = set_text(r, FREELLM_RESULT_MODEL, c->model);
	if (error == 0)
		error = set_attempts(r, c->attempts, c->attempt_count);
	if (error == 0)
		error = set_message(r, message);
	json_decref(message);
	return finish(error, r, to);
}

int
result_of_trouble(const struct trouble *t, const struct attempt_report *attempts,
	size_t attempt_count, struct freellm_result **to)
{
	struct freellm_result *r = create();
	int error = r == NULL ? -ENOMEM : set_attempts(r, attempts, attempt_count);
	if (error == 0)
		error = set_text(r, FREELLM_ERROR_CODE, slice_of(t->code));
	if (error == 0)
		error = set_text(r, FREELLM_ERROR_MESSAGE, slice_of(t->message));
	if (error == 0) {
		r->numbers[FREELLM_RETRY_AT_MS] = t->retry_at_ms;
		r->numbers[FREELLM_EXIT_STATUS] = t->exit_status;
		json_t *all = result_json(r, NULL);
		error = set_json(r, FREELLM_RESULT_JSON, all);
		json_decref(all);
	}
	return finish(error, r, to);
}
