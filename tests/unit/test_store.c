#include "unit.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log_capture.h"
#include "store_fixture.h"

static int
begin(void **state)
{
	struct store_fixture *f = malloc(sizeof *f);
	fixture_begin(f);
	*state = f;
	return 0;
}

static int
end(void **state)
{
	fixture_end(*state);
	free(*state);
	return 0;
}

static struct store_stats
stats_of(struct store *s)
{
	struct store_stats stats;
	store_get_stats(s, &stats);
	return stats;
}

static void
test_put_is_there_at_once_and_after_the_commit(void **state)
{
	struct store_fixture *f = *state;
	int64_t later = fixture_later();
	assert_int_equal(fixture_open(f, MIB), 0);
	assert_int_equal(fixture_get(f->store, 1, 100, 0), ABSENT);
	fixture_put(f->store, 1, 100, later);
	fixture_put(f->store, 2, 0, later);
	for (int committed = 0; committed <= 1; committed++) {
		assert_int_equal(fixture_get(f->store, 1, 100, later - 1), RIGHT);
		assert_int_equal(fixture_get(f->store, 2, 0, later - 1), RIGHT);
		assert_int_equal(fixture_get(f->store, 3, 100, 0), ABSENT);
		assert_int_equal(fixture_get(f->store, 1, 100, later), ABSENT);
		store_flush(f->store);
	}
	struct store_stats stats = stats_of(f->store);
	assert_int_equal(stats.entries, 2);
	assert_true(stats.bytes > 0);
	assert_int_equal(stats.failed + stats.dropped + stats.evicted, 0);
	store_flush(f->store); /* nothing is queued: returns */
}

static void
put_text(struct store *s, unsigned char first, const char *text, int64_t expires_at_ms)
{
	unsigned char key[STORE_KEY_BYTES] = {first};
	store_put(s, key, slice_of(text), expires_at_ms);
}

static bool
has_text(struct store *s, unsigned char first, const char *text, int64_t now_ms)
{
	unsigned char key[STORE_KEY_BYTES] = {first};
	struct slice value;
	if (!store_get(s, key, now_ms, &value))
		return false;
	bool same = slice_is(value, text);
	store_release(s);
	return same;
}

static void
test_newest_put_wins(void **state)
{
	struct store_fixture *f = *state;
	int64_t later = fixture_later();
	assert_int_equal(fixture_open(f, MIB), 0);
	put_text(f->store, 7, "first", later);
	put_text(f->store, 7, "second", later + 1000);
	put_text(f->store, 7, "third", later - 1000);
	assert_true(has_text(f->store, 7, "third", 0));
	/* That an older one would still be good does not bring it back. */
	assert_false(has_text(f->store, 7, "second", later));
	store_flush(f->store);
	assert_true(has_text(f->store, 7, "third", 0));
	assert_false(has_text(f->store, 7, "second", later));

	put_text(f->store, 7, "fourth", later + 5000);
	assert_true(has_text(f->store, 7, "fourth", later + 4999));
	store_flush(f->store);
	assert_true(has_text(f->store, 7, "fourth", later + 4999));
	assert_int_equal(stats_of(f->store).entries, 1);
	fixture_close(f);
	assert_int_equal(fixture_rows(f, "expiry"), 1);
}

static void
test_restart(void **state)
{
	struct store_fixture *f = *state;
	int64_t later = fixture_later();
	struct stat st;
	assert_int_equal(fixture_open(f, MIB), 0);
	for (unsigned i = 0; i < 100; i++)
		fixture_put(f->store, i, i * 20, later + i);
	fixture_close(f); /* without a flush: close waits */
	for (int round = 0; round < 3; round++) {
		assert_int_equal(fixture_open(f, MIB), 0);
		assert_int_equal(stats_of(f->store).entries, 100);
		for (unsigned i = 0; i < 100; i++)
			assert_int_equal(fixture_get(f->store, i, i * 20, later + i - 1), RIGHT);
		assert_int_equal(fixture_get(f->store, 0, 0, later), ABSENT);
		fixture_close(f);
	}
	assert_int_equal(stat(f->file, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_false(log_capture_has("damaged"));
}

static void
test_writer_removes_the_expired(void **state)
{
	struct store_fixture *f = *state;
	int64_t now = fixture_now();
	assert_int_equal(fixture_open(f, 16 * MIB), 0);
	for (unsigned i = 0; i < 50; i++)
		fixture_put(f->store, i, 100, now - 1000);
	store_flush(f->store);
	fixture_put(f->store, 50, 100, fixture_later());
	store_flush(f->store);
	assert_int_equal(stats_of(f->store).entries, 1);
	assert_int_equal(stats_of(f->store).evicted, 0);
	assert_int_equal(fixture_get(f->store, 50, 100, now), RIGHT);
	fixture_close(f);
	assert_int_equal(fixture_rows(f, "entries"), 1);
	assert_int_equal(fixture_rows(f, "expiry"), 1);
}

enum { MODEL = 2600, MODEL_BYTES = 3000 };

/* What the store should hold: an entry's expiry, 0 when it is absent. */
static int64_t model[MODEL];

static void
model_evict(uint64_t count)
{
	for (; count > 0; count--) {
		int64_t *oldest = NULL;
		for (unsigned i = 0; i < MODEL; i++) {
			if (model[i] != 0 && (oldest == NULL || model[i] < *oldest))
				oldest = &model[i];
		}
		assert_non_null(oldest);
		*oldest = 0;
	}
}

/* Ten times the cap, one by one, with expiries in any order. */
static void
test_evicts_the_oldest_expiry(void **state)
{
	struct store_fixture *f = *state;
	int64_t later = fixture_later();
	uint64_t evicted = 0;
	struct stat st;
	memset(model, 0, sizeof model);
	assert_int_equal(fixture_open(f, MIB), 0);
	for (unsigned i = 0; i < MODEL; i++) {
		int64_t expiry = later + (int64_t)(i * 7919U % MODEL);
		fixture_put(f->store, i, MODEL_BYTES, expiry);
		store_flush(f->store);
		struct store_stats stats = stats_of(f->store);
		model_evict(stats.evicted - evicted);
		evicted = stats.evicted;
		model[i] = expiry;
		assert_true(stats.bytes <= MIB);
		if (i % 100 != 0 && i != MODEL - 1)
			continue;
		unsigned entries = 0;
		for (unsigned j = 0; j <= i; j++) {
			assert_int_equal(fixture_get(f->store, j, MODEL_BYTES, 0),
				model[j] != 0 ? RIGHT : ABSENT);
			entries += model[j] != 0;
		}
		assert_int_equal(stats.entries, entries);
	}
	assert_true(evicted > MODEL * 8 / 10);
	assert_int_equal(stats_of(f->store).failed, 0);
	assert_int_equal(stat(f->file, &st), 0);
	assert_true(st.st_size <= MIB);
}

static size_t
any_size(unsigned i, size_t most)
{
	return i * 2654435761U % most;
}

/* Ten times the cap at once; each entry expires after the one before it, so that the last ones
 * stay. */
static void
fill(struct store_fixture *f, size_t map, size_t most, unsigned least_kept_percent)
{
	int64_t later = fixture_later();
	size_t written = 0, kept = 0;
	unsigned count = 0, absent = 0;
	struct stat st;
	assert_int_equal(fixture_open(f, map), 0);
	for (; written < 10 * map; count++) {
		size_t len = any_size(count, most);
		fixture_put(f->store, count, len, later + count);
		written += len;
	}
	store_flush(f->store);
	struct store_stats stats = stats_of(f->store);
	assert_int_equal(stats.failed, 0);
	assert_int_equal(stats.dropped, 0);
	for (unsigned i = 0; i < count; i++) {
		enum found found = fixture_get(f->store, i, any_size(i, most), 0);
		assert_int_not_equal(found, WRONG);
		if (found == ABSENT) {
			assert_int_equal(absent, i);
			absent++;
		} else {
			kept += any_size(i, most);
		}
	}
	assert_int_equal(stats.evicted, absent);
	assert_int_equal(stats.entries, count - absent);
	if (kept * 100 / map < least_kept_percent)
		fail_msg("only %zu of %zu bytes are kept", kept, map);
	assert_int_equal(stat(f->file, &st), 0);
	assert_true((size_t)st.st_size <= map);
	fixture_close(f);
	assert_int_equal(fixture_open(f, map), 0);
	assert_false(log_capture_has("damaged"));
	assert_int_equal(fixture_get(f->store, count - 1, any_size(count - 1, most), 0), RIGHT);
}

static void
test_cap_with_small_values(void **state)
{
	fill(*state, MIB, 600, 25);
}

static void
test_cap_with_values_of_a_page(void **state)
{
	fill(*state, 2 * MIB, 8000, 40);
}

static void
test_cap_with_mixed_values(void **state)
{
	fill(*state, 4 * MIB, 100000, 40);
}

/* A sixteenth of the map is what a commit is meant to hold; a larger value goes alone. */
static void
test_large_values(void **state)
{
	struct store_fixture *f = *state;
	int64_t later = fixture_later();
	assert_int_equal(fixture_open(f, MIB), 0);
	for (unsigned i = 0; i < 60; i++) {
		size_t len = MIB / 16 + i * (MIB / 4 - MIB / 16) / 60;
		fixture_put(f->store, i, len, later + i);
		if (i % 3 == 0)
			store_flush(f->store);
		assert_int_equal(fixture_get(f->store, i, len, 0), RIGHT);
		store_flush(f->store);
		assert_int_equal(fixture_get(f->store, i, len, 0), RIGHT);
	}
	assert_int_equal(stats_of(f->store).failed, 0);
	assert_false(log_capture_has("cache:"));
}

static void
test_too_large_costs_only_itself(void **state)
{
	struct store_fixture *f = *state;
	int64_t later = fixture_later();
	assert_int_equal(fixture_open(f, MIB), 0);
	for (unsigned i = 0; i < 50; i++)
		fixture_put(f->store, i, 1000, later);
	fixture_put(f->store, 50, MIB / 4 + 1, later);
	fixture_put(f->store, 51, 2 * MIB, later);
	fixture_put(f->store, 52, 1000, later);
	store_flush(f->store);
	struct store_stats stats = stats_of(f->store);
	assert_int_equal(stats.dropped, 2);
	assert_int_equal(stats.failed, 0);
	assert_int_equal(stats.entries, 51);
	assert_int_equal(fixture_get(f->store, 50, MIB / 4 + 1, 0), ABSENT);
	assert_int_equal(fixture_get(f->store, 0, 1000, 0), RIGHT);
	assert_int_equal(fixture_get(f->store, 52, 1000, 0), RIGHT);
}

/* A large value that is overwritten before it was written leaves free pages, perhaps beyond the end
 * of the file. */
static void
test_overwrites_in_one_batch(void **state)
{
	struct store_fixture *f = *state;
	int64_t later = fixture_later();
	for (unsigned round = 0; round < 5; round++) {
		assert_int_equal(fixture_open(f, 16 * MIB), 0);
		for (unsigned i = 0; i < 8; i++)
			fixture_put(f->store, round, 60000 - i * 7000, later);
		fixture_close(f);
	}
	assert_int_equal(fixture_open(f, 16 * MIB), 0);
	for (unsigned round = 0; round < 5; round++)
		assert_int_equal(fixture_get(f->store, round, 60000 - 7 * 7000, 0), RIGHT);
	assert_false(log_capture_has("damaged"));
}

static void
test_max_pending(void **state)
{
	struct store_fixture *f = *state;
	int64_t later = fixture_later();
	struct store_options options = {f->directory, 16 * MIB, 20000};
	assert_int_equal(store_open(&f->store, &options, &f->why), 0);
	fixture_put(f->store, 1000, 20000, later); /* more than ever fits */
	assert_int_equal(stats_of(f->store).dropped, 1);
	for (unsigned i = 0; i < 100; i++)
		fixture_put(f->store, i, 1000, later);
	uint64_t dropped = stats_of(f->store).dropped - 1;
	store_flush(f->store);
	unsigned found = 0;
	for (unsigned i = 0; i < 100; i++)
		found += fixture_get(f->store, i, 1000, 0) == RIGHT;
	assert_int_equal(found, 100 - dropped);
	assert_true(found >= 18);
	assert_int_equal(stats_of(f->store).entries, found);
	fixture_put(f->store, 200, 1000, later);
	assert_int_equal(fixture_get(f->store, 200, 1000, 0), RIGHT);
}

static void
test_shrunk_cap_begins_anew(void **state)
{
	struct store_fixture *f = *state;
	int64_t later = fixture_later();
	assert_int_equal(fixture_open(f, 8 * MIB), 0);
	for (unsigned i = 0; i < 400; i++)
		fixture_put(f->store, i, 10000, later);
	fixture_close(f);
	assert_int_equal(fixture_open(f, MIB), 0);
	assert_true(log_capture_has("larger than max_size"));
	assert_int_equal(fixture_get(f->store, 0, 10000, 0), ABSENT);
	fixture_put(f->store, 0, 10000, later);
	store_flush(f->store);
	assert_int_equal(fixture_get(f->store, 0, 10000, 0), RIGHT);
	fixture_close(f);
	/* A larger one keeps what is there. */
	assert_int_equal(fixture_open(f, 8 * MIB), 0);
	assert_int_equal(fixture_get(f->store, 0, 10000, 0), RIGHT);
}

/* The loop reads and puts as fast as it can while the writer writes; run it with
 * -Db_sanitize=thread too. */
static void
test_reads_beside_the_writer(void **state)
{
	enum { KEYS = 200, STEPS = 20000 };
	struct store_fixture *f = *state;
	int64_t later = fixture_later();
	size_t lens[KEYS] = {0};
	uint32_t x = 42;
	assert_int_equal(fixture_open(f, 16 * MIB), 0);
	for (unsigned step = 0; step < STEPS; step++) {
		x = x * 1664525U + 1013904223U;
		unsigned i = (x >> 16) % KEYS;
		if (x >> 30 == 0) {
			lens[i] = 1 + (x >> 8) % 5000;
			fixture_put(f->store, i, lens[i], later);
		} else {
			assert_int_equal(
				fixture_get(f->store, i, lens[i], 0), lens[i] > 0 ? RIGHT : ABSENT);
		}
		if (step % 4000 == 3999)
			store_flush(f->store);
	}
	assert_int_equal(stats_of(f->store).failed + stats_of(f->store).dropped, 0);
}

#define STORE_TEST(test) cmocka_unit_test_setup_teardown(test, begin, end)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		STORE_TEST(test_put_is_there_at_once_and_after_the_commit),
		STORE_TEST(test_newest_put_wins),
		STORE_TEST(test_restart),
		STORE_TEST(test_writer_removes_the_expired),
		STORE_TEST(test_evicts_the_oldest_expiry),
		STORE_TEST(test_cap_with_small_values),
		STORE_TEST(test_cap_with_values_of_a_page),
		STORE_TEST(test_cap_with_mixed_values),
		STORE_TEST(test_large_values),
		STORE_TEST(test_too_large_costs_only_itself),
		STORE_TEST(test_overwrites_in_one_batch),
		STORE_TEST(test_max_pending),
		STORE_TEST(test_shrunk_cap_begins_anew),
		STORE_TEST(test_reads_beside_the_writer),
	};
	return cmocka_run_group_tests_name("store", tests, NULL, NULL);
}
