/*
 * Transfers. Each has an easy handle that is used again for the next request, with whatever stays
 * the same already set.
 *
 *   idle --start--> running --done--> (end event) --> idle or freed
 *                      |
 *                      +--cancel--> removed now, or doomed until libcurl has returned
 */
#include "http_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"

enum { IDLE_MAX = 64 };

static void
list_add(struct http_transfer **list, struct http_transfer *t)
{
	t->previous = NULL;
	t->next = *list;
	if (*list)
		(*list)->previous = t;
	*list = t;
}

static void
list_remove(struct http_transfer **list, struct http_transfer *t)
{
	if (t->previous)
		t->previous->next = t->next;
	else
		*list = t->next;
	if (t->next)
		t->next->previous = t->previous;
}

void
http_handle_closed(struct http *h)
{
	if (--h->open_handles > 0 || !h->closing)
		return;
	free(h->sockets);
	free(h);
	curl_global_cleanup();
}

static void
on_transfer_closed(uv_handle_t *handle)
{
	struct http_transfer *t = handle->data;
	struct http *h = t->http;
	free(t);
	http_handle_closed(h);
}

/* Off every list, not known to the multi handle any more. */
static void
transfer_destroy(struct http_transfer *t)
{
	curl_easy_cleanup(t->easy);
	t->easy = NULL;
	curl_slist_free_all(t->headers);
	uv_close((uv_handle_t *)&t->timer, on_transfer_closed);
}

static void
transfer_retire(struct http_transfer *t)
{
	struct http *h = t->http;
	uv_timer_stop(&t->timer);
	/* What libcurl still holds of this request: the key and the body's address. */
	curl_easy_setopt(t->easy, CURLOPT_XOAUTH2_BEARER, NULL);
	curl_easy_setopt(t->easy, CURLOPT_POSTFIELDS, NULL);
	if (h->closing || h->idle_count >= IDLE_MAX) {
		transfer_destroy(t);
		return;
	}
	list_add(&h->idle, t);
	h->idle_count++;
}

/* The timer runs to the nearest bound; silence only moves `heard`, and the timer is set again when
 * it fires. */
static enum http_failure
next_bound(const struct http_transfer *t, uint64_t *at)
{
	enum http_failure failure = HTTP_TOTAL;
	*at = t->began + t->total_timeout;
	if (t->paused)
		return failure;
	uint64_t silence =
		t->bodied ? t->heard + t->stall_timeout : t->began + t->first_byte_timeout;
	if (silence < *at) {
		*at = silence;
		failure = t->bodied ? HTTP_STALLED : HTTP_FIRST_BYTE;
	}
	return failure;
}

static void transfer_end(struct http_transfer *t, CURLcode code);

static void
on_bound(uv_timer_t *timer)
{
	struct http_transfer *t = timer->data;
	uint64_t at, now = uv_now(t->http->loop);
	enum http_failure failure = next_bound(t, &at);
	if (now < at) {
		uv_timer_start(timer, on_bound, at - now, 0);
		return;
	}
	t->failure = failure;
	curl_multi_remove_handle(t->http->multi, t->easy);
	transfer_end(t, CURLE_OPERATION_TIMEDOUT);
}

static void
arm_bound(struct http_transfer *t)
{
	uint64_t at, now = uv_now(t->http->loop);
	next_bound(t, &at);
	uv_timer_start(&t->timer, on_bound, at > now ? at - now : 0, 0);
}

size_t
http_on_header(char *data, size_t size, size_t count, void *context)
{
	struct http_transfer *t = context;
	size_t len = size * count;
	t->header_bytes += len;
	if (len <= 2 && (data[0] == '\r' || data[0] == '\n'))
		t->head_ended = true;
	if (t->header_bytes > (size_t)t->http->options.max_header) {
		t->failure = HTTP_HEADER_TOO_LARGE;
		return 0;
	}
	return len;
}

/* The head is reported before the first byte of the body, or at the end when there is none: only
 * then is it certain that it is not an interim (1xx) or a proxy's head. */
static void
report_head(struct http_transfer *t)
{
	long status = 0;
	char *type = NULL;
	if (t->headed || t->dead)
		return;
	curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
	if (status == 0)
		return;
	t->headed = true;
	t->status = (int)status;
	curl_easy_getinfo(t->easy, CURLINFO_CONTENT_TYPE, &type);
	t->events->head(t->context, t, t->status, slice_of(type));
}

size_t
http_on_body(char *data, size_t size, size_t count, void *context)
{
	struct http_transfer *t = context;
	size_t len = size * count;
	if (t->dead)
		return 0;
	/* libcurl forgets a pause that was asked for before it began to receive. */
	if (t->paused)
		return CURL_WRITEFUNC_PAUSE;
	t->heard = uv_now(t->http->loop);
	t->bodied = true;
	report_head(t);
	if (t->dead || t->events->body(t->context, data, len) != 0) {
		t->failure = HTTP_STOPPED;
		return 0;
	}
	return t->dead ? 0 : len;
}

static enum http_failure
failure_of(const struct http_transfer *t, CURLcode code)
{
	if (t->failure != HTTP_OK)
		return t->failure;
	switch (code) {
	case CURLE_OK:
		/* libcurl is content with a connection that closes among the headers. */
		return t->head_ended ? HTTP_OK : HTTP_BROKEN;
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_RESOLVE_PROXY:
	case CURLE_COULDNT_CONNECT:
	case CURLE_URL_MALFORMAT:
	case CURLE_UNSUPPORTED_PROTOCOL:
		return HTTP_CONNECT;
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_SSL_CIPHER:
		return HTTP_TLS;
	case CURLE_OUT_OF_MEMORY: /* libcurl's own bound on a header line, 100 KiB, ends in this */
		return t->headed ? HTTP_BROKEN : HTTP_HEADER_TOO_LARGE;
	case CURLE_OPERATION_TIMEDOUT: {
		curl_off_t connected = 0;
		curl_easy_getinfo(t->easy, CURLINFO_PRETRANSFER_TIME_T, &connected);
		return connected == 0 ? HTTP_CONNECT : HTTP_BROKEN;
	}
	default:
		return HTTP_BROKEN;
	}
}

static const char *
failure_text(const struct http_transfer *t, enum http_failure failure, CURLcode code)
{
	switch (failure) {
	case HTTP_OK:
		return "";
	case HTTP_FIRST_BYTE:
		return "no answer in time (first_byte_timeout)";
	case HTTP_STALLED:
		return "the answer stopped coming (stall_timeout)";
	case HTTP_TOTAL:
		return "the answer took too long (total_timeout)";
	case HTTP_HEADER_TOO_LARGE:
		return "response headers are too large (max_header)";
	default:
		if (code == CURLE_OK)
			return "the connection closed among the headers";
		return t->error[0] ? t->error : curl_easy_strerror(code);
	}
}

/* Already removed from the multi handle. */
static void
transfer_end(struct http_transfer *t, CURLcode code)
{
	struct http *h = t->http;
	list_remove(&h->running, t);
	if (code == CURLE_OK && t->head_ended)
		report_head(t);
	if (!t->dead) {
		struct http_result result = {.failure = failure_of(t, code), .status = t->status};
		result.text = failure_text(t, result.failure, code);
		t->dead = true;
		t->events->end(t->context, &result);
	}
	transfer_retire(t);
}

void
http_reap(struct http *h)
{
	CURLMsg *message;
	int left;
	while ((message = curl_multi_info_read(h->multi, &left)) != NULL) {
		if (message->msg != CURLMSG_DONE)
			continue;
		struct http_transfer *t;
		CURLcode code = message->data.result;
		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&t);
		curl_multi_remove_handle(h->multi, t->easy);
		if (t->dead) {
			list_remove(&h->doomed, t);
			transfer_retire(t);
		} else {
			transfer_end(t, code);
		}
	}
	while (h->doomed) {
		struct http_transfer *t = h->doomed;
		list_remove(&h->doomed, t);
		curl_multi_remove_handle(h->multi, t->easy);
		transfer_retire(t);
	}
}

void
http_cancel(struct http_transfer *t)
{
	struct http *h = t->http;
	t->dead = true;
	uv_timer_stop(&t->timer);
	list_remove(&h->running, t);
	if (h->inside) {
		list_add(&h->doomed, t);
		return;
	}
	curl_multi_remove_handle(h->multi, t->easy);
	transfer_retire(t);
}

void
http_pause(struct http_transfer *t, bool pause)
{
	struct http *h = t->http;
	if (t->dead || t->paused == pause)
		return;
	t->paused = pause;
	t->heard = uv_now(h->loop);
	bool outside = !h->inside;
	h->inside = true;
	curl_easy_pause(t->easy, pause ? CURLPAUSE_RECV : CURLPAUSE_CONT);
	if (outside) {
		h->inside = false;
		http_reap(h);
	}
}

void
http_expect_end(struct http_transfer *t, int64_t ms)
{
	t->stall_timeout = (uint64_t)ms;
	arm_bound(t);
}

struct slice
http_header(struct http_transfer *t, const char *name)
{
	struct curl_header *header;
	if (curl_easy_header(t->easy, name, 0, CURLH_HEADER, -1, &header) != CURLHE_OK)
		return slice_of(NULL);
	return slice_of(header->value);
}

static struct http_transfer *
transfer_create(struct http *h)
{
	struct http_transfer *t = calloc(1, sizeof *t);
	CURL *easy = curl_easy_init();
	if (t == NULL || easy == NULL)
		abort();
	t->http = h;
	t->easy = easy;
	uv_timer_init(h->loop, &t->timer);
	h->open_handles++;
	t->timer.data = t;

	http_easy_prepare(t);
	return t;
}

struct http_transfer *
http_start(struct http *h, const struct http_request *request, const struct http_events *events,
	void *context)
{
	struct http_transfer *t = h->idle;
	if (t) {
		list_remove(&h->idle, t);
		h->idle_count--;
	} else {
		t = transfer_create(h);
	}
	list_add(&h->running, t);
	t->events = events;
	t->context = context;
	t->error[0] = '\0';
	t->header_bytes = 0;
	t->status = 0;
	t->head_ended = t->headed = t->bodied = t->paused = t->dead = false;
	t->failure = HTTP_OK;
	t->began = t->heard = uv_now(h->loop);
	t->first_byte_timeout = (uint64_t)request->first_byte_timeout_ms;
	t->stall_timeout = (uint64_t)request->stall_timeout_ms;
	t->total_timeout = (uint64_t)request->total_timeout_ms;
	http_easy_set(t, request);
	arm_bound(t);
	curl_multi_add_handle(h->multi, t->easy);
	return t;
}

int
http_create(struct http **to, uv_loop_t *loop, const struct http_options *options)
{
	*to = NULL;
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return -ENOMEM;
	struct http *h = calloc(1, sizeof *h);
	if (h == NULL)
		abort();
	h->loop = loop;
	h->options = *options;
	h->multi = curl_multi_init();
	if (h->multi == NULL) {
		free(h);
		curl_global_cleanup();
		return -ENOMEM;
	}
	curl_multi_setopt(h->multi, CURLMOPT_MAX_HOST_CONNECTIONS, (long)options->max_connections);
	curl_multi_setopt(h->multi, CURLMOPT_MAXCONNECTS, (long)options->max_connections * 2);
	curl_multi_setopt(h->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_MULTIPLEX);
	http_poll_init(h);
	*to = h;
	return 0;
}

void
http_close(struct http *h)
{
	if (h == NULL)
		return;
	h->closing = true;
	while (h->running)
		http_cancel(h->running);
	while (h->idle) {
		struct http_transfer *t = h->idle;
		list_remove(&h->idle, t);
		h->idle_count--;
		transfer_destroy(t);
	}
	curl_multi_cleanup(h->multi); /* closes the kept-alive connections through our callback */
	h->multi = NULL;
	http_poll_close(h);
}
