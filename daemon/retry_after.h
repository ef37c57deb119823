/*
 * The ways in which providers say "when": PROVIDERS.md section 0.1. Pure.
 */
#ifndef FREELLMD_RETRY_AFTER_H
#define FREELLMD_RETRY_AFTER_H

#include <stdint.h>

#include "bytes.h"

/*
 * Milliseconds from `now_ms` (Unix time) that `text` names, rounded up: integer or float seconds
 * ("2", "45.5"), Go and protobuf durations ("7.66s", "2m59.56s", "26ms", "143h4m52.73s"), epoch
 * seconds or milliseconds, RFC 3339 in UTC, or an HTTP date. A time in the past is 0. -1 when it is
 * none of these.
 */
int64_t retry_after_parse(struct slice text, int64_t now_ms);

/* The same out of prose: "Please try again in 2m59.56s.", "Please retry in 48.93s", "Please wait 55
 * seconds". -1: none. */
int64_t retry_after_in_prose(struct slice text);

#endif
