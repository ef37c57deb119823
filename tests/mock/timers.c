#include "timers.h"

#include <stdlib.h>

static void
put(struct timers *timers, size_t slot, struct timer *timer)
{
	timers->heap[slot] = timer;
	timer->slot = slot;
}

static void
sift_up(struct timers *timers, size_t slot)
{
	struct timer *timer = timers->heap[slot];

	while (slot > 1 && timers->heap[slot / 2]->due_us > timer->due_us) {
		put(timers, slot, timers->heap[slot / 2]);
		slot /= 2;
	}
	put(timers, slot, timer);
}

static void
sift_down(struct timers *timers, size_t slot)
{
	struct timer *timer = timers->heap[slot];

	for (size_t child = 2 * slot; child <= timers->count; child = 2 * slot) {
		if (child < timers->count &&
			timers->heap[child + 1]->due_us < timers->heap[child]->due_us)
			child++;
		if (timers->heap[child]->due_us >= timer->due_us)
			break;
		put(timers, slot, timers->heap[child]);
		slot = child;
	}
	put(timers, slot, timer);
}

void
timers_arm(struct timers *timers, struct timer *timer, int64_t due_us)
{
	timers_disarm(timers, timer);
	if (timers->count + 1 >= timers->cap) {
		timers->cap = timers->cap ? 2 * timers->cap : 64;
		timers->heap = realloc(timers->heap, timers->cap * sizeof(*timers->heap));
		if (!timers->heap)
			abort();
	}
	timer->due_us = due_us;
	put(timers, ++timers->count, timer);
	sift_up(timers, timers->count);
}

void
timers_disarm(struct timers *timers, struct timer *timer)
{
	size_t slot = timer->slot;
	struct timer *last;

	if (slot == 0)
		return;
	last = timers->heap[timers->count--];
	timer->slot = 0;
	if (last == timer)
		return;
	put(timers, slot, last);
	sift_up(timers, slot);
	sift_down(timers, last->slot);
}

void
timers_run(struct timers *timers, int64_t now_us)
{
	/* Each timer fires at most once: those armed on the way for right now have a later turn. */
	size_t turns = timers->count;

	while (turns-- > 0 && timers->count > 0 && timers->heap[1]->due_us <= now_us) {
		struct timer *timer = timers->heap[1];

		timers_disarm(timers, timer);
		timer->fire(timer);
	}
}

int64_t
timers_wait(const struct timers *timers, int64_t now_us)
{
	if (timers->count == 0)
		return -1;
	return timers->heap[1]->due_us <= now_us ? 0 : timers->heap[1]->due_us - now_us;
}

void
timers_finish(struct timers *timers)
{
	free(timers->heap);
	*timers = (struct timers){0};
}
