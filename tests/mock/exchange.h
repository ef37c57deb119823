/*
 * One request from its headers to the end of its answer, whichever way the answer is sent.
 */
#ifndef MOCK_EXCHANGE_H
#define MOCK_EXCHANGE_H

#include <stdbool.h>
#include <stdint.h>

#include "buf.h"
#include "limits.h"

struct mock;
struct record;

struct exchange {
	struct mock *mock;
	struct record *record; /* NULL: not to be counted, as the control requests */
	struct buf body;
	bool too_large;
	char *key;        /* whose limits it takes part in; NULL: nobody's */
	char *model;      /* with key */
	struct cost late; /* to charge when it ends */
};

struct exchange *exchange_create(struct mock *);

/* Takes part in the limits of KEY for MODEL from now on. The caller holds the lock. */
void exchange_enter(struct exchange *, const char *key, const char *model);

/* Ends it: BYTES were sent; GONE_US is when the client left, or -1. Frees it. */
void exchange_end(struct exchange *, int status, int64_t bytes, int64_t gone_us);

/* The first byte of the answer leaves now. */
void exchange_first_byte(struct exchange *);

#endif
