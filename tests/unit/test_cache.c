#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "cache.h"
#include "store_fixture.h"

struct cache_fixture {
	struct store_fixture files;
	struct cache *cache;
	struct answer answer;
	int64_t now;
};

enum { MAX_ENTRY = 20000, HOUR = 3600 * 1000 };

static int
begin(void **state)
{
	struct cache_fixture *f = malloc(sizeof *f);
	fixture_begin(&f->files);
	assert_int_equal(fixture_open(&f->files, 4 * MIB), 0);
	f->cache = cache_create(f->files.store, MAX_ENTRY);
	f->now = fixture_now();
	answer_init(&f->answer, 0);
	struct delta delta = {DELTA_TEXT, slice_of("forty-two")};
	assert_int_equal(answer_add_delta(&f->answer, &delta), 0);
	bytes_append_str(&f->answer.finish_reason, "stop");
	f->answer.usage = (struct usage){10, 3, 13};
	*state = f;
	return 0;
}

static int
end(void **state)
{
	struct cache_fixture *f = *state;
	answer_finish(&f->answer);
	cache_destroy(f->cache);
	fixture_end(&f->files);
	free(f);
	return 0;
}

static struct cache_key
key_of(uid_t domain, const char *model, const char *parameters)
{
	struct cache_key key;
	struct cache *cache = cache_create(NULL, 0);
	cache_key_make(cache, &key, domain, slice_of(model), slice_of(parameters));
	cache_destroy(cache);
	return key;
}

static void
test_key_differs_for_each_part(void **state)
{
	const struct cache_key keys[] = {
		key_of(1000, "ab", "c"),
		key_of(1001, "ab", "c"),
		key_of((uid_t)-1, "ab", "c"),
		key_of(1000 << 8, "ab", "c"),
		key_of(1000, "a", "bc"),
		key_of(1000, "", "abc"),
		key_of(1000, "abc", ""),
		key_of(1000, "ab", "d"),
		key_of(1000, "ac", "c"),
		key_of(1000, "", ""),
	};
	size_t count = sizeof keys / sizeof keys[0];
	for (size_t i = 0; i < count; i++) {
		for (size_t j = 0; j < count; j++)
			assert_int_equal(memcmp(&keys[i], &keys[j], sizeof keys[i]) == 0, i == j);
	}
	struct cache_key again = key_of(1000, "ab", "c");
	assert_memory_equal(&again, &keys[0], sizeof again);
}

static void
put(struct cache_fixture *f, const struct cache_key *key, int64_t ttl_ms)
{
	cache_put(f->cache, key, &f->answer, slice_of("groq"), slice_of("llama"), f->now, ttl_ms);
}

static void
assert_miss(struct cache_fixture *f, const struct cache_key *key, int64_t now)
{
	struct answer_view view;
	assert_false(cache_get(f->cache, key, now, &view));
}

static void
assert_hit(struct cache_fixture *f, const struct cache_key *key, int64_t now)
{
	struct answer_view view;
	struct delta delta;
	size_t at = 0;
	assert_true(cache_get(f->cache, key, now, &view));
	assert_true(slice_is(view.text, "forty-two"));
	assert_true(slice_is(view.finish_reason, "stop"));
	assert_true(slice_is(view.provider, "groq"));
	assert_true(slice_is(view.model, "llama"));
	assert_int_equal(view.message.len, 0);
	assert_int_equal(view.usage.total_tokens, 13);
	assert_int_equal(view.stored_at_ms, f->now);
	assert_true(answer_next_delta(view.deltas, &at, &delta));
	assert_true(slice_is(delta.data, "forty-two"));
	assert_false(answer_next_delta(view.deltas, &at, &delta));
	cache_release(f->cache);
}

static void
test_hit_until_it_expires(void **state)
{
	struct cache_fixture *f = *state;
	struct cache_key key = key_of(1, "m", "p"), other = key_of(2, "m", "p");
	struct cache_stats stats;
	assert_miss(f, &key, f->now);
	put(f, &key, HOUR);
	for (int committed = 0; committed <= 1; committed++) {
		assert_hit(f, &key, f->now);
		assert_hit(f, &key, f->now + HOUR - 1);
		assert_miss(f, &key, f->now + HOUR);
		assert_miss(f, &other, f->now);
		store_flush(f->files.store);
	}
	cache_get_stats(f->cache, &stats);
	assert_int_equal(stats.hits, 4);
	assert_int_equal(stats.misses, 5);
	assert_int_equal(stats.stored, 1);
	assert_int_equal(stats.too_large, 0);
	assert_int_equal(stats.store.entries, 1);
}

static void
test_times_to_live_at_the_edges(void **state)
{
	struct cache_fixture *f = *state;
	struct cache_key key = key_of(1, "m", "p");
	struct cache_stats stats;
	put(f, &key, 0);
	put(f, &key, -5);
	assert_miss(f, &key, f->now);
	cache_get_stats(f->cache, &stats);
	assert_int_equal(stats.stored, 0);
	put(f, &key, INT64_MAX);
	store_flush(f->files.store);
	assert_hit(f, &key, INT64_MAX - 1);
	put(f, &key, 1);
	assert_hit(f, &key, f->now);
	assert_miss(f, &key, f->now + 1);
	/* Nothing is kept for a ttl of 0, and nothing is taken away. */
	put(f, &key, HOUR);
	put(f, &key, 0);
	assert_hit(f, &key, f->now);
}

static void
test_too_large_is_not_kept(void **state)
{
	struct cache_fixture *f = *state;
	struct cache_key key = key_of(1, "m", "p"), small = key_of(1, "m", "q");
	struct cache_stats stats;
	struct answer large;
	char text[1000];
	memset(text, 'x', sizeof text);
	answer_init(&large, 0);
	struct delta delta = {DELTA_TEXT, {text, sizeof text}};
	for (int i = 0; i < 21; i++)
		assert_int_equal(answer_add_delta(&large, &delta), 0);
	cache_put(f->cache, &key, &large, slice_of("p"), slice_of("m"), f->now, HOUR);
	assert_miss(f, &key, f->now);
	put(f, &small, HOUR); /* the next one is not spoilt */
	assert_hit(f, &small, f->now);
	cache_get_stats(f->cache, &stats);
	assert_int_equal(stats.too_large, 1);
	assert_int_equal(stats.stored, 1);
	answer_finish(&large);
}

static void
test_damaged_record_is_a_miss(void **state)
{
	struct cache_fixture *f = *state;
	struct cache_key key = key_of(1, "m", "p");
	struct bytes record = {0};
	answer_encode(&record, &f->answer, slice_of("groq"), slice_of("llama"), f->now);
	for (size_t i = 0; i < record.len; i++) {
		/* Each byte changed, and the record cut there. Bytes 1 to 7 say nothing. */
		if (i < 1 || i > 7)
			record.data[i] ^= 0x55;
		store_put(f->files.store, key.bytes, (struct slice){record.data, record.len},
			f->now + HOUR);
		if (i < 1 || i > 7) {
			assert_miss(f, &key, f->now);
			record.data[i] ^= 0x55;
		}
		store_put(f->files.store, key.bytes, (struct slice){record.data, i}, f->now + HOUR);
		assert_miss(f, &key, f->now);
	}
	store_flush(f->files.store);
	assert_miss(f, &key, f->now);
	/* A miss holds nothing: the store goes on. */
	store_put(
		f->files.store, key.bytes, (struct slice){record.data, record.len}, f->now + HOUR);
	store_flush(f->files.store);
	assert_hit(f, &key, f->now);
	bytes_finish(&record);
}

static void
test_without_a_store_all_is_a_miss(void **state)
{
	struct cache_fixture *f = *state;
	struct cache_key key = key_of(1, "m", "p");
	struct cache_stats stats;
	cache_destroy(f->cache);
	f->cache = cache_create(NULL, MAX_ENTRY);
	put(f, &key, HOUR);
	assert_miss(f, &key, f->now);
	cache_get_stats(f->cache, &stats);
	assert_int_equal(stats.misses, 1);
	assert_int_equal(stats.stored, 0);
	assert_int_equal(stats.store.entries, 0);
	cache_destroy(NULL);
}

#define CACHE_TEST(test) cmocka_unit_test_setup_teardown(test, begin, end)

/* The key is what its header says, by another library's SHA-256; one context serves many. */
static void
test_key_is_the_sha256_of_its_parts(void **state)
{
	static unsigned char input[5 + 4 + 9 + 100000];
	struct cache *cache = cache_create(NULL, 1024);
	(void)state;
	memset(input, 'x', sizeof input);
	memcpy(input, "\1\x10\x27\0\0\x9\0\0\0lab/small", 18);
	for (size_t len = 0; len <= 100000; len = len * 2 + 1) {
		struct cache_key made;
		unsigned char expected[crypto_hash_sha256_BYTES];
		crypto_hash_sha256(expected, input, 18 + len);
		cache_key_make(cache, &made, 10000, slice_of("lab/small"),
			(struct slice){(const char *)input + 18, len});
		assert_memory_equal(made.bytes, expected, sizeof expected);
	}
	cache_destroy(cache);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_key_differs_for_each_part),
		cmocka_unit_test(test_key_is_the_sha256_of_its_parts),
		CACHE_TEST(test_hit_until_it_expires),
		CACHE_TEST(test_times_to_live_at_the_edges),
		CACHE_TEST(test_too_large_is_not_kept),
		CACHE_TEST(test_damaged_record_is_a_miss),
		CACHE_TEST(test_without_a_store_all_is_a_miss),
	};
	return cmocka_run_group_tests_name("cache", tests, NULL, NULL);
}
