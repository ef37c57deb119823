/*
 * The error codes of the protocol. They are part of it: a name is never changed or reused, and the
 * number stays the order of this table (it is internal; only names travel). PROTOCOL.md says what
 * each means to a client.
 */
#ifndef FREELLM_ERROR_H
#define FREELLM_ERROR_H

#include <stdint.h>

#include "bytes.h"

enum error_code {
	ERROR_NONE = 0,
	ERROR_BAD_REQUEST,
	ERROR_TOO_LARGE,
	ERROR_UNAUTHORIZED,
	ERROR_PROMPT_REJECTED,
	ERROR_PRIVACY_DENIED,
	ERROR_NO_PROVIDER,
	ERROR_NO_KEY,
	ERROR_QUOTA_EXHAUSTED,
	ERROR_DEADLINE_EXCEEDED,
	ERROR_QUEUE_FULL,
	ERROR_CLIENT_LIMIT,
	ERROR_UPSTREAM_REJECTED,
	ERROR_UPSTREAM_UNAVAILABLE,
	ERROR_CONTENT_FILTERED,
	ERROR_INTERRUPTED,
	ERROR_CANCELLED,
	ERROR_SHUTTING_DOWN,
	ERROR_INTERNAL,
	ERROR_COUNT,
};

/* "bad_request" for ERROR_BAD_REQUEST. A static string, never NULL. */
const char *error_name(enum error_code code);

/* The code of a name as it came over the wire; ERROR_INTERNAL for one that this version does not
 * know. */
enum error_code error_from_name(struct slice name);

/* The exit status of a command that ends with this error: sysexits.h, 130 for cancelled. The table
 * is in freellm-submit(1). `retry_at_ms` (0: none) makes an unavailable upstream a "try again
 * later" (75). */
int error_exit_status(enum error_code code, int64_t retry_at_ms);

#endif
