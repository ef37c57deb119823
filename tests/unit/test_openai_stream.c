#include "unit.h"

#include <stdlib.h>
#include <string.h>

#include "reply_fixture.h"

static void
test_plain(void **state)
{
	REPLY_EXPECT(.body = HELLO FINISH("stop") DONE, .end = OPENAI_COMPLETE, .text = "Hello",
		.finish = "stop", .deltas = "T Hel\nT lo\n");
}

static void
test_framing(void **state)
{
	REPLY_EXPECT(.body = ": OPENROUTER PROCESSING\n\n: OPENROUTER PROCESSING\n\n" HELLO
			     ": still here\n\ndata: \n\n" FINISH("stop") DONE,
		.end = OPENAI_COMPLETE, .text = "Hello", .finish = "stop");
	REPLY_EXPECT(.body = "data: {\"choices\":[{\"delta\":{\"content\":\"Hi\"},"
			     "\"finish_reason\":\"stop\"}]}\r\n\r\ndata: [DONE]\r\n\r\n",
		.end = OPENAI_COMPLETE, .text = "Hi", .finish = "stop");
	REPLY_EXPECT(.body = "data:{\"choices\":[{\"delta\":{\"content\":\"Hi\"},"
			     "\"finish_reason\":\"stop\"}]}\r\rdata:[DONE]\r\r",
		.end = OPENAI_COMPLETE, .text = "Hi", .finish = "stop");
	REPLY_EXPECT(.body = "\xef\xbb\xbf" TEXT("Hi") FINISH("stop"), .end = OPENAI_COMPLETE,
		.text = "Hi", .finish = "stop");
	REPLY_EXPECT(.body = "event: message\nid: 1\ndata: {\"choices\":[{\"delta\":\ndata: "
			     "{\"content\":\"Hi\"}}]}\n\n" DONE,
		.end = OPENAI_COMPLETE, .text = "Hi", .deltas = "T Hi\n");
	/* Without blank lines between, which is one event by the standard. */
	REPLY_EXPECT(.body = "data: {\"choices\":[{\"delta\":{\"content\":\"Hel\"}}]}\n"
			     "data: {\"choices\":[{\"delta\":{\"content\":\"lo\"}}]}\ndata: "
			     "[DONE]\n",
		.end = OPENAI_COMPLETE, .text = "Hello", .deltas = "T Hel\nT lo\n");
	REPLY_EXPECT(.body = "\n\n  \r\n" HELLO DONE, .end = OPENAI_COMPLETE, .text = "Hello");
	REPLY_EXPECT(.type = "application/json", .body = HELLO DONE, .end = OPENAI_COMPLETE,
		.text = "Hello");
	REPLY_EXPECT(.type = "", .body = HELLO DONE, .end = OPENAI_COMPLETE, .text = "Hello");
}

static void
test_how_it_ends(void **state)
{
	/* A finish reason or [DONE] will do, whatever becomes of the connection. */
	REPLY_EXPECT(.body = HELLO FINISH("length"), .end = OPENAI_COMPLETE, .text = "Hello",
		.finish = "length");
	REPLY_EXPECT(.body = HELLO FINISH("length"), .broken = true, .end = OPENAI_COMPLETE,
		.text = "Hello", .finish = "length");
	REPLY_EXPECT(.body = HELLO DONE, .broken = true, .end = OPENAI_COMPLETE, .text = "Hello");
	REPLY_EXPECT(.body = HELLO DONE TEXT("more"), .end = OPENAI_COMPLETE, .text = "Hello");
	REPLY_EXPECT(.body = HELLO "data: [DONE]", .end = OPENAI_COMPLETE, .text = "Hello");
	REPLY_EXPECT(.body = HELLO
		     "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}",
		.end = OPENAI_COMPLETE, .text = "Hello", .finish = "stop");
	REPLY_EXPECT(.body = HELLO, .end = OPENAI_TRUNCATED, .text = "Hello");
	REPLY_EXPECT(.body = HELLO, .broken = true, .end = OPENAI_TRUNCATED, .text = "Hello");
	REPLY_EXPECT(.body = HELLO "data: {\"choices\":[{\"delta\":{\"cont", .broken = true,
		.end = OPENAI_TRUNCATED, .text = "Hello");
	REPLY_EXPECT(.body = HELLO "data: {\"choices\":[{\"delta\":{\"cont",
		.end = OPENAI_TRUNCATED, .text = "Hello");
	REPLY_EXPECT(.body = DELTA("{\"role\":\"assistant\"}"), .end = OPENAI_TRUNCATED,
		.deltas = "");
	REPLY_EXPECT(.body = "", .broken = true, .end = OPENAI_TRUNCATED);
	REPLY_EXPECT(.body = ": OPENROUTER PROCESSING\n\n", .broken = true,
		.end = OPENAI_TRUNCATED);
	/* An answer may be empty, and the finish reason may come with the last text. */
	REPLY_EXPECT(.body = FINISH("stop") DONE, .end = OPENAI_COMPLETE, .finish = "stop",
		.deltas = "");
}

static void
test_usage(void **state)
{
	const struct usage usage = {9, 2, 11};
	REPLY_EXPECT(.body = HELLO
		     "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":"
		     "\"stop\"}],\"usage\":" USAGE "}\n\n" DONE,
		.end = OPENAI_COMPLETE, .text = "Hello", .finish = "stop", .usage = usage);
	REPLY_EXPECT(.body = HELLO FINISH("stop") "data: {\"choices\":[],\"usage\":" USAGE
						  "}\n\n" DONE,
		.end = OPENAI_COMPLETE, .text = "Hello", .finish = "stop", .usage = usage);
	REPLY_EXPECT(.body = HELLO FINISH("stop") "data: {\"usage\":" USAGE "}\n\n" DONE,
		.end = OPENAI_COMPLETE, .text = "Hello", .finish = "stop", .usage = usage);
	/* OpenRouter: with the finish reason once more. */
	REPLY_EXPECT(.body = HELLO FINISH(
			     "stop") "data: {\"choices\":[{\"index\":0,\"delta\":{\"role\":"
				     "\"assistant\",\"content\":\"\"},\"finish_reason\":"
				     "\"stop\"}],\"usage\":{\"prompt_tokens\":9,"
				     "\"completion_tokens\":2,\"total_tokens\":11,"
				     "\"cost\":0.25}}\n\n" DONE,
		.end = OPENAI_COMPLETE, .text = "Hello", .finish = "stop", .usage = usage,
		.deltas = "T Hel\nT lo\n");
	REPLY_EXPECT(.body = HELLO "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}],"
				   "\"x_groq\":{\"id\":\"req\",\"usage\":" USAGE "}}\n\n" DONE,
		.end = OPENAI_COMPLETE, .text = "Hello", .finish = "stop", .usage = usage);
	/* Gemini: in each chunk, growing; thinking is only in the total. */
	REPLY_EXPECT(.body = "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}],\"usage\":"
			     "{\"prompt_tokens\":35,\"completion_tokens\":1,\"total_tokens\":90}}"
			     "\n\n"
			     "data: {\"choices\":[{\"delta\":{\"content\":\"b\"},\"finish_reason\":"
			     "\"stop\"}],\"usage\":{\"prompt_tokens\":35,\"completion_tokens\":12,"
			     "\"total_tokens\":109}}\n\ndata: [DONE]\n\n",
		.end = OPENAI_COMPLETE, .text = "ab", .finish = "stop", .usage = {35, 12, 109});
	REPLY_EXPECT(.body = HELLO "data: {\"choices\":[],\"usage\":null}\n\n" DONE,
		.end = OPENAI_COMPLETE, .text = "Hello");
	REPLY_EXPECT(.body = HELLO "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":9,"
				   "\"completion_tokens\":2}}\n\n" DONE,
		.end = OPENAI_COMPLETE, .text = "Hello", .usage = usage);
	REPLY_EXPECT(.body = HELLO "data: {\"choices\":[],\"usage\":{\"total_tokens\":11}}\n\n"
				   "data: {\"choices\":[],\"usage\":{}}\n\n" DONE,
		.end = OPENAI_COMPLETE, .text = "Hello", .usage = {-1, -1, 11});
}

static void
test_usage_that_is_none(void **state)
{
	static const char *const bad[] = {"-5", "\"11\"", "[]", "1e300", "99999999999999999999",
		"-99999999999999999999", "4611686018427387904", "true"};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct bytes body = {0};
		bytes_printf(&body,
			TEXT("Hi") "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}],"
				   "\"usage\":{\"prompt_tokens\":%s,\"completion_tokens\":%s,"
				   "\"total_tokens\":%s}}\n\n",
			bad[i], bad[i], bad[i]);
		REPLY_EXPECT(.body = bytes_cstr(&body), .end = OPENAI_COMPLETE, .text = "Hi",
			.finish = "stop");
		bytes_finish(&body);
	}
	/* Ends of what is read: a fraction is cut off. */
	REPLY_EXPECT(.body = TEXT("Hi") "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":1.0,"
					"\"completion_tokens\":1000000000000,\"total_tokens\":3.7}}"
					"\n\n" DONE,
		.end = OPENAI_COMPLETE, .text = "Hi", .usage = {1, 1000000000000, 1000000000001});
}

#define GARBLED(chunk)                                                                             \
	REPLY_EXPECT(.body = TEXT("Hi") "data: " chunk "\n\n" DONE, .end = OPENAI_FAILED,          \
		.text = "Hi", .kind = OPENAI_ERROR_GARBLED)

static void
test_garbled(void **state)
{
	GARBLED("{\"choices\":[{\"delta\":{\"content\":\"x\"}}]");
	GARBLED("{\"choices\":[{\"delta\":{\"content\":\"x\"},}]}");
	GARBLED("{\"choices\":[{\"delta\":{\"content\":\"x}}]}");
	GARBLED("{\"choices\":[{\"delta\":{\"content\":\"\\x\"}}]}");
	GARBLED("{\"choices\":[{\"delta\":{\"content\":\"\\ud83d\"}}]}");
	GARBLED("{\"choices\":[{\"delta\":{\"content\":\"\tx\"}}]}");
	GARBLED("{\"choices\":[{\"delta\":{\"content\":\"\xff\"}}]}");
	GARBLED("{\"choices\":[{\"delta\":{\"content\":\"\xc0\x80\"}}]}");
	GARBLED("{\"choices\":[{\"delta\":{\"content\":\"\xed\xa0\x80\"}}]}");
	GARBLED("{\"choices\":[{\"delta\":{\"content\":\"\xe4\xbd\"}}]}");
	GARBLED("{\"choices\":[{\"index\":01,\"delta\":{}}]}");
	GARBLED("{\"created\":1e999,\"choices\":[]}");
	GARBLED("hello");
	GARBLED("{'choices':[]}");
	static const char nul[] =
		TEXT("Hi") "data: {\"choices\":[{\"delta\":{\"content\":\"a\0b\"}}]}\n\n";
	REPLY_EXPECT(.body = nul, .body_len = sizeof(nul) - 1, .end = OPENAI_FAILED, .text = "Hi",
		.kind = OPENAI_ERROR_GARBLED);
}

static void
test_errors_inside(void **state)
{
	/* Groq, OpenRouter, a proxy, a bare string. */
	REPLY_EXPECT(.body = TEXT("Hi") "event: error\ndata: {\"error\":{\"message\":\"bad "
					"call\",\"type\":"
					"\"invalid_request_error\",\"code\":\"tool_use_failed\","
					"\"status_code\":400}}\n\n",
		.end = OPENAI_FAILED, .text = "Hi", .kind = OPENAI_ERROR_REQUEST,
		.error_status = 400, .error = "bad call", .code = "tool_use_failed");
	REPLY_EXPECT(.body = TEXT(
			     "Hi") "data: "
				   "{\"choices\":[{\"delta\":{\"content\":\"!\"},\"finish_reason\":"
				   "\"error\"}],\"error\":{\"code\":429,\"message\":\"slow down\"},"
				   "\"usage\":" USAGE "}\n\n" DONE,
		.end = OPENAI_FAILED, .text = "Hi!", .finish = "error", .usage = {9, 2, 11},
		.kind = OPENAI_ERROR_RATE, .error_status = 429, .error = "slow down");
	REPLY_EXPECT(.body = "data: {\"error\":\"model overloaded, try again in 3s\"}\n\n",
		.end = OPENAI_FAILED, .kind = OPENAI_ERROR_UNAVAILABLE, .retry_after_ms = 3000,
		.error = "model overloaded, try again in 3s", .capacity = true);
	REPLY_EXPECT(.body = "event: error\ndata: it broke\n\n", .end = OPENAI_FAILED,
		.kind = OPENAI_ERROR_UNAVAILABLE, .error = "it broke");
	REPLY_EXPECT(.body = "event: error\ndata: {\"message\":\"too many requests\"}\n\n",
		.end = OPENAI_FAILED, .kind = OPENAI_ERROR_RATE, .error = "too many requests");
	REPLY_EXPECT(.body = "data: "
			     "[{\"error\":{\"code\":503,\"message\":\"overloaded\",\"status\":"
			     "\"UNAVAILABLE\"}}]\n\n",
		.end = OPENAI_FAILED, .kind = OPENAI_ERROR_UNAVAILABLE, .error_status = 503,
		.code = "UNAVAILABLE", .capacity = true);
	REPLY_EXPECT(.body = TEXT("Hi") FINISH("error") DONE, .end = OPENAI_FAILED, .text = "Hi",
		.finish = "error", .kind = OPENAI_ERROR_UNAVAILABLE);
	REPLY_EXPECT(.body = "data: "
			     "{\"choices\":[{\"delta\":{},\"finish_reason\":\"error\",\"error\":{"
			     "\"code\":502,\"message\":\"gone\"}}]}\n\n" DONE,
		.end = OPENAI_FAILED, .finish = "error", .kind = OPENAI_ERROR_UNAVAILABLE,
		.error_status = 502, .error = "gone");
	REPLY_EXPECT(.body = "data: {\"object\":\"error\",\"message\":\"no such model\",\"type\":"
			     "\"NotFoundError\",\"code\":404}\n\n",
		.end = OPENAI_FAILED, .kind = OPENAI_ERROR_MODEL, .error_status = 404);
	REPLY_EXPECT(.body = "data: {\"error\":{}}\n\ndata: {\"error\":\"\"}\n\n" TEXT("Hi") DONE,
		.end = OPENAI_COMPLETE, .text = "Hi");
}

static void
test_filtered(void **state)
{
	REPLY_EXPECT(.body = FINISH("content_filter") DONE, .end = OPENAI_FAILED,
		.finish = "content_filter", .kind = OPENAI_ERROR_FILTERED);
	REPLY_EXPECT(.body = TEXT("Hi") FINISH("content_filter") DONE, .end = OPENAI_COMPLETE,
		.text = "Hi", .finish = "content_filter");
}

static void
test_no_completion(void **state)
{
	static const char *const bodies[] = {
		"",
		" \n\n",
		": comment\n\n",
		DONE,
		DONE "{\"what\": \"follows is not read, and not quoted\"}",
		"data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"1\"}]}}]}\n\n",
		"event: message_start\ndata: {\"type\":\"message_start\",\"message\":{}}\n\n",
		("data: "
		 "{\"choices\":[{\"index\":0,\"text\":\"old\",\"finish_reason\":\"stop\"}]}\n\n"),
		"error code: 1010",
		"<html><head><title>Oops</title></head></html>",
		("{\"model\":\"x\",\"message\":{},\"done\":false}\n{\"done\":true}\n"),
	};
	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++)
		REPLY_EXPECT(.body = bodies[i], .end = OPENAI_FAILED, .kind = OPENAI_ERROR_GARBLED,
			.deltas = "",
			.finish = strstr(bodies[i], "\"old\"") != NULL ? "stop" : NULL);
}

static void
test_bounds(void **state)
{
	struct bytes body = {0};
	for (int i = 0; i < 1000; i++)
		bytes_append_str(&body, TEXT("0123456789"));
	struct openai_reply *r = openai_reply_create(2000, NULL, NULL);
	openai_reply_head(r, 200, slice_of("text/event-stream"));
	assert_int_not_equal(openai_reply_body(r, body.data, body.len), 0);
	assert_int_not_equal(openai_reply_body(r, body.data, body.len), 0);
	assert_int_equal(openai_reply_end(r, true, 0), OPENAI_TOO_LARGE);
	assert_in_range(openai_reply_answer(r)->text.len, 500, 1000);
	openai_reply_destroy(r);
	bytes_finish(&body);

	/* One event that never ends. */
	r = openai_reply_create(100000, NULL, NULL);
	openai_reply_head(r, 200, slice_of("text/event-stream"));
	int stop = openai_reply_body(r, "data: ", 6);
	static char block[10000];
	memset(block, 'x', sizeof(block));
	size_t fed = 0;
	for (; stop == 0 && fed < (10U << 20); fed += sizeof(block))
		stop = openai_reply_body(r, block, sizeof(block));
	assert_int_not_equal(stop, 0);
	assert_true(fed < 300000);
	assert_int_equal(openai_reply_end(r, true, 0), OPENAI_TOO_LARGE);
	openai_reply_destroy(r);
}

static void
test_after_done(void **state)
{
	struct openai_reply *r = openai_reply_create(100000, NULL, NULL);
	openai_reply_head(r, 200, slice_of("text/event-stream"));
	static const char text[] = TEXT("Hi") DONE;
	static char more[100000];
	assert_int_equal(openai_reply_body(r, text, sizeof(text) - 1), 0);
	assert_true(openai_reply_is_done(r));
	assert_int_equal(openai_reply_body(r, more, 100), 0);
	assert_int_not_equal(openai_reply_body(r, more, sizeof(more)), 0);
	assert_int_equal(openai_reply_end(r, true, 0), OPENAI_COMPLETE);
	openai_reply_destroy(r);
}

static void
test_second_head(void **state)
{
	struct openai_reply *r = openai_reply_create(100000, NULL, NULL);
	static const char text[] = TEXT("Hi") DONE;
	openai_reply_head(r, 407, slice_of("text/html"));
	assert_int_equal(openai_reply_body(r, "<html>", 6), 0);
	openai_reply_head(r, 200, slice_of("text/event-stream"));
	assert_int_equal(openai_reply_body(r, text, sizeof(text) - 1), 0);
	openai_reply_head(r, 200, slice_of("text/event-stream"));
	assert_int_equal(openai_reply_body(r, text, sizeof(text) - 1), 0);
	assert_int_equal(openai_reply_end(r, false, 0), OPENAI_COMPLETE);
	assert_int_equal(openai_reply_answer(r)->text.len, 2);
	openai_reply_destroy(r);
}

static void
test_answer_moves_out(void **state)
{
	struct openai_reply *r = openai_reply_create(100000, NULL, NULL);
	static const char text[] = TEXT("Hi") DONE;
	openai_reply_head(r, 200, slice_of("text/event-stream"));
	assert_int_equal(openai_reply_body(r, text, sizeof(text) - 1), 0);
	assert_int_equal(openai_reply_end(r, false, 0), OPENAI_COMPLETE);
	struct answer mine = *openai_reply_answer(r);
	answer_init(openai_reply_answer(r), 0);
	openai_reply_destroy(r);
	assert_int_equal(mine.text.len, 2);
	answer_finish(&mine);
	openai_reply_destroy(NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain),
		cmocka_unit_test(test_framing),
		cmocka_unit_test(test_how_it_ends),
		cmocka_unit_test(test_usage),
		cmocka_unit_test(test_usage_that_is_none),
		cmocka_unit_test(test_garbled),
		cmocka_unit_test(test_errors_inside),
		cmocka_unit_test(test_filtered),
		cmocka_unit_test(test_no_completion),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_after_done),
		cmocka_unit_test(test_second_head),
		cmocka_unit_test(test_answer_moves_out),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
