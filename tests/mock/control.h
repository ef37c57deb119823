/*
 * The control interface under /_mock: script, configuration, clock, log, statistics.
 */
#ifndef MOCK_CONTROL_H
#define MOCK_CONTROL_H

#include <jansson.h>

#include "buf.h"

struct mock;

/* Finds a parameter of the query, or NULL. */
typedef const char *control_query(void *context, const char *name);

/* Answers METHOD and URL. Returns the status and fills OUT with JSON. */
int control_answer(struct mock *mock, const char *method, const char *url, const struct buf *body,
	control_query *query, void *context, struct buf *out);

/* Applies a configuration object. Returns NULL, or a static sentence on the member that is wrong;
 * those before it are applied then. The caller holds the lock. */
const char *control_configure(struct mock *, json_t *object);

#endif
