/*
 * The front door: accepts clients on the listening socket and keeps their sessions.
 */
#ifndef FREELLMD_SERVER_H
#define FREELLMD_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <msgpack.h>
#include <uv.h>

#include "bytes.h"

struct cache;
struct config;
struct keyring;
struct listener;
struct peer_policy;
struct sched;
struct server;
struct session;

/* Borrowed; they must outlive the server. */
struct server_parts {
	uv_loop_t *loop;
	const struct config *config;
	const struct peer_policy *policy;
	struct sched *sched;
	struct cache *cache;
	struct keyring *keyring;
};

/* Takes the listener's descriptor over. Returns 0 or a negative errno. */
int server_create(struct server **to, const struct server_parts *parts,
	const struct listener *listener) __attribute__((warn_unused_result));

/* Accepts nobody any more. */
void server_stop_listening(struct server *s);

/* Closes each session once what waits for its client is written, or after a second; then calls `closed`, perhaps from
 * within, and frees the server when the loop has run its close callbacks. */
void server_close(struct server *s, void (*closed)(void *context), void *context);

/* For sessions. */
enum { SERVER_READ_BYTES = 64 * 1024 };

struct server_shared {
	const struct server_parts *parts;
	char *read_buffer;    /* SERVER_READ_BYTES: what was just read from any client */
	struct bytes scratch; /* a message on its way out */
	msgpack_zone zone;    /* the objects of the message being handled */
	int64_t started_ms;   /* boot time */
	size_t session_count;
};
struct server_shared *server_shared(struct server *s);
void server_session_closed(struct server *s, struct session *session);

#endif
