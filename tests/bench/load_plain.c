/*
 * Redis' protocol (GET of a value), and an echo server, which gives back what it got.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "load.h"

/* As long as the answers of the mock provider, with the id at the same place. */
static void
value_of(const struct options *o, uint64_t number, struct buf *out)
{
	char id[ID_BYTES];
	size_t half = (size_t)o->value_bytes / 2;
	load_id(id, number);
	for (size_t i = 0; i < half; i++)
		buf_put(out, "x", 1);
	buf_put(out, " ", 1);
	buf_put(out, id, ID_BYTES);
	while (out->len < 2 * half)
		buf_put(out, "x", 1);
}

static bool
resp_set(const struct options *o, int fd, uint64_t number)
{
	struct buf value = {0}, out = {0};
	char text[64], id[ID_BYTES], reply[5];
	load_id(id, number);
	value_of(o, number, &value);
	buf_puts(&out, "*3\r\n$3\r\nSET\r\n$14\r\n");
	buf_put(&out, id, ID_BYTES);
	snprintf(text, sizeof text, "\r\n$%zu\r\n", value.len);
	buf_puts(&out, text);
	buf_put(&out, value.data, value.len);
	buf_puts(&out, "\r\n");
	bool ok = write(fd, out.data, out.len) == (ssize_t)out.len;
	ok = ok && read(fd, reply, sizeof reply) == 5 && memcmp(reply, "+OK\r\n", 5) == 0;
	free(value.data);
	free(out.data);
	return ok;
}

static bool
resp_prepare(const struct options *o, struct client *c)
{
	for (uint64_t i = 0; i < (uint64_t)o->keys; i++) {
		if (!resp_set(o, c->fd, i))
			return false;
	}
	return true;
}

static void
resp_request(const struct options *o, struct client *c, struct buf *out)
{
	char id[ID_BYTES];
	(void)o;
	load_id(id, c->number);
	buf_puts(out, "*2\r\n$3\r\nGET\r\n$14\r\n");
	buf_put(out, id, ID_BYTES);
	buf_puts(out, "\r\n");
}

static enum step
resp_answer(const struct options *o, struct client *c, int64_t now)
{
	char id[ID_BYTES];
	(void)now;
	const char *end = memchr(c->in.data, '\n', c->in.len);
	if (end == NULL)
		return STEP_MORE;
	size_t head = (size_t)(end - c->in.data) + 1, value = (size_t)o->value_bytes / 2 * 2;
	if (c->in.data[0] != '$' || strtoul(c->in.data + 1, NULL, 10) != value)
		return load_wrong(c, "not a value", c->in.data, c->in.len);
	if (c->in.len < head + value + 2)
		return STEP_MORE;
	load_id(id, c->number);
	if (memcmp(c->in.data + head + value / 2 + 1, id, ID_BYTES) != 0)
		return load_wrong(c, "not the value of this key", c->in.data, c->in.len);
	buf_drop(&c->in, head + value + 2);
	return STEP_DONE;
}

static void
echo_request(const struct options *o, struct client *c, struct buf *out)
{
	static struct buf value;
	if (value.len == 0)
		value_of(o, 0, &value);
	load_id(value.data + value.len / 2 + 1, c->number);
	buf_put(out, value.data, value.len);
}

static enum step
echo_answer(const struct options *o, struct client *c, int64_t now)
{
	char id[ID_BYTES];
	size_t value = (size_t)o->value_bytes / 2 * 2;
	(void)now;
	if (c->in.len < value)
		return STEP_MORE;
	load_id(id, c->number);
	if (memcmp(c->in.data + value / 2 + 1, id, ID_BYTES) != 0)
		return load_wrong(c, "not what was sent", c->in.data, c->in.len);
	buf_drop(&c->in, value);
	return STEP_DONE;
}

const struct dialect dialect_resp = {"resp", resp_prepare, resp_request, resp_answer};
const struct dialect dialect_echo = {"echo", NULL, echo_request, echo_answer};
