/*
 * What comes back from submit: the completion, or the failure; and the events on the way.
 */
#ifndef FREELLM_COMPLETION_H
#define FREELLM_COMPLETION_H

#include <stdbool.h>
#include <stdint.h>

#include <msgpack.h>

#include "bytes.h"
#include "error.h"

struct attempt_report {
	struct slice provider, model;
	int64_t status;     /* the HTTP status; 0 when there was no answer */
	struct slice error; /* empty for the attempt that succeeded */
	int64_t ms;         /* from dispatch to its end */
};

enum { ATTEMPTS_MAX = 32 };

struct completion_usage {
	int64_t prompt_tokens, completion_tokens, total_tokens; /* -1: not known, and not sent */
};

struct completion {
	struct slice text;             /* the answer's text; empty when it is only tool calls */
	struct slice message_packed;   /* to encode: the whole OpenAI message as MessagePack; empty:
					  {role: assistant, content: text} */
	const msgpack_object *message; /* decoded: the same */
	struct slice finish_reason;    /* empty: not known */
	struct completion_usage usage;
	struct slice provider, model; /* "target" on the wire is "provider/model" */
	bool cached, coalesced;
	struct attempt_report attempts[ATTEMPTS_MAX];
	size_t attempt_count;
	int64_t queued_ms, first_token_ms,
		total_ms; /* under `timing`; first_token_ms is -1 when there was none */
};

void completion_encode(msgpack_packer *packer, const struct completion *completion);
bool completion_decode(const msgpack_object *result, struct completion *to);

struct failure {
	enum error_code code;
	struct slice message; /* a sentence: what happened and what to do next */
	int64_t retry_at_ms;  /* Unix time in milliseconds; 0: none */
	struct attempt_report attempts[ATTEMPTS_MAX];
	size_t attempt_count;
};

void failure_encode(msgpack_packer *packer, const struct failure *failure);
/* A code this version does not know decodes as ERROR_INTERNAL; the message is kept. */
bool failure_decode(const msgpack_object *error, struct failure *to);

enum event_kind { EVENT_QUEUED, EVENT_STARTED, EVENT_CHUNK, EVENT_RETRYING };

/* A notification about a request. Its method is the event's name. */
struct event {
	enum event_kind kind;
	uint32_t msgid;
	int64_t position, eta_ms;    /* queued; eta_ms is -1 when not known */
	struct slice reason;         /* queued, retrying */
	struct slice target;         /* started, retrying: "provider/model" */
	struct slice text;           /* chunk: more of the answer's text. Or: */
	struct slice delta_packed;   /* chunk, to encode: an OpenAI delta (reasoning, tool calls) as
					MessagePack */
	const msgpack_object *delta; /* chunk, decoded: the same; NULL for text */
};

const char *event_name(enum event_kind kind);
void event_encode(msgpack_packer *packer, const struct event *event);
/* False when `method` is no event of this version (ignore it) or its params are not as they should
 * be. */
bool event_decode(struct slice method, const msgpack_object *params, struct event *to);

#endif
