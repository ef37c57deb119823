/*
 * A baseline: the least that a libuv server on a Unix socket does, which is to write what it reads.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <uv.h>

enum { BACKLOG = 1024, BUFFER_BYTES = 64 * 1024 };

struct reply {
	uv_write_t write;
	char data[];
};

static char buffer[BUFFER_BYTES];

static void
on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *to)
{
	(void)handle;
	(void)suggested;
	*to = uv_buf_init(buffer, sizeof buffer);
}

static void
on_closed(uv_handle_t *handle)
{
	free(handle);
}

static void
on_written(uv_write_t *write, int status)
{
	(void)status;
	free(write);
}

/* What the socket did not take at once. */
static void
write_later(uv_stream_t *stream, const char *data, size_t len)
{
	struct reply *reply = malloc(sizeof *reply + len);
	if (reply == NULL)
		abort();
	memcpy(reply->data, data, len);
	uv_buf_t out = uv_buf_init(reply->data, (unsigned)len);
	if (uv_write(&reply->write, stream, &out, 1, on_written) != 0)
		free(reply);
}

static void
on_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *in)
{
	if (count < 0) {
		uv_close((uv_handle_t *)stream, on_closed);
		return;
	}
	uv_buf_t out = uv_buf_init(in->base, (unsigned)count);
	int written = uv_try_write(stream, &out, 1);
	if (written < 0)
		written = 0;
	if (written < count)
		write_later(stream, in->base + written, (size_t)(count - written));
}

static void
on_connection(uv_stream_t *listener, int status)
{
	uv_pipe_t *pipe = malloc(sizeof *pipe);
	if (pipe == NULL || status != 0)
		abort();
	uv_pipe_init(listener->loop, pipe, 0);
	if (uv_accept(listener, (uv_stream_t *)pipe) != 0 ||
		uv_read_start((uv_stream_t *)pipe, on_alloc, on_read) != 0)
		uv_close((uv_handle_t *)pipe, on_closed);
}

int
main(int argc, char **argv)
{
	uv_loop_t *loop = uv_default_loop();
	uv_pipe_t listener;
	if (argc != 2) {
		fputs("Usage: echo_server SOCKET\n", stderr);
		return 64;
	}
	signal(SIGPIPE, SIG_IGN);
	uv_pipe_init(loop, &listener, 0);
	int rc = uv_pipe_bind(&listener, argv[1]);
	if (rc == 0)
		rc = uv_listen((void *)&listener, BACKLOG, on_connection);
	if (rc != 0) {
		fprintf(stderr, "echo_server: %s: %s\n", argv[1], uv_strerror(rc));
		return 69;
	}
	return uv_run(loop, UV_RUN_DEFAULT);
}
