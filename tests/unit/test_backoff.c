#include "unit.h"

#include "backoff.h"

static void
test_ceiling_doubles_to_the_maximum(void **state)
{
	static const int64_t ceilings[] = {500, 1000, 2000, 4000, 8000, 16000, 30000, 30000};
	for (unsigned i = 0; i < 8; i++) {
		assert_int_equal(backoff_delay(i + 1, 500, 30000, UINT32_MAX), ceilings[i]);
		assert_int_equal(backoff_delay(i + 1, 500, 30000, 0), 0);
	}
	assert_int_equal(backoff_delay(1000000, 500, 30000, UINT32_MAX), 30000);
}

static void
test_jitter_is_full_and_uniform(void **state)
{
	uint32_t random = 12345;
	int64_t sum = 0, least = INT64_MAX, most = 0;
	enum { DRAWS = 100000 };
	for (int i = 0; i < DRAWS; i++) {
		random = random * 1664525 + 1013904223;
		int64_t delay = backoff_delay(3, 500, 30000, random);
		sum += delay;
		least = delay < least ? delay : least;
		most = delay > most ? delay : most;
	}
	assert_in_range(least, 0, 5);
	assert_in_range(most, 1995, 2000);
	assert_in_range(sum / DRAWS, 980, 1020);
}

static void
test_extremes(void **state)
{
	assert_int_equal(backoff_delay(5, 0, 30000, UINT32_MAX), 0);
	assert_int_equal(backoff_delay(1, 60000, 1000, UINT32_MAX), 1000);
	int64_t hour = 3600 * 1000;
	assert_int_equal(backoff_delay(64, hour, 24 * hour, UINT32_MAX), 24 * hour);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ceiling_doubles_to_the_maximum),
		cmocka_unit_test(test_jitter_is_full_and_uniform),
		cmocka_unit_test(test_extremes),
	};
	return cmocka_run_group_tests_name("backoff", tests, NULL, NULL);
}
