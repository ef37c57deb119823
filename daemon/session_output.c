/*
 * What goes to one client: at once, at the end of the turn of the loop, or with the next that goes
 * there.
 */
#include "session_internal.h"

#include <string.h>

#include "config.h"
#include "log.h"

enum {
	KEEP_OUTPUT_BYTES = 4 * 1024, /* a larger buffer is given back when it is empty */
	DUE_MAX = 64, /* answers that wait at most: more would leave the processor's cache */
};

size_t
session_waiting(const struct session *s)
{
	return s->out.len + uv_stream_get_write_queue_size((const uv_stream_t *)&s->pipe);
}

static void write_rest(struct session *s);

static void
on_written(uv_write_t *write, int status)
{
	struct session *s = write->data;
	s->write_busy = false;
	bytes_finish(&s->writing);
	if (s->closing)
		return;
	if (status < 0) {
		session_close(s);
		return;
	}
	write_rest(s);
	if (s->close_after_flush && !s->write_busy) {
		session_close(s);
		return;
	}
	if (s->paused && session_waiting(s) <= (size_t)s->config->session_buffer / 4)
		session_resume(s);
}

/* What the socket does not take at once. */
static void
write_rest(struct session *s)
{
	if (s->write_busy || s->out.len == 0)
		return;
	s->writing = s->out;
	s->out = (struct bytes){0};
	s->write_busy = true;
	s->write.data = s;
	uv_buf_t buffer = uv_buf_init(s->writing.data, (unsigned)s->writing.len);
	if (uv_write(&s->write, (uv_stream_t *)&s->pipe, &buffer, 1, on_written) != 0) {
		s->write_busy = false;
		session_doom(s);
	}
}

/* Returns how many of the bytes the socket took; everything when the session is at its end. */
static size_t
write_now(struct session *s, const char *data, size_t len)
{
	uv_buf_t buffer = uv_buf_init((char *)data, (unsigned)len);
	int written = uv_try_write((uv_stream_t *)&s->pipe, &buffer, 1);
	if (written >= 0)
		return (size_t)written;
	if (written == UV_EAGAIN)
		return 0;
	session_doom(s);
	return len;
}

/* Drops or pauses a client that has too much waiting for it. */
static void
check_bounds(struct session *s)
{
	/* What one answer may add on top of a full buffer is bounded by max_answer, twice: text and
	 * message. */
	size_t hard = (size_t)s->config->session_buffer + 2 * (size_t)s->config->max_answer;
	if (s->out.failed || session_waiting(s) > hard) {
		log_info("session %llu (pid %d): dropped: too much waits for it",
			(unsigned long long)s->id, (int)s->peer.pid);
		session_doom(s);
	} else if (!s->paused && !s->corked &&
		   session_waiting(s) > (size_t)s->config->session_buffer) {
		session_pause(s);
	}
}

void
session_flush(struct session *s)
{
	if (s->out.len == 0 || s->write_busy || s->corked || s->closing || s->doomed)
		return;
	size_t written = write_now(s, s->out.data, s->out.len);
	bytes_consume(&s->out, written);
	if (s->out.len > 0) {
		write_rest(s);
		check_bounds(s);
	} else if (s->out.cap > KEEP_OUTPUT_BYTES) {
		bytes_finish(&s->out);
	}
}

void
session_send(struct session *s, const void *data, size_t len)
{
	if (s->closing || s->doomed)
		return;
	s->answered = true;
	if (!s->write_busy && s->out.len == 0 && !s->corked) {
		size_t written = write_now(s, data, len);
		if (written == len)
			return;
		data = (const char *)data + written;
		len -= written;
		bytes_append(&s->out, data, len);
		write_rest(s);
	} else {
		bytes_append(&s->out, data, len);
		session_flush(s);
	}
	check_bounds(s);
}

void
session_send_soon(struct session *s, const void *data, size_t len)
{
	if (s->closing || s->doomed)
		return;
	bytes_append(&s->out, data, len);
	s->shared->soon = true;
	if (s->out.len > KEEP_OUTPUT_BYTES)
		session_flush(s);
	check_bounds(s);
}

void
session_cork(struct session *s)
{
	s->corked = true;
	s->answered = false;
}

void
session_uncork(struct session *s)
{
	s->corked = false;
	if (s->out.len > KEEP_OUTPUT_BYTES) {
		session_flush(s);
		check_bounds(s);
		return;
	}
	if (!s->answered || s->due || s->out.len == 0)
		return;
	s->due = true;
	s->next_due = s->shared->due;
	s->shared->due = s;
	if (++s->shared->due_count >= DUE_MAX)
		session_flush_due(s->shared);
}

void
session_flush_due(struct session_shared *shared)
{
	shared->due_count = 0;
	while (shared->due) {
		struct session *s = shared->due;
		shared->due = s->next_due;
		s->due = false;
		session_flush(s);
		if (s->close_after_flush && !s->write_busy)
			session_close(s);
	}
}
