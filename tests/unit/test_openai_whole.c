#include "unit.h"

#include <string.h>

#include "reply_fixture.h"

#define JSON_TYPE "application/json"
#define ANSWER(message)                                                                            \
	"{\"id\":\"x\",\"object\":\"chat.completion\",\"choices\":[{\"index\":0,"                  \
	"\"message\":" message                                                                     \
	",\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":2,"    \
	"\"total_tokens\":11}}"

#define EXPECT_ANSWER(...)                                                                         \
	REPLY_EXPECT(.end = OPENAI_COMPLETE, .finish = "stop", .usage = {9, 2, 11}, __VA_ARGS__)

static void
test_answers(void **state)
{
	EXPECT_ANSWER(.body = ANSWER(
			      "{\"role\":\"assistant\",\"content\":\"Hello\",\"refusal\":null,"
			      "\"annotations\":[]}"),
		.text = "Hello", .deltas = "T Hello\n");
	/* White space kept the connection alive. */
	EXPECT_ANSWER(.body = "\n\n   \r\n" ANSWER("{\"content\":\"Hello\"}") "\n",
		.text = "Hello");
	EXPECT_ANSWER(.body = "\xef\xbb\xbf" ANSWER("{\"content\":\"Hello\"}"), .text = "Hello");
	/* An answer that is no stream although the head says so. */
	EXPECT_ANSWER(.type = "text/event-stream", .body = ANSWER("{\"content\":\"Hello\"}"),
		.text = "Hello");
	EXPECT_ANSWER(.type = "", .body = ANSWER("{\"content\":\"Hello\"}"), .text = "Hello");
	EXPECT_ANSWER(.body = "[" ANSWER("{\"content\":\"Hello\"}") "]", .text = "Hello");
	EXPECT_ANSWER(.body = ANSWER("{\"content\":\"\"}"), .deltas = "");
	EXPECT_ANSWER(.body = ANSWER("{\"content\":null}"), .deltas = "");
	EXPECT_ANSWER(.body = ANSWER("{}"), .deltas = "");
	EXPECT_ANSWER(.body = ANSWER("{\"content\":\"Hi\",\"reasoning\":\"so\"}"), .text = "Hi",
		.message = "{\"role\":\"assistant\",\"content\":\"Hi\",\"reasoning\":\"so\"}",
		.deltas = "O {\"reasoning\":\"so\"}\nT Hi\n");
	EXPECT_ANSWER(.body = ANSWER(
			      "{\"content\":null,\"tool_calls\":[{\"id\":\"\",\"type\":"
			      "\"function\","
			      "\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}},{\"id\":\"\","
			      "\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}]}"),
		.message = "{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"id\":\"\","
			   "\"type\":"
			   "\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}},{"
			   "\"id\":\"\","
			   "\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{}"
			   "\"}}]}");
	EXPECT_ANSWER(.body = ANSWER(
			      "{\"content\":null,\"refusal\":\"No.\",\"audio\":{\"id\":\"a\"},"
			      "\"annotations\":[{\"url\":1}]}"),
		.message = "{\"role\":\"assistant\",\"content\":null,\"refusal\":\"No.\",\"audio\":"
			   "{\"id\":"
			   "\"a\"},\"annotations\":[{\"url\":1}]}");
	REPLY_EXPECT(.type = JSON_TYPE,
		.body = "{\"choices\":[{\"message\":{\"content\":\"Hi\"}}]}",
		.end = OPENAI_COMPLETE, .text = "Hi");
	REPLY_EXPECT(.status = 201, .body = "{\"choices\":[{\"message\":{\"content\":\"Hi\"}}]}",
		.end = OPENAI_COMPLETE, .text = "Hi");
	REPLY_EXPECT(.type = JSON_TYPE, .end = OPENAI_FAILED, .kind = OPENAI_ERROR_FILTERED,
		.finish = "content_filter",
		.body = "{\"choices\":[{\"message\":{\"content\":null},\"finish_reason\":\"content_"
			"filter\"}]}");
}

static void
test_cut_answers(void **state)
{
	static const char whole[] = ANSWER("{\"content\":\"Hello\"}");
	for (size_t len = 0; len < sizeof(whole) - 1; len++) {
		struct openai_reply *r = openai_reply_create(1000, NULL, NULL);
		for (int broken = 0; broken < 2; broken++) {
			openai_reply_head(r, 200, slice_of(JSON_TYPE));
			assert_int_equal(openai_reply_body(r, whole, len), 0);
			enum openai_end end = openai_reply_end(r, broken, 0);
			assert_int_equal(
				end, len == 0 && !broken ? OPENAI_FAILED : OPENAI_TRUNCATED);
			assert_false(openai_reply_has_content(r));
		}
		openai_reply_destroy(r);
	}
}

static void
test_no_answers(void **state)
{
	static const char *const bodies[] = {
		"",
		"null",
		"7",
		"\"text\"",
		"{}",
		"[]",
		"[7]",
		"{\"choices\":[]}",
		"{\"choices\":[{\"index\":0,\"text\":\"old\"}]}",
		"{\"choices\":[{\"index\":1,\"message\":{\"content\":\"x\"}}]}",
		"{\"id\":\"msg\",\"type\":\"message\",\"content\":[{\"text\":\"x\"}]}",
		"{\"message\":{\"role\":\"assistant\"},\"finish_reason\":\"COMPLETE\"}",
		"{\"object\":\"list\",\"data\":[]}",
		"{\"object\":\"response\",\"error\":null,\"output\":[]}",
		"{\"choices\":[{\"message\":{\"content\":\"x\"}}]} trailing",
		"{\"choices\":[{\"message\":{\"content\":\"\xff\"}}]}",
		"<!DOCTYPE html><html></html>",
		"Hello, I am a text.",
	};
	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++)
		REPLY_EXPECT(.type = JSON_TYPE, .body = bodies[i], .end = OPENAI_FAILED,
			.kind = OPENAI_ERROR_GARBLED, .deltas = "");
	REPLY_EXPECT(.type = "text/html", .body = "<html>oops", .end = OPENAI_FAILED,
		.kind = OPENAI_ERROR_GARBLED,
		.error = "the answer is no chat completion: <html>oops");
}

static void
test_error_with_200(void **state)
{
	REPLY_EXPECT(.type = JSON_TYPE, .end = OPENAI_FAILED, .kind = OPENAI_ERROR_RATE,
		.error_status = 429, .error = "Provider returned error: slow down upstream",
		.capacity = true,
		.body = "{\"error\":{\"message\":\"Provider returned "
			"error\",\"code\":429,\"metadata\":{"
			"\"raw\":\"slow down upstream\",\"provider_name\":\"X\"}}}");
	REPLY_EXPECT(.type = JSON_TYPE, .end = OPENAI_FAILED, .kind = OPENAI_ERROR_UNAVAILABLE,
		.error = "it broke", .body = "{\"error\":\"it broke\"}");
	REPLY_EXPECT(.type = JSON_TYPE, .end = OPENAI_FAILED, .kind = OPENAI_ERROR_UNAVAILABLE,
		.error = "Capacity temporarily exceeded", .code = "3040", .capacity = true,
		.body = "{\"result\":null,\"success\":false,\"errors\":[{\"code\":3040,\"message\":"
			"\"Capacity temporarily exceeded\"}],\"messages\":[]}");
}

struct refusal { /* NOLINT(clang-analyzer-optin.performance.Padding): in the order of reading */
	int status;
	const char *body;
	enum openai_error_kind kind;
	const char *error;
	int64_t retry_after_ms;
};

static void
expect_refusals(const struct refusal *rows, size_t count)
{
	for (size_t i = 0; i < count; i++)
		REPLY_EXPECT(.status = rows[i].status, .type = JSON_TYPE, .body = rows[i].body,
			.end = OPENAI_FAILED, .kind = rows[i].kind, .error_status = rows[i].status,
			.error = rows[i].error, .retry_after_ms = rows[i].retry_after_ms,
			.deltas = "");
}

static void
test_shapes(void **state)
{
	static const struct refusal rows[] = {
		{500, "{\"error\":{\"message\":\"m\"}}", OPENAI_ERROR_UNAVAILABLE, "m"},
		{500, "[{\"error\":{\"message\":\"m\"}}]", OPENAI_ERROR_UNAVAILABLE, "m"},
		{500, "{\"error\":\"m\"}", OPENAI_ERROR_UNAVAILABLE, "m"},
		{500, "{\"message\":\"m\",\"type\":\"t\",\"code\":\"c\"}", OPENAI_ERROR_UNAVAILABLE,
			"m"},
		{500, "{\"id\":\"1\",\"message\":\"m\"}", OPENAI_ERROR_UNAVAILABLE, "m"},
		{500, "{\"type\":\"about:blank\",\"status\":500,\"title\":\"t\",\"detail\":\"m\"}",
			OPENAI_ERROR_UNAVAILABLE, "m"},
		{500, "{\"status\":500,\"title\":\"m\"}", OPENAI_ERROR_UNAVAILABLE, "m"},
		{500, "{\"detail\":\"m\"}", OPENAI_ERROR_UNAVAILABLE, "m"},
		{500, "{\"detail\":[{\"loc\":[\"body\"],\"msg\":\"m\"}]}", OPENAI_ERROR_UNAVAILABLE,
			"m"},
		{500, "{\"object\":\"error\",\"message\":{\"detail\":[{\"msg\":\"m\"}]}}",
			OPENAI_ERROR_UNAVAILABLE, "m"},
		{500,
			"{\"success\":false,\"errors\":[{\"code\":7,\"message\":\"m\"}],\"result\":"
			"null}",
			OPENAI_ERROR_UNAVAILABLE, "m"},
		{500, "{\"error\":{\"error\":{\"message\":\"m\"}}}", OPENAI_ERROR_UNAVAILABLE, "m"},
		{500, "\"m\"", OPENAI_ERROR_UNAVAILABLE, "\"m\""},
		{500, "m\r\n", OPENAI_ERROR_UNAVAILABLE, "m"},
		{500, "event: error\ndata: {\"error\":{\"message\":\"m\"}}\n\n",
			OPENAI_ERROR_UNAVAILABLE, "m"},
		{500, "data: m\n\n", OPENAI_ERROR_UNAVAILABLE, "m"},
		{502, "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>",
			OPENAI_ERROR_UNAVAILABLE, "an HTML page: 502 Bad Gateway"},
		{502, "<html>", OPENAI_ERROR_UNAVAILABLE, "an HTML page"},
		{502, "<title>", OPENAI_ERROR_UNAVAILABLE, "an HTML page"},
		{503, "", OPENAI_ERROR_UNAVAILABLE, "HTTP 503 without an explanation"},
		{503, " \n", OPENAI_ERROR_UNAVAILABLE, "HTTP 503 without an explanation"},
		{503, "{}", OPENAI_ERROR_UNAVAILABLE, "HTTP 503 without an explanation"},
		{503, "{\"error\":{}}", OPENAI_ERROR_UNAVAILABLE,
			"HTTP 503 without an explanation"},
		{503, "{\"error\":{\"message\":", OPENAI_ERROR_UNAVAILABLE,
			"{\"error\":{\"message\":"},
		{503,
			"a\n\tb\x01\xff\xc2\x80"
			"c",
			OPENAI_ERROR_UNAVAILABLE, "a b \xef\xbf\xbd c"},
	};
	expect_refusals(rows, sizeof(rows) / sizeof(rows[0]));
}

static void
test_kinds(void **state)
{
	static const struct refusal rows[] = {
		{400, "{\"error\":{\"message\":\"bad\"}}", OPENAI_ERROR_REQUEST},
		{400, "{\"error\":{\"message\":\"x\",\"code\":\"context_length_exceeded\"}}",
			OPENAI_ERROR_REQUEST},
		{400,
			"[{\"error\":{\"code\":400,\"message\":\"API key not valid. Please pass a "
			"valid API key.\","
			"\"details\":[{\"reason\":\"API_KEY_INVALID\"}]}}]",
			OPENAI_ERROR_KEY},
		{400, "{\"detail\":\"Function id 'x': DEGRADED function cannot be invoked\"}",
			OPENAI_ERROR_UNAVAILABLE},
		{400, "{\"error\":{\"message\":\"x\",\"code\":\"content_filter\"}}",
			OPENAI_ERROR_FILTERED},
		{400, "{\"error\":{\"message\":\"x\",\"code\":\"data_inspection_failed\"}}",
			OPENAI_ERROR_FILTERED},
		{400, "{\"error\":{\"message\":\"The model `m` has been decommissioned\"}}",
			OPENAI_ERROR_MODEL},
		{400, "{\"error\":{\"message\":\"m is not a valid model ID\"}}",
			OPENAI_ERROR_MODEL},
		{400,
			"{\"error\":{\"message\":\"User location is not supported for the API "
			"use.\"}}",
			OPENAI_ERROR_MODEL},
		{401, "", OPENAI_ERROR_KEY},
		{402, "", OPENAI_ERROR_CREDIT},
		{402,
			"{\"error\":{\"message\":\"x\",\"metadata\":{\"limit_source\":"
			"\"openrouter_in_flight_budget\"}}}",
			OPENAI_ERROR_RATE},
		{403, "", OPENAI_ERROR_KEY},
		{403, "error code: 1010", OPENAI_ERROR_UNAVAILABLE},
		{403, "<!DOCTYPE html><title>Attention</title>", OPENAI_ERROR_UNAVAILABLE},
		{403, "{\"error\":{\"code\":\"AllocationQuota.FreeTierOnly\",\"message\":\"x\"}}",
			OPENAI_ERROR_CREDIT},
		{403, "{\"error\":{\"message\":\"Key limit exceeded\"}}", OPENAI_ERROR_CREDIT},
		{403,
			"{\"error\":{\"message\":\"Your input was "
			"flagged\",\"metadata\":{\"reasons\":[]}}}",
			OPENAI_ERROR_FILTERED},
		{403, "{\"error\":\"this model requires a subscription\"}", OPENAI_ERROR_MODEL},
		{403, "{\"error\":{\"message\":\"no access to model m\"}}", OPENAI_ERROR_MODEL},
		{404, "{\"error\":{\"message\":\"No endpoints found for m\"}}", OPENAI_ERROR_MODEL},
		{410, "", OPENAI_ERROR_MODEL},
		{413,
			"{\"error\":{\"message\":\"Request too large. Please try again in "
			"9s\",\"code\":"
			"\"rate_limit_exceeded\"}}",
			OPENAI_ERROR_REQUEST},
		{422, "{\"detail\":[]}", OPENAI_ERROR_REQUEST},
		{418, "", OPENAI_ERROR_REQUEST},
		{408, "", OPENAI_ERROR_UNAVAILABLE},
		{409, "", OPENAI_ERROR_UNAVAILABLE},
		{498, "", OPENAI_ERROR_UNAVAILABLE},
		{500, "{\"error\":{\"message\":\"rate limit\",\"code\":429}}",
			OPENAI_ERROR_UNAVAILABLE},
		{599, "", OPENAI_ERROR_UNAVAILABLE},
		{429, "", OPENAI_ERROR_RATE},
		{429,
			"{\"error\":{\"message\":\"You exceeded your current quota\",\"code\":"
			"\"insufficient_quota\"}}",
			OPENAI_ERROR_RATE},
		{429, "{\"error\":\"You have depleted your included credits\"}",
			OPENAI_ERROR_CREDIT},
		{301, "", OPENAI_ERROR_GARBLED},
		{777, "", OPENAI_ERROR_GARBLED},
	};
	expect_refusals(rows, sizeof(rows) / sizeof(rows[0]));
}

#define QUOTA(id, delay)                                                                           \
	"{\"error\":{\"code\":429,\"message\":\"Please retry in 3.5s.\",\"status\":"               \
	"\"RESOURCE_EXHAUSTED\",\"details\":[{\"@type\":\"type.googleapis.com/"                    \
	"google.rpc.QuotaFailure\","                                                               \
	"\"violations\":[{\"quotaId\":\"" id "\"}]},{\"@type\":"                                   \
	"\"type.googleapis.com/google.rpc.RetryInfo\",\"retryDelay\":\"" delay "\"}]}}"

static void
test_when(void **state)
{
	static const struct refusal rows[] = {
		{429, "{\"error\":{\"message\":\"Please try again in 2m59.56s. Need more?\"}}",
			OPENAI_ERROR_RATE, NULL, 179560},
		{429, QUOTA("GenerateRequestsPerMinutePerProjectPerModel-FreeTier", "48.5s"),
			OPENAI_ERROR_RATE, NULL, 48500},
		{429, QUOTA("GenerateRequestsPerMinutePerProjectPerModel-FreeTier", "soon"),
			OPENAI_ERROR_RATE, NULL, 3500},
		{429, QUOTA("GenerateRequestsPerDayPerProjectPerModel-FreeTier", "48s"),
			OPENAI_ERROR_RATE, NULL, 0},
		{429,
			"{\"error\":{\"message\":\"x\",\"metadata\":{\"headers\":{\"X-RateLimit-"
			"Reset\":"
			"\"1774047180000\"}}}}",
			OPENAI_ERROR_RATE, NULL, 60000},
		{429, "{\"error\":{\"message\":\"x\",\"retry_after\":2.5}}", OPENAI_ERROR_RATE,
			NULL, 2500},
		{429, "{\"error\":{\"message\":\"x\"},\"retry_after\":7}", OPENAI_ERROR_RATE, NULL,
			7000},
		{429, "{\"error\":{\"message\":\"x\",\"retry_after\":-7}}", OPENAI_ERROR_RATE, NULL,
			0},
		{429, "{\"error\":{\"message\":\"x\",\"retry_after\":1e300}}", OPENAI_ERROR_RATE,
			NULL, 0},
		{429, "{\"error\":{\"message\":\"x\",\"retry_after\":{}}}", OPENAI_ERROR_RATE, NULL,
			0},
		{503, "Please wait 10 seconds", OPENAI_ERROR_UNAVAILABLE, NULL, 10000},
		{400, "{\"error\":{\"message\":\"Please try again in 5s\"}}", OPENAI_ERROR_REQUEST,
			NULL, 0},
	};
	expect_refusals(rows, sizeof(rows) / sizeof(rows[0]));
}

/* Keys made up for this test: runs of letters and digits behind real prefixes. */
static void
test_keys_do_not_come_back(void **state)
{
	static const struct refusal rows[] = {
		{401,
			"{\"error\":{\"message\":\"Incorrect API key provided: "
			"sk-proj-abc123DEF456ghi789. See\"}}",
			OPENAI_ERROR_KEY, "Incorrect API key provided: [redacted]. See"},
		{401, "{\"error\":\"bad sk-abcd*********wxyz\"}", OPENAI_ERROR_KEY,
			"bad [redacted]"},
		{401, "{\"error\":\"gsk_0123456789abcdef, nvapi-0123456789\"}", OPENAI_ERROR_KEY,
			"[redacted], [redacted]"},
		{401, "{\"error\":\"key=AIzaSyA0123456789\"}", OPENAI_ERROR_KEY, "key=[redacted]"},
		{401, "{\"error\":\"Bearer eyJhbGciOi.eyJzdWIi.c2lnbmF0\"}", OPENAI_ERROR_KEY,
			"Bearer [redacted]"},
		{401, "{\"error\":\"api_key: 0123456789abcdef0123456789abcdef is wrong\"}",
			OPENAI_ERROR_KEY, "api_key: [redacted] is wrong"},
		{401, "Authorization 0123456789abcdefghij", OPENAI_ERROR_KEY,
			"Authorization [redacted]"},
		{404, "{\"error\":\"model meta-llama-3-1-70b-instruct not found\"}",
			OPENAI_ERROR_MODEL, "model meta-llama-3-1-70b-instruct not found"},
	};
	expect_refusals(rows, sizeof(rows) / sizeof(rows[0]));
	REPLY_EXPECT(.status = 401, .type = JSON_TYPE, .end = OPENAI_FAILED,
		.kind = OPENAI_ERROR_KEY,
		.body = "{\"error\":{\"message\":\"x\",\"code\":\"sk-0123456789abcdef\"}}",
		.code = "[redacted]");
}

static void
test_large_errors(void **state)
{
	struct bytes body = {0};
	bytes_append_str(&body, "{\"error\":{\"message\":\"");
	for (int i = 0; i < 10000; i++)
		bytes_append_str(&body, "\xc3\xa9");
	bytes_append_str(&body, "\"}}");
	struct bytes message = {0};
	for (int i = 0; i < 500; i++)
		bytes_append_str(&message, "\xc3\xa9");
	REPLY_EXPECT(.status = 500, .body = bytes_cstr(&body), .end = OPENAI_FAILED,
		.kind = OPENAI_ERROR_UNAVAILABLE, .error = bytes_cstr(&message));
	bytes_finish(&message);
	bytes_finish(&body);

	/* Every length, for buffers that are just full. */
	for (int len = 1; len < 600; len++) {
		struct bytes all = {0};
		bytes_printf(&all, "%0*d", len, 7);
		struct openai_reply *r = openai_reply_create(1 << 20, NULL, NULL);
		openai_reply_head(r, 500, slice_of("text/plain"));
		assert_int_equal(openai_reply_body(r, all.data, all.len), 0);
		assert_int_equal(openai_reply_end(r, false, 0), OPENAI_FAILED);
		assert_string_equal(openai_reply_error(r)->message, bytes_cstr(&all));
		openai_reply_destroy(r);
		bytes_finish(&all);
	}

	/* Endless: taken up to a bound. */
	static char block[10000];
	memset(block, 'x', sizeof(block));
	struct openai_reply *r = openai_reply_create(1 << 20, NULL, NULL);
	openai_reply_head(r, 500, slice_of("text/plain"));
	size_t fed = 0;
	while (openai_reply_body(r, block, sizeof(block)) == 0 && fed < (1U << 20))
		fed += sizeof(block);
	assert_true(fed < 100000);
	assert_int_equal(openai_reply_end(r, true, 0), OPENAI_FAILED);
	assert_int_equal(strlen(openai_reply_error(r)->message), 1000);
	openai_reply_destroy(r);
}

static void
test_nested(void **state)
{
	struct bytes body = {0};
	bytes_append_str(&body, "{\"choices\":");
	for (int i = 0; i < 100000; i++)
		bytes_append_char(&body, '[');
	for (int i = 0; i < 2; i++)
		REPLY_EXPECT(.status = i == 0 ? 200 : 500, .body = bytes_cstr(&body),
			.end = OPENAI_FAILED,
			.kind = i == 0 ? OPENAI_ERROR_GARBLED : OPENAI_ERROR_UNAVAILABLE);
	bytes_finish(&body);
}

static void
test_bound(void **state)
{
	struct bytes body = {0};
	bytes_append_str(&body, "{\"choices\":[{\"message\":{\"content\":\"");
	for (int i = 0; i < 10000; i++)
		bytes_append_char(&body, 'x');
	bytes_append_str(&body, "\"}}]}");
	REPLY_EXPECT(.body = bytes_cstr(&body), .max = 15000, .end = OPENAI_TOO_LARGE);
	/* The message repeats the text: with it the answer is too large. */
	bytes_clear(&body);
	bytes_append_str(&body, "{\"choices\":[{\"message\":{\"reasoning\":\"");
	for (int i = 0; i < 1000; i++)
		bytes_append_char(&body, 'x');
	bytes_append_str(&body, "\"}}]}");
	REPLY_EXPECT(.body = bytes_cstr(&body), .max = 1500, .end = OPENAI_TOO_LARGE);

	static char block[10000];
	memset(block, '{', sizeof(block));
	struct openai_reply *r = openai_reply_create(10000, NULL, NULL);
	openai_reply_head(r, 200, slice_of(JSON_TYPE));
	size_t fed = 0;
	while (openai_reply_body(r, block, sizeof(block)) == 0 && fed < (10U << 20))
		fed += sizeof(block);
	assert_true(fed < 100000);
	assert_int_equal(openai_reply_end(r, true, 0), OPENAI_TOO_LARGE);
	openai_reply_destroy(r);
	bytes_finish(&body);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_cut_answers),
		cmocka_unit_test(test_no_answers),
		cmocka_unit_test(test_error_with_200),
		cmocka_unit_test(test_shapes),
		cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_when),
		cmocka_unit_test(test_keys_do_not_come_back),
		cmocka_unit_test(test_large_errors),
		cmocka_unit_test(test_nested),
		cmocka_unit_test(test_bound),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
