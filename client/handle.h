/*
 * The handle, as the parts of the library see it.
 */
#ifndef FREELLM_HANDLE_H
#define FREELLM_HANDLE_H

#include <stdatomic.h>
#include <stdint.h>

#include "connection.h"
#include "freellm.h"
#include "trouble.h"

struct freellm {
	char *socket;    /* what was asked for, or NULL */
	char *client;    /* or NULL: the default */
	char *connected; /* the socket that is connected or was tried last, or NULL */
	char *server_version;
	int64_t frame_bytes; /* 0: not known */
	int64_t timeout_ms, tick_ms;
	struct connection connection;
	uint32_t msgid; /* the next one */
	int wake_fd;    /* an eventfd that freellm_cancel() makes readable */
	atomic_int cancels;
	struct trouble trouble;
};

/* Milliseconds that go on in suspend. */
int64_t handle_now(void);

/* How many times the running call was cancelled. Takes what woke the loop. */
int handle_cancels(struct freellm *f);

/* The call that is over has answered every freellm_cancel() so far. */
void handle_forget_cancels(struct freellm *f);

/* Milliseconds for poll(2) until `deadline`, a handle_now(); INT64_MAX: -1. */
int handle_timeout(int64_t deadline);

/* freellm_connect() by a handle_now(), if that comes before its own bound, and without its care for
 * errors and cancels of the handle. */
int handle_connect(struct freellm *f, int64_t deadline) __attribute__((warn_unused_result));

/* An error of connection_wait() or connection_next(), as a sentence. */
int handle_connection_failed(struct freellm *f, int error);

/* Takes over an error map of the daemon: -EREMOTEIO, or -EPROTO when it is none. */
int handle_refused(struct freellm *f, const msgpack_object *error, struct failure *failure);

#endif
