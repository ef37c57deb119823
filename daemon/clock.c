#include "clock.h"

#include <time.h>

static int64_t
now_ms(clockid_t clock)
{
	struct timespec t;
	clock_gettime(clock, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int64_t
clock_boottime_ms(void)
{
	return now_ms(CLOCK_BOOTTIME);
}

int64_t
clock_realtime_ms(void)
{
	return now_ms(CLOCK_REALTIME);
}
