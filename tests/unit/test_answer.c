#include "unit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "answer.h"

static void
add(struct answer *a, enum delta_kind kind, const char *data)
{
	struct delta delta = {kind, slice_of(data)};
	assert_int_equal(answer_add_delta(a, &delta), 0);
}

static void
expect_delta(struct slice deltas, size_t *at, enum delta_kind kind, const char *data)
{
	struct delta delta;
	assert_true(answer_next_delta(deltas, at, &delta));
	assert_int_equal(delta.kind, kind);
	assert_true(slice_is(delta.data, data));
}

static void
test_deltas(void **state)
{
	struct answer a;
	char *large = calloc(1, 70001);
	memset(large, 'x', 70000);
	answer_init(&a, 0);
	assert_int_equal(a.usage.total_tokens, -1);
	add(&a, DELTA_TEXT, "Hello");
	add(&a, DELTA_OTHER, "{\"reasoning\":\"why\"}");
	add(&a, DELTA_TEXT, "");
	add(&a, DELTA_TEXT, large);
	add(&a, DELTA_TEXT, " world");
	assert_int_equal(a.text.len, 5 + 70000 + 6);

	struct slice deltas = {a.deltas.data, a.deltas.len};
	size_t at = 0;
	expect_delta(deltas, &at, DELTA_TEXT, "Hello");
	expect_delta(deltas, &at, DELTA_OTHER, "{\"reasoning\":\"why\"}");
	expect_delta(deltas, &at, DELTA_TEXT, "");
	expect_delta(deltas, &at, DELTA_TEXT, large);
	expect_delta(deltas, &at, DELTA_TEXT, " world");
	struct delta delta;
	assert_false(answer_next_delta(deltas, &at, &delta));
	answer_finish(&a);
	free(large);
}

static void
test_damaged_deltas(void **state)
{
	static const struct slice damaged[] = {
		{"\x0ahell", 5},                                      /* 5 bytes, 4 there */
		{"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 11}, /* a number without end */
		{"\xff\xff\xff\xff\xff\xff\xff\xff\x7f", 9},
		{"\x80", 1},
		{"", 0},
	};
	for (size_t i = 0; i < sizeof(damaged) / sizeof(damaged[0]); i++) {
		size_t at = 0;
		struct delta delta;
		assert_false(answer_next_delta(damaged[i], &at, &delta));
		assert_int_equal(at, 0);
	}
}

static void
test_bound(void **state)
{
	struct answer a;
	struct delta delta = {DELTA_TEXT, slice_of("0123456789")};
	answer_init(&a, 1000);
	int r, added = 0;
	while ((r = answer_add_delta(&a, &delta)) == 0)
		added++;
	assert_int_equal(r, -E2BIG);
	assert_in_range(added, 40, 50); /* ten bytes of text and eleven of delta each */
	assert_int_equal(a.text.len, 10 * added);
	assert_true(a.text.len + a.deltas.len <= 1000);
	assert_false(a.text.failed);
	answer_finish(&a);
}

static void
make_record(struct bytes *record)
{
	struct answer a;
	answer_init(&a, 0);
	add(&a, DELTA_OTHER, "{\"reasoning\":\"why\"}");
	add(&a, DELTA_TEXT, "text");
	bytes_append_str(&a.message, "{\"role\":\"assistant\"}");
	bytes_append_str(&a.finish_reason, "stop");
	a.usage = (struct usage){12, -1, INT64_C(1) << 40};
	answer_encode(record, &a, slice_of("groq"), slice_of("openai/gpt-oss-20b"), 1774047120000);
	answer_finish(&a);
}

static void
test_record(void **state)
{
	struct bytes record = {0};
	struct answer_view view;
	make_record(&record);
	assert_int_equal(record.data[0], 2); /* the version */
	assert_true(answer_view((struct slice){record.data, record.len}, &view));
	assert_true(slice_is(view.text, "text"));
	assert_true(slice_is(view.message, "{\"role\":\"assistant\"}"));
	assert_true(slice_is(view.finish_reason, "stop"));
	assert_true(slice_is(view.provider, "groq"));
	assert_true(slice_is(view.model, "openai/gpt-oss-20b"));
	assert_int_equal(view.usage.prompt_tokens, 12);
	assert_int_equal(view.usage.completion_tokens, -1);
	assert_true(view.usage.total_tokens == INT64_C(1) << 40);
	assert_true(view.stored_at_ms == 1774047120000);
	size_t at = 0;
	expect_delta(view.deltas, &at, DELTA_OTHER, "{\"reasoning\":\"why\"}");
	expect_delta(view.deltas, &at, DELTA_TEXT, "text");
	bytes_finish(&record);
}

static void
test_empty_record(void **state)
{
	struct bytes record = {0};
	struct answer a;
	struct answer_view view;
	answer_init(&a, 0);
	answer_encode(&record, &a, slice_of(NULL), slice_of(NULL), 0);
	assert_true(answer_view((struct slice){record.data, record.len}, &view));
	assert_int_equal(view.text.len + view.deltas.len + view.model.len, 0);
	answer_finish(&a);
	bytes_finish(&record);
}

/* Every bit flipped, every length: none is taken for a record. */
static void
test_damaged_record(void **state)
{
	struct bytes record = {0};
	struct answer_view view;
	make_record(&record);
	for (size_t i = 0; i < record.len * 8; i++) {
		if (i / 8 >= 1 && i / 8 < 8)
			continue; /* padding, not covered */
		record.data[i / 8] ^= (char)(1 << i % 8);
		assert_false(answer_view((struct slice){record.data, record.len}, &view));
		record.data[i / 8] ^= (char)(1 << i % 8);
	}
	for (size_t len = 0; len < record.len; len++) {
		char *copy = malloc(len + 1);
		memcpy(copy, record.data, len);
		assert_false(answer_view((struct slice){copy, len}, &view));
		free(copy);
	}
	bytes_append_char(&record, 'x');
	assert_false(answer_view((struct slice){record.data, record.len}, &view));
	bytes_finish(&record);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_deltas),
		cmocka_unit_test(test_damaged_deltas),
		cmocka_unit_test(test_bound),
		cmocka_unit_test(test_record),
		cmocka_unit_test(test_empty_record),
		cmocka_unit_test(test_damaged_record),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
