/*
 * How long to wait before another try: exponential with full jitter. Pure.
 */
#ifndef FREELLMD_BACKOFF_H
#define FREELLMD_BACKOFF_H

#include <stdint.h>

/*
 * Milliseconds to wait after the `failures`th failure (1 for the first): uniform in [0, min(max,
 * base * 2^(failures-1))], which spreads clients that failed together (Brooker, "Exponential
 * Backoff And Jitter", AWS Architecture Blog, 2015). `random` is uniform over all 32-bit values.
 */
int64_t backoff_delay(unsigned failures, int64_t base_ms, int64_t max_ms, uint32_t random);

#endif
