#include "unit.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "completion.h"
#include "error.h"
#include "message.h"
#include "status.h"
#include "submit.h"
#include "value.h"

/*
 * PROTOCOL.md is the contract, so it must list exactly what the code sends and takes, in the same
 * order. What the code does is taken from messages that it encodes with every field set.
 */

/* fail_msg does not return, which no compiler knows. */
#define FAIL(...)                                                                                  \
	do {                                                                                       \
		fail_msg(__VA_ARGS__);                                                             \
		abort();                                                                           \
	} while (0)

static char *document;

static int
read_document(void **state)
{
	const char *path = getenv("FREELLM_PROTOCOL_MD");
	assert_non_null(path);
	FILE *file = fopen(path, "r");
	assert_non_null(file);
	size_t room = 0;
	ssize_t len = getdelim(&document, &room, '\0', file);
	fclose(file);
	return len <= 0;
}

static int
free_document(void **state)
{
	free(document);
	return 0;
}

/* The text after a line that is `heading`, up to the next heading. */
static struct slice
section(const char *heading)
{
	char line[80];
	snprintf(line, sizeof(line), "\n%s\n", heading);
	const char *from = strstr(document, line);
	if (from == NULL) {
		FAIL("PROTOCOL.md has no heading '%s'", heading);
	}
	from += strlen(line);
	const char *to = strstr(from, "\n#");
	return (struct slice){from, to ? (size_t)(to - from) : strlen(from)};
}

/* The next row of a section's table whose first cell is a `name`; *row is the rest of its line. */
static bool
next_row(struct slice *section, struct slice *name, struct slice *row)
{
	while (section->len > 0) {
		const char *line = section->data;
		const char *end = memchr(line, '\n', section->len);
		size_t len = end ? (size_t)(end - line) : section->len;
		section->data += len + (end != NULL);
		section->len -= len + (end != NULL);
		if (len > 3 && memcmp(line, "| `", 3) == 0) {
			const char *close = memchr(line + 3, '`', len - 3);
			assert_non_null(close);
			*name = (struct slice){line + 3, (size_t)(close - line) - 3};
			*row = (struct slice){close + 1, len - (size_t)(close + 1 - line)};
			return true;
		}
	}
	return false;
}

/* A NUL-terminated copy, good until the next call. */
static const char *
text(struct slice s)
{
	static struct bytes copy;
	bytes_finish(&copy);
	bytes_append(&copy, s.data, s.len);
	return bytes_cstr(&copy);
}

static void
next_row_is(const char *heading, struct slice *rows, struct slice wanted, struct slice *row)
{
	struct slice name = {0};
	if (!next_row(rows, &name, row))
		FAIL("%s: no row for `%s`", heading, text(wanted));
	if (name.len != wanted.len || memcmp(name.data, wanted.data, name.len) != 0)
		FAIL("%s: `%.*s` where the code has `%s`", heading, (int)name.len, name.data,
			text(wanted));
}

static void
no_more_rows(const char *heading, struct slice *rows)
{
	struct slice name, row;
	if (next_row(rows, &name, &row))
		FAIL("%s: `%s` is not in the code", heading, text(name));
}

/* The encoded map, and what it became. */
struct packed {
	struct bytes bytes;
	msgpack_packer packer;
	msgpack_unpacked unpacked;
};

static void
pack_begin(struct packed *p)
{
	*p = (struct packed){0};
	msgpack_packer_init(&p->packer, &p->bytes, bytes_msgpack_write);
}

static const msgpack_object *
pack_end(struct packed *p)
{
	size_t off = 0;
	assert_int_equal(msgpack_unpack_next(&p->unpacked, p->bytes.data, p->bytes.len, &off),
		MSGPACK_UNPACK_SUCCESS);
	return &p->unpacked.data;
}

static void
pack_free(struct packed *p)
{
	msgpack_unpacked_destroy(&p->unpacked);
	bytes_finish(&p->bytes);
}

/* A member that is a map itself, and has no table of its own, has its names in its row. */
static void
row_names_members(const char *heading, const msgpack_object *value, struct slice row)
{
	const char *at = text(row);
	for (uint32_t i = 0; i < value->via.map.size; i++) {
		const msgpack_object_str *name = &value->via.map.ptr[i].key.via.str;
		char quoted[64];
		snprintf(quoted, sizeof(quoted), "`%.*s`", (int)name->size, name->ptr);
		at = strstr(at, quoted);
		if (at == NULL) {
			FAIL("%s: %s is missing, or not in the code's order", heading, quoted);
		}
	}
}

/* The rows of the section are exactly the members of the map, in its order. */
static void
lists_members(const char *heading, const msgpack_object *map)
{
	struct slice rows = section(heading), row;
	assert_int_equal(map->type, MSGPACK_OBJECT_MAP);
	for (uint32_t i = 0; i < map->via.map.size; i++) {
		const msgpack_object_kv *member = &map->via.map.ptr[i];
		struct slice name = {member->key.via.str.ptr, member->key.via.str.size};
		next_row_is(heading, &rows, name, &row);
		if (member->val.type == MSGPACK_OBJECT_MAP)
			row_names_members(heading, &member->val, row);
	}
	no_more_rows(heading, &rows);
}

static void
test_hello(void **state)
{
	struct packed p;
	pack_begin(&p);
	hello_encode(&p.packer, &(struct hello){1, slice_of("x")});
	lists_members("### hello: parameters", pack_end(&p));
	pack_free(&p);
	pack_begin(&p);
	hello_result_encode(&p.packer, &(struct hello_result){0});
	lists_members("### hello: result", pack_end(&p));
	pack_free(&p);
}

static void
test_submit(void **state)
{
	struct packed p;
	pack_begin(&p);
	submit_encode(&p.packer, &(struct submit){.prompt = slice_of("x"),
					 .messages_packed = {"\x90", 1},
					 .system = slice_of("x"),
					 .model = slice_of("x"),
					 .task = slice_of("x"),
					 .complexity = slice_of("x"),
					 .privacy = slice_of("x"),
					 .stream = true,
					 .detach = true,
					 .class = CLASS_BATCH,
					 .cache = CACHE_OFF,
					 .deadline_ms = 1});
	lists_members("### submit: parameters", pack_end(&p));
	pack_free(&p);
}

static void
test_bounds_of_submit(void **state)
{
	static const struct {
		const char *name;
		int64_t bound;
	} bounds[] = {
		{"model", SUBMIT_MAX_MODEL},
		{"task", SUBMIT_MAX_NAME},
		{"complexity", SUBMIT_MAX_NAME},
		{"ttl", SUBMIT_MAX_TTL_S},
		{"deadline_ms", SUBMIT_MAX_DEADLINE_MS},
		{"privacy", SUBMIT_MAX_NAME},
	};
	for (size_t i = 0; i < sizeof(bounds) / sizeof(bounds[0]); i++) {
		struct slice rows = section("### submit: parameters"), name, row;
		char number[32];
		do
			assert_true(next_row(&rows, &name, &row));
		while (!slice_is(name, bounds[i].name));
		snprintf(number, sizeof(number), "%lld ", (long long)bounds[i].bound);
		if (strstr(text(row), number) == NULL)
			FAIL("`%s` does not name its bound %s", bounds[i].name, number);
	}
	char number[32];
	snprintf(number, sizeof(number), "Up to %d of them", SUBMIT_MAX_PARAMS);
	assert_non_null(strstr(document, number));
}

static const struct completion whole_completion = {.text = {"x", 1},
	.message_packed = {"\x80", 1},
	.finish_reason = {"x", 1},
	.attempt_count = 1};

static void
test_completion(void **state)
{
	struct packed p;
	pack_begin(&p);
	completion_encode(&p.packer, &whole_completion);
	lists_members("### submit: result", pack_end(&p));
	const msgpack_object *attempts = value_member(&p.unpacked.data, "attempts");
	lists_members("### Attempts", &attempts->via.array.ptr[0]);
	pack_free(&p);
}

static void
test_cancel(void **state)
{
	struct packed p;
	pack_begin(&p);
	cancel_encode(&p.packer, 1);
	lists_members("### cancel: parameters", pack_end(&p));
	pack_free(&p);
	pack_begin(&p);
	cancel_result_encode(&p.packer, true);
	lists_members("### cancel: result", pack_end(&p));
	pack_free(&p);
}

static void
test_status(void **state)
{
	struct packed p;
	pack_begin(&p);
	status_encode(&p.packer, &(struct status){0});
	lists_members("### status: result", pack_end(&p));
	pack_free(&p);
	pack_begin(&p);
	models_begin(&p.packer, 0);
	lists_members("### models: result", pack_end(&p));
	pack_free(&p);
	pack_begin(&p);
	model_report_encode(&p.packer, &(struct model_report){0});
	lists_members("### models: element", pack_end(&p));
	pack_free(&p);
}

static void
test_errors(void **state)
{
	static const char heading[] = "### errors: codes";
	struct slice rows = section(heading), row;
	for (int code = ERROR_NONE + 1; code < ERROR_COUNT; code++) {
		char status[40];
		int now = error_exit_status((enum error_code)code, 0);
		int later = error_exit_status((enum error_code)code, 1);
		next_row_is(heading, &rows, slice_of(error_name((enum error_code)code)), &row);
		if (now == later)
			snprintf(status, sizeof(status), "| %d |", now);
		else
			snprintf(status, sizeof(status), "| %d; %d with `retry_at_ms` |", now,
				later);
		const char *line = text(row);
		size_t len = strlen(line), tail = strlen(status);
		assert_true(len > tail);
		assert_string_equal(line + len - tail, status);
	}
	no_more_rows(heading, &rows);

	const struct failure failure = {
		.code = ERROR_INTERNAL, .message = {"x", 1}, .retry_at_ms = 1, .attempt_count = 1};
	struct packed p;
	pack_begin(&p);
	failure_encode(&p.packer, &failure);
	lists_members("### errors: members", pack_end(&p));
	pack_free(&p);
}

static void
event_row_is(struct slice *rows, const struct event *event)
{
	struct slice row;
	struct packed p;
	next_row_is("## Events", rows, slice_of(event_name(event->kind)), &row);
	pack_begin(&p);
	event_encode(&p.packer, event);
	row_names_members("## Events", pack_end(&p), row);
	pack_free(&p);
}

static void
test_events(void **state)
{
	struct slice rows = section("## Events");
	struct event event = {.reason = {"x", 1}, .target = {"x", 1}, .text = {"x", 1}};
	for (int kind = EVENT_QUEUED; kind <= EVENT_RETRYING; kind++) {
		event.kind = (enum event_kind)kind;
		event_row_is(&rows, &event);
	}
	no_more_rows("## Events", &rows);
}

/* The hex of the lines that begin with `side`; what a reader is told about it is not compared. */
static void
hex_of(char side, struct bytes *to)
{
	const char *line = strstr(document, "```hex\n");
	assert_non_null(line);
	for (line = strchr(line, '\n') + 1; line[0] != '`'; line = strchr(line, '\n') + 1) {
		if (line[0] != side)
			continue;
		char *end;
		for (const char *at = line + 2; isxdigit(at[0]) && isxdigit(at[1]); at += 3) {
			bytes_append_char(to, (char)strtoul(at, &end, 16));
			assert_ptr_equal(end, at + 2);
			if (at[2] == '\n' || at[3] == ' ')
				break;
		}
	}
}

static void
assert_hex(char side, const struct bytes *wanted)
{
	struct bytes got = {0};
	hex_of(side, &got);
	assert_int_equal(got.len, wanted->len);
	assert_memory_equal(got.data, wanted->data, got.len);
	bytes_finish(&got);
}

static void
test_what_the_client_sends_in_hex(void **state)
{
	struct bytes wire = {0};
	msgpack_packer packer;
	message_begin_request(&wire, &packer, 0, "hello");
	hello_encode(&packer, &(struct hello){1, slice_of("demo")});
	message_begin_request(&wire, &packer, 1, "submit");
	submit_encode(&packer,
		&(struct submit){.prompt = slice_of("Say hi"), .stream = true, .ttl_s = -1});
	message_begin_request(&wire, &packer, 2, "submit");
	submit_encode(&packer, &(struct submit){.prompt = {"", 0}, .ttl_s = -1});
	assert_hex('>', &wire);
	bytes_finish(&wire);
}

static void
append_event(struct bytes *wire, const struct event *event)
{
	msgpack_packer packer;
	message_begin_notification(wire, &packer, event_name(event->kind));
	event_encode(&packer, event);
}

static void
test_what_the_daemon_sends_in_hex(void **state)
{
	static const char message[] = "\x82\xa4role\xa9"
				      "assistant\xa7"
				      "content\xa3Hi!";
	const struct completion completion = {.text = slice_of("Hi!"),
		.message_packed = {message, sizeof(message) - 1},
		.finish_reason = slice_of("stop"),
		.usage = {11, 2, 13},
		.provider = slice_of("lab"),
		.model = slice_of("small"),
		.attempts = {{slice_of("lab"), slice_of("small"), 200, {0}, 90}},
		.attempt_count = 1,
		.first_token_ms = 60,
		.total_ms = 91};
	struct bytes wire = {0};
	msgpack_packer packer;
	message_begin_result(&wire, &packer, 0);
	hello_result_encode(&packer, &(struct hello_result){slice_of("freellmd"), slice_of("0.1.0"),
					     1, 16 << 20, 16, 256});
	append_event(
		&wire, &(struct event){
			       .kind = EVENT_STARTED, .msgid = 1, .target = slice_of("lab/small")});
	append_event(
		&wire, &(struct event){.kind = EVENT_CHUNK, .msgid = 1, .text = slice_of("Hi")});
	append_event(
		&wire, &(struct event){.kind = EVENT_CHUNK, .msgid = 1, .text = slice_of("!")});
	message_begin_result(&wire, &packer, 1);
	completion_encode(&packer, &completion);
	message_begin_error(&wire, &packer, 2);
	failure_encode(&packer, &(struct failure){.code = ERROR_BAD_REQUEST,
					.message = slice_of("`prompt` is empty")});
	message_end_error(&packer);
	assert_hex('<', &wire);
	bytes_finish(&wire);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hello),
		cmocka_unit_test(test_submit),
		cmocka_unit_test(test_bounds_of_submit),
		cmocka_unit_test(test_completion),
		cmocka_unit_test(test_cancel),
		cmocka_unit_test(test_status),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_events),
		cmocka_unit_test(test_what_the_client_sends_in_hex),
		cmocka_unit_test(test_what_the_daemon_sends_in_hex),
	};
	return cmocka_run_group_tests_name("protocol", tests, read_document, free_document);
}
