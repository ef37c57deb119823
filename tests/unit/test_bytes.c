#include "unit.h"

#include <stdlib.h>
#include <string.h>

#include "bytes.h"

static void
test_append_and_consume(void **state)
{
	struct bytes b = {0};
	bytes_append(&b, "", 0);
	assert_int_equal(b.len, 0);
	bytes_append_str(&b, "hello ");
	bytes_printf(&b, "%s %d", "world", 42);
	assert_true(slice_is((struct slice){b.data, b.len}, "hello world 42"));
	bytes_consume(&b, 6);
	assert_string_equal(bytes_cstr(&b), "world 42");
	assert_int_equal(b.len, 8);
	bytes_finish(&b);
	assert_null(b.data);
}

static void
test_bound_is_sticky(void **state)
{
	struct bytes b = {.max = 4};
	bytes_append_str(&b, "1234");
	assert_false(b.failed);
	bytes_append_char(&b, '5');
	assert_true(b.failed);
	assert_int_equal(b.len, 4);
	assert_null(bytes_reserve(&b, 0));
	bytes_clear(&b);
	assert_false(b.failed);
	bytes_append(&b, "abc", 3);
	assert_int_equal(b.len, 3);
	assert_null(bytes_reserve(&b, SIZE_MAX));
	assert_true(b.failed);
	bytes_finish(&b);
}

static void
test_slices(void **state)
{
	assert_true(slice_is(slice_of(NULL), ""));
	assert_true(slice_is(slice_of("a"), "a"));
	assert_false(slice_is(slice_of("ab"), "a"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_append_and_consume),
		cmocka_unit_test(test_bound_is_sticky),
		cmocka_unit_test(test_slices),
	};
	return cmocka_run_group_tests_name("bytes", tests, NULL, NULL);
}
