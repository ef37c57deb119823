/*
 * An answer with a 200: any bytes, however they are cut and whichever reader reads them, give one
 * outcome, of well-formed parts and within the bound.
 */
#include "fuzz.h"

#include <string.h>

#include "openai_internal.h"
#include "value.h"

enum { MAX_ANSWER = 2000 };

static bool
is_utf8(const char *text, size_t len)
{
	size_t at = 0;
	while (at < len) {
		size_t n = utf8_sequence((const unsigned char *)text + at, len - at);
		if (n == 0)
			return false;
		at += n;
	}
	return true;
}

static bool
is_object(const char *text, size_t len)
{
	json_t *value = json_loadb(text, len, JSON_ALLOW_NUL, NULL);
	bool object = json_is_object(value);
	json_decref(value);
	return object;
}

static void
check_answer(const struct answer *a)
{
	struct bytes text = {0};
	struct delta delta;
	size_t at = 0;
	CHECK(a->text.len + a->message.len + a->deltas.len <= MAX_ANSWER);
	CHECK(is_utf8(a->text.data, a->text.len));
	CHECK(is_utf8(a->finish_reason.data, a->finish_reason.len));
	CHECK(a->message.len == 0 || is_object(a->message.data, a->message.len));
	while (answer_next_delta((struct slice){a->deltas.data, a->deltas.len}, &at, &delta)) {
		CHECK(delta.data.len > 0);
		if (delta.kind == DELTA_TEXT)
			bytes_append(&text, delta.data.data, delta.data.len);
		else
			CHECK(is_object(delta.data.data, delta.data.len));
	}
	CHECK(at == a->deltas.len);
	CHECK(text.len == a->text.len);
	CHECK(text.len == 0 || memcmp(text.data, a->text.data, text.len) == 0);
	bytes_finish(&text);
}

static void
check_error(const struct openai_error *e, enum openai_end end)
{
	CHECK((e->kind != OPENAI_ERROR_NONE) == (end == OPENAI_FAILED));
	CHECK(strlen(e->message) <= 1000 && is_utf8(e->message, strlen(e->message)));
	CHECK(strlen(e->code) <= 1000 && is_utf8(e->code, strlen(e->code)));
	CHECK(e->retry_after_ms >= -1);
}

static void
put(struct bytes *out, const struct bytes *part)
{
	bytes_append(out, part->data, part->len);
	bytes_append_char(out, '|');
}

static void
decode(struct bytes *outcome, const uint8_t *data, size_t len, size_t piece, bool scanner)
{
	struct openai_reply *r = openai_reply_create(MAX_ANSWER, NULL, NULL);
	openai_reply_use_scanner(r, scanner);
	openai_reply_head(r, 200, slice_of(""));
	for (size_t at = 0; at < len; at += piece)
		if (openai_reply_body(r, data + at, len - at < piece ? len - at : piece) != 0)
			break;
	enum openai_end end = openai_reply_end(r, false, 0);
	const struct answer *a = openai_reply_answer(r);
	const struct openai_error *e = openai_reply_error(r);
	check_answer(a);
	check_error(e, end);
	bytes_printf(outcome, "%d %d %d %s|%s|%lld %lld %lld|", (int)end, (int)e->kind, e->status,
		e->code, e->message, (long long)a->usage.prompt_tokens,
		(long long)a->usage.completion_tokens, (long long)a->usage.total_tokens);
	put(outcome, &a->text);
	put(outcome, &a->message);
	put(outcome, &a->finish_reason);
	put(outcome, &a->deltas);
	openai_reply_destroy(r);
}

static void
check_same(const struct bytes *a, const struct bytes *b)
{
	CHECK(a->len == b->len && memcmp(a->data, b->data, a->len) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct bytes whole = {0}, cut = {0}, jansson = {0};
	if (len < 1)
		return 0;
	size_t piece = data[0] % 64 + 1;
	data++;
	len--;
	decode(&whole, data, len, len + 1, true);
	decode(&cut, data, len, piece, true);
	decode(&jansson, data, len, len + 1, false);
	check_same(&whole, &jansson);
	check_same(&whole, &cut);
	bytes_finish(&whole);
	bytes_finish(&cut);
	bytes_finish(&jansson);
	return 0;
}
