#include "unit.h"

#include <string.h>

#include "reply_fixture.h"

static void
test_reasoning(void **state)
{
	REPLY_EXPECT(.body = DELTA("{\"role\":\"assistant\",\"content\":\"\",\"reasoning\":\"\"}")
			     DELTA("{\"reasoning\":\"We \",\"channel\":\"analysis\"}")
				     DELTA("{\"content\":\"\",\"reasoning\":\"think.\\n\"}")
					     TEXT("Hi") FINISH("stop"),
		.end = OPENAI_COMPLETE, .text = "Hi", .finish = "stop",
		.message = "{\"role\":\"assistant\",\"content\":\"Hi\",\"reasoning\":\"We "
			   "think.\\n\"}",
		.deltas = "O {\"reasoning\":\"We \",\"channel\":\"analysis\"}\n"
			  "O {\"reasoning\":\"think.\\n\"}\nT Hi\n");
	/* Both in one delta: the text comes as text. */
	REPLY_EXPECT(.body = DELTA("{\"content\":\"Hi\",\"reasoning_content\":\"so\"}")
			     FINISH("stop"),
		.end = OPENAI_COMPLETE, .text = "Hi", .finish = "stop",
		.message =
			"{\"role\":\"assistant\",\"content\":\"Hi\",\"reasoning_content\":\"so\"}",
		.deltas = "O {\"reasoning_content\":\"so\"}\nT Hi\n");
	REPLY_EXPECT(.body = DELTA("{\"reasoning\":\"a\",\"reasoning_details\":[{\"text\":\"a\"}]}")
			     DELTA("{\"reasoning\":\"b\",\"reasoning_details\":[{\"text\":"
				   "\"b\"}]}") FINISH("stop"),
		.end = OPENAI_COMPLETE, .finish = "stop",
		.message = "{\"role\":\"assistant\",\"content\":null,\"reasoning\":\"ab\","
			   "\"reasoning_details\":[{\"text\":\"a\"},{\"text\":\"b\"}]}");
	/* Mistral: parts of the content. */
	REPLY_EXPECT(.body = DELTA("{\"content\":[{\"type\":\"thinking\",\"thinking\":[{\"type\":"
				   "\"text\","
				   "\"text\":\"Ok\"}]}]}")
			     DELTA("{\"content\":[{\"type\":\"thinking\","
				   "\"thinking\":[{\"type\":\"text\",\"text\":"
				   "\"ay\"}]},{\"type\":\"text\",\"text\":\"Hel\"}]}") TEXT("lo")
				     FINISH("stop"),
		.end = OPENAI_COMPLETE, .text = "Hello", .finish = "stop",
		.message =
			"{\"role\":\"assistant\",\"content\":[{\"type\":\"thinking\",\"thinking\":["
			"{\"type\":\"text\",\"text\":\"Okay\"}]},{\"type\":\"text\",\"text\":"
			"\"Hello\"}]}",
		.deltas = "O {\"content\":[{\"type\":\"thinking\",\"thinking\":[{\"type\":\"text\","
			  "\"text\":\"Ok\"}]}]}\nO "
			  "{\"content\":[{\"type\":\"thinking\",\"thinking\":[{"
			  "\"type\":\"text\",\"text\":\"ay\"}]}]}\nT Hel\nT lo\n");
	/* Only text in parts is plain text. */
	REPLY_EXPECT(.body = DELTA("{\"content\":[{\"type\":\"text\",\"text\":\"Hi\"},\"!\"]}")
			     DONE,
		.end = OPENAI_COMPLETE, .text = "Hi!", .deltas = "T Hi\nT !\n");
}

static void
test_noise(void **state)
{
	REPLY_EXPECT(.body = DELTA(
			     "{\"role\":\"assistant\",\"content\":null,\"tool_calls\":null,"
			     "\"refusal\":null}") DELTA("{\"content\":\"Hi\",\"token_id\":123}")
			     DELTA("{\"role\":\"assistant\",\"annotations\":[],\"audio\":{}}")
				     DELTA("{}") DELTA("{\"channel\":\"final\",\"content\":\"!\"}")
					     FINISH("stop") DONE,
		.end = OPENAI_COMPLETE, .text = "Hi!", .finish = "stop", .deltas = "T Hi\nT !\n");
}

#define CALL(json) DELTA("{\"tool_calls\":[" json "]}")

static void
test_tool_calls(void **state)
{
	static const char two[] =
		"{\"role\":\"assistant\",\"content\":null,\"tool_calls\":["
		"{\"id\":\"c1\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":"
		"\"{\\\"a\\\":1}\"}},{\"id\":\"c2\",\"type\":\"function\",\"function\":{\"name\":"
		"\"g\","
		"\"arguments\":\"{}\"}}]}";
	/* As OpenAI sends them; an empty id goes on (Alibaba). */
	REPLY_EXPECT(.body = CALL("{\"index\":0,\"id\":\"c1\",\"type\":\"function\",\"function\":{"
				  "\"name\":\"f\",\"arguments\":\"\"}}")
			     CALL("{\"index\":0,\"function\":{"
				  "\"arguments\":\"{\\\"a\\\"\"}}") CALL("{\"index\":0,\"id\":\"\","
									 "\"function\":{"
									 "\"arguments\":\":1}\"}}")
				     CALL("{\"index\":1,\"id\":\"c2\",\"function\":{\"name\":\"g\","
					  "\"arguments\":\"{}\"}}") FINISH("tool_calls") DONE,
		.end = OPENAI_COMPLETE, .finish = "tool_calls", .message = two);
	/* Whole, both in one delta, without index. */
	REPLY_EXPECT(.body = CALL("{\"id\":\"c1\",\"function\":{\"name\":\"f\",\"arguments\":"
				  "\"{\\\"a\\\":1}\"}},{\"id\":\"c2\",\"function\":{\"name\":\"g\","
				  "\"arguments\":\"{}\"}}") FINISH("tool_calls"),
		.end = OPENAI_COMPLETE, .finish = "tool_calls", .message = two,
		.deltas = "O "
			  "{\"tool_calls\":[{\"id\":\"c1\",\"function\":{\"name\":\"f\","
			  "\"arguments\":"
			  "\"{\\\"a\\\":1}\"},\"index\":0},{\"id\":\"c2\",\"function\":{\"name\":"
			  "\"g\","
			  "\"arguments\":\"{}\"},\"index\":1}]}\n");
	/* All with index 0, told apart by their ids (Cerebras). */
	REPLY_EXPECT(.body = CALL("{\"index\":0,\"id\":\"c1\",\"function\":{\"name\":\"f\","
				  "\"arguments\":"
				  "\"{\\\"a\\\":1}\"}}")
			     CALL("{\"index\":0,\"id\":\"c2\",\"function\":{"
				  "\"name\":\"g\",\"arguments\":\"{}\"}}") DONE,
		.end = OPENAI_COMPLETE, .message = two);
	/* Without index, in pieces. */
	REPLY_EXPECT(.body = CALL("{\"id\":\"c1\",\"function\":{\"name\":\"f\",\"arguments\":\"{\"}"
				  "}") CALL("{\"function\":{\"arguments\":\"\\\"a\\\":1}\"}}")
			     CALL("{\"id\":\"c2\",\"function\":{\"name\":\"g\",\"arguments\":\"{}"
				  "\"}}") DONE,
		.end = OPENAI_COMPLETE, .message = two);
	/* The name repeated with each piece is no new call. */
	REPLY_EXPECT(.body = CALL("{\"index\":0,\"id\":\"c1\",\"function\":{\"name\":\"f\","
				  "\"arguments\":\"{\"}}")
			     CALL("{\"index\":0,\"id\":\"c1\",\"function\":{"
				  "\"name\":\"f\",\"arguments\":\"}\"}}") DONE,
		.end = OPENAI_COMPLETE,
		.message =
			"{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"id\":\"c1\","
			"\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}]"
			"}");
	/* Empty ids (Gemini), arguments as an object, members of its own. */
	REPLY_EXPECT(.body = CALL(
			     "{\"index\":0,\"id\":\"\",\"function\":{\"name\":\"f\",\"arguments\":{"
			     "\"a\": 1}},\"extra_content\":{\"google\":{\"thought_signature\":"
			     "\"x\"}}}")
			     CALL("{\"index\":0,\"id\":\"\",\"function\":{\"name\":\"g\","
				  "\"arguments\":\"{}\"}}") TEXT("Hi") DONE,
		.end = OPENAI_COMPLETE, .text = "Hi",
		.message =
			"{\"role\":\"assistant\",\"content\":\"Hi\",\"tool_calls\":[{\"id\":\"\","
			"\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":"
			"\"{\\\"a\\\":1}\"},\"extra_content\":{\"google\":{\"thought_signature\":"
			"\"x\"}}},{\"id\":\"\",\"type\":\"function\",\"function\":{\"name\":\"g\","
			"\"arguments\":\"{}\"}}]}");
	/* What is no call at all is passed over. */
	REPLY_EXPECT(.body = DELTA("{\"tool_calls\":[7,null,\"x\",[]]}") TEXT("Hi") DONE,
		.end = OPENAI_COMPLETE, .text = "Hi");
}

static void
test_too_many_calls(void **state)
{
	struct bytes body = {0};
	for (int i = 0; i < 300; i++)
		bytes_printf(&body, CALL("{\"index\":%d,\"id\":\"c%d\",\"function\":{}}"),
			i * 1000000, i);
	struct openai_reply *r = openai_reply_create(1 << 20, NULL, NULL);
	openai_reply_head(r, 200, slice_of("text/event-stream"));
	assert_int_not_equal(openai_reply_body(r, body.data, body.len), 0);
	assert_int_equal(openai_reply_end(r, true, 0), OPENAI_TOO_LARGE);
	openai_reply_destroy(r);
	bytes_finish(&body);
}

static void
test_text_of_all_kinds(void **state)
{
	REPLY_EXPECT(.body = TEXT("caf\\u00e9 \\ud83d\\ude00 \\u20ac\\/\\b\\f\\t")
			     TEXT("\xe4\xbd\xa0") DONE,
		.end = OPENAI_COMPLETE,
		.text = "caf\xc3\xa9 \xf0\x9f\x98\x80 \xe2\x82\xac/\b\f\t\xe4\xbd\xa0");
	REPLY_EXPECT(.body = DELTA("{\"reasoning\":\"\\u00e9\\/\\u0041\\u001b\"}") DONE,
		.end = OPENAI_COMPLETE,
		.message = "{\"role\":\"assistant\",\"content\":null,\"reasoning\":\"\xc3\xa9/"
			   "A\\u001b\"}");
	REPLY_EXPECT(.body = DELTA("{\"reasoning\":\"\\u00e9\\/\\u0041\\n\"}") DONE,
		.end = OPENAI_COMPLETE,
		.message =
			"{\"role\":\"assistant\",\"content\":null,\"reasoning\":\"\xc3\xa9/A\\n\"}",
		.deltas = "O {\"reasoning\":\"\xc3\xa9/A\\n\"}\n");
	/* U+0000 would cut the text in every C program on its way. */
	REPLY_EXPECT(.body = TEXT("a\\u0000b") DONE, .end = OPENAI_COMPLETE,
		.text = "a\xef\xbf\xbd"
			"b");
}

static void
test_odd_but_well_formed(void **state)
{
	/* None of these says anything, and none does harm. */
	REPLY_EXPECT(.body = TEXT("Hi") "data: {}\n\ndata: []\n\ndata: [[]]\n\ndata: "
					"{\"choices\":null}\n\n"
					"data: {\"choices\":7}\n\ndata: {\"choices\":[]}\n\n"
					"data: {\"choices\":[null,7,\"x\",[]]}\n\n"
					"data: {\"choices\":[{}]}\n\ndata: "
					"{\"choices\":[{\"delta\":null}]}\n\n"
					"data: {\"choices\":[{\"delta\":[]}]}\n\n"
					"data: {\"choices\":[{\"delta\":{\"content\":7}}]}\n\n"
					"data: {\"type\":\"ping\"}\n\ndata: "
					"{\"error\":null,\"choices\":[]}\n\n" DONE,
		.end = OPENAI_COMPLETE, .text = "Hi", .deltas = "T Hi\n");
	/* Of several choices the first is ours. */
	REPLY_EXPECT(.body = "data: {\"choices\":[{\"index\":1,\"delta\":{\"content\":\"B\"},"
			     "\"finish_reason\":\"length\"},{\"index\":0,\"delta\":{\"content\":"
			     "\"A\"},"
			     "\"finish_reason\":null}]}\n\ndata: "
			     "{\"choices\":[{\"index\":1,\"delta\":{"
			     "\"content\":\"b\"},\"finish_reason\":\"stop\"}]}\n\n" DONE,
		.end = OPENAI_COMPLETE, .text = "A");
	/* The same name twice: the last counts, with either reader. */
	REPLY_EXPECT(.body = DELTA("{\"content\":\"a\",\"content\":\"b\"}") DONE,
		.end = OPENAI_COMPLETE, .text = "b");
	REPLY_EXPECT(.body = "data: "
			     "{\"choices\":[{\"delta\":{\"content\":\"a\"},\"delta\":{\"content\":"
			     "\"b\"}}],\"usage\":{\"total_tokens\":1,\"total_tokens\":2}}\n\n" DONE,
		.end = OPENAI_COMPLETE, .text = "b", .usage = {-1, -1, 2});
	REPLY_EXPECT(.body = DELTA("{\"\\u0063ontent\":\"a\"}") DONE, .end = OPENAI_COMPLETE,
		.text = "a");
	/* Numbers beyond 64 bits where they do not matter. */
	REPLY_EXPECT(.body = "data: "
			     "{\"created\":123456789012345678901234567890,\"choices\":[{\"index\":"
			     "0,"
			     "\"delta\":{\"content\":\"a\"}}]}\n\n" DONE,
		.end = OPENAI_COMPLETE, .text = "a");
	/* A whole message instead of deltas. */
	REPLY_EXPECT(.body = "data: "
			     "{\"choices\":[{\"message\":{\"role\":\"assistant\",\"content\":"
			     "\"Hi\"},"
			     "\"finish_reason\":\"stop\"}]}\n\n" DONE,
		.end = OPENAI_COMPLETE, .text = "Hi", .finish = "stop");
	/* The message so far beside each delta. */
	REPLY_EXPECT(.body = "data: "
			     "{\"choices\":[{\"delta\":{\"content\":\"a\"},\"message\":{"
			     "\"content\":"
			     "\"a\"}}]}\n\ndata: "
			     "{\"choices\":[{\"delta\":{\"content\":\"b\"},\"message\":{"
			     "\"content\":\"ab\"}}]}\n\ndata: "
			     "{\"choices\":[{\"message\":{\"content\":"
			     "\"ab\"},\"finish_reason\":\"stop\"}]}\n\n" DONE,
		.end = OPENAI_COMPLETE, .text = "ab", .finish = "stop");
	/* A finish reason of a length that is none. */
	REPLY_EXPECT(.body = TEXT("Hi")
			     FINISH("xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
				    "xxxxxxxxxxxxxxxxxxxx") DONE,
		.end = OPENAI_COMPLETE, .text = "Hi");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reasoning),
		cmocka_unit_test(test_noise),
		cmocka_unit_test(test_tool_calls),
		cmocka_unit_test(test_too_many_calls),
		cmocka_unit_test(test_text_of_all_kinds),
		cmocka_unit_test(test_odd_but_well_formed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
