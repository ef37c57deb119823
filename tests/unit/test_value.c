#include "unit.h"

#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "message.h"
#include "value.h"

/* The JSON of packed bytes, NUL-terminated, in a buffer that the next call uses again. */
static struct bytes json;

static enum value_problem
convert(const char *packed, size_t len)
{
	msgpack_unpacked unpacked;
	size_t off = 0;
	msgpack_unpacked_init(&unpacked);
	assert_int_equal(msgpack_unpack_next(&unpacked, packed, len, &off), MSGPACK_UNPACK_SUCCESS);
	assert_int_equal(off, len);
	bytes_clear(&json);
	enum value_problem problem = value_to_json(&json, &unpacked.data);
	assert_false(json.failed);
	bytes_cstr(&json);
	msgpack_unpacked_destroy(&unpacked);
	return problem;
}

static void
check_json(const char *packed, size_t len, const char *wanted)
{
	assert_int_equal(convert(packed, len), VALUE_OK);
	assert_string_equal(json.data, wanted);
	assert_int_equal(json.len, strlen(wanted));
}
#define JSON(packed, wanted) check_json(packed, sizeof(packed) - 1, wanted)

static void
check_problem(const char *packed, size_t len, enum value_problem wanted)
{
	assert_int_equal(convert(packed, len), wanted);
	assert_true(strlen(value_problem_text(wanted)) > 10);
}
#define PROBLEM(packed, wanted) check_problem(packed, sizeof(packed) - 1, wanted)

static void
test_simple_values(void **state)
{
	JSON("\xc0", "null");
	JSON("\xc2", "false");
	JSON("\xc3", "true");
	JSON("\x90", "[]");
	JSON("\x80", "{}");
	JSON("\xa0", "\"\"");
	JSON("\x93\x01\x90\x91\xa1x", "[1,[],[\"x\"]]");
}

static void
test_order_of_members(void **state)
{
	JSON("\x83\xa1"
	     "b\x01\xa1"
	     "a\x02\xa2"
	     "aa\x03",
		"{\"a\":2,\"aa\":3,\"b\":1}");
	JSON("\x83\xa2"
	     "aa\x03\xa1"
	     "b\x01\xa1"
	     "a\x02",
		"{\"a\":2,\"aa\":3,\"b\":1}");
	/* By bytes, not by any language; capitals first, and the empty name before all. */
	JSON("\x84\xa2\xc3\xa4\x01\xa1z\x02\xa1Z\x03\xa0\x04",
		"{\"\":4,\"Z\":3,\"z\":2,\"\xc3\xa4\":1}");
	JSON("\x81\xa1x\x82\xa1"
	     "b\x01\xa1"
	     "a\x02",
		"{\"x\":{\"a\":2,\"b\":1}}");
}

/* Maps of every size around the bounds of the sort, each in a few orders, give one text. */
static void
test_order_of_many(void **state)
{
	struct bytes packed = {0}, first = {0};
	srandom(7);
	for (unsigned size = 0; size < 200; size++) {
		bytes_clear(&first);
		for (int order = 0; order < 3; order++) {
			msgpack_packer packer;
			bytes_clear(&packed);
			msgpack_packer_init(&packer, &packed, bytes_msgpack_write);
			msgpack_pack_map(&packer, size);
			unsigned start = size ? (unsigned)random() % size : 0;
			for (unsigned i = 0; i < size; i++) {
				unsigned k = order == 2 ? size - 1 - i : (i + start) % size;
				char name[16];
				snprintf(name, sizeof(name), "m%u", k);
				pack_name(&packer, name);
				msgpack_pack_unsigned_int(&packer, k);
			}
			assert_int_equal(convert(packed.data, packed.len), VALUE_OK);
			if (order == 0)
				bytes_append(&first, json.data, json.len);
			assert_int_equal(first.len, json.len);
			assert_memory_equal(first.data, json.data, first.len);
		}
	}
	bytes_finish(&packed);
	bytes_finish(&first);
}

static void
test_integers(void **state)
{
	JSON("\x05", "5");
	JSON("\xcc\x05", "5");
	JSON("\xcd\x00\x05", "5");
	JSON("\xce\x00\x00\x00\x05", "5");
	JSON("\xcf\x00\x00\x00\x00\x00\x00\x00\x05", "5");
	JSON("\xd3\x00\x00\x00\x00\x00\x00\x00\x05", "5");
	JSON("\xff", "-1");
	JSON("\xd3\xff\xff\xff\xff\xff\xff\xff\xff", "-1");
	JSON("\xcf\xff\xff\xff\xff\xff\xff\xff\xff", "18446744073709551615");
	JSON("\xd3\x80\x00\x00\x00\x00\x00\x00\x00", "-9223372036854775808");
	JSON("\xcf\x00\x20\x00\x00\x00\x00\x00\x00", "9007199254740992");
	JSON("\x00", "0");
}

static void
check_double(double number, const char *wanted)
{
	struct bytes packed = {0};
	msgpack_packer packer;
	msgpack_packer_init(&packer, &packed, bytes_msgpack_write);
	msgpack_pack_double(&packer, number);
	check_json(packed.data, packed.len, wanted);
	bytes_finish(&packed);
}

static void
check_float(float number, const char *wanted)
{
	struct bytes packed = {0};
	msgpack_packer packer;
	msgpack_packer_init(&packer, &packed, bytes_msgpack_write);
	msgpack_pack_float(&packer, number);
	check_json(packed.data, packed.len, wanted);
	bytes_finish(&packed);
}

static void
check_numbers(void)
{
	check_double(1.0, "1");
	check_double(0.0, "0");
	check_double(-0.0, "0");
	check_double(-3.0, "-3");
	check_double(0.2, "0.2");
	check_double(-0.75, "-0.75");
	check_double(1.25, "1.25");
	check_double(0.0001, "0.0001");
	check_double(0.00001, "1e-05");
	check_double(1.0 / 3, "0.3333333333333333");
	check_double(0.1 + 0.2, "0.30000000000000004");
	check_double(123456.789, "123456.789");
	check_double(1e300, "1e+300");
	check_double(-1.5e-300, "-1.5e-300");
	check_double(5e-324, "4.94065645841247e-324");
	check_double(9007199254740991.0, "9007199254740991");
	check_double(9007199254740992.0, "9007199254740992");
	check_double(-9007199254740991.0, "-9007199254740991");
	check_double(1e17, "1e+17");
	check_float(0.7f, "0.7");
	check_float(2.0f, "2");
	check_float(1.0f / 3, "0.33333334");
}

static void
test_doubles(void **state)
{
	check_numbers();
	PROBLEM("\xcb\x7f\xf8\x00\x00\x00\x00\x00\x00", VALUE_NOT_JSON); /* NaN */
	PROBLEM("\xcb\x7f\xf0\x00\x00\x00\x00\x00\x00", VALUE_NOT_JSON);
	PROBLEM("\xcb\xff\xf0\x00\x00\x00\x00\x00\x00", VALUE_NOT_JSON);
	PROBLEM("\xca\x7f\x80\x00\x00", VALUE_NOT_JSON);
}

/* Is there a locale with another decimal point on this machine? It is then set. */
static bool
set_comma_locale(void)
{
	static const char *const locales[] = {"de_DE.UTF-8", "fr_FR.UTF-8", "nl_NL.UTF-8"};
	for (int i = 0; i < 3; i++) {
		if (setlocale(LC_NUMERIC, locales[i]) != NULL)
			return true;
	}
	return false;
}

static void
test_doubles_in_another_locale(void **state)
{
	/* cmocka's skip() would be "not ok" to meson. */
	if (!set_comma_locale())
		print_message("# not tested: no locale with a decimal comma is installed\n");
	check_numbers();
	setlocale(LC_NUMERIC, "C");
}

/* Whatever the double, its text must read back as the same, and be what %.15g, 16 or 17 gives. */
static void
test_random_doubles(void **state)
{
	srandom(11);
	for (int i = 0; i < 100000; i++) {
		double number;
		if (i % 2) {
			number = (double)(random() % 2000001 - 1000000) /
				 pow(10, (double)(random() % 9));
		} else {
			uint64_t bits = (uint64_t)random() << 33 ^ (uint64_t)random() << 11 ^
					(uint64_t)random();
			memcpy(&number, &bits, sizeof(number));
		}
		if (!isfinite(number))
			continue;
		char wanted[400];
		int digits = 15;
		do
			snprintf(wanted, sizeof(wanted), "%.*g", digits++, number);
		while (strtod(wanted, NULL) != number);
		msgpack_object o = {.type = MSGPACK_OBJECT_FLOAT64, .via.f64 = number};
		bytes_clear(&json);
		assert_int_equal(value_to_json(&json, &o), VALUE_OK);
		bytes_cstr(&json);
		if (number == trunc(number) && fabs(number) < 0x1p53)
			snprintf(wanted, sizeof(wanted), "%.0f", number + 0.0);
		assert_string_equal(json.data, wanted);
	}
}

static void
test_escapes(void **state)
{
	JSON("\xa8\"\\/\b\f\n\r\t", "\"\\\"\\\\/\\b\\f\\n\\r\\t\"");
	JSON("\xa3\x01\x1f\x7f", "\"\\u0001\\u001f\x7f\"");
	JSON("\xa3\xe2\x80\xa8", "\"\xe2\x80\xa8\"");
	JSON("\x81\xa1\"\x01", "{\"\\\"\":1}");
	/* An escape at every place of a text longer than the words it is looked at in. */
	for (size_t at = 0; at < 38; at++) {
		for (const char *c = "\"\\\n\x1f\x7f\xc3"; *c; c++) {
			char text[] = "ab\xc3\xa4 defghijklmnopqrstuvwxyz0123456789";
			char wanted[100], plain[2] = {*c, '\0'};
			assert_true(at < sizeof(text) - 1);
			text[at] = *c;
			const char *as = *c == '"'      ? "\\\""
					 : *c == '\\'   ? "\\\\"
					 : *c == '\n'   ? "\\n"
					 : *c == '\x1f' ? "\\u001f"
							: plain;
			snprintf(wanted, sizeof(wanted), "\"%.*s%s%s\"", (int)at, text, as,
				text + at + 1);
			bytes_clear(&json);
			value_json_string(&json, slice_of(text));
			assert_string_equal(bytes_cstr(&json), wanted);
		}
	}
}

static void
test_text_checks(void **state)
{
	static const struct {
		const char *text;
		enum value_problem problem;
	} cases[] = {
		{"plain", VALUE_OK},
		{"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", VALUE_OK},
		{"\xed\x9f\xbf\xee\x80\x80", VALUE_OK}, /* around the surrogates */
		{"\xf4\x8f\xbf\xbf", VALUE_OK},         /* U+10FFFF */
		{"\xef\xbf\xbf", VALUE_OK},             /* a noncharacter, yet valid UTF-8 */
		{"\xc2\x80\xe0\xa0\x80\xf0\x90\x80\x80", VALUE_OK},
		{"\x80", VALUE_NOT_UTF8},
		{"\xbf"
		 "a",
			VALUE_NOT_UTF8},
		{"\xc0\x80", VALUE_NOT_UTF8}, /* overlong NUL */
		{"\xc1\xbf", VALUE_NOT_UTF8},
		{"\xe0\x9f\xbf", VALUE_NOT_UTF8},
		{"\xf0\x8f\xbf\xbf", VALUE_NOT_UTF8},
		{"\xed\xa0\x80", VALUE_NOT_UTF8}, /* surrogates */
		{"\xed\xbf\xbf", VALUE_NOT_UTF8},
		{"\xf4\x90\x80\x80", VALUE_NOT_UTF8},
		{"\xf5\x80\x80\x80", VALUE_NOT_UTF8},
		{"\xff", VALUE_NOT_UTF8},
		{"\xc3", VALUE_NOT_UTF8}, /* cut */
		{"\xe2\x82", VALUE_NOT_UTF8},
		{"\xf0\x9f\x98", VALUE_NOT_UTF8},
		{"\xc3(", VALUE_NOT_UTF8},
		{"\xe2(\xa1", VALUE_NOT_UTF8},
		{"\xe2\x82(", VALUE_NOT_UTF8},
		{"\xf0\x9f\x98(", VALUE_NOT_UTF8},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		/* At every distance from a word's border, in memory that ends with the text. */
		for (size_t before = 0; before < 17; before++) {
			size_t len = before + strlen(cases[i].text);
			char *text = malloc(len);
			assert_non_null(text);
			memset(text, 'x', before);
			memcpy(text + before, cases[i].text, len - before);
			assert_int_equal(
				value_check_text((struct slice){text, len}), cases[i].problem);
			free(text);
		}
	}
	for (size_t at = 0; at < 20; at++) {
		char text[20];
		memset(text, 'x', sizeof(text));
		text[at] = '\0';
		assert_int_equal(value_check_text((struct slice){text, 20}), VALUE_HAS_NUL);
	}
	assert_int_equal(value_check_text((struct slice){NULL, 0}), VALUE_OK);
	assert_true(value_is_plain(slice_of("gr\xc3\xbc\xc3\x9f")));
	assert_false(value_is_plain(slice_of("a\x1b[2J")));
	assert_false(value_is_plain(slice_of("\xff")));
}

static void
test_not_json(void **state)
{
	PROBLEM("\xa1\xff", VALUE_NOT_UTF8);
	PROBLEM("\x91\x91\xa1\xff", VALUE_NOT_UTF8);
	PROBLEM("\x81\xa1\xff\x01", VALUE_NOT_UTF8);
	PROBLEM("\xa1\x00", VALUE_HAS_NUL);
	PROBLEM("\x81\xa1\x00\x01", VALUE_HAS_NUL);
	PROBLEM("\xc4\x01x", VALUE_NOT_JSON);
	PROBLEM("\xd4\x01x", VALUE_NOT_JSON);
	PROBLEM("\xd6\xff\x00\x00\x00\x00", VALUE_NOT_JSON); /* a timestamp */
	PROBLEM("\x81\x01\x02", VALUE_NOT_JSON);
	PROBLEM("\x81\xc0\x02", VALUE_NOT_JSON);
	PROBLEM("\x81\xc4\x01x\x02", VALUE_NOT_JSON);
	PROBLEM("\x82\xa1x\x02\xa1x\x02", VALUE_DUPLICATE_KEY);
	PROBLEM("\x83\xa1x\x02\xa1y\x02\xd9\x01x\x02", VALUE_DUPLICATE_KEY);
	PROBLEM("\x91\x82\xa0\x02\xa0\x03", VALUE_DUPLICATE_KEY);
}

static void
test_bounded_output(void **state)
{
	struct bytes out = {.max = 10};
	msgpack_object text = {
		.type = MSGPACK_OBJECT_STR, .via.str = {.size = 8, .ptr = "\n\n\n\n\n\n\n\n"}};
	assert_int_equal(value_to_json(&out, &text), VALUE_OK);
	assert_true(out.failed);
	assert_true(out.len <= 10);
	bytes_finish(&out);
}

static void
test_reading_maps(void **state)
{
	static const char packed[] = "\x85\xa1"
				     "a\x01\xa1"
				     "b\xa1x\xa1"
				     "c\xc3\xa1"
				     "a\xfe\x07\x08";
	msgpack_unpacked u;
	size_t off = 0;
	int64_t number = 99;
	struct slice text = {0};
	bool flag = false;
	msgpack_unpacked_init(&u);
	assert_int_equal(
		msgpack_unpack_next(&u, packed, sizeof(packed) - 1, &off), MSGPACK_UNPACK_SUCCESS);
	assert_true(value_int64(value_member(&u.data, "a"), &number)); /* the last one */
	assert_int_equal(number, -2);
	assert_true(value_slice(value_member(&u.data, "b"), &text));
	assert_true(slice_is(text, "x"));
	assert_true(value_bool(value_member(&u.data, "c"), &flag));
	assert_true(flag);
	assert_null(value_member(&u.data, "d"));
	assert_null(value_member(NULL, "d"));
	assert_null(value_member(value_member(&u.data, "b"), "d"));
	assert_false(value_int64(NULL, &number));
	assert_false(value_int64(value_member(&u.data, "b"), &number));
	assert_false(value_slice(value_member(&u.data, "a"), &text));
	assert_false(value_bool(value_member(&u.data, "a"), &flag));
	assert_int_equal(number, -2);
	assert_true(slice_is(text, "x"));
	msgpack_unpacked_destroy(&u);
}

static void
test_int64_edges(void **state)
{
	const struct {
		msgpack_object object;
		bool good;
		int64_t value;
	} cases[] = {
		{{.type = MSGPACK_OBJECT_POSITIVE_INTEGER, .via.u64 = INT64_MAX}, true, INT64_MAX},
		{{.type = MSGPACK_OBJECT_POSITIVE_INTEGER, .via.u64 = (uint64_t)INT64_MAX + 1}},
		{{.type = MSGPACK_OBJECT_POSITIVE_INTEGER, .via.u64 = UINT64_MAX}},
		{{.type = MSGPACK_OBJECT_NEGATIVE_INTEGER, .via.i64 = INT64_MIN}, true, INT64_MIN},
		{{.type = MSGPACK_OBJECT_FLOAT64, .via.f64 = 3.0}, true, 3},
		{{.type = MSGPACK_OBJECT_FLOAT32, .via.f64 = -3.0}, true, -3},
		{{.type = MSGPACK_OBJECT_FLOAT64, .via.f64 = -0x1p63}, true, INT64_MIN},
		{{.type = MSGPACK_OBJECT_FLOAT64, .via.f64 = 0x1p63}},
		{{.type = MSGPACK_OBJECT_FLOAT64, .via.f64 = 0.5}},
		{{.type = MSGPACK_OBJECT_FLOAT64, .via.f64 = NAN}},
		{{.type = MSGPACK_OBJECT_FLOAT64, .via.f64 = -INFINITY}},
		{{.type = MSGPACK_OBJECT_NIL}},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int64_t got = 42;
		assert_int_equal(value_int64(&cases[i].object, &got), cases[i].good);
		assert_true(got == (cases[i].good ? cases[i].value : 42));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_simple_values),
		cmocka_unit_test(test_order_of_members),
		cmocka_unit_test(test_order_of_many),
		cmocka_unit_test(test_integers),
		cmocka_unit_test(test_doubles),
		cmocka_unit_test(test_doubles_in_another_locale),
		cmocka_unit_test(test_random_doubles),
		cmocka_unit_test(test_escapes),
		cmocka_unit_test(test_text_checks),
		cmocka_unit_test(test_not_json),
		cmocka_unit_test(test_bounded_output),
		cmocka_unit_test(test_reading_maps),
		cmocka_unit_test(test_int64_edges),
	};
	int failed = cmocka_run_group_tests_name("value", tests, NULL, NULL);
	bytes_finish(&json);
	return failed;
}
