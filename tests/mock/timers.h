/*
 * Timers of one worker: a binary heap, the earliest on top.
 */
#ifndef MOCK_TIMERS_H
#define MOCK_TIMERS_H

#include <stddef.h>
#include <stdint.h>

/* Embedded in what waits. SLOT is 0 while the timer is not armed. */
struct timer {
	int64_t due_us; /* CLOCK_MONOTONIC */
	size_t slot;
	void (*fire)(struct timer *);
};

struct timers {
	struct timer **heap; /* heap[1] is the earliest */
	size_t count;
	size_t cap;
};

/* Arms TIMER, or moves it. */
void timers_arm(struct timers *, struct timer *, int64_t due_us);
void timers_disarm(struct timers *, struct timer *);

/* Fires what is due at NOW. */
void timers_run(struct timers *, int64_t now_us);

/* Microseconds until the next one is due, 0 when one is, -1 when none is armed. */
int64_t timers_wait(const struct timers *, int64_t now_us);

void timers_finish(struct timers *);

#endif
