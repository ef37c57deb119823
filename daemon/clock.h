/*
 * The two clocks. Spans (time-outs, backoff) use boottime, which goes on during suspend; calendar
 * times, expiry and what is written to disk use realtime (DESIGN section 10).
 */
#ifndef FREELLMD_CLOCK_H
#define FREELLMD_CLOCK_H

#include <stdint.h>

int64_t clock_boottime_ms(void);
int64_t clock_realtime_ms(void);

#endif
