/*
 * The only user of LMDB. One environment in the state directory; every write goes through one
 * writer thread, reads may happen on the loop, each in a read transaction (DESIGN section 10 has
 * the times: a commit is never on the loop).
 *
 * What fails here costs the cache, never an answer: errors are logged once, counted, and the store
 * goes on without.
 */
#ifndef FREELLMD_STORE_H
#define FREELLMD_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "bytes.h"

struct store;

struct store_options {
	const char *directory; /* created with mode 0700 if missing */
	size_t max_bytes;      /* the size cap: of the map, and so of the file */
	size_t max_pending;    /* bytes waiting for the writer; beyond it new writes are dropped and
				  counted */
};

struct store_stats {
	uint64_t entries, bytes, evicted, dropped, failed;
};

/*
 * Opens, or creates. A damaged file is moved aside (cache.mdb.damaged) and a new one begun; an
 * unknown version is left alone and refused. Returns 0 or a negative errno with a sentence in
 * `why`; the caller may run without a store.
 */
int store_open(struct store **to, const struct store_options *options, struct bytes *why)
	__attribute__((warn_unused_result));

/* Waits for the writer to finish what is queued and syncs. NULL is fine. */
void store_close(struct store *s);

enum { STORE_KEY_BYTES = 32 };

/*
 * Looks an entry up. On success the value is readable, in place, until store_release; nothing else
 * of the store may be called in between. Returns true and fills *value, or false (and then
 * store_release must not be called): absent, expired at `now_ms`, or the store is broken.
 */
bool store_get(struct store *s, const unsigned char key[STORE_KEY_BYTES], int64_t now_ms,
	struct slice *value);
void store_release(struct store *s);

/*
 * Queues a write and returns at once. The value is copied. `expires_at_ms` is Unix time. A value
 * larger than a quarter of the map, and one that finds max_pending bytes waiting, is dropped and
 * counted.
 */
void store_put(struct store *s, const unsigned char key[STORE_KEY_BYTES], struct slice value,
	int64_t expires_at_ms);

/* Waits until everything queued before this call is in the environment. For tests and for stopping.
 */
void store_flush(struct store *s);

void store_get_stats(struct store *s, struct store_stats *to);

#endif
