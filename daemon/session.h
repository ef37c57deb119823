/*
 * One client connection: frames in, frames out, both bounded. What the messages mean is dispatch's.
 *
 * A client that stops reading is paused (nothing more is read from it, and its streams stop
 * upstream) when more than session_buffer bytes wait for it, and dropped when it takes nothing for
 * session_stall.
 */
#ifndef FREELLMD_SESSION_H
#define FREELLMD_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <msgpack.h>
#include <uv.h>

#include "bytes.h"
#include "error.h"
#include "peer.h"

struct cache;
struct config;
struct keyring;
struct peer_policy;
struct pending;
struct sched;
struct session;

/* What the sessions work with. Borrowed. */
struct session_parts {
	uv_loop_t *loop;
	const struct config *config;
	const struct peer_policy *policy;
	struct sched *sched;
	struct cache *cache;
	struct keyring *keyring;
};

enum { SESSION_READ_BYTES = 64 * 1024 };

/* What all sessions of one server have in common; the server's, and outlives them. */
struct session_shared {
	struct session_parts parts;
	char *read_buffer;    /* SESSION_READ_BYTES: what was just read from any client */
	struct bytes scratch; /* a message on its way out */
	msgpack_zone zone;    /* the objects of the message being handled */
	int64_t started_ms;   /* boot time */
	size_t session_count;
	struct session *due; /* those with something for session_flush_due */
	unsigned due_count;
	bool soon; /* something waits for session_flush */
	void (*closed)(
		void *context, struct session *s); /* a session has ended; it is freed afterwards */
	void *context;
};

/* Accepts from `listener`. A `refusal` answers each request with that code; `silent`, or a failure,
 * gives NULL and the connection is closed. */
struct session *session_accept(struct session_shared *shared, uv_stream_t *listener, uint64_t id,
	enum error_code refusal, bool silent);

/* Ends it: its jobs are abandoned, its memory goes in the close callbacks, after the shared
 * `closed`. Not from within session_send. */
void session_close(struct session *s);
void session_close_after_flush(struct session *s);

void session_link(struct session **list, struct session *s);
void session_unlink(struct session **list, struct session *s);
struct session *session_next(const struct session *s);

/* For dispatch. */

/* Sends bytes that are whole messages: at once as far as the socket takes them, the rest later.
 * Never closes from within; after a failure the session ends soon, and what is sent is lost. */
void session_send(struct session *s, const void *data, size_t len);

/* The same for what can wait a moment: it leaves with the next that is sent, or when the server
 * calls session_flush. What only informs need not wake the client, or keep the request waiting that
 * it tells of. */
void session_send_soon(struct session *s, const void *data, size_t len);

/* Between these, what is sent is gathered and leaves in one piece, when all clients that spoke in
 * this turn of the loop have been heard: waking a client on another core costs more than most
 * answers. For what is answered at once; never around a live stream. */
void session_cork(struct session *s);
void session_uncork(struct session *s);

/* For server: sends what was gathered, of all sessions. To be called in each turn of the loop
 * before it waits and after. */
void session_flush_due(struct session_shared *shared);
/* For server: sends what waits. To be called for each session some milliseconds after shared->soon
 * was set. */
void session_flush(struct session *s);

/* What follows from this client is read and thrown away for a short time, so that it can still read
 * our answer to what it is writing; then the session ends. */
void session_discard(struct session *s);

struct session_shared *session_shared(struct session *s);
const struct peer *session_peer(const struct session *s);
uint64_t session_id(const struct session *s);
enum error_code session_refusal(const struct session *s);

/* The list of its requests in flight: dispatch's to fill. */
struct pending **session_pending(struct session *s);
size_t *session_pending_count(struct session *s);

#endif
