/*
 * The Server-Sent Events parser (https://html.spec.whatwg.org/multipage/server-sent-events.html,
 * section 9.2.6), fed with bytes as they come, split anywhere. Pure.
 */
#ifndef FREELLMD_SSE_H
#define FREELLMD_SSE_H

#include "bytes.h"

/* One event. `name` is empty for the default ("message"). data is valid during the call. Non-zero
 * stops the parser, which returns it. */
typedef int sse_event_cb(void *context, struct slice name, struct slice data);

struct sse {
	struct bytes line; /* an unfinished line */
	struct bytes data; /* the data lines of an unfinished event */
	struct bytes name;
	bool has_data, after_cr, begun;
	size_t max;
};

/* `max` bounds one event's bytes. */
void sse_init(struct sse *s, size_t max);
void sse_finish(struct sse *s);

/* Returns 0, the callback's non-zero result, -E2BIG for an event over `max`, or -ENOMEM. */
int sse_feed(struct sse *s, const void *data, size_t len, sse_event_cb *event, void *context);

/* The stream has ended: dispatches an event that lacks its closing blank line, because providers
 * omit it. (The standard would drop it.) */
int sse_end(struct sse *s, sse_event_cb *event, void *context);

#endif
