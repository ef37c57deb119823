#include "unit.h"

#include <stdlib.h>
#include <string.h>

#include "json_msgpack.h"
#include "value.h"

/* There and back: value_to_json has tests of its own. */
static void
expect(const char *json, const char *canonical)
{
	struct bytes packed = {0}, out = {0};
	msgpack_unpacked object;
	msgpack_unpacked_init(&object);
	assert_true(json_to_msgpack(&packed, slice_of(json), 16));
	assert_int_equal(msgpack_unpack_next(&object, packed.data, packed.len, NULL),
		MSGPACK_UNPACK_SUCCESS);
	assert_int_equal(value_to_json(&out, &object.data), VALUE_OK);
	assert_string_equal(bytes_cstr(&out), canonical);
	msgpack_unpacked_destroy(&object);
	bytes_finish(&packed);
	bytes_finish(&out);
}

static void
test_values(void **state)
{
	expect("{\"b\": [1, -2, 2.5, true, false, null], \"a\": {\"c\": \"\\u00fc\\n\"}}",
		"{\"a\":{\"c\":\"\303\274\\n\"},\"b\":[1,-2,2.5,true,false,null]}");
	expect("9223372036854775807", "9223372036854775807");
	expect("\"text\"", "\"text\"");
	expect("{}", "{}");
}

static void
test_refusals_leave_the_buffer(void **state)
{
	static const char *const wrong[] = {"", "{", "{\"a\":}", "[1] 2", "nul", "\"\xff\"",
		"99999999999999999999", "{\"a\":[[[[1]]]]}"};
	struct bytes out = {0};
	bytes_append_str(&out, "kept");
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		if (json_to_msgpack(&out, slice_of(wrong[i]), 4))
			fail_msg("taken: %s", wrong[i]);
		assert_string_equal(bytes_cstr(&out), "kept");
	}
	assert_true(json_to_msgpack(&out, slice_of("{\"a\":[[[1]]]}"), 4));
	bytes_finish(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_refusals_leave_the_buffer),
	};
	return cmocka_run_group_tests_name("json_msgpack", tests, NULL, NULL);
}
