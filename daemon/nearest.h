/*
 * "Did you mean ...?": which of the known words is near enough to a mistyped one.
 */
#ifndef FREELLMD_NEAREST_H
#define FREELLMD_NEAREST_H

#include <stddef.h>

struct nearest {
	const char *word;  /* the mistyped one */
	const char *found; /* the nearest so far, or NULL */
	size_t distance;   /* of that */
};

/* Keeps `known` (borrowed) when it is nearer than what was found before, and near enough that a
 * slip of the fingers explains it. */
void nearest_offer(struct nearest *n, const char *known);

#endif
