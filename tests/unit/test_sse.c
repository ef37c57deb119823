#include "unit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "sse.h"

/* Events as "name=data;" one after the other. */
static int
note(void *context, struct slice name, struct slice data)
{
	struct bytes *to = context;
	bytes_append(to, name.data, name.len);
	bytes_append_char(to, '=');
	bytes_append(to, data.data, data.len);
	bytes_append_char(to, ';');
	return 0;
}

/* Feeds `text` in pieces of `step` bytes, each in memory of its own so that reading beyond it
 * shows, and expects `events`. */
static void
expect_in_steps(const char *text, size_t len, size_t step, const char *events)
{
	struct bytes seen = {0};
	struct sse s;
	sse_init(&s, 1 << 16);
	for (size_t at = 0; at < len; at += step) {
		struct bytes piece = {0};
		bytes_append(&piece, text + at, len - at < step ? len - at : step);
		assert_int_equal(sse_feed(&s, piece.data, piece.len, note, &seen), 0);
		bytes_finish(&piece);
	}
	assert_int_equal(sse_end(&s, note, &seen), 0);
	assert_string_equal(bytes_cstr(&seen), events);
	sse_finish(&s);
	bytes_finish(&seen);
}

static void
test_events(void **state)
{
	static const struct {
		const char *text, *events;
	} rows[] = {
		{"data: a\n\n", "=a;"},
		{"data: a\r\n\r\ndata: b\r\n\r\n", "=a;=b;"},
		{"data: a\r\rdata: b\r\r", "=a;=b;"},
		{"data:a\n\n", "=a;"},
		{"data:  a\n\n", "= a;"},
		{"\xef\xbb\xbf"
		 "data: a\n\n",
			"=a;"},
		{"data: a\n\n\xef\xbb\xbf"
		 "data: b\n\n",
			"=a;"},
		{"data: a\ndata: b\ndata\ndata: c\n\n", "=a\nb\n\nc;"},
		{"data\n\n", "=;"},
		{": a comment\n\n:\n\ndata: a\n\n: more\n", "=a;"},
		{"event: error\ndata: x\n\ndata: y\n\n", "error=x;=y;"},
		{"data: x\nevent: late\n\n", "late=x;"},
		{"event: lonely\n\ndata: y\n\n", "=y;"},
		{"id: 7\nretry: 100\nunknown: z\ndatas: no\nda: no\ndata: y\n\n", "=y;"},
		{"data: no blank line", "=no blank line;"},
		{"data: no blank line\n", "=no blank line;"},
		{"", ""},
		{"\n\n\n\r\n\r\r", ""},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		for (size_t step = 1; step <= strlen(rows[i].text) + 1; step++)
			expect_in_steps(rows[i].text, strlen(rows[i].text), step, rows[i].events);
}

static void
test_bytes_of_all_kinds(void **state)
{
	static const char text[] = "data: a\0b\xff\n\n";
	struct bytes seen = {0};
	struct sse s;
	sse_init(&s, 100);
	assert_int_equal(sse_feed(&s, text, sizeof(text) - 1, note, &seen), 0);
	assert_int_equal(seen.len, 6);
	assert_memory_equal(seen.data, "=a\0b\xff;", 6);
	sse_finish(&s);
	bytes_finish(&seen);
}

static void
test_bound(void **state)
{
	static const size_t MAX = 1000;
	static const char *const endless[] = {"data: xxxxxxxxxxxxx", "data: xxxxxx\n",
		": xxxxxxxxxx", "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"};
	for (size_t i = 0; i < sizeof(endless) / sizeof(endless[0]); i++) {
		struct bytes seen = {0};
		struct sse s;
		int r = 0;
		size_t fed = 0;
		sse_init(&s, MAX);
		while (r == 0 && fed < 100 * MAX) {
			r = sse_feed(&s, endless[i], strlen(endless[i]), note, &seen);
			fed += strlen(endless[i]);
		}
		assert_int_equal(r, -E2BIG);
		assert_int_equal(seen.len, 0);
		assert_true(s.data.cap + s.line.cap < 4 * MAX);
		sse_finish(&s);
	}
}

static void
test_bound_in_one_piece(void **state)
{
	char event[2000];
	memset(event, 'x', sizeof(event));
	memcpy(event, "data: ", 6);
	event[sizeof(event) - 2] = event[sizeof(event) - 1] = '\n';
	struct bytes seen = {0};
	struct sse s;
	sse_init(&s, 1000);
	assert_int_equal(sse_feed(&s, event, sizeof(event), note, &seen), -E2BIG);
	assert_int_equal(seen.len, 0);
	sse_finish(&s);
}

static int
refuse(void *context, struct slice name, struct slice data)
{
	(*(int *)context)++;
	return 42;
}

static void
test_callback_stops(void **state)
{
	int calls = 0;
	struct sse s;
	sse_init(&s, 100);
	static const char text[] = "data: a\n\ndata: b\n\n";
	assert_int_equal(sse_feed(&s, text, sizeof(text) - 1, refuse, &calls), 42);
	assert_int_equal(calls, 1);
	sse_finish(&s);
}

static void
test_memory_is_given_back(void **state)
{
	struct bytes seen = {0};
	struct sse s;
	sse_init(&s, 1 << 20);
	for (int i = 0; i < 100000; i++)
		assert_int_equal(sse_feed(&s, "data: x", i % 1000 ? 1 : 7, note, &seen), 0);
	assert_true(s.line.cap > 50000);
	assert_int_equal(sse_feed(&s, "\n\n", 2, note, &seen), 0);
	assert_true(s.line.cap + s.data.cap < 10000);
	sse_finish(&s);
	bytes_finish(&seen);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_events),
		cmocka_unit_test(test_bytes_of_all_kinds),
		cmocka_unit_test(test_bound),
		cmocka_unit_test(test_bound_in_one_piece),
		cmocka_unit_test(test_callback_stops),
		cmocka_unit_test(test_memory_is_given_back),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
