#include "error.h"

#include <stddef.h>
#include <sysexits.h>

enum { EXIT_INTERRUPTED = 130 }; /* 128 + SIGINT, as shells say it */

static const struct {
	const char *name;
	int status;
} errors[ERROR_COUNT] = {
	[ERROR_NONE] = {"none", 0},
	[ERROR_BAD_REQUEST] = {"bad_request", EX_DATAERR},
	[ERROR_TOO_LARGE] = {"too_large", EX_DATAERR},
	[ERROR_UNAUTHORIZED] = {"unauthorized", EX_NOPERM},
	[ERROR_PROMPT_REJECTED] = {"prompt_rejected", EX_DATAERR},
	[ERROR_PRIVACY_DENIED] = {"privacy_denied", EX_DATAERR},
	[ERROR_NO_PROVIDER] = {"no_provider", EX_UNAVAILABLE},
	[ERROR_NO_KEY] = {"no_key", EX_UNAVAILABLE},
	[ERROR_QUOTA_EXHAUSTED] = {"quota_exhausted", EX_TEMPFAIL},
	[ERROR_DEADLINE_EXCEEDED] = {"deadline_exceeded", EX_TEMPFAIL},
	[ERROR_QUEUE_FULL] = {"queue_full", EX_TEMPFAIL},
	[ERROR_CLIENT_LIMIT] = {"client_limit", EX_TEMPFAIL},
	[ERROR_UPSTREAM_REJECTED] = {"upstream_rejected", EX_UNAVAILABLE},
	[ERROR_UPSTREAM_UNAVAILABLE] = {"upstream_unavailable", EX_UNAVAILABLE},
	[ERROR_CONTENT_FILTERED] = {"content_filtered", EX_DATAERR},
	[ERROR_INTERRUPTED] = {"interrupted", EX_IOERR},
	[ERROR_CANCELLED] = {"cancelled", EXIT_INTERRUPTED},
	[ERROR_SHUTTING_DOWN] = {"shutting_down", EX_UNAVAILABLE},
	[ERROR_INTERNAL] = {"internal", EX_SOFTWARE},
};

const char *
error_name(enum error_code code)
{
	return (unsigned)code < ERROR_COUNT ? errors[code].name : errors[ERROR_INTERNAL].name;
}

enum error_code
error_from_name(struct slice name)
{
	for (int code = ERROR_NONE + 1; code < ERROR_COUNT; code++) {
		if (slice_is(name, errors[code].name))
			return (enum error_code)code;
	}
	return ERROR_INTERNAL;
}

int
error_exit_status(enum error_code code, int64_t retry_at_ms)
{
	if (code == ERROR_UPSTREAM_UNAVAILABLE && retry_at_ms != 0)
		return EX_TEMPFAIL;
	return (unsigned)code < ERROR_COUNT ? errors[code].status : EX_SOFTWARE;
}
