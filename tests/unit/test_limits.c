#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "limits.h"

/* What is written, and how it is printed (NULL: the same). */
static const struct {
	const char *text, *printed;
} good[] = {
	{"", NULL},
	{"   ", ""},
	{"60 requests per minute, 100000 tokens per day", NULL},
	{"30 requests per 60s, 6000 tokens per 60s, 4 concurrent",
		"30 requests per 60 seconds, 6000 tokens per 60 seconds, 4 concurrent"},
	{"20 requests per minute aligned", NULL},
	{"30 requests per minute refill", NULL},
	{"50 requests per day resets 00:00 UTC", NULL},
	{"20 requests per day resets 00:00 America/Los_Angeles", NULL},
	{"1000 requests per month resets 23:59 Etc/GMT+8", NULL},
	{"250000 input_tokens per minute", NULL},
	{"10000 neurons per day resets 00:00 UTC", NULL},
	{"0 requests per minute", NULL},
	{"0 concurrent", NULL},
	{"1000000000000000 tokens per 100000 months", NULL},
	{"1 request per second", "1 requests per second"},
	{"1 token per s,1 input_token per 2 h", "1 tokens per second, 1 input_tokens per 2 hours"},
	{"\t5  requests   per\t1 week ", "5 requests per week"},
	{"5 requests per 10seconds", "5 requests per 10 seconds"},
	{"5 requests per second, 5 requests per 2 seconds, 5 requests per minute", NULL},
};

static void
test_round_trip(void **state)
{
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct limits limits, again;
		struct bytes why = {0};
		struct bytes printed = {0};
		struct bytes twice = {0};
		if (!limits_parse(good[i].text, &limits, &why))
			fail_msg("%s: %s", good[i].text, bytes_cstr(&why));
		limits_print(&limits, &printed);
		const char *expected = good[i].printed ? good[i].printed : good[i].text;
		assert_string_equal(bytes_cstr(&printed), expected);
		assert_true(limits_parse(printed.data, &again, &why));
		assert_memory_equal(&limits, &again, sizeof(limits));
		limits_print(&again, &twice);
		assert_string_equal(bytes_cstr(&twice), expected);
		assert_int_equal(why.len, 0);
		bytes_finish(&why);
		bytes_finish(&printed);
		bytes_finish(&twice);
	}
}

static void
test_fields(void **state)
{
	struct limits l;
	struct bytes why = {0};
	assert_true(limits_parse("20 requests per 2 days resets 07:30 America/Los_Angeles, "
				 "6000 tokens per 60s refill, 4 concurrent",
		&l, &why));
	assert_int_equal(l.count, 3);
	assert_int_equal(l.list[0].amount, 20);
	assert_string_equal(l.list[0].metric, "requests");
	assert_int_equal(l.list[0].window, WINDOW_CALENDAR);
	assert_int_equal(l.list[0].count, 2);
	assert_int_equal(l.list[0].unit, UNIT_DAY);
	assert_int_equal(l.list[0].reset_minute, 7 * 60 + 30);
	assert_string_equal(l.list[0].zone, "America/Los_Angeles");
	assert_string_equal(l.list[1].metric, "tokens");
	assert_int_equal(l.list[1].window, WINDOW_REFILL);
	assert_int_equal(l.list[1].count, 60);
	assert_int_equal(l.list[1].unit, UNIT_SECOND);
	assert_int_equal(l.list[2].window, WINDOW_CONCURRENT);
	assert_int_equal(l.list[2].amount, 4);
	assert_string_equal(l.list[2].metric, "");
}

/* Each is refused, and the sentence has this in it. */
static const struct {
	const char *text, *says;
} bad[] = {
	{"requests per minute", "'requests per minute': a limit begins with a whole number"},
	{"-1 requests per minute", "whole number"},
	{"1.5 requests per minute", "whole number"},
	{"1e3 requests per minute", "whole number"},
	{"1e3 per minute", "whole number"},
	{"100k tokens per minute", "whole number"},
	{"1000000000000001 requests per minute", "whole number"},
	{"99999999999999999999999999 requests per minute", "whole number"},
	{"60", "after the amount"},
	{"60 per minute", "after the amount"},
	{"60 requests", "expected 'per'"},
	{"60 requests a minute", "expected 'per'"},
	{"60 requests/minute", "after the amount"},
	{"60 requests per", "the span is in"},
	{"60 requests per fortnight", "the span is in"},
	{"60 requests per 0 minutes", "from 1 to 100000"},
	{"60 requests per 100001 s", "from 1 to 100000"},
	{"60 requests per -5 s", "the span is in"},
	{"60 requests per minute sliding", "aligned, refill, or resets"},
	{"60 requests per minute aligned refill", "something after the end"},
	{"60 requests per minute resets 00:00 UTC", "only a day"},
	{"60 requests per day resets", "after 'resets'"},
	{"60 requests per day resets midnight UTC", "after 'resets'"},
	{"60 requests per day resets 24:00 UTC", "after 'resets'"},
	{"60 requests per day resets 12:60 UTC", "after 'resets'"},
	{"60 requests per day resets 1:00 UTC", "after 'resets'"},
	{"60 requests per day resets 01:000 UTC", "after 'resets'"},
	{"60 requests per day resets 00:00", "time zone"},
	{"60 requests per day resets 00:00 ../../etc/passwd", "time zone"},
	{"60 requests per day resets 00:00 /etc/passwd", "time zone"},
	{"4 concurrent requests", "something after the end"},
	{"concurrent", "whole number"},
	{"60 requests per minute,", "missing between the commas"},
	{",60 requests per minute", "missing between the commas"},
	{"60 requests per minute,,4 concurrent", "missing between the commas"},
	{"60 requests per minute 5 tokens per minute", "aligned, refill, or resets"},
	{"60 requests per minute; 5 tokens", "the span is in"},
	{"60 \xc3\xa9toiles per minute", "after the amount"},
	{"60 thirty-two-or-more-characters-long per minute", "after the amount"},
	{"1 requests per minute, 2 requests per minute", "'2 requests per minute'"},
	{"1 concurrent, 2 concurrent", "already"},
	{"a b c d e f g h i j k", "too long"},
};

static void
test_refusals(void **state)
{
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct bytes why = {0};
		struct limits untouched = {.count = 7};
		if (limits_parse(bad[i].text, &untouched, &why))
			fail_msg("%s: was not refused", bad[i].text);
		if (strstr(bytes_cstr(&why), bad[i].says) == NULL)
			fail_msg("%s: %s", bad[i].text, why.data);
		assert_int_equal(untouched.count, 7);
		bytes_finish(&why);
	}
}

static void
test_too_many(void **state)
{
	struct bytes text = {0};
	struct bytes why = {0};
	struct limits limits;
	for (int i = 1; i <= LIMITS_MAX; i++)
		bytes_printf(&text, "%s1 requests per %d s", i > 1 ? ", " : "", i);
	assert_true(limits_parse(bytes_cstr(&text), &limits, &why));
	assert_int_equal(limits.count, LIMITS_MAX);
	bytes_append_str(&text, ", 1 concurrent");
	assert_false(limits_parse(bytes_cstr(&text), &limits, &why));
	assert_non_null(strstr(bytes_cstr(&why), "more than 16"));
	bytes_finish(&text);
	bytes_finish(&why);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_fields),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_too_many),
	};
	return cmocka_run_group_tests_name("limits", tests, NULL, NULL);
}
