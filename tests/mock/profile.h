/*
 * How the named providers look: the headers of their answers, their refusals, and where they put
 * usage into a stream. The shapes are those of real or documented exchanges.
 */
#ifndef MOCK_PROFILE_H
#define MOCK_PROFILE_H

#include <stdbool.h>
#include <stdint.h>

#include "buf.h"

struct limits;
struct verdict;

enum usage_style {
	USAGE_SEPARATE,  /* a last chunk without choices, when asked for */
	USAGE_ON_FINISH, /* in the finish chunk, asked for or not */
	USAGE_REPEATED,  /* a last chunk that repeats the finish reason, when asked for */
	USAGE_EVERY,     /* cumulative in every chunk, asked for or not */
};

struct profile;

/* The profile called NAME, or NULL; "plain" is the one that no provider has. */
const struct profile *profile_find(const char *name);

/* The names of all, for a help text. */
const char *profile_names(void);

enum usage_style profile_usage_style(const struct profile *);

/* Whether the provider counts a request that it answers with an error. */
bool profile_counts_failed(const struct profile *);

/* Whether its stream says usage also in x_groq. */
bool profile_is(const struct profile *, const char *name);

/* The rate-limit headers of a success: "name: value\r\n" lines. */
void profile_success(const struct profile *, const struct limits *, const char *key,
	const char *model, bool stream, int64_t cost_tokens, int64_t now_us, struct buf *head);

/* The refusal that VERDICT asks for: sets *STATUS, and appends header lines and the body. */
void profile_refuse(const struct profile *, const struct limits *, const char *key,
	const char *model, const struct verdict *, int64_t now_us, int *status, struct buf *head,
	struct buf *body);

/* The body of another error. TYPE is a word such as "invalid_request_error". */
void profile_error(const struct profile *, int status, const char *message, const char *type,
	struct buf *body);

/* The body for a key that is missing or wrong; sets *STATUS, for not everyone answers 401. */
void profile_bad_key(const struct profile *, bool missing, int *status, struct buf *body);

/* The data of an error event in a stream, without framing. */
void profile_stream_error(const struct profile *, const char *message, struct buf *data);

#endif
