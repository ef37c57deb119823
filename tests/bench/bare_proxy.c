/*
 * A baseline: the least that a libuv + libcurl proxy does. HTTP on a Unix socket in front, curl
 * multi behind, bodies passed on as they are; nothing is parsed but the framing, nothing is
 * accounted for, errors end the connection. Its poll handles stay armed from one request to the
 * next, as the daemon's do.
 */
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <curl/curl.h>
#include <uv.h>

enum {
	BACKLOG = 2048,
	BUFFER_BYTES = 64 * 1024,
	REQUEST_BYTES = 16 * 1024,
	HEAD_BYTES = 256,
	FDS = 8192
};

/* One connection in front, with the easy handle that it uses again and again. */
struct client {
	uv_pipe_t pipe;
	CURL *easy;
	char request[REQUEST_BYTES];
	size_t request_len;
	char *answer; /* after HEAD_BYTES of room for the head */
	size_t answer_len, answer_cap;
	bool running, streaming, gone;
};

struct socket {
	uv_poll_t poll;
	curl_socket_t fd;
	int wanted, armed;
};

struct reply {
	uv_write_t write;
	char data[];
};

static const char *upstream;
static struct curl_slist *headers;
static CURLM *multi;
static uv_timer_t timer;
static struct socket *sockets[FDS];
static char buffer[BUFFER_BYTES];

static void
on_written(uv_write_t *write, int status)
{
	(void)status;
	free(write);
}

static void
send_bytes(struct client *c, const char *data, size_t len)
{
	uv_buf_t out = uv_buf_init((char *)data, (unsigned)len);
	if (c->gone)
		return;
	int written = uv_try_write((void *)&c->pipe, &out, 1);
	size_t done = written > 0 ? (size_t)written : 0;
	if (done == len)
		return;
	struct reply *reply = malloc(sizeof *reply + len - done);
	if (reply == NULL)
		abort();
	memcpy(reply->data, data + done, len - done);
	out = uv_buf_init(reply->data, (unsigned)(len - done));
	if (uv_write(&reply->write, (void *)&c->pipe, &out, 1, on_written) != 0)
		free(reply);
}

static void
on_client_closed(uv_handle_t *handle)
{
	struct client *c = handle->data;
	if (c->running)
		curl_multi_remove_handle(multi, c->easy);
	curl_easy_cleanup(c->easy);
	free(c->answer);
	free(c);
}

static void
client_close(struct client *c)
{
	if (c->gone)
		return;
	c->gone = true;
	uv_close((void *)&c->pipe, on_client_closed);
}

static void
answer_room(struct client *c, size_t len)
{
	size_t need = HEAD_BYTES + c->answer_len + len + 8;
	if (need <= c->answer_cap)
		return;
	c->answer_cap = need + need / 2;
	c->answer = realloc(c->answer, c->answer_cap);
	if (c->answer == NULL)
		abort();
}

/* The head goes in front of what is in `answer`, so that one write sends both. */
static void
send_with_head(struct client *c, const char *head, int head_len)
{
	char *from = c->answer + HEAD_BYTES - head_len;
	memcpy(from, head, (size_t)head_len);
	send_bytes(c, from, (size_t)head_len + c->answer_len);
}

static size_t
on_body(char *data, size_t size, size_t count, void *context)
{
	struct client *c = context;
	size_t len = size * count;
	char head[HEAD_BYTES], *type = NULL;
	int head_len = 0;
	if (c->answer_len == 0 && !c->streaming) {
		curl_easy_getinfo(c->easy, CURLINFO_CONTENT_TYPE, &type);
		c->streaming = type && strncmp(type, "text/event-stream", 17) == 0;
		if (c->streaming)
			head_len = snprintf(head, sizeof head,
				"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
				"Transfer-Encoding: chunked\r\n\r\n");
	}
	answer_room(c, len);
	memcpy(c->answer + HEAD_BYTES + c->answer_len, data, len);
	c->answer_len += len;
	if (c->streaming) {
		head_len +=
			snprintf(head + head_len, sizeof head - (size_t)head_len, "%zx\r\n", len);
		memcpy(c->answer + HEAD_BYTES + c->answer_len, "\r\n", 2);
		c->answer_len += 2;
		send_with_head(c, head, head_len);
		c->answer_len = 0;
	}
	return len;
}

static void
transfer_done(struct client *c, CURLcode code)
{
	char head[HEAD_BYTES];
	long status = 0;
	curl_multi_remove_handle(multi, c->easy);
	c->running = false;
	curl_easy_getinfo(c->easy, CURLINFO_RESPONSE_CODE, &status);
	if (code != CURLE_OK) {
		client_close(c);
	} else if (c->streaming) {
		send_bytes(c, "0\r\n\r\n", 5);
	} else {
		answer_room(c, 0);
		int len = snprintf(head, sizeof head,
			"HTTP/1.1 %ld OK\r\nContent-Type: application/json\r\nContent-Length: "
			"%zu\r\n\r\n",
			status, c->answer_len);
		send_with_head(c, head, len);
	}
}

static void
act(curl_socket_t fd, int flags)
{
	int running;
	CURLMsg *message;
	curl_multi_socket_action(multi, fd, flags, &running);
	while ((message = curl_multi_info_read(multi, &running)) != NULL) {
		char *client = NULL;
		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &client);
		transfer_done((void *)client, message->data.result);
	}
}

static void
on_timer(uv_timer_t *t)
{
	(void)t;
	act(CURL_SOCKET_TIMEOUT, 0);
}

static int
on_curl_timer(CURLM *m, long timeout_ms, void *context)
{
	(void)m;
	(void)context;
	if (timeout_ms < 0)
		uv_timer_stop(&timer);
	else
		uv_timer_start(&timer, on_timer, (uint64_t)timeout_ms, 0);
	return 0;
}

static void
on_poll(uv_poll_t *poll, int status, int events)
{
	struct socket *s = poll->data;
	if (s->wanted == 0) {
		uv_poll_stop(poll);
		s->armed = 0;
		return;
	}
	act(s->fd, (status < 0 ? CURL_CSELECT_ERR : 0) |
			   (events & UV_READABLE ? CURL_CSELECT_IN : 0) |
			   (events & UV_WRITABLE ? CURL_CSELECT_OUT : 0));
}

static int
on_curl_socket(CURL *easy, curl_socket_t fd, int what, void *context, void *socket_context)
{
	struct socket *s = fd < FDS ? sockets[fd] : NULL;
	(void)easy;
	(void)context;
	(void)socket_context;
	if (s == NULL)
		return 0;
	s->wanted = what == CURL_POLL_REMOVE ? 0
					     : (what & CURL_POLL_IN ? UV_READABLE : 0) |
						       (what & CURL_POLL_OUT ? UV_WRITABLE : 0);
	int arm = s->wanted ? s->wanted : s->armed & UV_READABLE;
	if (arm != s->armed) {
		if (arm)
			uv_poll_start(&s->poll, arm, on_poll);
		else
			uv_poll_stop(&s->poll);
		s->armed = arm;
	}
	return 0;
}

static curl_socket_t
open_socket(void *loop, curlsocktype purpose, struct curl_sockaddr *address)
{
	(void)purpose;
	int fd = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
	struct socket *s = calloc(1, sizeof *s);
	if (fd < 0 || fd >= FDS || s == NULL || uv_poll_init(loop, &s->poll, fd) != 0)
		abort();
	s->fd = fd;
	s->poll.data = s;
	sockets[fd] = s;
	return fd;
}

static void
on_socket_closed(uv_handle_t *handle)
{
	free(handle->data);
}

static int
close_socket(void *context, curl_socket_t fd)
{
	(void)context;
	uv_close((void *)&sockets[fd]->poll, on_socket_closed);
	sockets[fd] = NULL;
	return close(fd);
}

static void
start_transfer(struct client *c, const char *body, size_t len)
{
	c->answer_len = 0;
	c->running = true;
	c->streaming = false;
	curl_easy_setopt(c->easy, CURLOPT_POSTFIELDSIZE, (long)len);
	curl_easy_setopt(c->easy, CURLOPT_POSTFIELDS, body);
	curl_multi_add_handle(multi, c->easy);
}

/* The load generator has one request outstanding: what is in `request` is the beginning of one. */
static void
take_request(struct client *c)
{
	const char *end = memmem(c->request, c->request_len, "\r\n\r\n", 4);
	const char *field = memmem(c->request, c->request_len, "Content-Length: ", 16);
	if (end == NULL || field == NULL)
		return;
	size_t len = strtoul(field + 16, NULL, 10);
	if ((size_t)(c->request + c->request_len - (end + 4)) < len)
		return;
	c->request_len = 0;
	start_transfer(c, end + 4, len);
}

static void
on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *to)
{
	(void)handle;
	(void)suggested;
	*to = uv_buf_init(buffer, sizeof buffer);
}

static void
on_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *in)
{
	struct client *c = stream->data;
	if (count < 0 || c->request_len + (size_t)count >= REQUEST_BYTES) {
		client_close(c);
		return;
	}
	memcpy(c->request + c->request_len, in->base, (size_t)count);
	c->request_len += (size_t)count;
	take_request(c);
}

static CURL *
easy_create(struct client *c, uv_loop_t *loop)
{
	CURL *easy = curl_easy_init();
	if (easy == NULL)
		abort();
	curl_easy_setopt(easy, CURLOPT_PRIVATE, c);
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_URL, upstream);
	curl_easy_setopt(easy, CURLOPT_PROXY, "");
	curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, c);
	curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_socket);
	curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, loop);
	curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, close_socket);
	return easy;
}

static void
on_connection(uv_stream_t *listener, int status)
{
	struct client *c = calloc(1, sizeof *c);
	if (c == NULL || status != 0)
		abort();
	uv_pipe_init(listener->loop, &c->pipe, 0);
	c->pipe.data = c;
	c->easy = easy_create(c, listener->loop);
	if (uv_accept(listener, (void *)&c->pipe) != 0 ||
		uv_read_start((void *)&c->pipe, on_alloc, on_read) != 0)
		client_close(c);
}

static void
multi_create(uv_loop_t *loop)
{
	curl_global_init(CURL_GLOBAL_DEFAULT);
	multi = curl_multi_init();
	uv_timer_init(loop, &timer);
	curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, on_curl_timer);
	curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, on_curl_socket);
	curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, 2048L);
	headers = curl_slist_append(NULL, "Content-Type: application/json");
	headers = curl_slist_append(headers, "Authorization: Bearer bench");
	headers = curl_slist_append(headers, "Expect:");
}

int
main(int argc, char **argv)
{
	uv_loop_t *loop = uv_default_loop();
	uv_pipe_t listener;
	if (argc != 3) {
		fputs("Usage: bare_proxy SOCKET URL\n", stderr);
		return 64;
	}
	upstream = argv[2];
	multi_create(loop);
	signal(SIGPIPE, SIG_IGN);
	uv_pipe_init(loop, &listener, 0);
	int rc = uv_pipe_bind(&listener, argv[1]);
	if (rc == 0)
		rc = uv_listen((void *)&listener, BACKLOG, on_connection);
	if (rc != 0) {
		fprintf(stderr, "bare_proxy: %s: %s\n", argv[1], uv_strerror(rc));
		return 69;
	}
	return uv_run(loop, UV_RUN_DEFAULT);
}
