/*
 * One try at one target: request body, transfer, reply, and what the end of it means. Sits between
 * sched, which decides, and http, openai, which know bytes.
 */
#ifndef FREELLMD_ATTEMPT_H
#define FREELLMD_ATTEMPT_H

#include <stdbool.h>
#include <stdint.h>

#include "answer.h"
#include "catalog.h"
#include "http.h"

struct attempt;
struct config;

/* What the end of an attempt means for the job. */
enum attempt_end {
	ATTEMPT_DONE,        /* a complete answer */
	ATTEMPT_LATER,       /* refused for now (429): retry_after_ms may say when */
	ATTEMPT_UNAVAILABLE, /* transient, and safe to try again */
	ATTEMPT_LOST,     /* failed before content, but perhaps not before the work: not repeated */
	ATTEMPT_BROKEN,   /* failed after content went out */
	ATTEMPT_REJECTED, /* this request will not be answered: 400, 413, 422 */
	ATTEMPT_FILTERED, /* by the provider's content filter */
	ATTEMPT_KEY,      /* the key was refused */
	ATTEMPT_TARGET,   /* this target cannot serve: model gone, credit spent */
	ATTEMPT_TOO_LARGE, /* the answer is beyond max_answer */
};

struct attempt_result {
	enum attempt_end end;
	int status;             /* HTTP; 0: none */
	const char *error;      /* a sentence, "" when done; valid during the call */
	bool overdue;           /* total_timeout_ms was over */
	int64_t retry_after_ms; /* the provider's own word; -1: none */
	struct answer *answer;  /* what came; may be moved out with a struct copy and answer_init */
};

struct attempt_events {
	void (*delta)(void *context, const struct delta *delta);
	void (*end)(void *context, const struct attempt_result *result);
};

struct attempt_spec {
	const struct provider *provider;
	struct slice model;
	const char *secret;      /* NULL: none */
	struct slice parameters; /* canonical JSON; must stay until the end */
	bool stream;
	int64_t total_timeout_ms;
};

/* Starts. Events do not come from within. Returns NULL when the body cannot be built or memory for
 * it is missing. */
struct attempt *attempt_start(struct http *http, const struct config *config,
	const struct attempt_spec *spec, const struct attempt_events *events, void *context);

/* Aborts the request upstream; no more events. */
void attempt_cancel(struct attempt *a);

/* The client reads too slowly, or again. */
void attempt_pause(struct attempt *a, bool pause);

#endif
