/*
 * The response cache: which answers may be kept, under which key, for how long (DESIGN section 8).
 */
#ifndef FREELLMD_CACHE_H
#define FREELLMD_CACHE_H

#include <stdint.h>
#include <sys/types.h>

#include "answer.h"
#include "store.h"

struct cache;

struct cache_key {
	unsigned char bytes[STORE_KEY_BYTES];
};

/* `store` is borrowed and may be NULL: everything misses. max_entry: bytes of the largest answer
 * that is kept. */
struct cache *cache_create(struct store *store, size_t max_entry);
void cache_destroy(struct cache *c);

/*
 * SHA-256 over a version byte, the sharing domain, the model asked for, and the canonical JSON of
 * the parameters. `domain` is the uid, or (uid_t)-1 when the configuration shares the cache. The
 * transport and `stream` are not part.
 */
void cache_key_make(struct cache *c, struct cache_key *to, uid_t domain, struct slice model,
	struct slice parameters);

/* A hit is readable until cache_release. Returns false for a miss (nothing to release). A damaged
 * entry is a miss. */
bool cache_get(
	struct cache *c, const struct cache_key *key, int64_t now_ms, struct answer_view *to);
void cache_release(struct cache *c);

/* Keeps a complete answer for ttl_ms from now. 0 keeps nothing. */
void cache_put(struct cache *c, const struct cache_key *key, const struct answer *answer,
	struct slice provider, struct slice model, int64_t now_ms, int64_t ttl_ms);

struct cache_stats {
	uint64_t hits, misses, stored, too_large;
	struct store_stats store;
};
void cache_get_stats(const struct cache *c, struct cache_stats *to);

#endif
