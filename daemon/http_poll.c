/*
 * libcurl's sockets and its timer on the loop.
 *
 * A poll handle stays armed across the requests of a kept-alive connection: arming it anew for each
 * would cost 6 epoll_ctl calls and 60% more CPU (DESIGN section 10). It is dropped in libcurl's
 * close-socket callback, because a reused descriptor would otherwise look armed and the transfer
 * would hang.
 */
#include "http_internal.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct http_socket {
	uv_poll_t poll;
	struct http *http;
	curl_socket_t fd;
	int wanted;    /* UV_READABLE | UV_WRITABLE that libcurl asked for; 0: it looks away */
	int armed;     /* what the loop watches: never less than wanted */
	bool resolver; /* libcurl's own wake-up pair, which it closes past our callback */
};

static void
act(struct http *h, curl_socket_t fd, int flags)
{
	int running;
	h->inside = true;
	curl_multi_socket_action(h->multi, fd, flags, &running);
	h->inside = false;
	http_reap(h);
}

static void
on_timer(uv_timer_t *timer)
{
	act(timer->data, CURL_SOCKET_TIMEOUT, 0);
}

/* libcurl says when it wants to be called. It must not be called from within: 0 becomes a timer of
 * 0 ms. */
static int
on_curl_timer(CURLM *multi, long timeout_ms, void *context)
{
	struct http *h = context;
	(void)multi;
	if (h->closing)
		return 0;
	if (timeout_ms < 0)
		uv_timer_stop(&h->timer);
	else
		uv_timer_start(&h->timer, on_timer, (uint64_t)timeout_ms, 0);
	return 0;
}

static void
on_poll(uv_poll_t *poll, int status, int events)
{
	struct http_socket *s = poll->data;
	if (s->wanted == 0) {
		/* The peer spoke or hung up on an idle connection. libcurl finds out when it reuses
		 * it; until then a level-triggered watch would spin. */
		uv_poll_stop(poll);
		s->armed = 0;
		return;
	}
	int flags = 0;
	if (status < 0) {
		/* An error on the socket: the loop has stopped watching. What came before it is
		 * still to be read, and libcurl meets the error behind it. */
		s->armed = 0;
		flags = CURL_CSELECT_IN;
	}
	if (events & UV_READABLE)
		flags |= CURL_CSELECT_IN;
	if (events & UV_WRITABLE)
		flags |= CURL_CSELECT_OUT;
	act(s->http, s->fd, flags);
}

static struct http_socket *
socket_create(struct http *h, curl_socket_t fd)
{
	size_t index = (size_t)fd;
	if (index >= h->socket_count) {
		size_t count = index + 64;
		struct http_socket **sockets = realloc(h->sockets, count * sizeof *sockets);
		if (sockets == NULL)
			abort();
		memset(sockets + h->socket_count, 0, (count - h->socket_count) * sizeof *sockets);
		h->sockets = sockets;
		h->socket_count = count;
	}
	struct http_socket *s = calloc(1, sizeof *s);
	if (s == NULL)
		abort();
	s->http = h;
	s->fd = fd;
	s->poll.data = s;
	if (uv_poll_init_socket(h->loop, &s->poll, fd) != 0) {
		free(s);
		return NULL;
	}
	h->open_handles++;
	h->sockets[index] = s;
	return s;
}

static void
on_socket_closed(uv_handle_t *handle)
{
	struct http_socket *s = handle->data;
	struct http *h = s->http;
	free(s);
	http_handle_closed(h);
}

static void
socket_drop(struct http *h, curl_socket_t fd)
{
	size_t index = (size_t)fd;
	if (index >= h->socket_count || h->sockets[index] == NULL)
		return;
	uv_close((uv_handle_t *)&h->sockets[index]->poll, on_socket_closed);
	h->sockets[index] = NULL;
}

static int
on_curl_socket(CURL *easy, curl_socket_t fd, int what, void *context, void *socket_context)
{
	struct http *h = context;
	(void)easy;
	(void)socket_context;
	struct http_socket *s = (size_t)fd < h->socket_count ? h->sockets[fd] : NULL;
	int wanted = 0;
	if (what == CURL_POLL_IN || what == CURL_POLL_INOUT)
		wanted |= UV_READABLE;
	if (what == CURL_POLL_OUT || what == CURL_POLL_INOUT)
		wanted |= UV_WRITABLE;
	if (s == NULL) {
		if (wanted == 0 || (s = socket_create(h, fd)) == NULL)
			return 0;
		s->resolver = true;
	}
	if (wanted == 0 && s->resolver) {
		socket_drop(h, fd);
		return 0;
	}
	s->wanted = wanted;
	/* A watch for writing that nobody wants would spin; one for reading may stay. */
	bool enough = (s->armed & wanted) == wanted && (wanted != 0 || s->armed == UV_READABLE);
	if (enough && !((s->armed & ~wanted) & UV_WRITABLE))
		return 0;
	if (wanted == 0) {
		uv_poll_stop(&s->poll);
		s->armed = 0;
	} else if (uv_poll_start(&s->poll, wanted, on_poll) == 0) {
		s->armed = wanted;
	}
	return 0;
}

curl_socket_t
http_poll_open_socket(void *context, curlsocktype purpose, struct curl_sockaddr *address)
{
	(void)purpose;
	int fd = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
	if (fd < 0 || socket_create(context, fd) != NULL)
		return fd;
	close(fd);
	return CURL_SOCKET_BAD;
}

int
http_poll_close_socket(void *context, curl_socket_t fd)
{
	socket_drop(context, fd);
	return close(fd);
}

void
http_poll_init(struct http *h)
{
	uv_timer_init(h->loop, &h->timer);
	h->timer.data = h;
	h->open_handles++;
	curl_multi_setopt(h->multi, CURLMOPT_TIMERFUNCTION, on_curl_timer);
	curl_multi_setopt(h->multi, CURLMOPT_TIMERDATA, h);
	curl_multi_setopt(h->multi, CURLMOPT_SOCKETFUNCTION, on_curl_socket);
	curl_multi_setopt(h->multi, CURLMOPT_SOCKETDATA, h);
}

static void
on_timer_closed(uv_handle_t *handle)
{
	http_handle_closed(handle->data);
}

void
http_poll_close(struct http *h)
{
	for (size_t fd = 0; fd < h->socket_count; fd++)
		socket_drop(h, (curl_socket_t)fd);
	uv_close((uv_handle_t *)&h->timer, on_timer_closed);
}
