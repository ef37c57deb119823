/*
 * A gzip stream, flushed after each segment so that events still leave one by one.
 */
#ifndef MOCK_SQUEEZE_H
#define MOCK_SQUEEZE_H

#include <stdbool.h>

#include "buf.h"

struct squeeze;

struct squeeze *squeeze_create(void);
void squeeze_destroy(struct squeeze *);

/* Appends DATA, compressed, to OUT; LAST also ends the stream. */
void squeeze_put(struct squeeze *, const char *data, size_t len, bool last, struct buf *out);

#endif
