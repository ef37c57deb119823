/*
 * HTTP requests on the loop: the only user of libcurl (multi interface on libuv).
 *
 * A transfer calls its events in the order head, body..., end; end comes exactly once and is the
 * last, unless the transfer was cancelled. No event comes from within http_start.
 */
#ifndef FREELLMD_HTTP_H
#define FREELLMD_HTTP_H

#include <stdbool.h>
#include <stdint.h>

#include <uv.h>

#include "bytes.h"

struct http;
struct http_transfer;

/* Strings are borrowed for the life of the http object; NULL proxy: HTTPS_PROXY, ALL_PROXY and
 * NO_PROXY of the environment. Plain http:// never uses a proxy: it goes to loopback only, and a
 * proxy would see the key. */
struct http_options {
	const char *proxy;
	const char *ca_file; /* NULL: the system's */
	const char *user_agent;
	int64_t max_connections; /* to one host */
	int64_t connect_timeout_ms;
	int64_t max_header; /* bytes of all response headers of one answer */
};

struct http_request {
	const char *url;    /* copied */
	const char *bearer; /* the secret; copied by libcurl alone; NULL: none */
	/* More headers, "Name: value" separated by '|', borrowed for the life of the http object; NULL:
	 * none. */
	const char *headers;
	struct slice body; /* POSTed as application/json; must stay until the transfer's end */
	bool stream;       /* Accept: text/event-stream */
	int64_t first_byte_timeout_ms; /* from the start to the first byte of the body */
	int64_t stall_timeout_ms;      /* silence within the body */
	int64_t total_timeout_ms;
};

enum http_failure {
	HTTP_OK = 0,
	HTTP_CONNECT,    /* no connection was made: nothing has reached the provider */
	HTTP_TLS,        /* the certificate or the handshake: nothing has reached it either */
	HTTP_BROKEN,     /* the connection failed after the request may have gone out */
	HTTP_FIRST_BYTE, /* time-outs */
	HTTP_STALLED,
	HTTP_TOTAL,
	HTTP_HEADER_TOO_LARGE,
	HTTP_STOPPED, /* the body event asked for it */
};

struct http_result {
	enum http_failure failure;
	int status;       /* 0: no head came */
	const char *text; /* what happened, for a person; valid during the event; "" for HTTP_OK */
};

struct http_events {
	/* The head is complete. http_header may be used until the event returns. */
	void (*head)(void *context, struct http_transfer *t, int status, struct slice content_type);
	/* Decoded bytes of the body. Non-zero stops the transfer with HTTP_STOPPED. */
	int (*body)(void *context, const void *data, size_t len);
	/* The transfer is over and its memory is no longer the caller's to touch. */
	void (*end)(void *context, const struct http_result *result);
};

int http_create(struct http **to, uv_loop_t *loop, const struct http_options *options)
	__attribute__((warn_unused_result));

/* Cancels what still runs and closes every handle; the memory goes when the loop has run their
 * close callbacks. NULL is fine. */
void http_close(struct http *h);

/* Starts a transfer. `events` must outlive it. */
struct http_transfer *http_start(struct http *h, const struct http_request *request,
	const struct http_events *events, void *context);

/* Ends a transfer without further events; the connection to an HTTP/1.1 host is closed, so the
 * provider notices. */
void http_cancel(struct http_transfer *t);

/* Stops or resumes reading the body; time-outs for silence are off while paused. May call body from
 * within. */
void http_pause(struct http_transfer *t, bool pause);

/* The body should be over: from now on it ends within so many milliseconds or is stalled. Until
 * then its connection can be used again. */
void http_expect_end(struct http_transfer *t, int64_t ms);

/* The first header of that name (any case) of the last head, or the empty slice. Only within the
 * head event. */
struct slice http_header(struct http_transfer *t, const char *name);

#endif
