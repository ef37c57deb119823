/*
 * Feeds a composed body to the decoder, whole, a byte at a time and cut in two everywhere, and
 * compares the outcomes with what is expected.
 */
#ifndef FREELLM_REPLY_FIXTURE_H
#define FREELLM_REPLY_FIXTURE_H

#include "openai.h"

struct reply_case {
	int status;       /* 0: 200 */
	const char *type; /* NULL: text/event-stream */
	const char *body;
	size_t body_len; /* 0: that of the C string */
	bool broken;
	size_t max; /* 0: plenty */

	enum openai_end end;
	const char *text; /* NULL: empty, as for all below */
	const char *message;
	const char *finish;
	struct usage usage; /* zeroed: not known */
	const char *deltas; /* "T text\n" and "O json\n", one after the other; NULL: not compared */
	enum openai_error_kind kind;
	int error_status;       /* 0: not compared */
	const char *error;      /* the message; NULL: not compared */
	const char *code;       /* NULL: not compared */
	int64_t retry_after_ms; /* 0: none said */
	bool capacity;
};

/* Unix time for all cases. */
#define REPLY_NOW_MS INT64_C(1774047120000)

void reply_expect(const struct reply_case *c);

#define REPLY_EXPECT(...) reply_expect(&(const struct reply_case){__VA_ARGS__})

/* A chunk with this delta, and one that ends the answer. */
#define DELTA(json)                                                                                \
	"data: {\"choices\":[{\"index\":0,\"delta\":" json ",\"finish_reason\":null}]}\n\n"
#define FINISH(reason)                                                                             \
	"data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"" reason "\"}]}\n\n"
#define TEXT(text) DELTA("{\"content\":\"" text "\"}")
#define DONE "data: [DONE]\n\n"
#define USAGE "{\"prompt_tokens\":9,\"completion_tokens\":2,\"total_tokens\":11}"
#define HELLO DELTA("{\"role\":\"assistant\",\"content\":\"\"}") TEXT("Hel") TEXT("lo")

#endif
