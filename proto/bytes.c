#include "bytes.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SMALLEST = 256 };

void
bytes_finish(struct bytes *b)
{
	free(b->data);
	*b = (struct bytes){.max = b->max};
}

void
bytes_clear(struct bytes *b)
{
	b->len = 0;
	b->failed = false;
}

char *
bytes_reserve(struct bytes *b, size_t extra)
{
	if (b->failed)
		return NULL;
	if (extra > SIZE_MAX / 2 - b->len || (b->max && b->len + extra > b->max)) {
		b->failed = true;
		return NULL;
	}
	size_t need = b->len + extra;
	if (need > b->cap || b->data == NULL) {
		size_t cap = b->cap ? b->cap : SMALLEST;
		while (cap < need)
			cap += cap / 2 + 1;
		char *data = realloc(b->data, cap);
		if (data == NULL) {
			b->failed = true;
			return NULL;
		}
		b->data = data;
		b->cap = cap;
	}
	return b->data + b->len;
}

/* The common case of bytes_reserve without its call: appending is most of what encoding does. */
static inline char *
reserve(struct bytes *b, size_t extra)
{
	bool fits = extra <= b->cap - b->len && !b->failed && b->max == 0;
	return fits && b->data ? b->data + b->len : bytes_reserve(b, extra);
}

void
bytes_append(struct bytes *b, const void *data, size_t len)
{
	if (len == 0)
		return;
	char *to = reserve(b, len);
	if (to == NULL)
		return;
	memcpy(to, data, len);
	b->len += len;
}

void
bytes_append_str(struct bytes *b, const char *s)
{
	bytes_append(b, s, strlen(s));
}

void
bytes_append_char(struct bytes *b, char c)
{
	char *to = reserve(b, 1);
	if (to == NULL)
		return;
	*to = c;
	b->len++;
}

void
bytes_printf(struct bytes *b, const char *format, ...)
{
	va_list ap;
	va_start(ap, format);
	va_list again;
	va_copy(again, ap);
	int len = vsnprintf(NULL, 0, format, ap);
	va_end(ap);
	char *to = len < 0 ? NULL : bytes_reserve(b, (size_t)len + 1);
	if (to != NULL) {
		vsnprintf(to, (size_t)len + 1, format, again);
		b->len += (size_t)len;
	} else {
		b->failed = true;
	}
	va_end(again);
}

void
bytes_consume(struct bytes *b, size_t n)
{
	if (n == 0)
		return;
	b->len -= n;
	memmove(b->data, b->data + n, b->len);
}

const char *
bytes_cstr(struct bytes *b)
{
	char *to = bytes_reserve(b, 1);
	if (to == NULL)
		return NULL;
	*to = '\0';
	return b->data;
}

int
bytes_msgpack_write(void *bytes, const char *data, size_t len)
{
	bytes_append(bytes, data, len);
	return 0;
}

struct slice
slice_of(const char *cstring)
{
	return (struct slice){cstring, cstring ? strlen(cstring) : 0};
}

bool
slice_is(struct slice s, const char *cstring)
{
	size_t len = strlen(cstring);
	return s.len == len && (len == 0 || memcmp(s.data, cstring, len) == 0);
}
