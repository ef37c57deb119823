/*
 * HTTP/1.1 with keep-alive: a chat completion, streamed or not.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "load.h"

enum { HEAD, LENGTH, CHUNK_SIZE, CHUNK, CHUNK_END, TRAILER, COMPLETE };

static void
http_request(const struct options *o, struct client *c, struct buf *out)
{
	char text[512];
	struct buf body = {0};
	snprintf(text, sizeof text,
		"{\"model\":\"%s\",\"messages\":[{\"role\":\"user\",\"content\":\"", o->model);
	buf_puts(&body, text);
	load_prompt(o, c, &body);
	if (o->chunks > 0)
		snprintf(text, sizeof text,
			"\"}],\"stream\":true,\"mock\":{\"chunks\":%lld,\"pace_us\":%lld,\"stamp\":"
			"true}}",
			(long long)o->chunks, (long long)o->pace_us);
	else
		snprintf(text, sizeof text, "\"}],\"mock\":{\"chunks\":2,\"chunk_bytes\":%lld}}",
			(long long)o->value_bytes / 2);
	buf_puts(&body, text);
	snprintf(text, sizeof text,
		"POST %s HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer bench\r\n"
		"Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
		o->path, body.len);
	buf_puts(out, text);
	buf_put(out, body.data, body.len);
	free(body.data);
	c->http_state = HEAD;
	c->body.len = 0;
}

/* The value of a header within a head that ends at `end`, or NULL. */
static const char *
header(const char *head, const char *end, const char *name)
{
	size_t len = strlen(name);
	for (const char *line = memchr(head, '\n', (size_t)(end - head)); line;
		line = memchr(line, '\n', (size_t)(end - line))) {
		line++;
		if ((size_t)(end - line) > len && strncasecmp(line, name, len) == 0)
			return line + len;
	}
	return NULL;
}

static enum step
take_head(struct client *c, size_t *used)
{
	const char *data = c->in.data + *used;
	size_t len = c->in.len - *used;
	const char *end = memmem(data, len, "\r\n\r\n", 4);
	if (end == NULL)
		return STEP_MORE;
	if (len < 12 || memcmp(data, "HTTP/1.1 200", 12) != 0)
		return load_wrong(c, "not a success", data, len);
	const char *length = header(data, end, "content-length:");
	const char *encoding = header(data, end, "transfer-encoding:");
	if (length) {
		c->http_left = strtoul(length, NULL, 10);
		c->http_state = LENGTH;
	} else if (encoding) {
		c->http_state = CHUNK_SIZE;
	} else {
		return load_wrong(c, "a body without a length", data, len);
	}
	*used += (size_t)(end - data) + 4;
	return STEP_DONE;
}

static bool
take_line(const struct client *c, size_t *used, const char **line)
{
	*line = c->in.data + *used;
	const char *end = memchr(*line, '\n', c->in.len - *used);
	if (end)
		*used = (size_t)(end - c->in.data) + 1;
	return end != NULL;
}

static bool
take_bytes(struct client *c, size_t *used)
{
	size_t len = c->in.len - *used;
	if (len > c->http_left)
		len = c->http_left;
	buf_put(&c->body, c->in.data + *used, len);
	*used += len;
	c->http_left -= len;
	return c->http_left == 0;
}

/* One step of the framing: STEP_DONE when it went on to the next state. */
static enum step
take(struct client *c, size_t *used)
{
	const char *line;
	switch (c->http_state) {
	case HEAD:
		return take_head(c, used);
	case LENGTH:
		if (!take_bytes(c, used))
			return STEP_MORE;
		c->http_state = COMPLETE;
		return STEP_DONE;
	case CHUNK_SIZE:
		if (!take_line(c, used, &line))
			return STEP_MORE;
		c->http_left = strtoul(line, NULL, 16);
		c->http_state = c->http_left > 0 ? CHUNK : TRAILER;
		return STEP_DONE;
	case CHUNK:
		if (!take_bytes(c, used))
			return STEP_MORE;
		c->http_state = CHUNK_END;
		return STEP_DONE;
	case CHUNK_END:
		if (!take_line(c, used, &line))
			return STEP_MORE;
		c->http_state = CHUNK_SIZE;
		return STEP_DONE;
	default: /* TRAILER: only the empty line comes */
		if (!take_line(c, used, &line))
			return STEP_MORE;
		c->http_state = COMPLETE;
		return STEP_DONE;
	}
}

/* The whole lines of a stream that are there. */
static void
take_events(struct client *c, int64_t now)
{
	const char *end = c->body.len ? memrchr(c->body.data, '\n', c->body.len) : NULL;
	if (end == NULL || c->http_state == COMPLETE)
		return;
	size_t len = (size_t)(end - c->body.data) + 1;
	load_chunks(c, c->body.data, len, now);
	buf_drop(&c->body, len);
}

static enum step
check(const struct options *o, struct client *c, int64_t now)
{
	char id[ID_BYTES];
	if (o->chunks > 0) {
		load_chunks(c, c->body.data, c->body.len, now);
		return c->chunks == o->chunks
			       ? STEP_DONE
			       : load_wrong(c, "a number of chunks", c->body.data, c->body.len);
	}
	load_id(id, c->number);
	if ((int64_t)c->body.len < o->value_bytes ||
		!memmem(c->body.data, c->body.len, id, ID_BYTES))
		return load_wrong(c, "not the answer to this prompt", c->body.data, c->body.len);
	return STEP_DONE;
}

static enum step
http_answer(const struct options *o, struct client *c, int64_t now)
{
	size_t used = 0;
	enum step step = STEP_DONE;
	while (c->http_state != COMPLETE && step == STEP_DONE)
		step = take(c, &used);
	buf_drop(&c->in, used);
	if (o->chunks > 0 && step != STEP_WRONG)
		take_events(c, now);
	return c->http_state == COMPLETE ? check(o, c, now) : step;
}

const struct dialect dialect_http = {"http", NULL, http_request, http_answer};
