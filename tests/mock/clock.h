/*
 * The clocks: the machine's, for pacing and for the log, and a virtual one, for limits, that tests
 * can advance, set and stop.
 */
#ifndef MOCK_CLOCK_H
#define MOCK_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

/* CLOCK_MONOTONIC in microseconds. */
int64_t clock_monotonic_us(void);

/* A wall clock in microseconds since 1970 that starts at the machine's. */
struct virtual_clock {
	int64_t offset_us;
	bool frozen;
	int64_t frozen_us;
};

int64_t virtual_clock_us(const struct virtual_clock *);
void virtual_clock_advance(struct virtual_clock *, int64_t by_us);
void virtual_clock_set(struct virtual_clock *, int64_t to_us);

/* A frozen clock moves only when it is advanced or set. */
void virtual_clock_freeze(struct virtual_clock *, bool frozen);

#endif
