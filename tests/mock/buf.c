#include "buf.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *
room_for(struct buf *buf, size_t len)
{
	if (len > SIZE_MAX / 2 - buf->len)
		abort();
	if (buf->len + len > buf->cap) {
		size_t cap = buf->cap ? buf->cap : 256;

		while (cap < buf->len + len)
			cap *= 2;
		buf->data = realloc(buf->data, cap);
		if (!buf->data)
			abort();
		buf->cap = cap;
	}
	return buf->data + buf->len;
}

void
buf_put(struct buf *buf, const void *data, size_t len)
{
	if (len == 0)
		return;
	memcpy(room_for(buf, len), data, len);
	buf->len += len;
}

void
buf_puts(struct buf *buf, const char *text)
{
	buf_put(buf, text, strlen(text));
}

void
buf_printf(struct buf *buf, const char *format, ...)
{
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(NULL, 0, format, args);
	va_end(args);
	if (len < 0)
		abort();
	va_start(args, format);
	vsnprintf(room_for(buf, (size_t)len + 1), (size_t)len + 1, format, args);
	va_end(args);
	buf->len += (size_t)len;
}

void
buf_fill(struct buf *buf, char value, size_t len)
{
	memset(room_for(buf, len), value, len);
	buf->len += len;
}

void
buf_json(struct buf *buf, const char *text, size_t len)
{
	size_t from = 0;

	if (len == 0)
		return;
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c >= 0x20 && c != '"' && c != '\\')
			continue;
		buf_put(buf, text + from, i - from);
		if (c == '"' || c == '\\')
			buf_printf(buf, "\\%c", c);
		else if (c == '\n')
			buf_puts(buf, "\\n");
		else
			buf_printf(buf, "\\u%04x", c);
		from = i + 1;
	}
	buf_put(buf, text + from, len - from);
}

void
buf_clear(struct buf *buf)
{
	buf->len = 0;
}

void
buf_free(struct buf *buf)
{
	free(buf->data);
	*buf = (struct buf){0};
}
