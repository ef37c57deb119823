/*
 * A growable byte buffer with a sticky error, and a borrowed view of bytes.
 *
 * A zeroed struct bytes is an empty buffer. After a failed allocation, or an append beyond `max`,
 * the buffer is `failed`: later appends do nothing, and the owner checks the flag once, at the end.
 */
#ifndef FREELLM_BYTES_H
#define FREELLM_BYTES_H

#include <stdbool.h>
#include <stddef.h>

/* Borrowed, not NUL-terminated unless its maker says so. data may be NULL when len is 0. */
struct slice {
	const char *data;
	size_t len;
};

struct bytes {
	char *data;
	size_t len;
	size_t cap;
	size_t max; /* bytes the buffer may hold; 0: no bound of its own */
	bool failed;
};

/* Frees the memory and zeroes the buffer; `max` is kept. */
void bytes_finish(struct bytes *b);

/* Empties the buffer and clears `failed`, keeping its memory. */
void bytes_clear(struct bytes *b);

/* Room for `extra` more bytes at data + len, or NULL (and failed) when there is none. The caller
 * then adds to len. */
char *bytes_reserve(struct bytes *b, size_t extra);

void bytes_append(struct bytes *b, const void *data, size_t len);
void bytes_append_str(struct bytes *b, const char *s);
void bytes_append_char(struct bytes *b, char c);
void bytes_printf(struct bytes *b, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Drops the first n bytes (n <= len) and moves the rest to the front. */
void bytes_consume(struct bytes *b, size_t n);

/* Appends a NUL that is not counted in len, so that data can be used as a C string. Returns data,
 * or NULL. */
const char *bytes_cstr(struct bytes *b);

/* The write callback of a msgpack_packer whose data is a struct bytes. Always returns 0: errors
 * stick. */
int bytes_msgpack_write(void *bytes, const char *data, size_t len);

struct slice slice_of(const char *cstring); /* NULL gives the empty slice */
bool slice_is(struct slice s, const char *cstring);

#endif
