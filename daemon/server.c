#include "server.h"

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "config.h"
#include "listener.h"
#include "log.h"
#include "peer.h"
#include "session.h"

enum {
	REFUSALS_MAX =
		64, /* sessions beyond max_sessions that are told so, before they are just closed */
	FLUSH_MS = 1000,
	TRIM_SESSIONS = 32, /* after so many at once, free memory is given back to the system */
	SOON_MS = 10,       /* how long an event waits for something to leave with */
};

struct server {
	struct session_shared shared;
	uv_pipe_t pipe;
	uv_timer_t flush_timer, soon_timer;
	uv_prepare_t before_wait;
	uv_check_t after_wait;
	struct session *sessions;
	uint64_t last_id;
	size_t most_sessions; /* at once, since memory was given back */
	bool listening, closing;
	unsigned open_handles;
	void (*closed)(void *context);
	void *closed_context;
};

static void
on_handle_closed(uv_handle_t *handle)
{
	struct server *s = handle->data;
	if (--s->open_handles > 0 || !s->closing)
		return;
	bytes_finish(&s->shared.scratch);
	free(s->shared.read_buffer);
	msgpack_zone_destroy(&s->shared.zone);
	free(s);
}

/* All but the listening socket. */
static void
close_own_handles(struct server *s)
{
	uv_close((uv_handle_t *)&s->flush_timer, on_handle_closed);
	uv_close((uv_handle_t *)&s->soon_timer, on_handle_closed);
	uv_close((uv_handle_t *)&s->before_wait, on_handle_closed);
	uv_close((uv_handle_t *)&s->after_wait, on_handle_closed);
}

static void
finish_closing(struct server *s)
{
	if (!s->closing || s->sessions || s->closed == NULL)
		return;
	void (*closed)(void *) = s->closed;
	void *context = s->closed_context;
	s->closed = NULL;
	close_own_handles(s);
	closed(context);
}

static void
on_session_closed(void *context, struct session *session)
{
	struct server *s = context;
	session_unlink(&s->sessions, session);
	s->shared.session_count--;
	finish_closing(s);
}

static void
on_connection(uv_stream_t *stream, int status)
{
	struct server *s = stream->data;
	if (status < 0) {
		log_warning("a client could not be accepted: %s", uv_strerror(status));
		return;
	}
	int64_t max = s->shared.parts.config->max_sessions;
	enum error_code refusal = ERROR_NONE;
	if ((int64_t)s->shared.session_count >= max)
		refusal = ERROR_CLIENT_LIMIT;
	bool silent = (int64_t)s->shared.session_count >= max + REFUSALS_MAX;
	struct session *session = session_accept(&s->shared, stream, ++s->last_id, refusal, silent);
	if (session == NULL)
		return;
	session_link(&s->sessions, session);
	s->shared.session_count++;
	if (s->shared.session_count > s->most_sessions)
		s->most_sessions = s->shared.session_count;
}

/* A thousand streams leave 20 MB that glibc would keep, a page here and there. It takes a few milliseconds, when nobody
 * is connected. */
static void
trim_memory(struct server *s)
{
	s->most_sessions = 0;
#ifdef __GLIBC__
	malloc_trim(0);
#endif
}

static void
on_soon(uv_timer_t *timer)
{
	struct server *s = timer->data;
	s->shared.soon = false;
	for (struct session *session = s->sessions; session; session = session_next(session))
		session_flush(session);
}

static void
on_before_wait(uv_prepare_t *prepare)
{
	struct server *s = prepare->data;
	session_flush_due(&s->shared);
	if (s->shared.soon && !uv_is_active((uv_handle_t *)&s->soon_timer))
		uv_timer_start(&s->soon_timer, on_soon, SOON_MS, 0);
	if (s->shared.session_count == 0 && s->most_sessions >= TRIM_SESSIONS)
		trim_memory(s);
}

static void
on_after_wait(uv_check_t *check)
{
	session_flush_due(&((struct server *)check->data)->shared);
}

int
server_create(
	struct server **to, const struct session_parts *parts, const struct listener *listener)
{
	struct server *s = calloc(1, sizeof *s);
	if (s == NULL)
		abort();
	s->shared.parts = *parts;
	s->shared.closed = on_session_closed;
	s->shared.context = s;
	s->shared.started_ms = clock_boottime_ms();
	s->shared.read_buffer = malloc(SESSION_READ_BYTES);
	if (s->shared.read_buffer == NULL || !msgpack_zone_init(&s->shared.zone, 8192))
		abort();
	s->pipe.data = s->flush_timer.data = s;
	uv_timer_init(parts->loop, &s->flush_timer);
	uv_timer_init(parts->loop, &s->soon_timer);
	uv_pipe_init(parts->loop, &s->pipe, 0);
	s->soon_timer.data = s->before_wait.data = s->after_wait.data = s;
	uv_prepare_init(parts->loop, &s->before_wait);
	uv_check_init(parts->loop, &s->after_wait);
	uv_prepare_start(&s->before_wait, on_before_wait);
	uv_check_start(&s->after_wait, on_after_wait);
	s->open_handles = 5;
	s->listening = true;

	int result = uv_pipe_open(&s->pipe, listener->fd);
	if (result == 0)
		result = uv_listen((uv_stream_t *)&s->pipe, SOMAXCONN, on_connection);
	if (result != 0) {
		server_stop_listening(s);
		s->closing = true;
		close_own_handles(s);
		return result;
	}
	*to = s;
	return 0;
}

void
server_stop_listening(struct server *s)
{
	if (!s->listening)
		return;
	s->listening = false;
	uv_close((uv_handle_t *)&s->pipe, on_handle_closed);
}

static void
on_flush_timeout(uv_timer_t *timer)
{
	struct server *s = timer->data;
	struct session *next;
	for (struct session *session = s->sessions; session; session = next) {
		next = session_next(session);
		session_close(session);
	}
}

void
server_close(struct server *s, void (*closed)(void *context), void *context)
{
	server_stop_listening(s);
	s->closing = true;
	s->closed = closed;
	s->closed_context = context;
	struct session *next;
	for (struct session *session = s->sessions; session; session = next) {
		next = session_next(session);
		session_close_after_flush(session);
	}
	if (s->sessions)
		uv_timer_start(&s->flush_timer, on_flush_timeout, FLUSH_MS, 0);
	finish_closing(s);
}
