/*
 * The grammar of `limits` in the configuration and the catalogue: a comma-separated list of
 *   AMOUNT METRIC per [N] UNIT [aligned | refill | resets HH:MM ZONE]     and     N concurrent
 * with METRIC requests, tokens, input_tokens or a unit's own name (neurons). Pure: parsing and
 * printing only.
 */
#ifndef FREELLMD_LIMITS_H
#define FREELLMD_LIMITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bytes.h"

enum limit_window {
	WINDOW_SLIDING,    /* any span of that length; also what is not known */
	WINDOW_ALIGNED,    /* a span aligned to the wall clock */
	WINDOW_REFILL,     /* continuous refill */
	WINDOW_CALENDAR,   /* day, week or month that begins at HH:MM in a time zone */
	WINDOW_CONCURRENT, /* how many at once: no span */
};

enum limit_unit { UNIT_SECOND, UNIT_MINUTE, UNIT_HOUR, UNIT_DAY, UNIT_WEEK, UNIT_MONTH };

enum { LIMIT_NAME_MAX = 32, LIMITS_MAX = 16 };

struct limit {
	int64_t amount;              /* 0: not allowed at all */
	char metric[LIMIT_NAME_MAX]; /* "requests"; empty for WINDOW_CONCURRENT */
	enum limit_window window;
	int64_t count; /* the N of "per N UNIT", at least 1 */
	enum limit_unit unit;
	int reset_minute;          /* calendar: minutes after midnight */
	char zone[LIMIT_NAME_MAX]; /* calendar: "UTC", "America/Los_Angeles" */
};

struct limits {
	struct limit list[LIMITS_MAX];
	size_t count;
};

/* Returns true, or false with a sentence appended to `why` that quotes the part that is wrong. An
 * empty text is no limit. */
bool limits_parse(const char *text, struct limits *to, struct bytes *why);

/* The same in the grammar above; limits_parse gives it back unchanged. */
void limits_print(const struct limits *limits, struct bytes *out);

#endif
