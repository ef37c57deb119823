#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "retry_after.h"

/* Sun, 06 Nov 1994 08:49:37 GMT */
#define DATE_MS INT64_C(784111777000)
#define NOW_MS INT64_C(1774047120000)

struct row {
	const char *text;
	int64_t ms;
};

/* In memory of its own length, so that reading beyond the end shows. */
static int64_t
on_heap(int64_t (*parse)(struct slice, int64_t), const char *text, int64_t now_ms)
{
	size_t len = strlen(text);
	char *copy = malloc(len > 0 ? len : 1);
	memcpy(copy, text, len);
	int64_t ms = parse((struct slice){copy, len}, now_ms);
	free(copy);
	return ms;
}

static void
expect_rows(int64_t (*parse)(struct slice, int64_t), const struct row *rows, size_t count,
	int64_t now_ms)
{
	for (size_t i = 0; i < count; i++) {
		int64_t ms = on_heap(parse, rows[i].text, now_ms);
		if (ms != rows[i].ms)
			fail_msg("\"%s\": %lld, not %lld", rows[i].text, (long long)ms,
				(long long)rows[i].ms);
	}
}

#define EXPECT(parse, rows, now_ms)                                                                \
	expect_rows(parse, rows, sizeof(rows) / sizeof((rows)[0]), now_ms)

static void
test_seconds(void **state)
{
	static const struct row rows[] = {
		{"0", 0}, {"2", 2000}, {" 60 ", 60000}, {"45.5", 45500}, {"33011.382867", 33011383},
		{"0.0001", 1}, {"0.00000000001", 1}, {"007", 7000}, {"\"48\"", 48000},
		{"1000000000", -1}, /* 31 years: no time to wait for */
	};
	EXPECT(retry_after_parse, rows, NOW_MS);
}

static void
test_durations(void **state)
{
	static const struct row rows[] = {
		{"6ms", 6},
		{"26ms", 26},
		{"2s", 2000},
		{"17.379s", 17379},
		{"7.66s", 7660},
		{"10.593999999s", 10594},
		{"1m26.4s", 86400},
		{"2m59.56s", 179560},
		{"3m6s", 186000},
		{"290.979975ms", 291},
		{"1h", 3600000},
		{"1h2m3s4ms", 3723004},
		{"143h4m52.73s", 143 * 3600000 + 4 * 60000 + 52730},
		{"48s", 48000},
		{"34.4s", 34400},
		{"5m", 300000},
		{"1.5h", 5400000},
		{"900us", 1},
		{"900\xc2\xb5s", 1},
		{"1ns", 1},
		{"0s", 0},
		{"0.000s", 0},
		{"2d", 172800000},
	};
	EXPECT(retry_after_parse, rows, NOW_MS);
}

static void
test_points_in_time(void **state)
{
	static const struct row rows[] = {
		{"1774047180000", 60000},
		{"1774047180", 60000},
		{"1774047180.25", 60250},
		{"1774047120000", 0},
		{"1774047119", 0},
		{"2026-03-20T22:53:00Z", 60000},
		{"2026-03-20T22:53:00.5Z", 61000},
		{"2026-03-20t22:53:00z", 60000},
		{"2026-03-20T23:53:00+01:00", 60000},
		{"2026-03-20T17:53:00-05:00", 60000},
		{"2020-01-01T00:00:00Z", 0},
		{"Fri, 20 Mar 2026 22:53:00 GMT", 60000},
		{"Friday, 20-Mar-26 22:53:00 GMT", 60000},
		{"Fri Mar 20 22:53:00 2026", 60000},
	};
	EXPECT(retry_after_parse, rows, NOW_MS);
	static const struct row dates[] = {
		{"Sun, 06 Nov 1994 08:49:37 GMT", 0},
		{"Sun, 06 Nov 1994 08:49:38 GMT", 1000},
		{"Sunday, 06-Nov-94 08:49:38 GMT", 1000},
		{"Sun Nov  6 08:49:38 1994", 1000},
	};
	EXPECT(retry_after_parse, dates, DATE_MS);
	assert_int_equal(
		retry_after_parse(slice_of("1996-02-29T00:00:00Z"), INT64_C(825552000000) - 1), 1);
}

static void
test_garbage(void **state)
{
	static const struct row rows[] = {
		{"", -1},
		{"   ", -1},
		{"-1", -1},
		{"-5s", -1},
		{"+5", -1},
		{"soon", -1},
		{"5 minutes", -1},
		{"s", -1},
		{".5", -1},
		{"5.", -1},
		{"1e3", -1},
		{"0x10", -1},
		{"2s3", -1},
		{"2s ", 2000},
		{"2x", -1},
		{"99999999999999999999", -1},
		{"99999999999999999999s", -1},
		{"9223372036854775807h", -1},
		{"9999999999999999", -1},
		{"99999999h99999999h", -1},
		{"2026-13-01T00:00:00Z", -1},
		{"2026-03-20T25:00:00Z", -1},
		{"2026-03-20T22:53:00", -1},
		{"2026-03-20T22:53:00Zz", -1},
		{"2026-03-20", -1},
		{"Fri, 20 Xyz 2026 22:53:00 GMT", -1},
		{"Fri, 20 Mar 2026 22:53:00 GMT and more", -1},
		{"9999-12-31T23:59:59Z", -1},
		{"nan", -1},
		{"inf", -1},
		{"a text that is much longer than any way to say when, of more than 64 bytes", -1},
	};
	EXPECT(retry_after_parse, rows, NOW_MS);
	assert_int_equal(retry_after_parse((struct slice){"5\0s", 3}, NOW_MS), -1);
	assert_int_equal(retry_after_parse((struct slice){NULL, 0}, NOW_MS), -1);
}

static int64_t
in_prose(struct slice text, int64_t now_ms)
{
	return retry_after_in_prose(text);
}

static void
test_prose(void **state)
{
	static const struct row rows[] = {
		{"Rate limit reached. Please try again in 2s. Need more tokens?", 2000},
		{"Please try again in 7.66s.", 7660},
		{"Please try again in 2m59.56s. Visit", 179560},
		{"Please try again in 290ms", 290},
		{"Please retry in 48.939935699s.", 48940},
		{"Please wait 0 seconds before retrying.", 0},
		{"Please wait 55 seconds before retrying.", 55000},
		{"please wait for 1 minute and 5 seconds", 65000},
		{"Try again in 1 hour, 2 minutes.", 3720000},
		{"Retry after 20.", 20000},
		{"retry after 20", 20000},
		{"Please try again after 3 secs", 3000},
		{"available in about 2 days", 172800000},
		{"quota resets in 5h", 18000000},
		{"Please try again later.", -1},
		{"Please wait until tomorrow", -1},
		{"await 5 s", -1},
		{"wait 5", 5000},
		{"wait 1 month", -1},
		{"wait 5 tokens", -1},
		{"retry after 2026-10-05", -1},
		{"try again in", -1},
		{"try again in ", -1},
		{"try again in 99999999999999999999 seconds", -1},
		{"try again later or retry in 5s", 5000},
		{"limited to 20 API calls / minute", -1},
		{"", -1},
	};
	EXPECT(in_prose, rows, 0);
	assert_int_equal(retry_after_in_prose((struct slice){NULL, 0}), -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_seconds),
		cmocka_unit_test(test_durations),
		cmocka_unit_test(test_points_in_time),
		cmocka_unit_test(test_garbage),
		cmocka_unit_test(test_prose),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
