/*
 * The many shapes of error bodies: {"error":{...}}, {"error":"..."}, the same in an array (Gemini),
 * flat {message, type, code} (Cerebras, Mistral, Cohere), RFC 7807 (NVIDIA), errors[] (Cloudflare),
 * {"detail":...} (FastAPI), HTML, plain text, nothing.
 */
#include "openai_internal.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "retry_after.h"
#include "sse.h"

enum { MESSAGE_MAX = 1000, CODE_MAX = 100 };
static const size_t WORDS_MAX = 8192;

void
error_store_init(struct error_store *e)
{
	*e = (struct error_store){
		.error = {.message = "", .code = "", .retry_after_ms = -1},
	};
}

void
error_store_finish(struct error_store *e)
{
	bytes_finish(&e->message);
	bytes_finish(&e->code);
	error_store_init(e);
}

static void
publish(struct error_store *e)
{
	const char *message = bytes_cstr(&e->message);
	const char *code = bytes_cstr(&e->code);
	e->error.message = message != NULL ? message : "";
	e->error.code = code != NULL ? code : "";
}

void
openai_error_set(
	struct error_store *e, enum openai_error_kind kind, int status, const char *message)
{
	error_store_finish(e);
	e->error.kind = kind;
	e->error.status = status;
	bytes_append_str(&e->message, message);
	publish(e);
}

/* What is gathered from an error, before it is judged. */
struct facts {
	int status;
	struct bytes message, code;
	struct bytes words; /* everything that may tell what it means */
	int64_t retry_after_ms;
	bool per_day;
};

static void
add_words(struct facts *f, const char *words)
{
	size_t len = words != NULL ? strnlen(words, WORDS_MAX) : 0;
	if (f->words.len + len < 2 * WORDS_MAX) {
		bytes_append(&f->words, words, len);
		bytes_append_char(&f->words, ' ');
	}
}

static const char *
text_of(json_t *object, const char *name)
{
	return json_string_value(json_object_get(object, name));
}

/* An integer, also one written as a string; 0 when it is none. */
static int
number_of(json_t *object, const char *name)
{
	json_t *value = json_object_get(object, name);
	if (json_is_integer(value) && json_integer_value(value) > 0 &&
		json_integer_value(value) < 1000)
		return (int)json_integer_value(value);
	const char *text = json_string_value(value);
	if (text == NULL || strspn(text, "0123456789") != 3 || text[3] != '\0')
		return 0;
	return (int)strtol(text, NULL, 10);
}

static bool
is_error_status(int status)
{
	return status >= 400 && status <= 599;
}

static void
find_status(struct facts *f, json_t *error)
{
	static const char *const names[] = {"status_code", "raw_status_code", "status", "code"};
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]) && f->status == 0; i++)
		if (is_error_status(number_of(error, names[i])))
			f->status = number_of(error, names[i]);
}

/* The sentence in `value`, which is a string, or an object or array that holds one. */
static bool
find_message(struct bytes *out, json_t *value, int depth)
{
	static const char *const names[] = {"message", "detail", "msg", "error",
		"error_description", "title", "details", "reason"};
	if (json_is_string(value)) {
		bytes_append(out, json_string_value(value), json_string_length(value));
		return json_string_length(value) > 0;
	}
	if (depth == 0)
		return false;
	if (json_is_array(value))
		return find_message(out, json_array_get(value, 0), depth - 1);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (find_message(out, json_object_get(value, names[i]), depth - 1))
			return true;
	return false;
}

/* RFC 7807's `type` is an address, mostly of nothing. */
static bool
is_address(const char *text)
{
	return text != NULL && (strncmp(text, "about:", 6) == 0 || strstr(text, "://") != NULL);
}

static void
find_code(struct facts *f, json_t *error)
{
	static const char *const names[] = {"code", "type", "status", "error_type"};
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		json_t *value = json_object_get(error, names[i]);
		add_words(f, json_string_value(value));
		if (f->code.len > 0 || is_address(json_string_value(value)))
			continue;
		if (json_is_string(value) && number_of(error, names[i]) == 0)
			bytes_append(&f->code, json_string_value(value), json_string_length(value));
		else if (json_is_integer(value) && !is_error_status(number_of(error, names[i])))
			bytes_printf(&f->code, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
	}
}

static int64_t
parse_time(json_t *value, int64_t now_ms)
{
	char number[64] = "";
	if (json_is_integer(value))
		snprintf(
			number, sizeof(number), "%" JSON_INTEGER_FORMAT, json_integer_value(value));
	else if (json_is_real(value))
		snprintf(number, sizeof(number), "%f", json_real_value(value));
	else if (json_is_string(value))
		return retry_after_parse(
			(struct slice){json_string_value(value), json_string_length(value)},
			now_ms);
	return retry_after_parse(slice_of(number), now_ms);
}

static void
use_time(struct facts *f, json_t *value, int64_t now_ms)
{
	if (f->retry_after_ms < 0 && value != NULL)
		f->retry_after_ms = parse_time(value, now_ms);
}

/* Google's details: RetryInfo, QuotaFailure, ErrorInfo. */
static void
read_details(struct facts *f, json_t *details, int64_t now_ms)
{
	size_t i, j;
	json_t *detail, *violation;
	if (!json_is_array(details))
		return;
	json_array_foreach(details, i, detail)
	{
		add_words(f, text_of(detail, "reason"));
		use_time(f, json_object_get(detail, "retryDelay"), now_ms);
		json_t *violations = json_object_get(detail, "violations");
		json_array_foreach(violations, j, violation)
		{
			const char *id = text_of(violation, "quotaId");
			add_words(f, id);
			f->per_day = f->per_day || (id != NULL && strstr(id, "PerDay") != NULL);
		}
	}
}

/* OpenRouter's metadata: the headers again, and what the provider behind it said. */
static void
read_metadata(struct facts *f, json_t *metadata, int64_t now_ms)
{
	const char *name;
	json_t *value;
	json_object_foreach(json_object_get(metadata, "headers"), name,
		value) if (strcasecmp(name, "x-ratelimit-reset") == 0 ||
			   strcasecmp(name, "retry-after") == 0) use_time(f, value, now_ms);
	use_time(f, json_object_get(metadata, "retry_after_seconds"), now_ms);
	add_words(f, text_of(metadata, "reason"));
	const char *source = text_of(metadata, "limit_source");
	if (source != NULL && f->code.len == 0)
		bytes_append_str(&f->code, source);
	add_words(f, source);
	const char *raw = text_of(metadata, "raw");
	if (raw != NULL) {
		bytes_append_str(&f->message, f->message.len > 0 ? ": " : "");
		bytes_append_str(&f->message, raw);
	}
}

static void
judge(struct error_store *e, struct facts *f)
{
	add_words(f, bytes_cstr(&f->message));
	struct slice message = {f->message.data, f->message.len};
	const char *words = bytes_cstr(&f->words);
	error_store_finish(e);
	e->error.kind = openai_error_classify(f->status, words != NULL ? words : "");
	e->error.status = f->status;
	e->error.capacity = words != NULL && openai_error_is_capacity(words);
	/* What will not get better by waiting says nothing of value about when: Groq's 413 names a
	 * time too. And Gemini's short delay does not hold for a day's quota. */
	bool waits =
		e->error.kind == OPENAI_ERROR_RATE || e->error.kind == OPENAI_ERROR_UNAVAILABLE;
	if (waits && f->retry_after_ms < 0)
		f->retry_after_ms = retry_after_in_prose(message);
	if (waits && !f->per_day)
		e->error.retry_after_ms = f->retry_after_ms;
	openai_clean_text(&e->message, message, MESSAGE_MAX);
	if (e->message.len == 0 && f->status != 0)
		bytes_printf(&e->message, "HTTP %d without an explanation", f->status);
	else if (e->message.len == 0)
		bytes_append_str(&e->message, "an error without an explanation");
	openai_clean_text(&e->code, (struct slice){f->code.data, f->code.len}, CODE_MAX);
	publish(e);
	bytes_finish(&f->message);
	bytes_finish(&f->code);
	bytes_finish(&f->words);
}

static json_t *
unwrapped(json_t *body)
{
	return json_is_array(body) ? json_array_get(body, 0) : body;
}

void
openai_error_from_json(struct error_store *e, int status, json_t *body, int64_t now_ms)
{
	struct facts f = {.status = status, .retry_after_ms = -1};
	body = unwrapped(body);
	json_t *error = json_object_get(body, "error");
	json_t *list = json_object_get(body, "errors");
	if (json_array_size(list) > 0)
		error = json_array_get(list, 0);
	if (!json_is_object(error))
		error = body;
	find_status(&f, error);
	find_message(&f.message, error, 4);
	find_code(&f, error);
	read_details(&f, json_object_get(error, "details"), now_ms);
	read_metadata(&f, json_object_get(error, "metadata"), now_ms);
	use_time(&f, json_object_get(error, "retry_after"), now_ms);
	use_time(&f, json_object_get(body, "retry_after"), now_ms);
	judge(e, &f);
}

static bool
holds(json_t *value)
{
	if (json_is_string(value))
		return json_string_length(value) > 0;
	if (json_is_object(value) || json_is_array(value))
		return json_object_size(value) + json_array_size(value) > 0;
	return json_is_true(value) || json_is_number(value);
}

bool
openai_error_is_one(json_t *body)
{
	const char *object = text_of(body, "object");
	if (holds(json_object_get(body, "error")) || holds(json_object_get(body, "detail")) ||
		(object != NULL && strcmp(object, "error") == 0))
		return true;
	if (holds(json_object_get(body, "errors")) &&
		json_is_false(json_object_get(body, "success")))
		return true;
	return text_of(body, "message") != NULL &&
	       (holds(json_object_get(body, "type")) || holds(json_object_get(body, "code")) ||
		       holds(json_object_get(body, "status")));
}

bool
openai_error_has_one(json_t *chunk)
{
	return holds(json_object_get(chunk, "error"));
}

/* The words between <title> and </title>. */
static struct slice
html_title(struct slice body)
{
	struct slice none = {NULL, 0};
	for (size_t i = 0; i + 7 < body.len; i++) {
		if (strncasecmp(body.data + i, "<title>", 7) != 0)
			continue;
		const char *from = body.data + i + 7;
		const char *to = memchr(from, '<', body.len - i - 7);
		return to != NULL ? (struct slice){from, (size_t)(to - from)} : none;
	}
	return none;
}

static void
from_text(struct error_store *e, int status, struct slice body)
{
	struct facts f = {.status = status, .retry_after_ms = -1};
	struct bytes start = {0};
	openai_clean_text(&start, body, WORDS_MAX / 2);
	add_words(&f, bytes_cstr(&start));
	if (body.data[0] == '<') {
		struct slice title = html_title(body);
		bytes_append_str(&f.message, title.len > 0 ? "an HTML page: " : "an HTML page");
		bytes_append(&f.message, title.data, title.len);
	} else {
		bytes_append(&f.message, start.data, start.len);
	}
	bytes_finish(&start);
	judge(e, &f);
}

static int
first_event(void *context, struct slice name, struct slice data)
{
	struct bytes *to = context;
	bytes_append(to, data.data, data.len);
	return data.len > 0;
}

void
openai_error_from_body(struct error_store *e, int status, struct slice body, int64_t now_ms)
{
	while (body.len > 0 && strchr(" \t\r\n\xef\xbb\xbf", body.data[0]) != NULL &&
		body.data[0] != '\0')
		body = (struct slice){body.data + 1, body.len - 1};
	if (body.len == 0) {
		struct facts nothing = {.status = status, .retry_after_ms = -1};
		judge(e, &nothing);
		return;
	}
	struct bytes event = {0};
	if (body.data[0] != '{' && body.data[0] != '[' && body.data[0] != '<') {
		struct sse sse;
		sse_init(&sse, body.len + 1);
		if (sse_feed(&sse, body.data, body.len, first_event, &event) == 0)
			(void)sse_end(&sse, first_event, &event);
		sse_finish(&sse);
	}
	struct slice json = event.len > 0 ? (struct slice){event.data, event.len} : body;
	json_t *parsed = json_loadb(json.data, json.len, JSON_ALLOW_NUL | JSON_DECODE_ANY, NULL);
	if (json_is_object(unwrapped(parsed)))
		openai_error_from_json(e, status, parsed, now_ms);
	else
		from_text(e, status, json);
	json_decref(parsed);
	bytes_finish(&event);
}
