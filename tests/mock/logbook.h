/*
 * What the mock has received and answered: counters always, and a bounded list of records.
 * The caller holds the lock of the mock.
 */
#ifndef MOCK_LOGBOOK_H
#define MOCK_LOGBOOK_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"

#define LOGBOOK_STATUSES 600

/* One request. Times are CLOCK_MONOTONIC in microseconds; virtual_us is the virtual wall clock. */
struct record {
	int references;
	int64_t sequence;
	int64_t connection;
	int64_t started_us;      /* its headers were there */
	int64_t order;           /* in which requests were judged, from 1; 0: was not */
	int64_t judged_us;       /* its body was there too, and what to do was decided */
	int64_t virtual_us;      /* what the limits took for now */
	int64_t ended_us;        /* -1: still in flight */
	int64_t first_byte_us;   /* of the answer; -1: none so far */
	int64_t disconnected_us; /* the client left before the end; -1: it did not */
	int64_t concurrent;      /* in flight when it came, with itself */
	int64_t bytes;           /* sent: of the wire, or of the body where the library frames it */
	int64_t tokens, input_tokens; /* what it cost */
	int status;                   /* 0: no status was sent */
	bool limited;                 /* refused by a limit */
	bool charged;                 /* counted against the limits */
	char *method;
	char *path;
	json_t *headers; /* array of [name, value] */
	struct buf body;
	size_t body_bytes; /* as received; the record may have less */
};

struct counters {
	int64_t requests;
	int64_t in_flight;
	int64_t peak_in_flight;
	int64_t accepted; /* connections */
	int64_t used;     /* those of them that a provider's request came on */
	int64_t refused;
	int64_t open;
	int64_t peak_open;
	int64_t disconnects;
	int64_t limited;
	int64_t bytes;
	int64_t statuses[LOGBOOK_STATUSES]; /* [0]: no status was sent */
};

struct logbook {
	size_t limit;      /* records kept; 0: none */
	size_t body_limit; /* bytes of a body kept */
	struct record **ring;
	size_t first, count;
	int64_t next_sequence;
	int64_t last_order;
	int64_t dropped;
	struct counters counters;
};

void logbook_init(struct logbook *, size_t limit, size_t body_limit);
void logbook_finish(struct logbook *);

/* Forgets records and counters, except what is in flight or open. */
void logbook_reset(struct logbook *);

/* Begins the record of a request. The caller gives it back with record_release. */
struct record *logbook_begin(struct logbook *, int64_t now_us);

/* Ends it: status, bytes and times are in the record. */
void logbook_end(struct logbook *, struct record *);

void record_release(struct record *);

/* Records with a sequence of at least SINCE. A new array. */
json_t *logbook_list(const struct logbook *, int64_t since, bool bodies);

/* A new object. */
json_t *logbook_counters(const struct logbook *);

#endif
