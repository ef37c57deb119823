#include "session_internal.h"

#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "config.h"
#include "dispatch.h"
#include "log.h"
#include "scan.h"

enum {
	DISCARD_MS = 5000,            /* how long a refused client may go on writing */
	KEEP_INPUT_BYTES = 64 * 1024, /* a larger input buffer is given back after its message */
};

static void feed(struct session *s, const char *data, size_t len);
static void start_reading(struct session *s);

static void
on_handle_closed(uv_handle_t *handle)
{
	struct session *s = handle->data;
	if (--s->open_handles > 0)
		return;
	bytes_finish(&s->in);
	bytes_finish(&s->held);
	bytes_finish(&s->out);
	bytes_finish(&s->writing);
	free(s);
}

void
session_close(struct session *s)
{
	if (s->closing)
		return;
	s->closing = true;
	dispatch_abandon(s);
	uv_close((uv_handle_t *)&s->pipe, on_handle_closed);
	uv_close((uv_handle_t *)&s->timer, on_handle_closed);
	log_debug("session %llu: closed", (unsigned long long)s->id);
	s->shared->closed(s->shared->context, s);
}

static void on_timer(uv_timer_t *timer);

/* The one timer of a session, for whichever of its reasons to wait holds. */
static void
arm_timer(struct session *s)
{
	if (s->closing)
		return;
	uint64_t wait;
	if (s->doomed)
		wait = 0;
	else if (s->discarding)
		return; /* set once, by session_discard */
	else if (s->paused)
		wait = (uint64_t)s->config->session_stall_ms;
	else if (s->in.len > 0)
		wait = (uint64_t)s->config->session_idle_ms;
	else {
		uv_timer_stop(&s->timer);
		return;
	}
	s->stalled_at = session_waiting(s);
	uv_timer_start(&s->timer, on_timer, wait, 0);
}

static void
on_timer(uv_timer_t *timer)
{
	struct session *s = timer->data;
	if (s->paused && !s->doomed && !s->discarding && session_waiting(s) < s->stalled_at) {
		arm_timer(s);
		return;
	}
	if (s->paused && !s->doomed)
		log_info("session %llu (pid %d): dropped: it does not read its answers",
			(unsigned long long)s->id, (int)s->peer.pid);
	else if (!s->doomed && !s->discarding)
		log_info("session %llu (pid %d): dropped: half a message, and then silence",
			(unsigned long long)s->id, (int)s->peer.pid);
	session_close(s);
}

void
session_doom(struct session *s)
{
	if (s->doomed || s->closing)
		return;
	s->doomed = true;
	uv_read_stop((uv_stream_t *)&s->pipe);
	arm_timer(s);
}

void
session_pause(struct session *s)
{
	s->paused = true;
	uv_read_stop((uv_stream_t *)&s->pipe);
	dispatch_pause(s, true);
	arm_timer(s);
}

void
session_resume(struct session *s)
{
	s->paused = false;
	dispatch_pause(s, false);
	if (s->held.len > 0 && !s->feeding) {
		struct bytes held = s->held;
		s->held = (struct bytes){0};
		feed(s, held.data, held.len);
		bytes_finish(&held);
	}
	if (!s->paused && !s->doomed && !s->closing) {
		start_reading(s);
		arm_timer(s);
	}
}

void
session_discard(struct session *s)
{
	if (s->discarding || s->closing || s->doomed)
		return;
	s->discarding = true;
	bytes_finish(&s->in);
	bytes_finish(&s->held);
	uv_timer_start(&s->timer, on_timer, DISCARD_MS, 0);
}

/* The message that ends at data + used; its beginning may be in `in`. */
static void
take_frame(struct session *s, const char *data, size_t used)
{
	if (s->in.len == 0) {
		dispatch_frame(s, data, used);
	} else {
		bytes_append(&s->in, data, used);
		if (s->in.failed)
			session_doom(s);
		else
			dispatch_frame(s, s->in.data, s->in.len);
		if (s->in.cap > KEEP_INPUT_BYTES)
			bytes_finish(&s->in);
		else
			bytes_clear(&s->in);
	}
	scan_init(&s->scan, (size_t)s->config->max_frame);
}

static void
feed(struct session *s, const char *data, size_t len)
{
	bool was_partial = s->in.len > 0;
	s->feeding = true;
	while (len > 0 && !s->doomed && !s->closing && !s->discarding) {
		size_t used;
		if (s->paused) {
			bytes_append(&s->held, data, len);
			break;
		}
		enum scan_result result = scan_feed(&s->scan, data, len, &used);
		if (result == SCAN_DONE) {
			take_frame(s, data, used);
			data += used;
			len -= used;
		} else if (result == SCAN_MORE) {
			bytes_append(&s->in, data, len);
			len = 0;
		} else {
			dispatch_refuse_frame(s, &s->scan, result);
		}
	}
	s->feeding = false;
	if (s->in.failed || s->held.failed)
		session_doom(s);
	else if (!s->paused && !s->doomed && (was_partial || s->in.len > 0))
		arm_timer(s);
}

static void
on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
	struct session *s = handle->data;
	(void)suggested;
	*buffer = uv_buf_init(s->shared->read_buffer, SESSION_READ_BYTES);
}

static void
on_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer)
{
	struct session *s = stream->data;
	if (count < 0)
		session_close(s);
	else if (count > 0 && !s->discarding)
		feed(s, buffer->base, (size_t)count);
}

static void
start_reading(struct session *s)
{
	uv_read_start((uv_stream_t *)&s->pipe, on_alloc, on_read);
}

void
session_close_after_flush(struct session *s)
{
	uv_read_stop((uv_stream_t *)&s->pipe);
	s->close_after_flush = true;
	session_flush(s);
	if (!s->write_busy && s->out.len == 0)
		session_close(s);
}

struct session *
session_accept(struct session_shared *shared, uv_stream_t *listener, uint64_t id,
	enum error_code refusal, bool silent)
{
	struct session *s = calloc(1, sizeof *s);
	if (s == NULL)
		abort();
	s->shared = shared;
	s->config = s->shared->parts.config;
	s->id = id;
	s->refusal = refusal;
	s->pipe.data = s->timer.data = s;
	uv_pipe_init(listener->loop, &s->pipe, 0);
	uv_timer_init(listener->loop, &s->timer);
	s->open_handles = 2;
	scan_init(&s->scan, (size_t)s->config->max_frame);

	uv_os_fd_t fd;
	if (uv_accept(listener, (uv_stream_t *)&s->pipe) != 0 || silent ||
		uv_fileno((const uv_handle_t *)&s->pipe, &fd) != 0 || peer_get(fd, &s->peer) != 0) {
		uv_close((uv_handle_t *)&s->pipe, on_handle_closed);
		uv_close((uv_handle_t *)&s->timer, on_handle_closed);
		return NULL;
	}
	if (!peer_may_submit(s->shared->parts.policy, &s->peer, fd)) {
		s->refusal = ERROR_UNAUTHORIZED;
		log_warning("session %llu: uid %u (pid %d) is not allowed", (unsigned long long)id,
			(unsigned)s->peer.uid, (int)s->peer.pid);
	}
	start_reading(s);
	return s;
}

void
session_link(struct session **list, struct session *s)
{
	s->next = *list;
	if (s->next)
		s->next->previous = s;
	*list = s;
}

void
session_unlink(struct session **list, struct session *s)
{
	if (s->previous)
		s->previous->next = s->next;
	else
		*list = s->next;
	if (s->next)
		s->next->previous = s->previous;
}

struct session *
session_next(const struct session *s)
{
	return s->next;
}

struct session_shared *
session_shared(struct session *s)
{
	return s->shared;
}

const struct peer *
session_peer(const struct session *s)
{
	return &s->peer;
}

uint64_t
session_id(const struct session *s)
{
	return s->id;
}

enum error_code
session_refusal(const struct session *s)
{
	return s->refusal;
}

struct pending **
session_pending(struct session *s)
{
	return &s->pending;
}

size_t *
session_pending_count(struct session *s)
{
	return &s->pending_count;
}
