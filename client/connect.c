/*
 * Finding the daemon's socket, and hello.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>

#include "handle.h"
#include "message.h"
#include "submit.h"
#include "value.h"

enum {
	CONNECT_MS = 10000,
	BACKLOG_MS = 20, /* between two tries while the listener's backlog is full */
};
#define SYSTEM_SOCKET "/run/freellmd/freellmd.sock"
#define HOW_TO_START "start it with `freellmd` or `systemctl --user start freellmd`"

/* Connects to one path, waiting while the backlog is full. */
static int
open_path(struct freellm *f, const char *path, int64_t deadline)
{
	free(f->connected);
	f->connected = strdup(path);
	if (f->connected == NULL)
		return -ENOMEM;
	for (;;) {
		int error = connection_open(&f->connection, path);
		if (error != -EAGAIN)
			return error;
		if (handle_now() >= deadline)
			return -ETIMEDOUT;
		struct pollfd wake = {.fd = f->wake_fd, .events = POLLIN};
		(void)poll(&wake, 1, BACKLOG_MS);
		if (handle_cancels(f) > 0)
			return -ECANCELED;
	}
}

/* The user's daemon, or else the system's. What is reported is the user's, unless only the other is
 * there. */
static int
open_default(struct freellm *f, int64_t deadline)
{
	const char *folder = secure_getenv("XDG_RUNTIME_DIR");
	char *mine;
	if (folder == NULL || folder[0] == '\0')
		return open_path(f, SYSTEM_SOCKET, deadline);
	if (asprintf(&mine, "%s/freellmd.sock", folder) < 0)
		return -ENOMEM;
	int error = open_path(f, mine, deadline);
	if (error == -ENOENT || error == -ECONNREFUSED) {
		int other = open_path(f, SYSTEM_SOCKET, deadline);
		if (other != -ENOENT) {
			error = other;
		} else {
			free(f->connected);
			f->connected = mine;
			return error;
		}
	}
	free(mine);
	return error;
}

static int
open_failed(struct freellm *f, int error)
{
	const char *path = freellm_socket(f);
	struct trouble *t = &f->trouble;
	switch (error) {
	case -ENOENT:
		return trouble_set(t, error, TROUBLE_NO_DAEMON,
			"there is no freellmd at %s: " HOW_TO_START, path);
	case -ECONNREFUSED:
		return trouble_set(
			t, error, TROUBLE_NO_DAEMON, "nobody listens at %s: " HOW_TO_START, path);
	case -EACCES:
	case -EPERM:
		return trouble_set(t, error, TROUBLE_NO_PERMISSION,
			"this user may not connect to %s: its owner must allow it", path);
	case -ENAMETOOLONG:
		return trouble_set(t, error, TROUBLE_BAD_SOCKET,
			"the path of the socket is longer than 107 bytes: %s", path);
	case -ETIMEDOUT:
		return trouble_set(
			t, error, TROUBLE_NO_DAEMON, "freellmd at %s does not answer", path);
	case -ECANCELED:
		return trouble_set(t, error, TROUBLE_CANCELLED, "cancelled");
	case -ENOMEM:
		return trouble_set(t, error, TROUBLE_INTERNAL, "out of memory");
	default:
		return trouble_set(t, error, TROUBLE_NO_DAEMON, "cannot connect to %s: %s", path,
			strerror(-error));
	}
}

static int
take_hello(struct freellm *f, const msgpack_object *result)
{
	struct hello_result hello;
	if (!hello_result_decode(result, &hello) || !slice_is(hello.server, "freellmd") ||
		hello.frame_bytes < 0 || !value_is_plain(hello.version))
		return handle_connection_failed(f, -EPROTO);
	free(f->server_version);
	f->server_version =
		strndup(hello.version.data ? hello.version.data : "", hello.version.len);
	f->frame_bytes = hello.frame_bytes;
	return 0;
}

/* 1: it was the answer, and all is well; 0: another message; or the error. */
static int
read_hello(struct freellm *f, const msgpack_object *object, uint32_t msgid)
{
	struct message message;
	struct failure failure;
	bool has_msgid;
	if (message_decode(object, &message, &has_msgid) != NULL)
		return handle_connection_failed(f, -EPROTO);
	if (message.kind == MESSAGE_NOTIFICATION && slice_is(message.method, MESSAGE_ERROR))
		return handle_refused(f, message.params, &failure);
	if (message.kind != MESSAGE_RESPONSE || message.msgid != msgid)
		return 0;
	if (message.error != NULL)
		return handle_refused(f, message.error, &failure);
	int error = take_hello(f, message.result);
	return error ? error : 1;
}

/* As read_hello(). */
static int
step_hello(struct freellm *f, msgpack_unpacked *unpacked, uint32_t msgid, int64_t deadline)
{
	int got = connection_next(&f->connection, unpacked);
	if (got > 0)
		return read_hello(f, &unpacked->data, msgid);
	if (got == 0 && handle_cancels(f) > 0)
		return open_failed(f, -ECANCELED);
	if (got == 0 && handle_now() >= deadline)
		return open_failed(f, -ETIMEDOUT);
	if (got == 0)
		got = connection_wait(&f->connection, f->wake_fd, handle_timeout(deadline));
	if (got == -ECONNRESET)
		return open_failed(f, got);
	return got < 0 ? handle_connection_failed(f, got) : 0;
}

static int
wait_hello(struct freellm *f, uint32_t msgid, int64_t deadline)
{
	msgpack_unpacked unpacked;
	int done = 0;
	msgpack_unpacked_init(&unpacked);
	while (done == 0)
		done = step_hello(f, &unpacked, msgid, deadline);
	msgpack_unpacked_destroy(&unpacked);
	return done > 0 ? 0 : done;
}

/* A connection that the daemon has closed since the last call is no use. */
static bool
is_alive(struct freellm *f)
{
	msgpack_unpacked unpacked;
	int got = connection_wait(&f->connection, -1, 0);
	msgpack_unpacked_init(&unpacked);
	while (got == 0 && (got = connection_next(&f->connection, &unpacked)) > 0)
		got = 0;
	msgpack_unpacked_destroy(&unpacked);
	return got == 0;
}

static int
connect_new(struct freellm *f, int64_t deadline)
{
	if (handle_cancels(f) > 0)
		return open_failed(f, -ECANCELED);
	const char *named = f->socket ? f->socket : secure_getenv("FREELLM_SOCKET");
	int error = named && named[0] ? open_path(f, named, deadline) : open_default(f, deadline);
	if (error)
		return open_failed(f, error);
	uint32_t msgid = f->msgid++;
	msgpack_packer packer;
	struct hello hello = {.client = slice_of(f->client ? f->client : "libfreellm")};
	message_begin_request(&f->connection.out, &packer, msgid, "hello");
	hello_encode(&packer, &hello);
	error = wait_hello(f, msgid, deadline);
	if (error)
		freellm_disconnect(f);
	return error;
}

int
handle_connect(struct freellm *f, int64_t deadline)
{
	int64_t own = handle_now() + CONNECT_MS;
	if (f->connection.fd >= 0 && is_alive(f))
		return 0;
	freellm_disconnect(f);
	return connect_new(f, own < deadline ? own : deadline);
}

int
freellm_connect(struct freellm *f)
{
	trouble_clear(&f->trouble);
	int error = handle_connect(f, INT64_MAX);
	if (error == -ECANCELED)
		handle_forget_cancels(f);
	return error;
}
