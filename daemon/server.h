/*
 * The front door: accepts clients on the listening socket and keeps their sessions.
 */
#ifndef FREELLMD_SERVER_H
#define FREELLMD_SERVER_H

struct listener;
struct server;
struct session_parts;

/* `parts` is copied; what it points to must outlive the server. Takes the listener's descriptor
 * over. Returns 0 or a negative errno. */
int server_create(struct server **to, const struct session_parts *parts,
	const struct listener *listener) __attribute__((warn_unused_result));

/* Accepts nobody any more. */
void server_stop_listening(struct server *s);

/* Closes each session once what waits for its client is written, or after a second; then calls
 * `closed`, perhaps from within, and frees the server when the loop has run its close callbacks. */
void server_close(struct server *s, void (*closed)(void *context), void *context);

#endif
