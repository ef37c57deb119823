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

/*
 * How one provider wants its requests. The strings are borrowed from the catalogue; NULL: none.
 * Each is a list with commas; names are those of parameters (letters, digits, underscores):
 *
 *   drop    NAME, ...        parameters that the provider refuses: "logprobs, top_logprobs"
 *   rename  NAME=NEW, ...    "seed=random_seed"; what came under the new name itself wins
 *   set     NAME=VALUE [default] [if OTHER]      NAME<=NUMBER [if OTHER]
 *           VALUE is any JSON value. It replaces what the client gave; with `default` it is only
 *           for requests that do not give NAME; with `if` only for those that give OTHER. `<=`
 *           lowers a greater number and adds nothing. max_tokens and max_completion_tokens count
 *           as one: "parallel_tool_calls=false if tools, max_tokens=8192 default" or
 *           "max_tokens<=400".
 *
 * rename comes before set, so `<=` and `=` name what the provider calls it; the conditions name
 * what the client gave. {"type":"text"} as response_format is always left out (it says nothing, and
 * several refuse it).
 */
struct openai_quirks {
	bool stream_usage; /* ask for usage with stream_options {include_usage: true} */
	const char *drop, *rename, *set;
};

/* Are drop, rename and set well-formed? False appends to `why` which is not. */
bool openai_quirks_check(const struct openai_quirks *quirks, struct bytes *why);

/*
 * Builds a request body in `out`. `parameters` is the canonical JSON object of everything the
 * client asked for besides model and stream ("{...}", never empty of messages). Parameters no quirk
 * names are passed on byte for byte. Quirks that openai_quirks_check refuses count up to the item
 * that is wrong. Returns 0, or -EINVAL when `parameters` is not an object; `out` is then as before.
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
	bool capacity; /* the provider or the model is full: it is no statement about our budget */
};

enum openai_end {
	OPENAI_COMPLETE,  /* finish reason or [DONE] seen, or a whole JSON answer */
	OPENAI_TRUNCATED, /* the body ended, or broke off, before that */
	OPENAI_FAILED,    /* the provider reported an error: see openai_reply_error */
	OPENAI_TOO_LARGE, /* beyond the bound on answers */
};

struct openai_reply;

/* Called for each delta in order, with what is new; valid during the call. Text always comes as
 * DELTA_TEXT, and what else a provider's delta holds as a DELTA_OTHER before it, so that an answer
 * that is not a stream has up to two deltas (more when its content is an array); they come during
 * openai_reply_end. The indexes in tool_calls are those of the message. */
typedef void openai_delta_cb(void *context, const struct delta *delta);

/* `max_answer` bounds the answer in bytes. The deltas go to `delta` (may be NULL) and into the
 * reply's answer. */
struct openai_reply *openai_reply_create(size_t max_answer, openai_delta_cb *delta, void *context);
void openai_reply_destroy(struct openai_reply *r);

/* The head of the response has come. `content_type` may be empty. Resets what an earlier head of
 * the same reply said. */
void openai_reply_head(struct openai_reply *r, int status, struct slice content_type);

/* More of the body. Returns 0, or non-zero when the rest is not wanted (error seen, too large, or
 * much after [DONE]): the caller ends the transfer and calls openai_reply_end. After the finish
 * reason the rest is still wanted: usage may follow. After [DONE] too, because the end of the body
 * is what keeps the connection alive; openai_reply_is_done tells that no more can matter. */
int openai_reply_body(struct openai_reply *r, const void *data, size_t len);

/* Has [DONE] come? A caller that does not want to wait for a slow server's end of the body may then
 * end the transfer, at the price of its connection. */
bool openai_reply_is_done(const struct openai_reply *r);

/* The body is over; once for each head. `broken` says that the transport failed before its proper
 * end. `now_ms` (Unix time) is for errors that tell when to come back as a point in time. */
enum openai_end openai_reply_end(struct openai_reply *r, bool broken, int64_t now_ms);

/* Has any delta with content been passed on? Before that a failure may be retried (DESIGN section
 * 5). */
bool openai_reply_has_content(const struct openai_reply *r);

/* The answer, complete after OPENAI_COMPLETE. Owned by the reply; the caller may move it out with a
 * struct copy and answer_init the original. */
struct answer *openai_reply_answer(struct openai_reply *r);
/* Set after OPENAI_FAILED; else of kind OPENAI_ERROR_NONE. */
const struct openai_error *openai_reply_error(const struct openai_reply *r);

#endif
