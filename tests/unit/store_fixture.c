#include "store_fixture.h"

#include "unit.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <lmdb.h>

#include "log_capture.h"

void
fixture_begin(struct store_fixture *f)
{
	/* In memory where there is such a place: thousands of commits, each with its sync. */
	*f = (struct store_fixture){.directory = "/dev/shm/freellm-store-XXXXXX"};
	if (mkdtemp(f->directory) == NULL) {
		strcpy(f->directory, "/tmp/freellm-store-XXXXXX");
		assert_non_null(mkdtemp(f->directory));
	}
	snprintf(f->file, sizeof f->file, "%s/cache.mdb", f->directory);
	log_capture_clear();
}

static int
remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
	return remove(path);
}

void
fixture_end(struct store_fixture *f)
{
	fixture_close(f);
	assert_int_equal(nftw(f->directory, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

int
fixture_open(struct store_fixture *f, size_t max_bytes)
{
	struct store_options options = {
		.directory = f->directory,
		.max_bytes = max_bytes,
		.max_pending = 64 * MIB,
	};
	bytes_clear(&f->why);
	int result = store_open(&f->store, &options, &f->why);
	bytes_cstr(&f->why);
	return result;
}

void
fixture_close(struct store_fixture *f)
{
	store_close(f->store);
	f->store = NULL;
	bytes_finish(&f->why);
}

int64_t
fixture_now(void)
{
	return (int64_t)time(NULL) * 1000;
}

int64_t
fixture_later(void)
{
	return fixture_now() + 3600 * 1000;
}

/* Spread over all of the tree, as hashes are. */
static void
key_of(unsigned char key[STORE_KEY_BYTES], unsigned number)
{
	uint64_t x = number;
	for (int i = 0; i < STORE_KEY_BYTES; i++) {
		x = x * 6364136223846793005U + 1442695040888963407U;
		key[i] = (unsigned char)(x >> 56);
	}
	memcpy(key + STORE_KEY_BYTES - sizeof number, &number, sizeof number);
}

static char *
value_of(unsigned number, size_t len)
{
	char *value = malloc(len + 1);
	uint32_t x = number * 2654435761U + 1;
	assert_non_null(value);
	for (size_t i = 0; i < len; i++) {
		x = x * 1664525U + 1013904223U;
		value[i] = (char)(x >> 24);
	}
	return value;
}

void
fixture_put(struct store *s, unsigned number, size_t len, int64_t expires_at_ms)
{
	unsigned char key[STORE_KEY_BYTES];
	char *value = value_of(number, len);
	key_of(key, number);
	store_put(s, key, (struct slice){value, len}, expires_at_ms);
	free(value);
}

enum found
fixture_get(struct store *s, unsigned number, size_t len, int64_t now_ms)
{
	unsigned char key[STORE_KEY_BYTES];
	struct slice got;
	key_of(key, number);
	if (!store_get(s, key, now_ms, &got))
		return ABSENT;
	char *value = value_of(number, len);
	bool same = got.len == len && memcmp(got.data, value, len) == 0;
	store_release(s);
	free(value);
	return same ? RIGHT : WRONG;
}

size_t
fixture_rows(const struct store_fixture *f, const char *database)
{
	MDB_env *env;
	MDB_txn *txn;
	MDB_dbi dbi;
	MDB_stat stat;
	assert_int_equal(mdb_env_create(&env), 0);
	assert_int_equal(mdb_env_set_maxdbs(env, 3), 0);
	assert_int_equal(mdb_env_open(env, f->file, MDB_NOSUBDIR | MDB_RDONLY, 0600), 0);
	assert_int_equal(mdb_txn_begin(env, NULL, MDB_RDONLY, &txn), 0);
	assert_int_equal(mdb_dbi_open(txn, database, 0, &dbi), 0);
	assert_int_equal(mdb_stat(txn, dbi, &stat), 0);
	mdb_txn_abort(txn);
	mdb_env_close(env);
	return stat.ms_entries;
}
