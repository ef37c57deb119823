/*
 * Takes out of a text what would do more to a terminal than show it.
 */
#ifndef FREELLM_FILTER_H
#define FREELLM_FILTER_H

#include "bytes.h"

/* Zeroed at the beginning of a text; a sequence may be cut anywhere. */
struct filter {
	enum {
		FILTER_TEXT,
		FILTER_C2,     /* the first byte of U+0080 to U+00BF */
		FILTER_ESCAPE, /* after ESC */
		FILTER_CSI,    /* ESC [, to a final byte */
		FILTER_STRING, /* ESC ] P X ^ _, to BEL, ESC \ or the end of the line */
		FILTER_STRING_C2,
	} state;
};

/*
 * Appends the text without control characters other than line feed and tab, and without the
 * sequences of ECMA-48 that they begin.
 */
void filter_append(struct filter *f, struct bytes *out, struct slice text);

#endif
