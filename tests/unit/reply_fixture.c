#include "unit.h"

#include <stdlib.h>
#include <string.h>

#include "openai_internal.h"
#include "reply_fixture.h"

static void
note(void *context, const struct delta *delta)
{
	struct bytes *to = context;
	bytes_append_str(to, delta->kind == DELTA_TEXT ? "T " : "O ");
	bytes_append(to, delta->data.data, delta->data.len);
	bytes_append_char(to, '\n');
}

struct run {
	struct openai_reply *reply;
	struct bytes deltas;
	enum openai_end end;
};

/* Feeds c->body in pieces: one cut at `cut`, or every `step` bytes; each piece in memory of its
 * own. */
static void
run_start(struct run *run, const struct reply_case *c, size_t cut, size_t step, bool scanner)
{
	size_t len = c->body_len ? c->body_len : strlen(c->body);
	*run = (struct run){0};
	run->reply = openai_reply_create(c->max ? c->max : 1 << 20, note, &run->deltas);
	openai_reply_use_scanner(run->reply, scanner);
	openai_reply_head(run->reply, c->status ? c->status : 200,
		slice_of(c->type ? c->type : "text/event-stream; charset=utf-8"));
	for (size_t at = 0; at < len;) {
		size_t n = len - at;
		if (step != 0 && n > step)
			n = step;
		if (at < cut && at + n > cut)
			n = cut - at;
		char *piece = malloc(n);
		memcpy(piece, c->body + at, n);
		int r = openai_reply_body(run->reply, piece, n);
		free(piece);
		if (r != 0)
			break;
		at += n;
	}
	run->end = openai_reply_end(run->reply, c->broken, REPLY_NOW_MS);
}

static void
run_finish(struct run *run)
{
	openai_reply_destroy(run->reply);
	bytes_finish(&run->deltas);
}

static void
expect_bytes(const struct bytes *b, const char *expected)
{
	struct bytes copy = {0};
	bytes_append(&copy, b->data, b->len);
	assert_string_equal(bytes_cstr(&copy), expected != NULL ? expected : "");
	bytes_finish(&copy);
}

static void
expect_answer(const struct run *run, const struct reply_case *c)
{
	const struct answer *a = openai_reply_answer(run->reply);
	const struct usage *want = &c->usage;
	bool unknown =
		want->prompt_tokens == 0 && want->completion_tokens == 0 && want->total_tokens == 0;
	expect_bytes(&a->text, c->text);
	expect_bytes(&a->message, c->message);
	expect_bytes(&a->finish_reason, c->finish);
	assert_int_equal(a->usage.prompt_tokens, unknown ? -1 : want->prompt_tokens);
	assert_int_equal(a->usage.completion_tokens, unknown ? -1 : want->completion_tokens);
	assert_int_equal(a->usage.total_tokens, unknown ? -1 : want->total_tokens);
	if (c->deltas != NULL)
		expect_bytes(&run->deltas, c->deltas);
	assert_int_equal(openai_reply_has_content(run->reply), a->deltas.len > 0);
	/* What was recorded is what was passed on. */
	struct bytes recorded = {0};
	struct delta delta;
	for (size_t at = 0;
		answer_next_delta((struct slice){a->deltas.data, a->deltas.len}, &at, &delta);)
		note(&recorded, &delta);
	expect_bytes(&recorded, run->deltas.len > 0 ? run->deltas.data : NULL);
	bytes_finish(&recorded);
}

static void
expect_error(const struct run *run, const struct reply_case *c)
{
	const struct openai_error *e = openai_reply_error(run->reply);
	assert_int_equal(e->kind, c->kind);
	assert_true(strlen(e->message) <= 1000);
	assert_int_equal(e->retry_after_ms, c->retry_after_ms ? c->retry_after_ms : -1);
	assert_int_equal(e->capacity, c->capacity);
	if (c->error_status != 0)
		assert_int_equal(e->status, c->error_status);
	if (c->error != NULL)
		assert_string_equal(e->message, c->error);
	if (c->code != NULL)
		assert_string_equal(e->code, c->code);
	assert_int_equal(run->end == OPENAI_FAILED, c->kind != OPENAI_ERROR_NONE);
}

static void
expect_run(const struct reply_case *c, size_t cut, size_t step, bool scanner)
{
	struct run run;
	run_start(&run, c, cut, step, scanner);
	bytes_cstr(&run.deltas);
	if (run.end != c->end)
		fail_msg("%.200s (cut at %zu, steps of %zu): ends with %d, not %d; %s", c->body,
			cut, step, (int)run.end, (int)c->end,
			openai_reply_error(run.reply)->message);
	expect_answer(&run, c);
	expect_error(&run, c);
	run_finish(&run);
}

void
reply_expect(const struct reply_case *c)
{
	size_t len = c->body_len ? c->body_len : strlen(c->body);
	expect_run(c, 0, 0, true);
	expect_run(c, 0, 0, false);
	expect_run(c, 0, 1, true);
	for (size_t cut = 1; cut < len && len < 4096; cut++)
		expect_run(c, cut, 0, true);
}
