/*
 * Shared by session.c (the connection's life, what comes in) and session_output.c (what goes out),
 * and by nobody else.
 */
#ifndef FREELLMD_SESSION_INTERNAL_H
#define FREELLMD_SESSION_INTERNAL_H

#include "scan.h"
#include "session.h"

struct session {
	struct session *previous, *next;
	struct session_shared *shared;
	const struct config *config;
	uint64_t id;
	struct peer peer;
	enum error_code refusal;

	uv_pipe_t pipe;
	uv_timer_t timer;
	unsigned open_handles;

	struct scan scan;
	struct bytes in;   /* the beginning of a message */
	struct bytes held; /* read but not looked at, because the session was paused */

	struct bytes out;     /* waits behind `writing` */
	struct bytes writing; /* uv_write has it */
	uv_write_t write;
	bool write_busy, corked;
	bool due; /* on the list of those with answers for session_flush_due: */
	struct session *next_due;
	bool answered;     /* what was gathered holds more than what can wait */
	size_t stalled_at; /* bytes that waited when the stall timer was set */

	bool paused, discarding, doomed, closing, close_after_flush, feeding;
	struct pending *pending;
	size_t pending_count;
};

/* session.c */

/* Ends the session from the loop, soon: what calls us may still hold its memory. */
void session_doom(struct session *s);

/* Stops reading from the client, and from upstream for it, until what waits for it is less. */
void session_pause(struct session *s);
void session_resume(struct session *s);

/* session_output.c */

/* Bytes on their way to the client. */
size_t session_waiting(const struct session *s);

#endif
