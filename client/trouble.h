/*
 * What went wrong, for the handle and the result: a code, a sentence, the status of a command.
 */
#ifndef FREELLM_TROUBLE_H
#define FREELLM_TROUBLE_H

#include <stdint.h>

#include "completion.h"

/* The protocol's codes that the library uses by itself, and its own. */
enum trouble_kind {
	TROUBLE_NO_DAEMON,
	TROUBLE_BAD_SOCKET,
	TROUBLE_NO_PERMISSION,
	TROUBLE_BAD_ANSWER,
	TROUBLE_TIMED_OUT,
	TROUBLE_BAD_REQUEST,
	TROUBLE_TOO_LARGE,
	TROUBLE_INTERRUPTED,
	TROUBLE_CANCELLED,
	TROUBLE_INTERNAL,
};

enum { TROUBLE_CODE_MAX = 64 }; /* bytes; a longer code of a daemon is shown as "internal" */

struct trouble {
	char code[TROUBLE_CODE_MAX + 1]; /* "" when nothing is wrong */
	char *message;                   /* NULL when nothing is wrong or there was no memory */
	int64_t retry_at_ms;             /* -1: not known */
	int exit_status;
};

/* Forgets what was wrong and frees the message. */
void trouble_clear(struct trouble *t);

/* Sets it and returns `error`, so that a caller can fail in one statement. */
int trouble_set(struct trouble *t, int error, enum trouble_kind kind, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* Takes over what the daemon said; `code` is the code as it came, which this version may not know.
 * Returns -EREMOTEIO. */
int trouble_set_failure(struct trouble *t, const struct failure *failure, struct slice code);

#endif
