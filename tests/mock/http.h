/*
 * The library's side: requests come in here, and answers that need nothing special leave here.
 */
#ifndef MOCK_HTTP_H
#define MOCK_HTTP_H

#include <stdbool.h>

struct MHD_Daemon;
struct worker;

/* A daemon without a socket of its own, driven by the worker's loop. NULL when it cannot start. */
struct MHD_Daemon *http_create(struct worker *);

/* Does what is due. */
void http_run(struct MHD_Daemon *);

#endif
