#include "trouble.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "text.h"
#include "utf8.h"

enum { EXIT_INTERRUPTED = 130 }; /* 128 + SIGINT, as shells say it */

static const struct {
	const char *code;
	int exit_status;
} kinds[] = {
	[TROUBLE_NO_DAEMON] = {"no_daemon", EX_UNAVAILABLE},
	[TROUBLE_BAD_SOCKET] = {"no_daemon", EX_CONFIG},
	[TROUBLE_NO_PERMISSION] = {"no_permission", EX_NOPERM},
	[TROUBLE_BAD_ANSWER] = {"bad_answer", EX_SOFTWARE},
	[TROUBLE_TIMED_OUT] = {"timed_out", EX_TEMPFAIL},
	[TROUBLE_BAD_REQUEST] = {"bad_request", EX_DATAERR},
	[TROUBLE_TOO_LARGE] = {"too_large", EX_DATAERR},
	[TROUBLE_INTERRUPTED] = {"interrupted", EX_IOERR},
	[TROUBLE_CANCELLED] = {"cancelled", EXIT_INTERRUPTED},
	[TROUBLE_INTERNAL] = {"internal", EX_SOFTWARE},
};

void
trouble_clear(struct trouble *t)
{
	free(t->message);
	*t = (struct trouble){.retry_at_ms = -1};
}

/* A path and an old daemon may say anything, and the sentence becomes JSON. */
static void
make_text(char *message)
{
	size_t len = message ? strlen(message) : 0;
	for (size_t good = 0; good < len;) {
		good += utf8_good_prefix(message + good, len - good);
		if (good < len)
			message[good] = '?';
	}
}

int
trouble_set(struct trouble *t, int error, enum trouble_kind kind, const char *format, ...)
{
	char *message;
	va_list arguments;
	va_start(arguments, format);
	if (vasprintf(&message, format, arguments) < 0)
		message = NULL;
	va_end(arguments);
	trouble_clear(t);
	memcpy(t->code, kinds[kind].code, strlen(kinds[kind].code) + 1);
	t->message = message;
	make_text(t->message);
	t->exit_status = kinds[kind].exit_status;
	return error;
}

int
trouble_set_failure(struct trouble *t, const struct failure *failure, struct slice code)
{
	trouble_clear(t);
	if (code.len == 0 || code.len > TROUBLE_CODE_MAX || !value_is_plain(code))
		code = slice_of(error_name(failure->code));
	memcpy(t->code, code.data, code.len);
	t->code[code.len] = '\0';
	if (failure->message.len > 0)
		t->message = strndup(failure->message.data, failure->message.len);
	make_text(t->message);
	t->retry_at_ms = failure->retry_at_ms > 0 ? failure->retry_at_ms : -1;
	t->exit_status = error_exit_status(failure->code, failure->retry_at_ms);
	return -EREMOTEIO;
}
