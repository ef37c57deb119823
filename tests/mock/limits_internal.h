/*
 * Shared by the two halves of limits: the rules with their meters, and the arithmetic of one meter.
 */
#ifndef MOCK_LIMITS_INTERNAL_H
#define MOCK_LIMITS_INTERNAL_H

#include <stddef.h>

#include "limits.h"

/* One charge at one instant. */
struct charge {
	int64_t at_us;
	int64_t amount;
};

/* What one rule has counted for one key, and one model where the rule tells models apart. */
struct meter {
	const struct rule *rule;
	char *key;
	char *model;
	struct charge *log; /* sliding: all charges within the span, oldest first */
	size_t first, count, cap;
	int64_t used;             /* sliding, aligned, calendar, concurrent */
	int64_t start_us, end_us; /* aligned, calendar: the current period */
	/* Refill: what is in the bucket, in units of 1/span_us, at the time last_us. */
	__extension__ __int128 level;
	int64_t last_us;
	int64_t peak, admitted, refused, overrun;
};

/* Parses TEXT. Returns NULL or what is wrong; nothing is to be freed then. */
const char *rule_parse(struct rule *out, const char *text);
void rule_finish(struct rule *);

/* The calendar period that contains AT. */
void rule_period(const struct rule *, int64_t at_us, int64_t *start_us, int64_t *end_us);

void meter_init(
	struct meter *, const struct rule *, const char *key, const char *model, int64_t now_us);
void meter_finish(struct meter *);

/* What is used at NOW, beyond which nothing from the past counts. */
int64_t meter_used(struct meter *, int64_t now_us);

/* How long until AMOUNT more would fit; -1: never. */
int64_t meter_wait(struct meter *, int64_t amount, int64_t now_us);

/* How long until nothing is used. */
int64_t meter_full(struct meter *, int64_t now_us);

void meter_charge(struct meter *, int64_t amount, int64_t now_us);

#endif
