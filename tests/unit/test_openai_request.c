#include "unit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "openai.h"

static const struct openai_quirks none = {0};
static const struct openai_quirks asks_usage = {.stream_usage = true};

static void
expect(const struct openai_quirks *quirks, bool stream, const char *parameters, const char *body)
{
	struct bytes out = {0};
	size_t len = strlen(parameters);
	char *copy = malloc(len > 0 ? len : 1);
	memcpy(copy, parameters, len);
	assert_int_equal(openai_build_request(
				 &out, quirks, slice_of("a/b"), stream, (struct slice){copy, len}),
		0);
	assert_string_equal(bytes_cstr(&out), body);
	bytes_finish(&out);
	free(copy);
}

#define M "\"messages\":[{\"content\":\"Hi \\\"}],\\\\\",\"role\":\"user\"}]"

static void
test_splice(void **state)
{
	expect(&none, false, "{" M "}", "{\"model\":\"a/b\",\"stream\":false," M "}");
	expect(&none, true, "{" M ",\"seed\":7}",
		"{\"model\":\"a/b\",\"stream\":true," M ",\"seed\":7}");
	expect(&asks_usage, true, "{" M "}",
		"{\"model\":\"a/b\",\"stream\":true,\"stream_options\":{\"include_usage\":true}," M
		"}");
	expect(&asks_usage, false, "{" M "}", "{\"model\":\"a/b\",\"stream\":false," M "}");
	expect(&none, true, "{}", "{\"model\":\"a/b\",\"stream\":true}");
	expect(&none, true, " { \"a\" : [ 1 , {\"b\":\"}\"} ] , \"c\" : -1.5e3 } ",
		"{\"model\":\"a/b\",\"stream\":true,\"a\":[ 1 , {\"b\":\"}\"} ],\"c\":-1.5e3}");
}

static void
test_model_is_escaped(void **state)
{
	struct bytes out = {0};
	assert_int_equal(
		openai_build_request(&out, &none, slice_of("a\"b\\c\n"), false, slice_of("{}")), 0);
	assert_string_equal(bytes_cstr(&out), "{\"model\":\"a\\\"b\\\\c\\n\",\"stream\":false}");
	bytes_finish(&out);
}

static void
test_our_members(void **state)
{
	expect(&none, true, "{\"model\":\"x\",\"stream\":false,\"top_p\":1}",
		"{\"model\":\"a/b\",\"stream\":true,\"top_p\":1}");
	expect(&none, false, "{\"response_format\":{\"type\":\"text\"},\"top_p\":1}",
		"{\"model\":\"a/b\",\"stream\":false,\"top_p\":1}");
	expect(&none, false, "{\"response_format\":{\"type\":\"json_object\"}}",
		"{\"model\":\"a/"
		"b\",\"stream\":false,\"response_format\":{\"type\":\"json_object\"}}");
	/* The client's own stream_options. */
	expect(&asks_usage, true,
		"{\"stream_options\":{\"include_obfuscation\":false,\"include_usage\":false}}",
		"{\"model\":\"a/b\",\"stream\":true,\"stream_options\":{\"include_usage\":true,"
		"\"include_obfuscation\":false}}");
	expect(&none, true, "{\"stream_options\":{\"a\":1}}",
		"{\"model\":\"a/b\",\"stream\":true,\"stream_options\":{\"a\":1}}");
	expect(&asks_usage, false, "{\"stream_options\":{\"a\":1}}",
		"{\"model\":\"a/b\",\"stream\":false}");
}

#define BODY(rest) "{\"model\":\"a/b\",\"stream\":false" rest "}"

static void
test_drop(void **state)
{
	const struct openai_quirks q = {.drop = "logprobs, top_logprobs ,seed"};
	expect(&q, false, "{\"logprobs\":true," M ",\"seed\":1,\"top_logprobs\":{\"a\":[1]}}",
		BODY("," M));
	expect(&q, false, "{\"seed\":1}", BODY(""));
	expect(&q, false, "{\"a\":{\"seed\":1},\"seeds\":2}",
		BODY(",\"a\":{\"seed\":1},\"seeds\":2"));
}

static void
test_rename(void **state)
{
	const struct openai_quirks q = {
		.rename = "seed=random_seed, max_tokens=max_completion_tokens"};
	expect(&q, false, "{\"max_tokens\":5,\"seed\":1}",
		BODY(",\"max_completion_tokens\":5,\"random_seed\":1"));
	expect(&q, false, "{\"random_seed\":2,\"seed\":1}", BODY(",\"random_seed\":2"));
}

static void
test_set(void **state)
{
	const struct openai_quirks nvidia = {.set = "parallel_tool_calls=false if tools"};
	expect(&nvidia, false, "{\"tools\":[1]}",
		BODY(",\"tools\":[1],\"parallel_tool_calls\":false"));
	expect(&nvidia, false, "{\"parallel_tool_calls\":true,\"tools\":[1]}",
		BODY(",\"tools\":[1],\"parallel_tool_calls\":false"));
	expect(&nvidia, false, "{\"parallel_tool_calls\":true}",
		BODY(",\"parallel_tool_calls\":true"));
	expect(&nvidia, false, "{\"tools\":null}", BODY(",\"tools\":null"));

	const struct openai_quirks cloudflare = {.set = "max_tokens=8192 default"};
	expect(&cloudflare, false, "{}", BODY(",\"max_tokens\":8192"));
	expect(&cloudflare, false, "{\"max_tokens\":5}", BODY(",\"max_tokens\":5"));
	expect(&cloudflare, false, "{\"max_completion_tokens\":5}",
		BODY(",\"max_completion_tokens\":5"));

	const struct openai_quirks cerebras = {.rename = "max_tokens=max_completion_tokens",
		.set = "max_completion_tokens=8192 default"};
	expect(&cerebras, false, "{\"max_tokens\":5}", BODY(",\"max_completion_tokens\":5"));
	expect(&cerebras, false, "{}", BODY(",\"max_completion_tokens\":8192"));

	const struct openai_quirks github = {
		.set = "max_tokens<=400, a={\"b\":[1,\"x,y\"]} default if c"};
	expect(&github, false, "{\"max_tokens\":1000}", BODY(",\"max_tokens\":400"));
	expect(&github, false, "{\"max_completion_tokens\":1000}",
		BODY(",\"max_completion_tokens\":400"));
	expect(&github, false, "{\"max_tokens\":400}", BODY(",\"max_tokens\":400"));
	expect(&github, false, "{\"max_tokens\":\"many\"}", BODY(",\"max_tokens\":\"many\""));
	expect(&github, false, "{\"c\":1}", BODY(",\"c\":1,\"a\":{\"b\":[1,\"x,y\"]}"));
}

static void
test_bad_parameters(void **state)
{
	static const char *const bad[] = {"", " ", "[]", "null", "{", "{\"a\"",
		"{\"a\":", "{\"a\":1", "{\"a\":1,}", "{\"a\":\"x}", "{\"a\":[1}", "{a:1}",
		"{\"a\" 1}", "{} x", "{\"a\":}", "{\"a\":1]"};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct bytes out = {0};
		bytes_append_str(&out, "before");
		int r = openai_build_request(&out, &none, slice_of("m"), false, slice_of(bad[i]));
		if (r != -EINVAL)
			fail_msg("%s gives %d", bad[i], r);
		assert_string_equal(bytes_cstr(&out), "before");
		bytes_finish(&out);
	}
}

static void
test_quirks_check(void **state)
{
	static const struct openai_quirks good[] = {
		{0},
		{.drop = "", .rename = " ", .set = ""},
		{.drop = "a, b_c ,d1",
			.rename = "a=b, c = d",
			.set = "a=\"x\" if b, c<=1.5, d=null default"},
	};
	static const struct openai_quirks bad[] = {
		{.drop = "a b"},
		{.drop = ",a"},
		{.drop = "a,,b"},
		{.rename = "a"},
		{.rename = "a="},
		{.set = "a"},
		{.set = "a="},
		{.set = "a=yes"},
		{.set = "a=1 sometimes"},
		{.set = "a=1 if"},
		{.set = "a=1 default if"},
		{.set = "a<=\"x\""},
		{.set = "a<1"},
		{.set = "a={\"b\":1"},
	};
	struct bytes why = {0};
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_true(openai_quirks_check(&good[i], &why));
	assert_int_equal(why.len, 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (openai_quirks_check(&bad[i], &why))
			fail_msg("row %zu", i);
		assert_true(why.len > 0);
		bytes_clear(&why);
		/* And a request is built all the same. */
		struct bytes out = {0};
		assert_int_equal(openai_build_request(&out, &bad[i], slice_of("m"), false,
					 slice_of("{\"a\":1}")),
			0);
		bytes_finish(&out);
	}
	bytes_finish(&why);
}

static void
test_large_request(void **state)
{
	enum { LARGE = 4 << 20 };
	struct bytes parameters = {0}, out = {0};
	bytes_append_str(&parameters, "{\"messages\":[{\"content\":\"");
	for (int i = 0; i < LARGE / 8; i++)
		bytes_append_str(&parameters, "abc\\\"\\\\d");
	bytes_append_str(&parameters, "\"}],\"seed\":1}");
	const struct openai_quirks q = {.drop = "seed"};
	assert_int_equal(openai_build_request(&out, &q, slice_of("m"), true,
				 (struct slice){parameters.data, parameters.len}),
		0);
	size_t added = strlen("\"model\":\"m\",\"stream\":true,");
	assert_int_equal(out.len, parameters.len + added - strlen(",\"seed\":1"));
	bytes_finish(&parameters);
	bytes_finish(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_splice),
		cmocka_unit_test(test_model_is_escaped),
		cmocka_unit_test(test_our_members),
		cmocka_unit_test(test_drop),
		cmocka_unit_test(test_rename),
		cmocka_unit_test(test_set),
		cmocka_unit_test(test_bad_parameters),
		cmocka_unit_test(test_quirks_check),
		cmocka_unit_test(test_large_request),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
