/*
 * When a key may be used: "always", or days of the month such as "1-14, 20", in local time. Pure.
 */
#ifndef FREELLMD_SCHEDULE_H
#define FREELLMD_SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>

#include "bytes.h"

/* Bit n is the n-th day of a month (1 to 31). */
enum { SCHEDULE_FIRST_DAY = 1, SCHEDULE_LAST_DAY = 31 };
#define SCHEDULE_ALWAYS UINT32_C(0xfffffffe)

/* NULL is always. Returns false with a clause appended to `why`. */
bool schedule_parse(const char *text, uint32_t *days, struct bytes *why);

#endif
