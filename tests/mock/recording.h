/*
 * Recorded answers: X.http is a status line, headers, a blank line and a body. The other kinds of
 * file get a head: X.sse and X.json are bodies, X.chunks.txt has the data of one event per line.
 */
#ifndef MOCK_RECORDING_H
#define MOCK_RECORDING_H

#include <stdbool.h>

#include "buf.h"

struct recording {
	int status;
	struct buf head; /* status line and header lines, each with its line end; no blank line */
	struct buf body;
	bool stream; /* its content type is text/event-stream */
};

/* Loads NAME, a path below DIR. Returns 0 or a negative errno, -EINVAL for a name that leaves DIR
 * and -EBADMSG for a file that has no head; nothing is to be freed then. */
int recording_load(struct recording *out, const char *dir, const char *name)
	__attribute__((warn_unused_result));

void recording_finish(struct recording *);

#endif
