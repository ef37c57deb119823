/*
 * What is wrong with a configuration: each problem is one sentence that begins with file:line,
 * given to a callback. Text that comes from a file is quoted so that a mistyped secret is never
 * shown.
 */
#ifndef FREELLMD_PROBLEMS_H
#define FREELLMD_PROBLEMS_H

#include <stdbool.h>
#include <stddef.h>

#include "bytes.h"

struct problems {
	void (*report)(void *context, const char *sentence);
	void *context;
	size_t count;
};

/* Reports "FILE:LINE: ..." (line 0: "FILE: ..."). A NULL file leaves the place out. */
void problems_add(struct problems *p, const char *file, int line, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/*
 * Appends `text` in single quotes, cut at 80 bytes, control characters as '?'. What looks like a
 * secret is described, not shown: people paste keys into the wrong place.
 */
void problems_quote(struct bytes *to, const char *text);

/* Is there a word in `text` that looks like a key: one with a provider's prefix (gsk_, sk-, ...),
 * or a long run of letters and digits? */
bool problems_looks_secret(const char *text);

#endif
