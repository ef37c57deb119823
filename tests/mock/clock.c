#include "clock.h"

#include <time.h>

static int64_t
read_us(clockid_t id)
{
	struct timespec now;

	clock_gettime(id, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t
clock_monotonic_us(void)
{
	return read_us(CLOCK_MONOTONIC);
}

int64_t
virtual_clock_us(const struct virtual_clock *clock)
{
	return clock->frozen ? clock->frozen_us : read_us(CLOCK_REALTIME) + clock->offset_us;
}

void
virtual_clock_advance(struct virtual_clock *clock, int64_t by_us)
{
	clock->offset_us += by_us;
	clock->frozen_us += by_us;
}

void
virtual_clock_set(struct virtual_clock *clock, int64_t to_us)
{
	clock->offset_us = to_us - read_us(CLOCK_REALTIME);
	clock->frozen_us = to_us;
}

void
virtual_clock_freeze(struct virtual_clock *clock, bool frozen)
{
	int64_t now = virtual_clock_us(clock);

	clock->frozen = frozen;
	virtual_clock_set(clock, now);
}
