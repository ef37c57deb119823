#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "load.h"

static void *
grown(void *data, size_t *cap, size_t need, size_t size)
{
	if (need <= *cap)
		return data;
	*cap = need + need / 2 + 64;
	data = realloc(data, *cap * size);
	if (data == NULL)
		abort();
	return data;
}

void
buf_put(struct buf *b, const void *data, size_t len)
{
	b->data = grown(b->data, &b->cap, b->len + len, 1);
	memcpy(b->data + b->len, data, len);
	b->len += len;
}

void
buf_puts(struct buf *b, const char *text)
{
	buf_put(b, text, strlen(text));
}

void
buf_drop(struct buf *b, size_t len)
{
	b->len -= len;
	if (b->len > 0)
		memmove(b->data, b->data + len, b->len);
}

void
samples_add(struct samples *s, int64_t value)
{
	s->at = grown(s->at, &s->cap, s->len + 1, sizeof *s->at);
	s->at[s->len++] = value > INT32_MAX ? INT32_MAX : (int32_t)value;
}

static int
compare(const void *a, const void *b)
{
	int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
	return (x > y) - (x < y);
}

void
samples_sort(struct samples *s)
{
	if (s->len > 0)
		qsort(s->at, s->len, sizeof *s->at, compare);
}

double
samples_at(const struct samples *s, double share)
{
	return s->len == 0 ? 0 : s->at[(size_t)((double)(s->len - 1) * share)];
}

void
load_id(char *to, uint64_t number)
{
	char text[32];
	snprintf(text, sizeof text, "n=%012llu", (unsigned long long)(number % 1000000000000));
	memcpy(to, text, ID_BYTES);
}

void
load_prompt(const struct options *o, const struct client *c, struct buf *out)
{
	static const char filling[] = " and so on";
	char id[ID_BYTES];
	load_id(id, c->number);
	buf_put(out, id, ID_BYTES);
	for (int64_t left = o->prompt_bytes - ID_BYTES; left > 0;) {
		size_t len = left < (int64_t)sizeof filling - 1 ? (size_t)left : sizeof filling - 1;
		buf_put(out, filling, len);
		left -= (int64_t)len;
	}
}
