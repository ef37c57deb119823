/*
 * The options of an easy handle: those that stay for its life, and those of one request.
 */
#include "http_internal.h"

#include <stdlib.h>
#include <string.h>

void
http_easy_prepare(struct http_transfer *t)
{
	struct http *h = t->http;
	CURL *easy = t->easy;
	curl_easy_setopt(easy, CURLOPT_PRIVATE, t);
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, t->error);
	curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, http_on_header);
	curl_easy_setopt(easy, CURLOPT_HEADERDATA, t);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, http_on_body);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, t);
	curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, http_poll_open_socket);
	curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, h);
	curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, http_poll_close_socket);
	curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, h);
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)h->options.connect_timeout_ms);
	curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
	curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "");
	curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
	curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, 8192L);
	/* Debian's default directory of certificates switches libcurl's cache of the parsed store
	 * off: 24 ms on the loop for each new connection. */
	curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
	if (h->options.ca_file)
		curl_easy_setopt(easy, CURLOPT_CAINFO, h->options.ca_file);
	if (h->options.user_agent)
		curl_easy_setopt(easy, CURLOPT_USERAGENT, h->options.user_agent);
}

/* The list of request headers, made anew only when it differs from the last one of this handle. */
static void
set_headers(struct http_transfer *t, const char *more, bool stream)
{
	if (t->headers && t->headers_from == more && t->headers_stream == stream)
		return;
	curl_slist_free_all(t->headers);
	t->headers = curl_slist_append(NULL, "Content-Type: application/json");
	t->headers =
		curl_slist_append(t->headers, stream ? "Accept: text/event-stream, application/json"
						     : "Accept: application/json");
	t->headers = curl_slist_append(t->headers, "Expect:");
	for (const char *p = more; p && *p;) {
		size_t len = strcspn(p, "|");
		char *line = strndup(p + strspn(p, " "), len - strspn(p, " "));
		if (line == NULL)
			abort();
		t->headers = curl_slist_append(t->headers, line);
		free(line);
		p += len + (p[len] == '|');
	}
	t->headers_from = more;
	t->headers_stream = stream;
	curl_easy_setopt(t->easy, CURLOPT_HTTPHEADER, t->headers);
}

void
http_easy_set(struct http_transfer *t, const struct http_request *request)
{
	CURL *easy = t->easy;
	bool tls = strncasecmp(request->url, "https:", 6) == 0;
	curl_easy_setopt(easy, CURLOPT_URL, request->url);
	curl_easy_setopt(easy, CURLOPT_PROXY, tls ? t->http->options.proxy : "");
	curl_easy_setopt(easy, CURLOPT_PIPEWAIT, tls ? 1L : 0L);
	if (request->bearer) {
		curl_easy_setopt(easy, CURLOPT_HTTPAUTH, CURLAUTH_BEARER);
		curl_easy_setopt(easy, CURLOPT_XOAUTH2_BEARER, request->bearer);
	} else {
		curl_easy_setopt(easy, CURLOPT_HTTPAUTH, CURLAUTH_BASIC);
	}
	curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body.len);
	curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request->body.data);
	set_headers(t, request->headers, request->stream);
}
