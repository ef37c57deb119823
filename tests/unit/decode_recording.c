/*
 * Decodes recorded responses: decode-recording FILE... prints a line of JSON for each with what the
 * decoder made of it, and exits with 1 when that depends on how the bytes were cut or on which of
 * the two readers read it. test_recordings.py compares the lines with a reading of its own.
 *
 *   X.http         status line, headers, blank line, body
 *   X.sse          an event stream
 *   X.chunks.txt   one JSON chunk a line, to be framed
 *   X.json         a JSON body
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <jansson.h>

#include "openai_internal.h"

enum { CUT_EVERYWHERE = 8192, RANDOM_CUTS = 1000, MAX_ANSWER = 8 << 20 };

/* Sanitizers make this ten times slower, and what they look for shows at one cut as at the next:
 * with them one position in 16 is tried, or all with FREELLM_LONG. */
#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED true
#elif defined(__has_feature)
#define SANITIZED __has_feature(address_sanitizer)
#else
#define SANITIZED false
#endif
static const int64_t NOW_MS = INT64_C(1774047120000); /* a minute before a recorded reset */

struct recording {
	struct bytes body;
	int status;
	char content_type[128];
};

static bool
ends_with(const char *name, const char *end)
{
	size_t len = strlen(name), end_len = strlen(end);
	return len >= end_len && strcmp(name + len - end_len, end) == 0;
}

static void
read_file(const char *name, struct bytes *to)
{
	FILE *f = fopen(name, "rb");
	if (f == NULL) {
		fprintf(stderr, "%s: %s\n", name, strerror(errno));
		exit(2);
	}
	char buffer[65536];
	size_t n;
	while ((n = fread(buffer, 1, sizeof(buffer), f)) > 0)
		bytes_append(to, buffer, n);
	fclose(f);
}

static void
read_head(struct recording *r)
{
	const char *text = bytes_cstr(&r->body);
	const char *end = strstr(text, "\r\n\r\n");
	const char *space = strchr(text, ' ');
	if (end == NULL || space == NULL)
		exit(2);
	r->status = (int)strtol(space, NULL, 10);
	for (const char *line = text; line < end; line = strstr(line, "\r\n") + 2)
		if (strncasecmp(line, "content-type: ", 14) == 0)
			snprintf(r->content_type, sizeof(r->content_type), "%.*s",
				(int)strcspn(line + 14, "\r"), line + 14);
	bytes_consume(&r->body, (size_t)(end + 4 - text));
}

static void
frame_chunks(struct recording *r)
{
	struct bytes framed = {0};
	const char *at = r->body.data;
	const char *end = at + r->body.len;
	while (at < end) {
		const char *stop = memchr(at, '\n', (size_t)(end - at));
		stop = stop != NULL ? stop : end;
		if (stop > at) {
			bytes_append_str(&framed, "data: ");
			bytes_append(&framed, at, (size_t)(stop - at));
			bytes_append_str(&framed, "\n\n");
		}
		at = stop + 1;
	}
	bytes_finish(&r->body);
	r->body = framed;
}

static void
recording_read(struct recording *r, const char *name)
{
	*r = (struct recording){.status = 200};
	read_file(name, &r->body);
	bool stream = ends_with(name, ".sse") || ends_with(name, ".chunks.txt");
	snprintf(r->content_type, sizeof(r->content_type), "%s",
		stream ? "text/event-stream" : "application/json");
	if (ends_with(name, ".http"))
		read_head(r);
	else if (ends_with(name, ".chunks.txt"))
		frame_chunks(r);
}

/* Every part of the outcome, one after the other, for comparison. */
static void
write_outcome(struct bytes *out, struct openai_reply *r, enum openai_end end)
{
	const struct answer *a = openai_reply_answer(r);
	const struct openai_error *e = openai_reply_error(r);
	bytes_clear(out);
	bytes_printf(out, "%d %d %d %lld %d|%s|%s|", (int)end, (int)e->kind, e->status,
		(long long)e->retry_after_ms, e->capacity, e->code, e->message);
	bytes_printf(out, "%lld %lld %lld|", (long long)a->usage.prompt_tokens,
		(long long)a->usage.completion_tokens, (long long)a->usage.total_tokens);
	bytes_append(out, a->text.data, a->text.len);
	bytes_append_char(out, '|');
	bytes_append(out, a->message.data, a->message.len);
	bytes_append_char(out, '|');
	bytes_append(out, a->finish_reason.data, a->finish_reason.len);
	bytes_append_char(out, '|');
	bytes_append(out, a->deltas.data, a->deltas.len);
}

static enum openai_end
feed(struct openai_reply *r, const struct recording *rec, size_t step, size_t cut)
{
	openai_reply_head(r, rec->status, slice_of(rec->content_type));
	size_t at = 0;
	while (at < rec->body.len) {
		size_t n = rec->body.len - at;
		if (step != 0 && n > step)
			n = step;
		if (at < cut && n > cut - at)
			n = cut - at;
		if (openai_reply_body(r, rec->body.data + at, n) != 0)
			break;
		at += n;
	}
	return openai_reply_end(r, false, NOW_MS);
}

static json_t *
text_json(const char *data, size_t len)
{
	json_t *value = json_stringn(data != NULL ? data : "", len);
	if (value == NULL) {
		fprintf(stderr, "the decoder has let through what is no UTF-8\n");
		exit(1);
	}
	return value;
}

static void
print_outcome(const char *name, struct openai_reply *r, enum openai_end end, size_t cuts)
{
	static const char *const ends[] = {"complete", "truncated", "failed", "too large"};
	static const char *const kinds[] = {"none", "request", "filtered", "key", "credit", "model",
		"rate", "unavailable", "garbled"};
	const struct answer *a = openai_reply_answer(r);
	const struct openai_error *e = openai_reply_error(r);
	json_t *deltas = json_array();
	struct delta delta;
	for (size_t at = 0;
		answer_next_delta((struct slice){a->deltas.data, a->deltas.len}, &at, &delta);)
		json_array_append_new(deltas, delta.kind == DELTA_TEXT
						      ? text_json(delta.data.data, delta.data.len)
						      : json_loadb(delta.data.data, delta.data.len,
								JSON_ALLOW_NUL, NULL));
	json_t *line = json_pack("{s:s s:I s:s s:s s:i s:s s:s s:I s:b s:o s:o s:o s:[I,I,I] s:o}",
		"file", name, "cuts", (json_int_t)cuts, "end", ends[end], "kind", kinds[e->kind],
		"status", e->status, "code", e->code, "message_of_error", e->message,
		"retry_after_ms", (json_int_t)e->retry_after_ms, "capacity", e->capacity, "text",
		text_json(a->text.data, a->text.len), "message",
		a->message.len > 0
			? json_loadb(a->message.data, a->message.len, JSON_ALLOW_NUL, NULL)
			: json_null(),
		"finish_reason", text_json(a->finish_reason.data, a->finish_reason.len), "usage",
		(json_int_t)a->usage.prompt_tokens, (json_int_t)a->usage.completion_tokens,
		(json_int_t)a->usage.total_tokens, "deltas", deltas);
	if (line == NULL) {
		fprintf(stderr, "%s: the outcome cannot be written as JSON\n", name);
		exit(1);
	}
	json_dumpf(line, stdout, JSON_COMPACT);
	putchar('\n');
	json_decref(line);
}

struct checker {
	const char *name;
	const struct recording *rec;
	struct openai_reply *reply;
	struct bytes whole, again;
	size_t cuts;
};

static void
check(struct checker *c, const char *how, size_t step, size_t cut)
{
	enum openai_end end = feed(c->reply, c->rec, step, cut);
	write_outcome(&c->again, c->reply, end);
	c->cuts++;
	if (c->again.len == c->whole.len && memcmp(c->again.data, c->whole.data, c->whole.len) == 0)
		return;
	printf("%s: another outcome %s %zu\nwhole: %.2000s\nnow:   %.2000s\n", c->name, how, cut,
		bytes_cstr(&c->whole), bytes_cstr(&c->again));
	exit(1);
}

static size_t
next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return (size_t)(*state >> 11);
}

static void
decode(const char *name)
{
	struct recording rec;
	uint64_t seed = 0x2545f4914f6cdd1d;
	recording_read(&rec, name);
	struct checker c = {
		.name = name,
		.rec = &rec,
		.reply = openai_reply_create(MAX_ANSWER, NULL, NULL),
	};
	enum openai_end end = feed(c.reply, &rec, 0, 0);
	write_outcome(&c.whole, c.reply, end);

	openai_reply_use_scanner(c.reply, false);
	check(&c, "with jansson alone", 0, 0);
	openai_reply_use_scanner(c.reply, true);
	check(&c, "a byte at a time", 1, 0);
	size_t len = rec.body.len;
	size_t sparse = SANITIZED && getenv("FREELLM_LONG") == NULL ? 16 : 1;
	for (size_t i = 1; len < CUT_EVERYWHERE && i < len; i += sparse)
		check(&c, "cut at", 0, i);
	for (size_t i = 0; len >= CUT_EVERYWHERE && i < RANDOM_CUTS; i += sparse)
		check(&c, "cut at", 0, 1 + next_random(&seed) % (len - 1));

	end = feed(c.reply, &rec, 0, 0);
	print_outcome(name, c.reply, end, c.cuts);
	openai_reply_destroy(c.reply);
	bytes_finish(&c.whole);
	bytes_finish(&c.again);
	bytes_finish(&rec.body);
}

int
main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		decode(argv[i]);
	return 0;
}
