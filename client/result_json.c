/*
 * What `freellm-submit --json` prints.
 */
#include "json_value.h"
#include "result.h"

static json_t *
text_of(const struct freellm_result *r, enum freellm_result_text field)
{
	return json_value_text((struct slice){r->texts[field].data, r->texts[field].len});
}

static json_t *
text_or_null(const struct freellm_result *r, enum freellm_result_text field)
{
	return r->texts[field].len > 0 ? text_of(r, field) : json_null();
}

static json_t *
number_or_null(const struct freellm_result *r, enum freellm_result_number field)
{
	return r->numbers[field] >= 0 ? json_integer(r->numbers[field]) : json_null();
}

static json_t *
flag(const struct freellm_result *r, enum freellm_result_number field)
{
	return json_boolean(r->numbers[field] > 0);
}

static json_t *
attempts(const struct freellm_result *r)
{
	json_t *all = json_array();
	for (size_t i = 0; i < r->attempt_count; i++) {
		const struct freellm_attempt *a = &r->attempts[i];
		json_t *one = json_pack("{sssssIsosI}", "provider", a->provider, "model", a->model,
			"status", (json_int_t)a->status, "error",
			a->error[0] ? json_string(a->error) : json_null(), "ms", (json_int_t)a->ms);
		if (json_array_append_new(all, one) < 0) {
			json_decref(all);
			return NULL;
		}
	}
	return all;
}

/* The object, or NULL when a member of it could not be made. */
static json_t *
whole(json_t *object, int failed)
{
	if (!failed)
		return object;
	json_decref(object);
	return NULL;
}

static json_t *
usage(const struct freellm_result *r)
{
	json_t *all = json_object();
	int failed = 0;
	failed |=
		json_object_set_new(all, "prompt_tokens", number_or_null(r, FREELLM_PROMPT_TOKENS));
	failed |= json_object_set_new(
		all, "completion_tokens", number_or_null(r, FREELLM_COMPLETION_TOKENS));
	failed |= json_object_set_new(all, "total_tokens", number_or_null(r, FREELLM_TOTAL_TOKENS));
	return whole(all, failed);
}

static json_t *
timing(const struct freellm_result *r)
{
	json_t *all = json_object();
	int failed = 0;
	failed |= json_object_set_new(all, "queued_ms", number_or_null(r, FREELLM_QUEUED_MS));
	failed |= json_object_set_new(
		all, "first_token_ms", number_or_null(r, FREELLM_FIRST_TOKEN_MS));
	failed |= json_object_set_new(all, "total_ms", number_or_null(r, FREELLM_TOTAL_MS));
	return whole(all, failed);
}

static json_t *
failure(const struct freellm_result *r)
{
	json_t *all = json_object();
	int failed = 0;
	failed |= json_object_set_new(all, "code", text_of(r, FREELLM_ERROR_CODE));
	failed |= json_object_set_new(all, "message", text_of(r, FREELLM_ERROR_MESSAGE));
	failed |= json_object_set_new(all, "retry_at_ms", number_or_null(r, FREELLM_RETRY_AT_MS));
	return whole(all, failed);
}

static int
set_completion(json_t *all, const struct freellm_result *r, json_t *message)
{
	int failed = 0;
	failed |= json_object_set_new(all, "text", text_of(r, FREELLM_RESULT_TEXT));
	failed |= json_object_set(all, "message", message);
	failed |= json_object_set_new(
		all, "finish_reason", text_or_null(r, FREELLM_RESULT_FINISH_REASON));
	failed |= json_object_set_new(all, "usage", usage(r));
	failed |= json_object_set_new(all, "provider", text_of(r, FREELLM_RESULT_PROVIDER));
	failed |= json_object_set_new(all, "model", text_of(r, FREELLM_RESULT_MODEL));
	failed |= json_object_set_new(all, "cached", flag(r, FREELLM_CACHED));
	failed |= json_object_set_new(all, "coalesced", flag(r, FREELLM_COALESCED));
	failed |= json_object_set_new(all, "attempts", attempts(r));
	failed |= json_object_set_new(all, "timing", timing(r));
	return failed;
}

json_t *
result_json(const struct freellm_result *r, json_t *message)
{
	json_t *all = json_object();
	int failed = 0;
	if (message != NULL) {
		failed = set_completion(all, r, message);
	} else {
		failed |= json_object_set_new(all, "error", failure(r));
		failed |= json_object_set_new(all, "attempts", attempts(r));
	}
	return whole(all, failed);
}
