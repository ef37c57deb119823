/*
 * What a session's messages mean: the methods of PROTOCOL.md, and the answers to them.
 */
#ifndef FREELLMD_DISPATCH_H
#define FREELLMD_DISPATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "scan.h"

struct pending;
struct session;

/* One whole message that the scanner has passed. */
void dispatch_frame(struct session *s, const char *data, size_t len);

/* The scanner refused what the client sends: says so, and discards the rest. */
void dispatch_refuse_frame(struct session *s, const struct scan *scan, enum scan_result why);

/* The client cannot take more for now, or can again: so for each of its streams. */
void dispatch_pause(struct session *s, bool pause);

/* The client is gone. */
void dispatch_abandon(struct session *s);

#endif
