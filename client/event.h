/*
 * Events of the protocol as the program's callback sees them.
 */
#ifndef FREELLM_EVENT_H
#define FREELLM_EVENT_H

#include "bytes.h"
#include "completion.h"
#include "freellm.h"

struct event_sink {
	freellm_event_cb *callback; /* may be NULL */
	void *context;
	int64_t started; /* a handle_now() */
	bool stopped;    /* the callback wants no more */
	struct bytes text, target;
};

/* Calls back for one event, once or twice. Returns 0, -ENOMEM, or -EPROTO when its text is not
 * UTF-8. */
int event_sink_tell(struct event_sink *sink, const struct event *event)
	__attribute__((warn_unused_result));

void event_sink_tick(struct event_sink *sink);

void event_sink_finish(struct event_sink *sink);

#endif
