/*
 * What the cache costs on the loop: nanoseconds for a hit, for a put, and for hashing a key, each
 * with the bare thing it is made of in the same run: LMDB's own get, a copy of the value, one call
 * of SHA-256. Each figure is the best of several rounds, because other work on the machine can only
 * add.
 */
#include <ftw.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <sodium.h>

#include "cache.h"
#include "log.h"
#include "store_internal.h"

enum { KEYS = 4096, ROUNDS = 9, MAP_BYTES = 256 << 20 };

static const size_t sizes[] = {300, 4096};
static unsigned char keys[KEYS][STORE_KEY_BYTES];
static char text[4096];
static size_t seen;

void
log_write(enum log_level level, const char *format, ...)
{
}

static double
nanoseconds(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

struct bench {
	struct store *store;
	size_t size;
};

static void
hit(struct bench *b)
{
	for (size_t i = 0; i < KEYS; i++) {
		struct slice value;
		if (!store_get(b->store, keys[i], 0, &value))
			abort();
		seen += value.len + (unsigned char)value.data[0];
		store_release(b->store);
	}
}

static void
hit_bare(struct bench *b)
{
	MDB_txn *txn;
	if (mdb_txn_begin(b->store->env, NULL, MDB_RDONLY, &txn) != 0)
		abort();
	mdb_txn_reset(txn);
	for (size_t i = 0; i < KEYS; i++) {
		MDB_val key = {STORE_KEY_BYTES, keys[i]}, value;
		if (mdb_txn_renew(txn) != 0 || mdb_get(txn, b->store->entries, &key, &value) != 0)
			abort();
		seen += value.mv_size + ((unsigned char *)value.mv_data)[EXPIRY_BYTES];
		mdb_txn_reset(txn);
	}
	mdb_txn_abort(txn);
}

static void
put(struct bench *b)
{
	for (size_t i = 0; i < KEYS; i++)
		store_put(b->store, keys[i], (struct slice){text, b->size}, INT64_MAX);
}

static void
put_bare(struct bench *b)
{
	static char *copies[KEYS];
	for (size_t i = 0; i < KEYS; i++) {
		copies[i] = malloc(b->size + sizeof(struct put));
		if (copies[i] == NULL)
			abort();
		memcpy(copies[i], text, b->size);
		seen += (unsigned char)copies[i][i % b->size];
	}
	for (size_t i = 0; i < KEYS; i++)
		free(copies[i]);
}

static void
hash(struct bench *b)
{
	struct cache_key key;
	struct cache *cache = cache_create(NULL, 0);
	for (size_t i = 0; i < KEYS; i++) {
		cache_key_make(cache, &key, (uid_t)i, slice_of("groq/llama-3.1-8b-instant"),
			(struct slice){text, b->size});
		seen += key.bytes[0];
	}
	cache_destroy(cache);
}

static void
hash_bare(struct bench *b)
{
	unsigned char sum[crypto_hash_sha256_BYTES];
	for (size_t i = 0; i < KEYS; i++) {
		text[0] = (char)i;
		crypto_hash_sha256(sum, (const unsigned char *)text, b->size);
		seen += sum[0];
	}
}

static double
best_of(void (*run)(struct bench *), struct bench *b)
{
	double best = 1e18;
	for (int round = 0; round < ROUNDS; round++) {
		double start = nanoseconds();
		run(b);
		double took = (nanoseconds() - start) / KEYS;
		best = took < best ? took : best;
		store_flush(b->store);
	}
	return best;
}

static const struct {
	const char *name, *beside;
	void (*run)(struct bench *), (*bare)(struct bench *);
} rows[] = {
	{"put", "a copy of the value", put, put_bare},
	{"get, a hit", "LMDB's own get", hit, hit_bare},
	{"key", "SHA-256 alone", hash, hash_bare},
};

static int
remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
	return remove(path);
}

int
main(void)
{
	char directory[] = "/tmp/freellm-bench-XXXXXX";
	struct bench b = {0};
	struct bytes why = {0};
	mallopt(M_TRIM_THRESHOLD, MAP_BYTES); /* so that neither side pays for fresh pages */
	if (mkdtemp(directory) == NULL)
		return 1;
	struct store_options options = {directory, MAP_BYTES, MAP_BYTES};
	if (store_open(&b.store, &options, &why) != 0) {
		fprintf(stderr, "%s\n", bytes_cstr(&why));
		return 1;
	}
	for (uint32_t i = 0; i < KEYS; i++)
		crypto_hash_sha256(keys[i], (const unsigned char *)&i, sizeof i);
	memset(text, 'x', sizeof text);
	printf("%-12s %6s %9s %9s %6s\n", "", "bytes", "ns", "bare ns", "ratio");
	for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
		b.size = sizes[i];
		for (size_t j = 0; j < sizeof rows / sizeof rows[0]; j++) {
			double ns = best_of(rows[j].run, &b), bare = best_of(rows[j].bare, &b);
			printf("%-12s %6zu %9.0f %9.0f %6.2f  (%s)\n", rows[j].name, b.size, ns,
				bare, ns / bare, rows[j].beside);
		}
	}
	store_close(b.store);
	nftw(directory, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	return seen == 0;
}
