/*
 * freellmd's protocol: submit, with its events and its result. Written against PROTOCOL.md and not
 * with the project's own encoder, so that it costs little and is a second reading of it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "load.h"

static void
pack_string(struct buf *out, const char *data, size_t len)
{
	unsigned char head[3] = {0xda, (unsigned char)(len >> 8), (unsigned char)len};
	if (len < 32) {
		head[0] = (unsigned char)(0xa0 | len);
		buf_put(out, head, 1);
	} else {
		buf_put(out, head, 3);
	}
	buf_put(out, data, len);
}

static void
pack_text(struct buf *out, const char *text)
{
	pack_string(out, text, strlen(text));
}

static void
pack_number(struct buf *out, uint32_t n)
{
	unsigned char head[5] = {0xce, (unsigned char)(n >> 24), (unsigned char)(n >> 16),
		(unsigned char)(n >> 8), (unsigned char)n};
	buf_put(out, head, 5);
}

static void
pack_mock(const struct options *o, struct buf *out)
{
	pack_text(out, "mock");
	if (o->chunks > 0) {
		buf_puts(out, "\x83");
		pack_text(out, "pace_us");
		pack_number(out, (uint32_t)o->pace_us);
		pack_text(out, "stamp");
		buf_puts(out, "\xc3");
		pack_text(out, "chunks");
		pack_number(out, (uint32_t)o->chunks);
	} else {
		buf_puts(out, "\x82");
		pack_text(out, "chunks");
		pack_number(out, 2);
		pack_text(out, "chunk_bytes");
		pack_number(out, (uint32_t)o->value_bytes / 2);
	}
}

static void
freellm_request(const struct options *o, struct client *c, struct buf *out)
{
	static struct buf prompt;
	prompt.len = 0;
	load_prompt(o, c, &prompt);
	buf_put(out, "\x94\x00", 2);
	pack_number(out, ++c->msgid);
	pack_text(out, "submit");
	buf_puts(out, o->chunks > 0 ? "\x91\x85" : "\x91\x84");
	if (o->chunks > 0) {
		pack_text(out, "stream");
		buf_puts(out, "\xc3");
	}
	pack_text(out, "model");
	pack_text(out, o->model);
	pack_text(out, "cache");
	pack_text(out, o->cache);
	pack_text(out, "prompt");
	pack_string(out, prompt.data, prompt.len);
	pack_mock(o, out);
}

static uint64_t
big_endian(const unsigned char *at, unsigned bytes)
{
	uint64_t n = 0;
	for (unsigned i = 0; i < bytes; i++)
		n = n << 8 | at[i];
	return n;
}

/* Bytes that follow the type byte before any content; *content and *items say what comes after
 * those. */
static size_t
measure(const unsigned char *p, size_t left, size_t *content, size_t *items)
{
	static const unsigned char fixed[] = {
		[0xca - 0xc0] = 4, 8, 1, 2, 4, 8, 1, 2, 4, 8}; /* float32 .. int64 */
	unsigned char t = p[0];
	*content = *items = 0;
	if (t >= 0xca && t <= 0xd3)
		*content = fixed[t - 0xc0];
	else if (t >= 0x80 && t <= 0x8f)
		*items = (size_t)2 * (t & 15U);
	else if (t >= 0x90 && t <= 0x9f)
		*items = t & 15U;
	else if (t >= 0xa0 && t <= 0xbf)
		*content = t & 31U;
	unsigned wide = 0;
	if (t >= 0xc4 && t <= 0xc6)
		wide = 1U << (t - 0xc4);
	else if (t >= 0xd9 && t <= 0xdb)
		wide = 1U << (t - 0xd9);
	else if (t >= 0xdc && t <= 0xdf)
		wide = t & 1 ? 4 : 2;
	if (wide > 0 && left > wide) {
		size_t n = (size_t)big_endian(p + 1, wide);
		if (t >= 0xde)
			*items = 2 * n;
		else if (t >= 0xdc)
			*items = n;
		else
			*content = n;
	}
	return wide;
}

/* The end of the value that begins at `p`, or NULL when it is not all there. */
static const unsigned char *
skip(const unsigned char *p, const unsigned char *end)
{
	for (size_t todo = 1; todo > 0; todo--) {
		size_t content, items;
		if (p >= end)
			return NULL;
		size_t wide = measure(p, (size_t)(end - p), &content, &items);
		if ((size_t)(end - p) < 1 + wide + content)
			return NULL;
		p += 1 + wide + content;
		todo += items;
	}
	return p;
}

/* The text at `p`. */
static const char *
text_at(const unsigned char *p, size_t *len)
{
	size_t items;
	size_t wide = measure(p, SIZE_MAX, len, &items);
	return (const char *)p + 1 + wide;
}

/* The value of a member of the map at `p`, or NULL. */
static const unsigned char *
member(const unsigned char *p, const unsigned char *end, const char *name)
{
	size_t content, items, len, name_len = strlen(name);
	p += 1 + measure(p, (size_t)(end - p), &content, &items);
	for (; items >= 2; items -= 2) {
		const char *key = text_at(p, &len);
		p = skip(p, end);
		if (len == name_len && memcmp(key, name, len) == 0)
			return p;
		p = skip(p, end);
	}
	return NULL;
}

static enum step
check_result(
	const struct options *o, struct client *c, const unsigned char *p, const unsigned char *end)
{
	const char *whole = (const char *)p;
	size_t len = 0, all = (size_t)(end - p);
	char id[ID_BYTES];
	p = skip(p + 2, end); /* past the array's head, the kind and the msgid */
	if (*p != 0xc0)
		return load_wrong(c, "an error", whole, all);
	p++;
	const unsigned char *text = member(p, end, "text"), *cached = member(p, end, "cached");
	if (text == NULL || cached == NULL)
		return load_wrong(c, "a result without text", whole, all);
	c->cached = *cached == 0xc3;
	if (!c->preparing && c->cached != (o->keys > 0))
		return load_wrong(
			c, c->cached ? "from the cache" : "not from the cache", whole, all);
	const char *answer = text_at(text, &len);
	load_id(id, c->number);
	if (!memmem(answer, len, id, ID_BYTES))
		return load_wrong(c, "not the answer to this prompt", whole, all);
	if (o->chunks > 0 ? c->chunks != o->chunks : (int64_t)len != o->value_bytes)
		return load_wrong(c, "a number of chunks or bytes", whole, all);
	return STEP_DONE;
}

static enum step
freellm_answer(const struct options *o, struct client *c, int64_t now)
{
	const unsigned char *from = (const unsigned char *)c->in.data, *p = from,
			    *end = from + c->in.len, *next;
	enum step step = STEP_MORE;
	while (step == STEP_MORE && p < end && (next = skip(p, end)) != NULL) {
		if (next - p < 4 || (p[0] & 0xf0) != 0x90)
			step = load_wrong(c, "no message", (const char *)p, (size_t)(next - p));
		else if (p[1] == 1)
			step = check_result(o, c, p, next);
		else if (p[1] == 2 && p[2] == 0xa5 && memcmp(p + 3, "chunk", 5) == 0) {
			size_t len;
			const unsigned char *text = member(p + 9, next, "text");
			const char *data = text ? text_at(text, &len) : NULL;
			if (data)
				load_chunks(c, data, len, now);
		}
		p = next;
	}
	buf_drop(&c->in, (size_t)(p - from));
	return step;
}

/* Asks for each prompt until its answer comes from the cache, which is filled behind the answer's
 * back. */
static bool
freellm_prepare(const struct options *o, struct client *c)
{
	const struct timespec pause = {.tv_nsec = 10000000};
	for (; c->number < (uint64_t)o->keys; c->number++) {
		c->cached = false;
		for (int tries = 0; !c->cached; tries++) {
			if (tries > 0)
				nanosleep(&pause, NULL);
			if (tries > 500) {
				fprintf(stderr, "load: an answer does not get into the cache\n");
				return false;
			}
			if (!load_ask(o, c))
				return false;
		}
	}
	return true;
}

const struct dialect dialect_freellm = {
	"freellm", freellm_prepare, freellm_request, freellm_answer};
