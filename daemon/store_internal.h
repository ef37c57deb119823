/*
 * Shared by store.c (the loop's side), store_open.c (opening, and what damage does) and
 * store_writer.c (the writer thread), and by nobody else.
 *
 * On disk: one LMDB file, cache.mdb, with three databases.
 *   meta     "format" -> STORE_FORMAT, one byte. A change of the two below takes the next number;
 *            an unknown one is refused, not deleted.
 *   entries  key (32 bytes) -> expiry (8 bytes, big-endian Unix milliseconds), value
 *   expiry   expiry (8 bytes, big-endian), key (32 bytes) -> nothing: the oldest expiry comes first
 */
#ifndef FREELLMD_STORE_INTERNAL_H
#define FREELLMD_STORE_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include <lmdb.h>

#include "store.h"

#define STORE_FORMAT_NAME "format"
enum { STORE_FORMAT = 1, EXPIRY_BYTES = 8, EXPIRY_ROW_BYTES = EXPIRY_BYTES + STORE_KEY_BYTES };

/* A write on its way. The loop makes it and frees it; in between the writer reads it. */
struct put {
	struct put *next;  /* of the queue, then of the written ones */
	struct put *chain; /* of its bucket: the loop's */
	unsigned char key[STORE_KEY_BYTES];
	int64_t expires_at_ms;
	size_t len;
	char value[];
};

enum { BUCKETS = 256, LARGEST_SHARE = 4 /* of the map, for one value */ };

struct store {
	MDB_env *env;
	MDB_dbi meta, entries, expiry;
	size_t map_bytes, max_pending;
	int lock_fd;

	/* The loop's alone. */
	MDB_txn *read; /* reset between uses */
	bool read_active;
	struct put *buckets
		[BUCKETS]; /* what was put and may not be in the environment yet, newest first */
	size_t pending_bytes;
	uint64_t dropped;

	/* The writer's alone. */
	bool complained;

	pthread_t writer;
	pthread_mutex_t lock; /* for what follows */
	pthread_cond_t wake, written_more;
	struct put *queue, **queue_end;
	struct put *written;
	bool stop, hurry, asleep;
	uint64_t queued_count, written_count;
	struct store_stats stats;
	atomic_bool has_written;
};

/* Opens s->env and the databases in `directory`. Returns 0 or a negative errno with a sentence in
 * `why`. */
int store_open_environment(struct store *s, const char *directory, struct bytes *why);

/* Of the pages of a database. */
size_t store_bytes_of(MDB_txn *txn, MDB_dbi dbi);

void *store_writer_main(void *store);

void store_expiry_encode(unsigned char to[EXPIRY_BYTES], int64_t expires_at_ms);
int64_t store_expiry_decode(const unsigned char from[EXPIRY_BYTES]);

#endif
