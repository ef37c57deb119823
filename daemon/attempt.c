#include "attempt.h"

#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "config.h"
#include "openai.h"
#include "retry_after.h"

/* How long after the end of the answer its connection may take to end too, before it is closed. */
enum { END_MS = 500 };

struct attempt {
	struct http_transfer *transfer; /* NULL when it is over */
	struct openai_reply *reply;
	struct bytes body;
	const struct attempt_events *events;
	void *context;
	bool stream;
	bool finished;  /* the reply wants no more; how it ended is its to say */
	bool complete;  /* nothing that may still come can matter */
	bool inside;    /* within openai_reply_body: the reply's memory is in use */
	bool cancelled; /* ... and may go only after that */
	int status;
	int64_t retry_after_ms;
};

static void
attempt_destroy(struct attempt *a)
{
	openai_reply_destroy(a->reply);
	bytes_finish(&a->body);
	free(a);
}

static void
on_delta(void *context, const struct delta *delta)
{
	struct attempt *a = context;
	if (!a->cancelled)
		a->events->delta(a->context, delta);
}

/*
 * When the provider says to come back. A reset given as an absolute time beats Retry-After
 * (PROVIDERS.md 0.4), which counts only with 429 and 503, and with a 402 that is about requests in
 * flight (there it is the only sign of that).
 */
static int64_t
retry_after_of(struct http_transfer *t, int status)
{
	if (status != 429 && status != 503 && status != 402)
		return -1;
	int64_t now = clock_realtime_ms();
	struct slice reset = http_header(t, "x-ratelimit-reset");
	if (reset.len >= 10) {
		int64_t wait = retry_after_parse(reset, now);
		if (wait >= 0)
			return wait;
	}
	return retry_after_parse(http_header(t, "retry-after"), now);
}

static void
on_head(void *context, struct http_transfer *t, int status, struct slice content_type)
{
	struct attempt *a = context;
	a->status = status;
	a->retry_after_ms = retry_after_of(t, status);
	openai_reply_head(a->reply, status, content_type);
}

static int
on_body(void *context, const void *data, size_t len)
{
	struct attempt *a = context;
	a->inside = true;
	a->finished = openai_reply_body(a->reply, data, len) != 0;
	a->inside = false;
	if (a->cancelled) {
		attempt_destroy(a);
		return 1;
	}
	if (!a->complete && openai_reply_is_done(a->reply)) {
		a->complete = true;
		http_expect_end(a->transfer, END_MS);
	}
	return a->finished;
}

static enum attempt_end
end_of_error(const struct attempt *a, const struct openai_error *error)
{
	if (openai_reply_has_content(a->reply))
		return ATTEMPT_BROKEN;
	switch (error->kind) {
	case OPENAI_ERROR_REQUEST:
		return ATTEMPT_REJECTED;
	case OPENAI_ERROR_FILTERED:
		return ATTEMPT_FILTERED;
	case OPENAI_ERROR_KEY:
		return ATTEMPT_KEY;
	case OPENAI_ERROR_CREDIT:
		return a->retry_after_ms >= 0 ? ATTEMPT_LATER : ATTEMPT_TARGET;
	case OPENAI_ERROR_MODEL:
		return ATTEMPT_TARGET;
	case OPENAI_ERROR_GARBLED:
		return a->stream ? ATTEMPT_UNAVAILABLE : ATTEMPT_TARGET;
	case OPENAI_ERROR_RATE:
		return ATTEMPT_LATER;
	case OPENAI_ERROR_UNAVAILABLE:
	case OPENAI_ERROR_NONE:
		break;
	}
	return ATTEMPT_UNAVAILABLE;
}

/* The transfer failed, or ended early, and the reply holds no error of the provider's. DESIGN
 * section 5 lists what may be repeated: a connection never made, or a stream that failed before its
 * first content. */
static enum attempt_end
end_of_failure(const struct attempt *a, enum http_failure failure)
{
	if (openai_reply_has_content(a->reply))
		return ATTEMPT_BROKEN;
	if (failure == HTTP_CONNECT || failure == HTTP_TLS || a->stream)
		return ATTEMPT_UNAVAILABLE;
	return ATTEMPT_LOST;
}

static void
on_end(void *context, const struct http_result *http)
{
	struct attempt *a = context;
	struct attempt_result result = {.status = a->status, .retry_after_ms = -1, .error = ""};
	enum http_failure failure = a->finished || a->complete ? HTTP_OK : http->failure;
	a->transfer = NULL;
	result.overdue = failure == HTTP_TOTAL;

	switch (openai_reply_end(a->reply, failure != HTTP_OK, clock_realtime_ms())) {
	case OPENAI_COMPLETE:
		result.end = ATTEMPT_DONE;
		break;
	case OPENAI_FAILED: {
		const struct openai_error *error = openai_reply_error(a->reply);
		result.end = end_of_error(a, error);
		result.error = error->message;
		if (error->status != 0)
			result.status = error->status;
		result.retry_after_ms =
			a->retry_after_ms >= 0 ? a->retry_after_ms : error->retry_after_ms;
		break;
	}
	case OPENAI_TRUNCATED:
		result.end = end_of_failure(a, failure);
		result.error =
			failure == HTTP_OK ? "the answer broke off before its end" : http->text;
		break;
	case OPENAI_TOO_LARGE:
		result.end = ATTEMPT_TOO_LARGE;
		result.error = "the answer is larger than max_answer";
		break;
	}
	result.answer = openai_reply_answer(a->reply);
	a->events->end(a->context, &result);
	attempt_destroy(a);
}

static const struct http_events http_events = {.head = on_head, .body = on_body, .end = on_end};

struct attempt *
attempt_start(struct http *http, const struct config *config, const struct attempt_spec *spec,
	const struct attempt_events *events, void *context)
{
	const struct provider *provider = spec->provider;
	struct attempt *a = calloc(1, sizeof *a);
	struct bytes url = {0};
	if (a == NULL)
		abort();
	a->events = events;
	a->context = context;
	a->stream = spec->stream;
	a->retry_after_ms = -1;
	a->reply = openai_reply_create((size_t)config->max_answer, on_delta, a);

	const struct openai_quirks quirks = {
		.stream_usage = provider->stream_usage,
		.drop = provider->drop,
		.rename = provider->rename,
		.set = provider->set,
	};
	int error = openai_build_request(
		&a->body, &quirks, spec->model, spec->stream, spec->parameters);
	bytes_printf(&url, "%s/chat/completions", provider->base_url);
	if (error || a->body.failed || bytes_cstr(&url) == NULL) {
		bytes_finish(&url);
		attempt_destroy(a);
		return NULL;
	}
	const struct http_request request = {
		.url = url.data,
		.bearer = spec->secret,
		.headers = provider->headers,
		.body = {a->body.data, a->body.len},
		.stream = spec->stream,
		.first_byte_timeout_ms = provider->first_byte_timeout_ms > 0
						 ? provider->first_byte_timeout_ms
						 : config->first_byte_timeout_ms,
		.stall_timeout_ms = config->stall_timeout_ms,
		.total_timeout_ms = spec->total_timeout_ms,
	};
	a->transfer = http_start(http, &request, &http_events, a);
	bytes_finish(&url);
	return a;
}

void
attempt_cancel(struct attempt *a)
{
	if (a->transfer)
		http_cancel(a->transfer);
	a->transfer = NULL;
	a->cancelled = true;
	if (!a->inside)
		attempt_destroy(a);
}

void
attempt_pause(struct attempt *a, bool pause)
{
	if (a->transfer)
		http_pause(a->transfer, pause);
}
