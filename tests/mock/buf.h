/*
 * A growable byte buffer. Memory that is gone ends the process: this is a test instrument.
 */
#ifndef MOCK_BUF_H
#define MOCK_BUF_H

#include <stddef.h>

struct buf {
	char *data;
	size_t len;
	size_t cap;
};

void buf_put(struct buf *, const void *data, size_t len);
void buf_puts(struct buf *, const char *text);
void buf_printf(struct buf *, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Appends LEN bytes of VALUE. */
void buf_fill(struct buf *, char value, size_t len);

/* Appends TEXT, which is UTF-8, as the inside of a JSON string, without its quotes. */
void buf_json(struct buf *, const char *text, size_t len);

/* Empties the buffer and keeps its memory. */
void buf_clear(struct buf *);

void buf_free(struct buf *);

#endif
