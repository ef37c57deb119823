/*
 * Shared by http.c (transfers), http_easy.c (their handles' options) and http_poll.c (libcurl's
 * sockets and timer on the loop), and by nobody else.
 */
#ifndef FREELLMD_HTTP_INTERNAL_H
#define FREELLMD_HTTP_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>

#include <curl/curl.h>
#include <uv.h>

#include "http.h"

struct http_socket;

struct http {
	uv_loop_t *loop;
	CURLM *multi;
	struct http_options options;
	uv_timer_t timer;             /* libcurl's own time-outs */
	struct http_socket **sockets; /* by descriptor; NULL where there is none */
	size_t socket_count;
	bool inside; /* within a call to libcurl that may call us: removing a handle must wait */
	bool closing;
	unsigned open_handles; /* uv handles whose close callback has not run */
	struct http_transfer *running, *idle, *doomed;
	unsigned idle_count;
};

struct http_transfer {
	struct http *http;
	struct http_transfer *previous, *next; /* of the list it is on */
	CURL *easy;
	uv_timer_t timer;
	const struct http_events *events;
	void *context;
	struct curl_slist *headers;
	const char *headers_from; /* what `headers` was made of, so that it is made once */
	bool headers_stream;
	char error[CURL_ERROR_SIZE];

	size_t header_bytes;
	int status;
	bool head_ended; /* the empty line behind the headers has come */
	bool headed, bodied, paused, dead;
	enum http_failure failure; /* what we ended it for; HTTP_OK: libcurl's result counts */
	uint64_t began, heard;     /* loop time in milliseconds */
	uint64_t first_byte_timeout, stall_timeout, total_timeout;
};

/* http_easy.c: what stays the same for every request of a handle, and what one request sets. */
void http_easy_prepare(struct http_transfer *t);
void http_easy_set(struct http_transfer *t, const struct http_request *request);

/* http.c: CURLOPT_HEADERFUNCTION and CURLOPT_WRITEFUNCTION; the context is the transfer. */
size_t http_on_header(char *data, size_t size, size_t count, void *context);
size_t http_on_body(char *data, size_t size, size_t count, void *context);

/* Wires the multi handle to the loop. Closing also closes every socket's poll handle. */
void http_poll_init(struct http *h);
void http_poll_close(struct http *h);

/* CURLOPT_OPENSOCKETFUNCTION and CURLOPT_CLOSESOCKETFUNCTION, context the struct http: the first
 * makes the poll handle of a connection (a socket that libcurl shows us without it is the
 * resolver's), the second drops it with its descriptor. */
curl_socket_t http_poll_open_socket(
	void *context, curlsocktype purpose, struct curl_sockaddr *address);
int http_poll_close_socket(void *context, curl_socket_t fd);

/* http.c: completes what libcurl says is done, then removes what was cancelled meanwhile. Called
 * after every action. */
void http_reap(struct http *h);

/* One uv handle less; frees the struct http after the last when it is closing. */
void http_handle_closed(struct http *h);

#endif
