#include "cache.h"

#include <stdlib.h>
#include <string.h>

#include <sodium.h>

/* The first byte under every key: a change of what goes into a key, or of its order, takes the next
 * number, and the old entries are never found again. */
enum { KEY_VERSION = 1 };

enum { REMEMBERED = 256, REMEMBERED_BYTES = 1024 };

/* What a key was made of. libsodium's SHA-256 knows no instructions for it and takes a seventh of
 * the time of a hit, so that the keys of what is asked again and again are kept, a quarter of a
 * megabyte at most. */
struct remembered {
	struct cache_key key;
	uid_t domain;
	size_t model_len, parameters_len;
	char bytes[]; /* both */
};

struct cache {
	struct remembered *remembered[REMEMBERED]; /* by a short hash of the parameters */
	unsigned char hash_key[crypto_shorthash_KEYBYTES];
	struct store *store;
	size_t max_entry;
	struct bytes record; /* the entry being written */
	uint64_t hits, misses, stored, too_large;
};

void
cache_key_make(struct cache_key *to, uid_t domain, struct slice model, struct slice parameters)
{
	crypto_hash_sha256_state hash;
	unsigned char head[9] = {KEY_VERSION};
	uint32_t words[2] = {(uint32_t)domain, (uint32_t)model.len};
	for (size_t i = 0; i < 8; i++)
		head[1 + i] = (unsigned char)(words[i / 4] >> (8 * (i % 4)));
	crypto_hash_sha256_init(&hash);
	crypto_hash_sha256_update(&hash, head, sizeof head);
	crypto_hash_sha256_update(&hash, (const unsigned char *)model.data, model.len);
	crypto_hash_sha256_update(&hash, (const unsigned char *)parameters.data, parameters.len);
	crypto_hash_sha256_final(&hash, to->bytes);
}

static bool
is_remembered(const struct remembered *r, uid_t domain, struct slice model, struct slice parameters)
{
	return r && r->domain == domain && r->model_len == model.len &&
	       r->parameters_len == parameters.len &&
	       memcmp(r->bytes + model.len, parameters.data, parameters.len) == 0 &&
	       (model.len == 0 || memcmp(r->bytes, model.data, model.len) == 0);
}

static struct remembered *
remember(const struct cache_key *key, uid_t domain, struct slice model, struct slice parameters)
{
	struct remembered *r = malloc(sizeof *r + model.len + parameters.len);
	if (r == NULL)
		abort();
	r->key = *key;
	r->domain = domain;
	r->model_len = model.len;
	r->parameters_len = parameters.len;
	if (model.len > 0)
		memcpy(r->bytes, model.data, model.len);
	memcpy(r->bytes + model.len, parameters.data, parameters.len);
	return r;
}

void
cache_key_find(struct cache *c, struct cache_key *to, uid_t domain, struct slice model,
	struct slice parameters)
{
	unsigned char hash[crypto_shorthash_BYTES];
	if (parameters.len == 0 || model.len + parameters.len > REMEMBERED_BYTES) {
		cache_key_make(to, domain, model, parameters);
		return;
	}
	crypto_shorthash(hash, (const unsigned char *)parameters.data, parameters.len, c->hash_key);
	/* Two places for each, so that two that share one do not push each other out. */
	struct remembered **at = NULL;
	for (int i = 0; i < 2; i++) {
		struct remembered **place = &c->remembered[hash[i] % REMEMBERED];
		if (is_remembered(*place, domain, model, parameters)) {
			*to = (*place)->key;
			return;
		}
		at = at && *at == NULL ? at : place;
	}
	cache_key_make(to, domain, model, parameters);
	free(*at);
	*at = remember(to, domain, model, parameters);
}

struct cache *
cache_create(struct store *store, size_t max_entry)
{
	struct cache *c = calloc(1, sizeof *c);
	if (c == NULL)
		abort();
	c->store = store;
	c->max_entry = max_entry;
	crypto_shorthash_keygen(c->hash_key);
	return c;
}

void
cache_destroy(struct cache *c)
{
	if (c == NULL)
		return;
	for (size_t i = 0; i < REMEMBERED; i++)
		free(c->remembered[i]);
	bytes_finish(&c->record);
	free(c);
}

bool
cache_get(struct cache *c, const struct cache_key *key, int64_t now_ms, struct answer_view *to)
{
	struct slice record;
	if (c->store && store_get(c->store, key->bytes, now_ms, &record)) {
		if (answer_view(record, to)) {
			c->hits++;
			return true;
		}
		store_release(c->store);
	}
	c->misses++;
	return false;
}

void
cache_release(struct cache *c)
{
	store_release(c->store);
}

void
cache_put(struct cache *c, const struct cache_key *key, const struct answer *answer,
	struct slice provider, struct slice model, int64_t now_ms, int64_t ttl_ms)
{
	if (c->store == NULL || ttl_ms <= 0)
		return;
	bytes_clear(&c->record);
	c->record.max = c->max_entry;
	answer_encode(&c->record, answer, provider, model, now_ms);
	if (c->record.failed) {
		c->too_large++;
	} else {
		struct slice record = {c->record.data, c->record.len};
		int64_t expires_at_ms = ttl_ms < INT64_MAX - now_ms ? now_ms + ttl_ms : INT64_MAX;
		store_put(c->store, key->bytes, record, expires_at_ms);
		c->stored++;
	}
	if (c->record.cap > 64 * 1024)
		bytes_finish(&c->record);
}

void
cache_get_stats(const struct cache *c, struct cache_stats *to)
{
	*to = (struct cache_stats){
		.hits = c->hits,
		.misses = c->misses,
		.stored = c->stored,
		.too_large = c->too_large,
	};
	if (c->store)
		store_get_stats(c->store, &to->store);
}
