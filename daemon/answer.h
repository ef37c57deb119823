/*
 * An answer as it grows: what a provider has said so far to one request, without any transport in
 * it. The stream decoder fills it, the cache stores it, the session shows it. Pure.
 */
#ifndef FREELLMD_ANSWER_H
#define FREELLMD_ANSWER_H

#include <stdbool.h>
#include <stdint.h>

#include "bytes.h"

enum delta_kind {
	DELTA_TEXT = 1,  /* data is more of the answer's text, UTF-8 */
	DELTA_OTHER = 2, /* data is compact JSON: an OpenAI delta object (reasoning, tool_calls,
			    ...; perhaps content too) */
};

struct delta {
	enum delta_kind kind;
	struct slice data;
};

struct usage {
	int64_t prompt_tokens, completion_tokens, total_tokens; /* -1: not known */
};

struct answer {
	struct bytes text;    /* all text so far */
	struct bytes message; /* JSON of the whole OpenAI message; empty when it is only {role,
				 content: text} */
	struct bytes finish_reason; /* "stop", "length", "tool_calls", ...; empty: not known */
	struct usage usage;
	struct bytes deltas; /* the deltas as they came, for a faithful replay; read with
				answer_next_delta */
};

/* Empty, usage unknown. `max` bounds text, message and deltas together, in bytes (0: none). */
void answer_init(struct answer *a, size_t max);
void answer_finish(struct answer *a);

/* Records a delta; DELTA_TEXT is appended to the text too. Returns 0, or -E2BIG beyond `max`, or
 * -ENOMEM. */
int answer_add_delta(struct answer *a, const struct delta *delta)
	__attribute__((warn_unused_result));

/* Walks the deltas: *at starts at 0. Returns false after the last, or where the record is damaged.
 */
bool answer_next_delta(struct slice deltas, size_t *at, struct delta *to);

/*
 * One contiguous record of a complete answer, for the store: version byte first. answer_view reads
 * it in place, so that a cache hit copies nothing; it returns false when the record is damaged or
 * of another version.
 */
struct answer_view {
	struct slice text, message, finish_reason, deltas;
	struct usage usage;
	struct slice provider, model;
	int64_t stored_at_ms; /* Unix time */
};
void answer_encode(struct bytes *out, const struct answer *a, struct slice provider,
	struct slice model, int64_t stored_at_ms);
bool answer_view(struct slice record, struct answer_view *to);

#endif
