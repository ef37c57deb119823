/*
 * The OpenAI chat-completions protocol: request bodies out, answers in. Pure: bytes in, bytes and
 * facts out; time is an argument. What providers do differently from each other is in
 * PROVIDERS.md's quirks, which come from the catalogue.
 */
#ifndef FREELLMD_OPENAI_H
#define FREELLMD_OPENAI_H

#include <stdbool.h>
#include <stdint.h>

#include "answer.h"
#include "bytes.h"

/* How one provider wants its requests. Strings are comma-separated names, borrowed from the
 * catalogue; NULL: none. */
struct openai_quirks {
	bool stream_usage;  /* ask for usage with stream_options {include_usage: true} */
	const char *drop;   /* parameters it refuses: "logprobs, top_logprobs" */
	const char *rename; /* "seed=random_seed" */
	const char *set;    /* "parallel_tool_calls=false if tools, max_tokens=8192 default": see
			       providers.ini */
};

/*
 * Builds a request body in `out`. `parameters` is the canonical JSON object of everything the
 * client asked for besides model and stream ("{...}", never empty of messages). Parameters no quirk
 * names are passed on byte for byte. Returns 0, or -EINVAL when `parameters` is not an object.
 */
int openai_build_request(struct bytes *out, const struct openai_quirks *quirks, struct slice model,
	bool stream, struct slice parameters) __attribute__((warn_unused_result));

/* What a refusal means for what to do next; PROVIDERS.md section 0.3. */
enum openai_error_kind {
	OPENAI_ERROR_NONE = 0,
	OPENAI_ERROR_REQUEST,  /* 400, 413, 422, ...: the request itself; another try will not help
				*/
	OPENAI_ERROR_FILTERED, /* the provider's content filter or moderation */
	OPENAI_ERROR_KEY,      /* 401, 403, Gemini's 400 API_KEY_INVALID */
	OPENAI_ERROR_CREDIT,   /* 402, free tier spent for good */
	OPENAI_ERROR_MODEL,    /* 404, 410: this model is not to be had here */
	OPENAI_ERROR_RATE,     /* 429 and the like: later */
	OPENAI_ERROR_UNAVAILABLE, /* 408, 409, 5xx, degraded: transient */
	OPENAI_ERROR_GARBLED,     /* an answer that is no chat completion at all */
};

/* Filled by the reply; strings are owned by it and NUL-terminated, never NULL, valid UTF-8, at most
 * 1,000 bytes. */
struct openai_error {
	enum openai_error_kind kind;
	int status; /* HTTP, or the code inside a 200 */
	const char *message;
	const char *code;       /* the provider's own, may be "" */
	int64_t retry_after_ms; /* from the body (RetryInfo, "try again in 2s"); -1: none said */
};

enum openai_end {
	OPENAI_COMPLETE,  /* finish reason or [DONE] seen, or a whole JSON answer */
	OPENAI_TRUNCATED, /* the body ended, or broke off, before that */
	OPENAI_FAILED,    /* the provider reported an error: see openai_reply_error */
	OPENAI_TOO_LARGE, /* beyond the bound on answers */
};

struct openai_reply;

/* Called for each delta in order, with what is new; valid during the call. For an answer that is
 * not a stream, once. */
typedef void openai_delta_cb(void *context, const struct delta *delta);

/* `max_answer` bounds the answer in bytes. The deltas go to `delta` (may be NULL) and into the
 * reply's answer. */
struct openai_reply *openai_reply_create(size_t max_answer, openai_delta_cb *delta, void *context);
void openai_reply_destroy(struct openai_reply *r);

/* The head of the response has come. `content_type` may be empty. Resets what an earlier head of
 * the same reply said. */
void openai_reply_head(struct openai_reply *r, int status, struct slice content_type);

/* More of the body. Returns 0, or non-zero when the rest is not wanted (error seen, complete, or
 * too large): the caller ends the transfer and calls openai_reply_end. After the finish reason the
 * rest is still wanted: usage may follow. */
int openai_reply_body(struct openai_reply *r, const void *data, size_t len);

/* The body is over. `broken` says that the transport failed before its proper end. */
enum openai_end openai_reply_end(struct openai_reply *r, bool broken);

/* Has any delta with content been passed on? Before that a failure may be retried (DESIGN section
 * 5). */
bool openai_reply_has_content(const struct openai_reply *r);

/* The answer, complete after OPENAI_COMPLETE. Owned by the reply; the caller may move it out with a
 * struct copy and answer_init the original. */
struct answer *openai_reply_answer(struct openai_reply *r);
const struct openai_error *openai_reply_error(const struct openai_reply *r);

#endif
