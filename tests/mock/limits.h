/*
 * The limits that the mock enforces, and its own arithmetic for them: exact, simple, and with
 * nothing in common with the daemon's. Time is an argument, in microseconds since 1970.
 */
#ifndef MOCK_LIMITS_H
#define MOCK_LIMITS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

enum metric { METRIC_REQUESTS, METRIC_TOKENS, METRIC_INPUT_TOKENS, METRIC_CONCURRENT };

enum window {
	WINDOW_SLIDING,  /* what came in (now - span, now] */
	WINDOW_ALIGNED,  /* spans that begin at multiples of the span since 1970 */
	WINDOW_REFILL,   /* a bucket that fills by amount in one span, continuously */
	WINDOW_CALENDAR, /* days, weeks or months that begin at HH:MM in a zone */
	WINDOW_NONE,     /* concurrent: what is in flight */
};

struct rule {
	char *text;  /* as it was written */
	char *model; /* NULL: for all models together; "*": for each model on its own */
	enum metric metric;
	enum window window;
	int64_t amount;
	int64_t span_us; /* of a calendar period: its usual length */
	char unit;       /* calendar: 'd', 'w', 'm' */
	int minute;      /* calendar: minute of the day when the period begins */
	char *zone;
};

struct limits;

/* What one request costs. */
struct cost {
	int64_t requests;
	int64_t tokens;
	int64_t input_tokens;
};

struct verdict {
	const struct rule
		*rule;  /* the rule that refuses: the one with the longest wait. NULL: fits */
	bool too_large; /* it will never fit */
	int64_t used;
	int64_t requested;
	int64_t wait_us; /* until it would fit, if nothing else comes */
};

/* How one rule stands for one key and model. */
struct standing {
	const struct rule *rule;
	int64_t used;
	int64_t remaining; /* not below 0 */
	int64_t full_us;   /* until nothing is used any more */
};

struct limits *limits_create(void);
void limits_destroy(struct limits *);

/* Adds a rule: "[MODEL: ]AMOUNT METRIC per [N] UNIT [aligned | refill | resets HH:MM ZONE]" or
 * "[MODEL: ]N concurrent". Returns NULL or a static sentence on what is wrong. */
const char *limits_add(struct limits *, const char *text);

/* Forgets what was counted, or the rules too. */
void limits_reset(struct limits *, bool rules);

bool limits_any(const struct limits *);

/* Judges a request of KEY for MODEL without counting it. */
struct verdict limits_judge(
	struct limits *, const char *key, const char *model, const struct cost *, int64_t now_us);

/* Counts COST, whether it fits or not; what goes beyond a limit is kept as its overrun. */
void limits_charge(
	struct limits *, const char *key, const char *model, const struct cost *, int64_t now_us);

/* One more request in flight, and one less. */
void limits_enter(struct limits *, const char *key, const char *model);
void limits_leave(struct limits *, const char *key, const char *model);

/* How rule number I that applies to MODEL stands. Returns false when there is no such. */
bool limits_standing(const struct limits *, size_t i, const char *key, const char *model,
	int64_t now_us, struct standing *out);

/* Every meter: [{limit, key, model, used, peak, admitted, refused, overrun}]. A new array. */
json_t *limits_report(struct limits *, int64_t now_us);

#endif
