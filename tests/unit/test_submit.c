#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "message.h"
#include "submit.h"

/* A submit on its way. The params are MessagePack that a test packs. */
struct fixture {
	struct bytes wire, why, json;
	msgpack_packer packer;
	msgpack_unpacked unpacked;
	struct submit submit;
};

static int
set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	*state = f;
	if (f != NULL)
		msgpack_packer_init(&f->packer, &f->wire, bytes_msgpack_write);
	return f == NULL;
}

static int
tear_down(void **state)
{
	struct fixture *f = *state;
	msgpack_unpacked_destroy(&f->unpacked);
	bytes_finish(&f->wire);
	bytes_finish(&f->why);
	bytes_finish(&f->json);
	free(f);
	return 0;
}

/* Decodes what was packed, and makes room for the next. */
static bool
decode(struct fixture *f)
{
	size_t off = 0;
	msgpack_unpacked_destroy(&f->unpacked);
	assert_int_equal(msgpack_unpack_next(&f->unpacked, f->wire.data, f->wire.len, &off),
		MSGPACK_UNPACK_SUCCESS);
	assert_int_equal(off, f->wire.len);
	bytes_clear(&f->why);
	memset(&f->submit, 0xa5, sizeof(f->submit));
	bool good = submit_decode(&f->unpacked.data, &f->submit, &f->why);
	assert_int_equal(good, f->why.len == 0);
	bytes_cstr(&f->why);
	return good;
}

static enum value_problem
to_json(struct fixture *f)
{
	bytes_clear(&f->json);
	bytes_clear(&f->why);
	enum value_problem problem = submit_body_to_json(&f->json, &f->submit, &f->why);
	assert_int_equal(problem == VALUE_OK, f->why.len == 0);
	bytes_cstr(&f->json);
	bytes_cstr(&f->why);
	return problem;
}

static void
assert_slice(struct slice got, const char *wanted)
{
	assert_int_equal(got.len, strlen(wanted));
	assert_memory_equal(got.data ? got.data : "", wanted, got.len);
}

static void
decode_packed(struct fixture *f, const char *packed, size_t len)
{
	bytes_clear(&f->wire);
	bytes_append(&f->wire, packed, len);
}

/* Params of one good prompt, and a member with the packed value. */
static bool
decode_with(struct fixture *f, const char *name, const char *packed, size_t len)
{
	bytes_clear(&f->wire);
	bool own_prompt = strcmp(name, "prompt") != 0 && strcmp(name, "messages") != 0;
	msgpack_pack_map(&f->packer, 1 + own_prompt);
	if (own_prompt) {
		pack_name(&f->packer, "prompt");
		pack_name(&f->packer, "hi");
	}
	pack_name(&f->packer, name);
	bytes_append(&f->wire, packed, len);
	return decode(f);
}
#define DECODE_WITH(f, name, packed) decode_with(f, name, packed, sizeof(packed) - 1)

static void
test_round_trip(void **state)
{
	struct fixture *f = *state;
	static const char messages[] = "\x91\x82\xa4role\xa4user\xa7"
				       "content\xa2hi";
	struct submit sent = {.messages_packed = {messages, sizeof(messages) - 1},
		.system = slice_of("be brief"),
		.model = slice_of("lab/x/y"),
		.task = slice_of("code"),
		.complexity = slice_of("high"),
		.privacy = slice_of("private"),
		.stream = true,
		.detach = true,
		.ttl_s = 0,
		.deadline_ms = 1,
		.param_count = 2};
	sent.params[0] = (struct submit_param){.name = slice_of("seed"), .json = {"\x07", 1}};
	sent.params[1] = (struct submit_param){.name = slice_of("stop"), .json = {"\x91\xa1.", 3}};
	for (int class = CLASS_NORMAL; class <= CLASS_BATCH; class ++) {
		for (int cache = CACHE_DEFAULT; cache <= CACHE_OFF; cache++) {
			sent.class = (enum submit_class) class;
			sent.cache = (enum submit_cache)cache;
			bytes_clear(&f->wire);
			submit_encode(&f->packer, &sent);
			assert_true(decode(f));
			assert_int_equal(f->submit.class, class);
			assert_int_equal(f->submit.cache, cache);
		}
	}
	const struct submit *got = &f->submit;
	assert_null(got->prompt.data);
	assert_int_equal(got->messages->via.array.size, 1);
	assert_slice(got->system, "be brief");
	assert_slice(got->model, "lab/x/y");
	assert_slice(got->task, "code");
	assert_slice(got->complexity, "high");
	assert_slice(got->privacy, "private");
	assert_true(got->stream && got->detach);
	assert_int_equal(got->ttl_s, 0);
	assert_int_equal(got->deadline_ms, 1);
	assert_int_equal(got->param_count, 2);
	assert_slice(got->params[0].name, "seed");
	assert_int_equal(got->params[0].value->via.u64, 7);
	assert_slice(got->params[1].name, "stop");
	assert_int_equal(got->params[1].value->type, MSGPACK_OBJECT_ARRAY);
}

static void
test_defaults(void **state)
{
	struct fixture *f = *state;
	submit_encode(&f->packer, &(struct submit){.prompt = slice_of("hi"), .ttl_s = -1});
	assert_int_equal((unsigned char)f->wire.data[0], 0x81);
	assert_true(decode(f));
	assert_slice(f->submit.prompt, "hi");
	assert_null(f->submit.messages);
	assert_slice(f->submit.model, "");
	assert_false(f->submit.stream || f->submit.detach);
	assert_int_equal(f->submit.class, CLASS_NORMAL);
	assert_int_equal(f->submit.cache, CACHE_DEFAULT);
	assert_int_equal(f->submit.ttl_s, -1);
	assert_int_equal(f->submit.deadline_ms, 0);
	assert_int_equal(f->submit.param_count, 0);
}

/* Each of our parameters with each type it is not: the sentence names it. nil is as if absent. */
static void
test_wrong_types(void **state)
{
	struct fixture *f = *state;
	enum { NIL, TRUE, INT, NEGATIVE, HALF, TEXT, ARRAY, MAP, BIN, EXT, TYPES };
	static const struct {
		const char *packed;
		size_t len;
	} values[TYPES] = {{"\xc0", 1}, {"\xc3", 1}, {"\x07", 1}, {"\xf0", 1},
		{"\xcb\x3f\xe0\x00\x00\x00\x00\x00\x00", 9}, {"\xa1x", 2}, {"\x90", 1}, {"\x80", 1},
		{"\xc4\x01x", 3}, {"\xd4\x01x", 3}};
	static const struct {
		const char *name;
		unsigned good;
	} parameters[] = {{"prompt", 1 << TEXT}, {"messages", 0}, {"system", 1 << TEXT},
		{"model", 1 << TEXT}, {"task", 1 << TEXT}, {"complexity", 1 << TEXT},
		{"stream", 1 << TRUE}, {"detach", 1 << TRUE}, {"class", 0}, {"cache", 0},
		{"ttl", 1 << INT}, {"deadline_ms", 1 << INT}, {"privacy", 1 << TEXT}, {"n", 0},
		{"stream_options", ~0u}, {"temperature", ~0u}};
	for (size_t p = 0; p < sizeof(parameters) / sizeof(parameters[0]); p++) {
		for (int type = NIL; type < TYPES; type++) {
			char quoted[32];
			const char *name = parameters[p].name;
			bool good = decode_with(f, name, values[type].packed, values[type].len);
			bool is_input = p < 2;
			snprintf(quoted, sizeof(quoted), "`%s`", name);
			if (type == NIL && !is_input)
				assert_true(good);
			else
				assert_int_equal(good, (parameters[p].good >> type) & 1);
			if (!good)
				assert_non_null(strstr(f->why.data, quoted));
		}
	}
}

static void
test_bad_values(void **state)
{
	struct fixture *f = *state;
	static const struct {
		const char *name, *packed;
		size_t len;
		const char *sentence;
	} cases[] = {
		{"ttl", "\xff", 1, "`ttl` must be a whole number from 0 to 315360000"},
		{"ttl", "\xce\x12\xcc\x03\x01", 5, "`ttl` must be"},
		{"ttl", "\xcf\xff\xff\xff\xff\xff\xff\xff\xff", 9, "`ttl` must be"},
		{"ttl", "\xcb\x7f\xf8\x00\x00\x00\x00\x00\x00", 9, "`ttl` must be"},
		{"ttl", "\xa1x", 2, "315360000, not a string"},
		{"deadline_ms", "\x00", 1, "`deadline_ms` must be a whole number from 1 to"},
		{"class", "\xa4slow", 5, "`class` must be one of `interactive`, `normal`, `batch`"},
		{"class", "\xa0", 1, "`class` must be one of"},
		{"cache", "\xa4most", 5, "`cache` must be one of `use`, `refresh`, `only`, `off`"},
		{"cache", "\xa0", 1, "`cache` must be one of"},
		{"n", "\x02", 1, "`n` must be 1: freellmd returns one choice"},
		{"prompt", "\xa0", 1, "`prompt` is empty"},
		{"prompt", "\xa6 \t\n\v\f\r", 7, "`prompt` is empty"},
		{"prompt", "\xa2\xc3(", 3, "`prompt`: text is not valid UTF-8"},
		{"prompt",
			"\xa3"
			"a\0b",
			4, "`prompt`: text holds the character U+0000"},
		{"system", "\xa1\xff", 2, "`system`: text is not valid UTF-8"},
		{"model",
			"\xa3"
			"a\nb",
			4, "`model` must not hold control characters"},
		{"model", "\xa1\xff", 2, "`model`: text is not valid UTF-8"},
		{"messages", "\x90", 1, "`messages` must hold at least one message"},
		{"messages", "\xa2hi", 3, "`messages` must be an array of maps, not a string"},
		{"messages", "\x91\xa2hi", 4, "`messages`[0] must be a map, not a string"},
		{"messages", "\x91\x80", 2, "`messages`[0] must have a `role` that is a string"},
		{"messages", "\x91\x81\xa4role\x01", 8, "`messages`[0] must have a `role`"},
		{"messages", "\x91\x81\xa4role\xa0", 8, "`messages`[0] must have a `role`"},
		{"messages", "\x92\x81\xa4role\xa1u\xc0", 10,
			"`messages`[1] must be a map, not nil"},
		{"", "\x01", 1, "a parameter's name must be 1 to 64 bytes"},
		{"a\x1b", "\x01", 1, "a parameter's name must be 1 to 64 bytes"},
		{"\xff", "\x01", 1, "a parameter's name must be 1 to 64 bytes"},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_false(decode_with(f, cases[i].name, cases[i].packed, cases[i].len));
		if (strstr(f->why.data, cases[i].sentence) == NULL)
			fail_msg("%s: %s", cases[i].name, f->why.data);
	}
	assert_true(DECODE_WITH(f, "ttl", "\xce\x12\xcc\x03\x00"));
	assert_true(DECODE_WITH(f, "ttl", "\xcb\x40\x08\x00\x00\x00\x00\x00\x00"));
	assert_int_equal(f->submit.ttl_s, 3);
	assert_true(DECODE_WITH(f, "n", "\x01"));
}

static void
test_long_names(void **state)
{
	struct fixture *f = *state;
	static const struct {
		const char *name;
		size_t most;
	} names[] = {{"model", 256}, {"task", 64}, {"complexity", 64}, {"privacy", 64}};
	char text[400];
	memset(text, 'x', sizeof(text));
	for (size_t i = 0; i < 4; i++) {
		for (size_t over = 0; over < 2; over++) {
			size_t len = names[i].most + over;
			const char head[] = {'\xda', (char)(len >> 8), (char)len};
			struct bytes value = {0};
			bytes_append(&value, head, 3);
			bytes_append(&value, text, len);
			assert_int_equal(
				decode_with(f, names[i].name, value.data, value.len), !over);
			if (over)
				assert_non_null(strstr(f->why.data, "bytes long"));
			bytes_finish(&value);
		}
	}
	text[65] = '\0';
	assert_false(DECODE_WITH(f, text, "\x01"));
	text[64] = '\0';
	assert_true(DECODE_WITH(f, text, "\x01"));
}

static void
test_prompt_or_messages(void **state)
{
	struct fixture *f = *state;
	static const char both[] = "\x82\xa6prompt\xa2hi\xa8messages\x91\x81\xa4role\xa4user";
	static const char name_is_no_string[] = "\x82\xa6prompt\xa2hi\x05\x06";
	static const char twice[] = "\x82\xa6prompt\xa2hi\xa6prompt\xa2hi";
	decode_packed(f, both, sizeof(both) - 1);
	assert_false(decode(f));
	assert_non_null(strstr(f->why.data, "cannot go together"));
	decode_packed(f, "\x80", 1);
	assert_false(decode(f));
	assert_non_null(strstr(f->why.data, "one of `prompt` and `messages` is required"));
	decode_packed(f, "\x81\xa6prompt\xc0", 9);
	assert_false(decode(f));
	assert_non_null(strstr(f->why.data, "is required"));
	decode_packed(f, name_is_no_string, sizeof(name_is_no_string) - 1);
	assert_false(decode(f));
	assert_non_null(strstr(f->why.data, "name must be a string"));
	decode_packed(f, twice, sizeof(twice) - 1);
	assert_false(decode(f));
	assert_non_null(strstr(f->why.data, "`prompt` is there twice"));
	decode_packed(f, "\xa1x", 2);
	assert_false(decode(f));
	bytes_clear(&f->why);
	assert_false(submit_decode(NULL, &f->submit, &f->why));
}

static void
test_number_of_params(void **state)
{
	struct fixture *f = *state;
	for (unsigned count = SUBMIT_MAX_PARAMS; count <= SUBMIT_MAX_PARAMS + 1; count++) {
		bytes_clear(&f->wire);
		msgpack_pack_map(&f->packer, count + 1);
		for (unsigned i = 0; i < count; i++) {
			char name[16];
			snprintf(name, sizeof(name), "p%03u", count - i);
			pack_name(&f->packer, name);
			msgpack_pack_nil(&f->packer);
		}
		pack_name(&f->packer, "prompt");
		pack_name(&f->packer, "hi");
		assert_int_equal(decode(f), count == SUBMIT_MAX_PARAMS);
		if (count == SUBMIT_MAX_PARAMS) {
			assert_int_equal(to_json(f), VALUE_OK);
			assert_non_null(strstr(f->json.data, "}],\"p001\":null,\"p002\":null,"));
			assert_non_null(strstr(f->json.data, ",\"p128\":null}"));
		}
	}
	assert_non_null(strstr(f->why.data, "more than 128 parameters"));
}

static void
check_body(struct fixture *f, const char *packed, size_t len, const char *wanted)
{
	decode_packed(f, packed, len);
	assert_true(decode(f));
	assert_int_equal(to_json(f), VALUE_OK);
	assert_string_equal(f->json.data, wanted);
}
#define BODY(f, packed, wanted) check_body(f, packed, sizeof(packed) - 1, wanted)

static void
test_body(void **state)
{
	struct fixture *f = *state;
	BODY(f, "\x81\xa6prompt\xa2hi", "{\"messages\":[{\"content\":\"hi\",\"role\":\"user\"}]}");
	BODY(f, "\x82\xa6prompt\xa2hi\xa6system\xa0",
		"{\"messages\":[{\"content\":\"hi\",\"role\":\"user\"}]}");
	BODY(f, "\x82\xa6system\xa3\"s\"\xa6prompt\xa3h\ni",
		"{\"messages\":[{\"content\":\"\\\"s\\\"\",\"role\":\"system\"},"
		"{\"content\":\"h\\ni\",\"role\":\"user\"}]}");
	BODY(f,
		"\x82\xa8messages\x92\x82\xa4role\xa1u\xa7"
		"content\xa2hi\x81\xa4role\xa1"
		"a\xa6system\xa1s",
		"{\"messages\":[{\"content\":\"s\",\"role\":\"system\"},"
		"{\"content\":\"hi\",\"role\":\"u\"},{\"role\":\"a\"}]}");
	/* Our own members are not the provider's; the others are untouched and sorted around
	 * messages. */
	BODY(f,
		"\x8c\xabtemperature\xcb\x3f\xc9\x99\x99\x99\x99\x99\x9a\xa6stream\xc3\xa5model\xa1"
		"m"
		"\xa5"
		"class\xa5"
		"batch\xa5"
		"cache\xa3off\xa3ttl\x05\xa4task\xa1t\xaestream_options\x80"
		"\xa6prompt\xa2hi\xaamax_tokens\x05\xa8logprobs\xc0\xa1n\x01",
		"{\"logprobs\":null,\"max_tokens\":5,\"messages\":[{\"content\":\"hi\",\"role\":"
		"\"user\"}],"
		"\"n\":1,\"temperature\":0.2}");
}

static void
test_body_problems(void **state)
{
	struct fixture *f = *state;
	static const char twice[] = "\x83\xa6prompt\xa2hi\xa4seed\x01\xa4seed\x01";
	static const char bad_message[] = "\x81\xa8messages\x91\x82\xa4role\xa1u\xa7"
					  "content\xa1\xff";
	decode_packed(f, twice, sizeof(twice) - 1);
	assert_true(decode(f));
	assert_int_equal(to_json(f), VALUE_DUPLICATE_KEY);
	assert_non_null(strstr(f->why.data, "`seed`: a map has the same name twice"));
	decode_packed(f, bad_message, sizeof(bad_message) - 1);
	assert_true(decode(f));
	assert_int_equal(to_json(f), VALUE_NOT_UTF8);
	assert_non_null(strstr(f->why.data, "`messages`: text is not valid UTF-8"));
	assert_true(DECODE_WITH(f, "temperature", "\xcb\x7f\xf0\x00\x00\x00\x00\x00\x00"));
	assert_int_equal(to_json(f), VALUE_NOT_JSON);
	assert_non_null(strstr(f->why.data, "`temperature`: "));
	assert_true(DECODE_WITH(f, "tools", "\x91\xc4\x01x"));
	assert_int_equal(to_json(f), VALUE_NOT_JSON);
	assert_true(DECODE_WITH(f, "tools", "\x91\xa1\x00"));
	assert_int_equal(to_json(f), VALUE_HAS_NUL);
}

static void
test_names(void **state)
{
	enum submit_class class;
	enum submit_cache cache;
	for (int i = CLASS_NORMAL; i <= CLASS_BATCH; i++) {
		const char *name = submit_class_name((enum submit_class)i);
		assert_true(submit_class_from_name(slice_of(name), &class));
		assert_int_equal(class, i);
	}
	for (int i = CACHE_USE; i <= CACHE_OFF; i++) {
		const char *name = submit_cache_name((enum submit_cache)i);
		assert_true(submit_cache_from_name(slice_of(name), &cache));
		assert_int_equal(cache, i);
	}
	assert_false(submit_cache_from_name(slice_of(""), &cache));
	assert_false(submit_class_from_name(slice_of("Batch"), &class));
	assert_true(submit_owns(slice_of("stream_options")));
	assert_true(submit_owns(slice_of("prompt")));
	assert_false(submit_owns(slice_of("temperature")));
	assert_false(submit_owns(slice_of("")));
	assert_false(submit_owns(slice_of("promptx")));
}

#define SUBMIT_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		SUBMIT_TEST(test_round_trip),
		SUBMIT_TEST(test_defaults),
		SUBMIT_TEST(test_wrong_types),
		SUBMIT_TEST(test_bad_values),
		SUBMIT_TEST(test_long_names),
		SUBMIT_TEST(test_prompt_or_messages),
		SUBMIT_TEST(test_number_of_params),
		SUBMIT_TEST(test_body),
		SUBMIT_TEST(test_body_problems),
		cmocka_unit_test(test_names),
	};
	return cmocka_run_group_tests_name("submit", tests, NULL, NULL);
}
