/*
 * One answer, from its head to its end. The body is either a stream of events or one JSON text;
 * which of the two is told by how it begins, because content types lie.
 *
 *   head -> sniffing -> stream  -> (event)* -> end
 *                    -> whole   -> (bytes)* -> end
 *   head with an error status    -> (bytes)* -> end
 */
#include "openai.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "openai_internal.h"
#include "sse.h"

enum {
	ENVELOPE = 64 * 1024,   /* what an event or a body may hold beside the answer */
	ERROR_BODY = 64 * 1024, /* of an error's body, this much is read */
	PEEK = 80,              /* of what is no completion, this much is quoted */
	FINISH_MAX = 64,
};

enum shape { SHAPE_SNIFFING, SHAPE_STREAM, SHAPE_WHOLE, SHAPE_ERROR };

struct openai_reply {
	size_t max;
	int status;
	bool says_stream;
	enum shape shape;
	struct sse sse;
	struct bytes body; /* whole answers and errors */
	char peek[PEEK];
	size_t peek_len;

	struct collector collector;
	struct error_store error;

	bool recognised;   /* a choice has come: it is a chat completion */
	bool done;         /* [DONE] has come */
	size_t after_done; /* bytes since */
	bool failed, too_large, ending;
	bool no_scanner;
	int64_t now_ms;
};

struct openai_reply *
openai_reply_create(size_t max_answer, openai_delta_cb *delta, void *context)
{
	struct openai_reply *r = calloc(1, sizeof(*r));
	if (r == NULL)
		abort();
	r->max = max_answer;
	collector_init(&r->collector, max_answer, delta, context);
	error_store_init(&r->error);
	sse_init(&r->sse, max_answer + ENVELOPE);
	return r;
}

static void
finish(struct openai_reply *r)
{
	sse_finish(&r->sse);
	bytes_finish(&r->body);
	collector_finish(&r->collector);
	error_store_finish(&r->error);
}

void
openai_reply_destroy(struct openai_reply *r)
{
	if (r == NULL)
		return;
	finish(r);
	free(r);
}

void
openai_reply_head(struct openai_reply *r, int status, struct slice content_type)
{
	static const char type[] = "text/event-stream";
	openai_delta_cb *delta = r->collector.delta;
	void *context = r->collector.context;
	finish(r);
	*r = (struct openai_reply){
		.max = r->max,
		.status = status,
		.no_scanner = r->no_scanner,
		.says_stream = content_type.len >= sizeof(type) - 1 &&
			       strncasecmp(content_type.data, type, sizeof(type) - 1) == 0,
		.shape = status >= 200 && status <= 299 ? SHAPE_SNIFFING : SHAPE_ERROR,
	};
	collector_init(&r->collector, r->max, delta, context);
	error_store_init(&r->error);
	sse_init(&r->sse, r->max + ENVELOPE);
}

void
openai_reply_use_scanner(struct openai_reply *r, bool use)
{
	r->no_scanner = !use;
}

/* ---- Facts ---- */

static void
set_finish(struct openai_reply *r, struct slice reason)
{
	if (reason.len == 0 || reason.len > FINISH_MAX)
		return;
	bytes_clear(&r->collector.answer.finish_reason);
	bytes_append(&r->collector.answer.finish_reason, reason.data, reason.len);
}

static int64_t
tokens(json_t *usage, const char *name)
{
	static const int64_t most = INT64_C(1000000000000);
	json_t *value = json_object_get(usage, name);
	double number = json_is_number(value) ? json_number_value(value) : -1;
	return number >= 0 && number <= (double)most ? (int64_t)number : -1;
}

/* Usage may come several times, and grows: the last counts. Some providers leave the total out. */
static void
set_usage(struct openai_reply *r, struct usage usage)
{
	if (usage.prompt_tokens < 0 && usage.completion_tokens < 0 && usage.total_tokens < 0)
		return;
	if (usage.prompt_tokens >= 0 && usage.completion_tokens >= 0 &&
		usage.total_tokens < usage.prompt_tokens + usage.completion_tokens)
		usage.total_tokens = usage.prompt_tokens + usage.completion_tokens;
	r->collector.answer.usage = usage;
}

static void
use_usage(struct openai_reply *r, json_t *usage)
{
	set_usage(r, (struct usage){tokens(usage, "prompt_tokens"),
			     tokens(usage, "completion_tokens"), tokens(usage, "total_tokens")});
}

static void
fail(struct openai_reply *r, enum openai_error_kind kind, const char *message)
{
	openai_error_set(&r->error, kind, r->status, message);
	r->failed = true;
}

static void
fail_with(struct openai_reply *r, json_t *body)
{
	openai_error_from_json(&r->error, 0, body, r->now_ms);
	r->failed = true;
}

/* The choice of index 0; others are not ours, for n is 1. */
static json_t *
first_choice(json_t *choices)
{
	size_t i;
	json_t *choice;
	json_array_foreach(choices, i, choice)
	{
		json_t *index = json_object_get(choice, "index");
		if (json_is_object(choice) &&
			(!json_is_integer(index) || json_integer_value(index) == 0))
			return choice;
	}
	return NULL;
}

/* What a chunk, or a whole answer, holds. Returns 0 or -E2BIG, -ENOMEM. */
static int
take_object(struct openai_reply *r, json_t *object, bool error_event)
{
	json_t *choices = json_object_get(object, "choices");
	json_t *choice = first_choice(choices);
	json_t *delta = json_object_get(choice, "delta");
	int e = 0;
	/* Some send whole messages in a stream, or repeat the message so far beside each delta. */
	if (!json_is_object(delta) && !r->collector.has_content)
		delta = json_object_get(choice, "message");
	use_usage(r, json_object_get(json_object_get(object, "x_groq"), "usage"));
	use_usage(r, json_object_get(object, "usage"));
	if (json_is_object(delta)) {
		r->recognised = true;
		e = collector_add_json(&r->collector, delta);
	}
	json_t *reason = json_object_get(choice, "finish_reason");
	if (json_is_string(reason))
		set_finish(r, json_slice(reason));
	if (error_event || openai_error_has_one(object) ||
		(choices == NULL && openai_error_is_one(object)))
		fail_with(r, object);
	else if (openai_error_has_one(choice)) /* OpenRouter, of a provider behind it */
		fail_with(r, choice);
	else if (json_is_string(reason) && slice_is(json_slice(reason), "error"))
		fail(r, OPENAI_ERROR_UNAVAILABLE, "the provider ended its answer with an error");
	return e;
}

static json_t *
load(struct slice text, json_error_t *error)
{
	json_t *value = json_loadb(text.data, text.len, JSON_ALLOW_NUL, error);
	/* A number beyond 64 bits is no reason to lose an answer. */
	if (value == NULL && json_error_code(error) == json_error_numeric_overflow)
		value = json_loadb(
			text.data, text.len, JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, error);
	return value;
}

/* False: jansson is to read it. */
static bool
scan(const struct openai_reply *r, struct slice text, struct chunk *to)
{
	return !r->no_scanner && openai_chunk_scan(text, to) &&
	       !slice_is(to->finish_reason, "error");
}

static int
take_scanned(struct openai_reply *r, const struct chunk *chunk)
{
	r->recognised = true;
	set_finish(r, chunk->finish_reason);
	if (chunk->has_usage)
		set_usage(r, chunk->usage);
	return collector_add_scanned(&r->collector, chunk);
}

/* ---- Streams ---- */

static struct slice
trimmed(struct slice s)
{
	while (s.len > 0 && (s.data[0] == ' ' || s.data[0] == '\t' || s.data[0] == '\n'))
		s = (struct slice){s.data + 1, s.len - 1};
	while (s.len > 0 && (s.data[s.len - 1] == ' ' || s.data[s.len - 1] == '\t' ||
				    s.data[s.len - 1] == '\n'))
		s.len--;
	return s;
}

static void
fail_no_json(struct openai_reply *r, struct slice data)
{
	struct bytes message = {0};
	bytes_append_str(&message, "the stream holds what is no JSON: ");
	openai_clean_text(&message, data, PEEK);
	fail(r, OPENAI_ERROR_GARBLED, bytes_cstr(&message));
	bytes_finish(&message);
}

static int take_data(struct openai_reply *r, struct slice data, bool error_event);

/* Several data lines in one event are one text by the standard, but some send an event a line
 * without blank lines between them. */
static int
take_lines(struct openai_reply *r, struct slice data, bool error_event)
{
	int e = 0;
	while (data.len > 0 && e == 0) {
		const char *stop = memchr(data.data, '\n', data.len);
		size_t len = stop != NULL ? (size_t)(stop - data.data) : data.len;
		size_t next = stop != NULL ? len + 1 : len;
		e = take_data(r, (struct slice){data.data, len}, error_event);
		data = (struct slice){data.data + next, data.len - next};
	}
	return e;
}

static int
take_json(struct openai_reply *r, struct slice data, bool error_event)
{
	json_error_t error;
	int e = 0;
	json_t *value = load(data, &error);
	json_t *object = json_is_array(value) ? json_array_get(value, 0) : value;
	if (json_is_object(object))
		e = take_object(r, object, error_event);
	else if (value == NULL && memchr(data.data, '\n', data.len) != NULL)
		e = take_lines(r, data, error_event);
	else if (value == NULL && !r->ending)
		fail_no_json(r, data);
	json_decref(value);
	return e < 0 ? e : r->failed || r->done;
}

/* The data of an event. Returns 0, 1 when no more is wanted, or -E2BIG, -ENOMEM. */
static int
take_data(struct openai_reply *r, struct slice data, bool error_event)
{
	struct chunk chunk;
	data = trimmed(data);
	if (data.len == 0)
		return 0;
	if (slice_is(data, "[DONE]")) {
		r->done = true;
		return 1;
	}
	if (error_event && data.data[0] != '{' && data.data[0] != '[') {
		openai_error_from_body(&r->error, 0, data, r->now_ms);
		r->failed = true;
		return 1;
	}
	if (error_event || !scan(r, data, &chunk) || chunk.is_message)
		return take_json(r, data, error_event);
	return take_scanned(r, &chunk);
}

static int
take_event(void *context, struct slice name, struct slice data)
{
	return take_data(context, data, slice_is(name, "error"));
}

/* ---- The body ---- */

static bool
is_blank(char c)
{
	/* The bytes of a byte order mark count too: nothing else begins with them. */
	return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\xef' || c == '\xbb' ||
	       c == '\xbf';
}

static void
sniff(struct openai_reply *r, struct slice *data)
{
	while (data->len > 0 && is_blank(data->data[0]))
		*data = (struct slice){data->data + 1, data->len - 1};
	if (data->len == 0)
		return;
	char c = data->data[0];
	bool json_or_html = c == '{' || c == '[' || c == '<';
	bool field = c == ':' || c == 'd' || c == 'e' || c == 'i' || c == 'r';
	r->shape = !json_or_html && (r->says_stream || field) ? SHAPE_STREAM : SHAPE_WHOLE;
	r->body.max = r->max + ENVELOPE;
}

static void
remember_start(struct openai_reply *r, struct slice data)
{
	size_t n = PEEK - r->peek_len < data.len ? PEEK - r->peek_len : data.len;
	if (n > 0)
		memcpy(r->peek + r->peek_len, data.data, n);
	r->peek_len += n;
}

static int
take_stream(struct openai_reply *r, struct slice data)
{
	if (!r->recognised)
		remember_start(r, data);
	int e = sse_feed(&r->sse, data.data, data.len, take_event, r);
	r->too_large = r->too_large || e < 0;
	return r->failed || r->too_large;
}

static int
take_error_body(struct openai_reply *r, struct slice data)
{
	size_t n = ERROR_BODY - r->body.len < data.len ? ERROR_BODY - r->body.len : data.len;
	bytes_append(&r->body, data.data, n);
	return r->body.len >= ERROR_BODY;
}

int
openai_reply_body(struct openai_reply *r, const void *data, size_t len)
{
	struct slice more = {data, len};
	if (r->failed || r->too_large)
		return 1;
	if (r->done) {
		r->after_done += len;
		return r->after_done > ENVELOPE;
	}
	if (r->shape == SHAPE_SNIFFING)
		sniff(r, &more);
	switch (r->shape) {
	case SHAPE_SNIFFING:
		return 0;
	case SHAPE_ERROR:
		return take_error_body(r, more);
	case SHAPE_STREAM:
		return take_stream(r, more);
	case SHAPE_WHOLE:
		bytes_append(&r->body, more.data, more.len);
		r->too_large = r->body.failed;
		return r->too_large;
	}
	return 1;
}

bool
openai_reply_is_done(const struct openai_reply *r)
{
	return r->done;
}

/* ---- The end ---- */

static void
fail_unrecognised(struct openai_reply *r, struct slice start)
{
	struct bytes message = {0};
	bytes_append_str(&message,
		start.len > 0 ? "the answer is no chat completion: " : "the answer is empty");
	openai_clean_text(&message, start, PEEK);
	fail(r, OPENAI_ERROR_GARBLED, bytes_cstr(&message));
	bytes_finish(&message);
}

/* A whole JSON answer. False: it broke off in the middle. */
static bool
end_whole(struct openai_reply *r, bool broken)
{
	json_error_t error;
	struct slice text = {r->body.data, r->body.len};
	struct chunk chunk;
	if (scan(r, text, &chunk)) {
		r->too_large = take_scanned(r, &chunk) < 0 || r->too_large;
		return true;
	}
	json_t *value = load(text, &error);
	json_t *object = json_is_array(value) ? json_array_get(value, 0) : value;
	bool cut = value == NULL &&
		   (broken || json_error_code(&error) == json_error_premature_end_of_input) &&
		   text.data[0] != '<';
	int e = json_is_object(object) ? take_object(r, object, false) : 0;
	r->too_large = r->too_large || e < 0;
	if (!r->recognised && !r->failed && !cut)
		fail_unrecognised(r, text);
	json_decref(value);
	return !cut;
}

static bool
end_stream(struct openai_reply *r, bool broken)
{
	if (!r->done && !r->failed && !r->too_large && !broken) {
		r->ending = true;
		int e = sse_end(&r->sse, take_event, r);
		r->too_large = e < 0;
	}
	bool nothing = !r->recognised && !r->failed && !broken;
	if (nothing && r->done)
		fail(r, OPENAI_ERROR_GARBLED, "the stream ended without a chat completion");
	else if (nothing)
		fail_unrecognised(r, (struct slice){r->peek, r->peek_len});
	return r->recognised && (r->done || r->collector.answer.finish_reason.len > 0);
}

enum openai_end
openai_reply_end(struct openai_reply *r, bool broken, int64_t now_ms)
{
	bool complete = false;
	r->now_ms = now_ms;
	switch (r->shape) {
	case SHAPE_ERROR:
		openai_error_from_body(
			&r->error, r->status, (struct slice){r->body.data, r->body.len}, now_ms);
		r->failed = true;
		break;
	case SHAPE_SNIFFING:
		if (!broken)
			fail_unrecognised(r, (struct slice){NULL, 0});
		break;
	case SHAPE_STREAM:
		complete = end_stream(r, broken);
		break;
	case SHAPE_WHOLE:
		complete = !r->too_large && end_whole(r, broken);
		break;
	}
	if (complete && !r->failed && !r->collector.has_content &&
		slice_is((struct slice){r->collector.answer.finish_reason.data,
				 r->collector.answer.finish_reason.len},
			"content_filter"))
		fail(r, OPENAI_ERROR_FILTERED, "the provider's content filter withheld the answer");
	r->too_large = collector_write_message(&r->collector) < 0 || r->too_large;
	if (r->failed)
		return OPENAI_FAILED;
	if (r->too_large)
		return OPENAI_TOO_LARGE;
	return complete ? OPENAI_COMPLETE : OPENAI_TRUNCATED;
}

bool
openai_reply_has_content(const struct openai_reply *r)
{
	return r->collector.has_content;
}

struct answer *
openai_reply_answer(struct openai_reply *r)
{
	return &r->collector.answer;
}

const struct openai_error *
openai_reply_error(const struct openai_reply *r)
{
	return &r->error.error;
}
