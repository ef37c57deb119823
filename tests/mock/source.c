#include "source.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "profile.h"
#include "random.h"

#define FILLER_SEGMENT 65536
#define ARGUMENT_SEGMENT 8
#define GARBAGE_BYTES 256

static const char *
eol(const struct behaviour *b)
{
	return b->crlf ? "\r\n" : "\n";
}

/* Wraps the JSON in SCRATCH as one event. */
static void
put_event(struct source *s, const char *name, struct buf *out)
{
	const char *data = s->scratch.data;
	const char *comma = s->behaviour->split_data ? memchr(data, ',', s->scratch.len) : NULL;

	if (name)
		buf_printf(out, "event: %s%s", name, eol(s->behaviour));
	buf_puts(out, "data: ");
	if (comma) {
		buf_put(out, data, (size_t)(comma - data) + 1);
		buf_printf(out, "%sdata: ", eol(s->behaviour));
		data = comma + 1;
	}
	buf_put(out, data, s->scratch.len - (size_t)(data - s->scratch.data));
	buf_puts(out, eol(s->behaviour));
	buf_puts(out, eol(s->behaviour));
	buf_clear(&s->scratch);
}

static void
put_usage(struct source *s, int64_t completion_tokens)
{
	json_t *usage = chat_usage(s->chat, s->behaviour, completion_tokens);
	char *text = json_dumps(usage, JSON_COMPACT);

	buf_printf(&s->scratch, ",\"usage\":%s", text);
	if (profile_is(s->profile, "groq"))
		buf_printf(&s->scratch, ",\"x_groq\":{\"id\":\"req_mock\",\"usage\":%s}", text);
	free(text);
	json_decref(usage);
}

/* A chunk with one choice; DELTA is the inside of the delta's object. */
static void
put_chunk(struct source *s, const char *delta, size_t len, const char *finish, struct buf *out)
{
	enum usage_style style = profile_usage_style(s->profile);

	buf_put(&s->scratch, s->prefix.data, s->prefix.len);
	buf_puts(&s->scratch, "\"choices\":[{\"index\":0,\"delta\":{");
	buf_put(&s->scratch, delta, len);
	if (finish)
		buf_printf(&s->scratch, "},\"finish_reason\":\"%s\"}]", finish);
	else
		buf_puts(&s->scratch, "},\"finish_reason\":null}]");
	if (!s->behaviour->no_usage) {
		if (style == USAGE_EVERY)
			put_usage(s, finish ? s->completion_tokens : s->content);
		else if (style == USAGE_ON_FINISH && finish)
			put_usage(s, s->completion_tokens);
	}
	buf_puts(&s->scratch, "}");
	put_event(s, NULL, out);
}

static bool
put_piece(struct source *s, struct pieces *pieces, const char *field, struct buf *out)
{
	buf_clear(&s->text);
	buf_clear(&s->delta);
	if (!pieces_next(pieces, &s->text))
		return false;
	buf_puts(&s->delta, "\"");
	buf_puts(&s->delta, field);
	buf_puts(&s->delta, "\":\"");
	buf_json(&s->delta, s->text.data, s->text.len);
	buf_puts(&s->delta, "\"");
	put_chunk(s, s->delta.data, s->delta.len, NULL, out);
	return true;
}

static bool
stage_comments(struct source *s, struct buf *out)
{
	if (s->comments == 0)
		return false;
	s->comments--;
	source_comment(s->behaviour, "MOCK PROCESSING", out);
	return true;
}

static bool
stage_role(struct source *s, struct buf *out)
{
	static const char delta[] = "\"role\":\"assistant\",\"content\":\"\"";

	put_chunk(s, delta, sizeof(delta) - 1, NULL, out);
	s->stage = STAGE_REASONING;
	return true;
}

static bool
stage_reasoning(struct source *s, struct buf *out)
{
	return put_piece(s, &s->reasoning, s->behaviour->reasoning_field, out);
}

static bool
stage_content(struct source *s, struct buf *out)
{
	if (json_array_size(s->calls) > 0 && !s->behaviour->text)
		return false;
	if (!put_piece(s, &s->pieces, "content", out))
		return false;
	s->content++;
	return true;
}

/* First the name of a call, then its arguments in small pieces. */
static bool
stage_tools(struct source *s, struct buf *out)
{
	json_t *call = json_array_get(s->calls, s->call);
	json_t *function = json_object_get(call, "function");
	const char *arguments = json_string_value(json_object_get(function, "arguments"));

	if (!call)
		return false;
	buf_clear(&s->delta);
	buf_printf(&s->delta, "\"tool_calls\":[{\"index\":%zu,", s->call);
	if (!s->named) {
		buf_puts(&s->delta, "\"id\":\"");
		buf_json(&s->delta, json_string_value(json_object_get(call, "id")),
			json_string_length(json_object_get(call, "id")));
		buf_puts(&s->delta, "\",\"type\":\"function\",\"function\":{\"name\":\"");
		buf_json(&s->delta, json_string_value(json_object_get(function, "name")),
			json_string_length(json_object_get(function, "name")));
		buf_puts(&s->delta, "\",\"arguments\":\"\"}}]");
		s->named = true;
		s->argument = 0;
	} else {
		size_t len = strlen(arguments);
		size_t end = s->argument + ARGUMENT_SEGMENT;

		while (end < len && ((unsigned char)arguments[end] & 0xc0) == 0x80)
			end++;
		if (end > len)
			end = len;
		buf_puts(&s->delta, "\"function\":{\"arguments\":\"");
		buf_json(&s->delta, arguments + s->argument, end - s->argument);
		buf_puts(&s->delta, "\"}}]");
		s->argument = end;
		if (end == len) {
			s->call++;
			s->named = false;
		}
	}
	put_chunk(s, s->delta.data, s->delta.len, NULL, out);
	return true;
}

static const char *
finish_reason(const struct source *s)
{
	if (s->behaviour->finish_reason)
		return s->behaviour->finish_reason;
	if (json_array_size(s->calls) > 0)
		return "tool_calls";
	return s->pieces.length_limited ? "length" : "stop";
}

static bool
stage_finish(struct source *s, struct buf *out)
{
	put_chunk(s, "", 0, finish_reason(s), out);
	s->stage = STAGE_USAGE;
	return true;
}

static bool
stage_usage(struct source *s, struct buf *out)
{
	enum usage_style style = profile_usage_style(s->profile);

	s->stage = STAGE_DONE;
	if (s->behaviour->no_usage || !s->chat->include_usage)
		return false;
	if (style != USAGE_SEPARATE && style != USAGE_REPEATED)
		return false;
	buf_put(&s->scratch, s->prefix.data, s->prefix.len);
	if (style == USAGE_REPEATED)
		buf_printf(&s->scratch,
			"\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":"
			"\"\"},\"finish_reason\":\"%s\"}]",
			finish_reason(s));
	else
		buf_puts(&s->scratch, "\"choices\":[]");
	put_usage(s, s->completion_tokens);
	buf_puts(&s->scratch, "}");
	put_event(s, NULL, out);
	return true;
}

static bool
stage_done(struct source *s, struct buf *out)
{
	s->stage = STAGE_END;
	if (s->behaviour->no_done)
		return false;
	buf_puts(&s->scratch, "[DONE]");
	put_event(s, NULL, out);
	return true;
}

static bool (*const stages[])(struct source *, struct buf *) = {
	[STAGE_COMMENTS] = stage_comments,
	[STAGE_ROLE] = stage_role,
	[STAGE_REASONING] = stage_reasoning,
	[STAGE_CONTENT] = stage_content,
	[STAGE_TOOLS] = stage_tools,
	[STAGE_FINISH] = stage_finish,
	[STAGE_USAGE] = stage_usage,
	[STAGE_DONE] = stage_done,
};

static void
put_error(struct source *s, struct buf *out)
{
	json_t *error = s->behaviour->error_in_stream;

	if (json_is_object(error)) {
		char *text = json_dumps(error, JSON_COMPACT);

		buf_puts(&s->scratch, text);
		free(text);
	} else {
		const char *message = json_string_value(error);

		profile_stream_error(
			s->profile, message ? message : "the model failed", &s->scratch);
	}
	put_event(s, profile_is(s->profile, "groq") ? "error" : NULL, out);
	s->stage = s->behaviour->error_done ? STAGE_DONE : STAGE_END;
}

static void
put_garbage(struct source *s, struct buf *out)
{
	uint64_t state = (uint64_t)s->behaviour->seed;

	buf_puts(out, "data: {\"choices\":[{\"delta\":{\"content\":\n\n");
	for (int i = 0; i < GARBAGE_BYTES; i++) {
		char byte = (char)random_next(&state);

		buf_put(out, &byte, 1);
	}
	buf_puts(out, "\n\n");
	s->marred = true;
}

static bool
next_event(struct source *s, struct buf *out)
{
	const struct behaviour *b = s->behaviour;
	json_t *error = b->error_in_stream;
	bool due = s->stage > STAGE_ROLE && s->stage < STAGE_END && s->content >= b->after;

	if (due && error && !json_is_false(error) && !s->marred) {
		s->marred = true;
		put_error(s, out);
		return true;
	}
	if (due && b->fault == FAULT_GARBAGE_SSE && !s->marred) {
		put_garbage(s, out);
		return true;
	}
	while (s->stage != STAGE_END) {
		enum stage stage = s->stage;

		if (stages[stage](s, out))
			return true;
		if (s->stage == stage)
			s->stage = stage + 1;
	}
	return false;
}

static bool
next_piece(struct source *s, struct buf *out)
{
	size_t left = s->block.len - s->at;
	size_t size = left;

	if (left == 0)
		return false;
	if (s->write > 0 && size > (size_t)s->write)
		size = (size_t)s->write;
	else if (s->write < 0)
		size = 1 + random_next(&s->random) % (left < 997 ? left : 997);
	buf_put(out, s->block.data + s->at, size);
	s->at += size;
	s->content++;
	return true;
}

static bool
next_filler(struct source *s, struct buf *out)
{
	if (s->at < s->filler_at) {
		buf_put(out, s->block.data, s->filler_at);
		s->at = s->filler_at;
		return true;
	}
	if (s->filler > 0) {
		size_t size = s->filler < FILLER_SEGMENT ? (size_t)s->filler : FILLER_SEGMENT;

		buf_fill(out, 'x', size);
		s->filler -= (int64_t)size;
		s->content++;
		return true;
	}
	return next_piece(s, out);
}

void
source_events(struct source *s, const struct chat *chat, const struct behaviour *b,
	const struct profile *profile, int64_t id, int64_t created_s)
{
	*s = (struct source){.next = next_event, .chat = chat, .behaviour = b, .profile = profile};
	s->comments = b->comments;
	s->calls = chat_tool_calls(chat, b);
	s->completion_tokens = chat_completion_tokens(chat, b);
	chat_reasoning(b, &s->reasoning);
	chat_pieces(chat, b, &s->pieces);
	buf_printf(&s->prefix,
		"{\"id\":\"chatcmpl-mock-%" PRId64 "\",\"object\":\"chat.completion.chunk\","
		"\"created\":%" PRId64 ",\"model\":\"",
		id, created_s);
	buf_json(&s->prefix, chat->model, strlen(chat->model));
	buf_puts(&s->prefix, "\",");
}

void
source_block(struct source *s, struct buf *block, int64_t write, int64_t seed)
{
	*s = (struct source){.next = next_piece, .block = *block, .write = write};
	s->random = (uint64_t)seed;
	*block = (struct buf){0};
}

void
source_filler(struct source *s, struct buf *block, size_t at, int64_t filler)
{
	*s = (struct source){.next = next_filler, .block = *block, .filler = filler};
	s->filler_at = at;
	*block = (struct buf){0};
}

int64_t
source_length(const struct source *s)
{
	return (int64_t)(s->block.len - s->at) + s->filler;
}

bool
source_ended(const struct source *s)
{
	if (s->next == next_event)
		return s->stage == STAGE_END;
	return s->at == s->block.len && s->filler == 0;
}

void
source_drain(struct source *s, struct buf *out)
{
	while (s->next(s, out))
		;
}

void
source_finish(struct source *s)
{
	buf_free(&s->prefix);
	buf_free(&s->scratch);
	buf_free(&s->text);
	buf_free(&s->delta);
	buf_free(&s->block);
	json_decref(s->calls);
	*s = (struct source){0};
}

void
source_comment(const struct behaviour *b, const char *text, struct buf *out)
{
	buf_printf(out, ": %s%s%s", text, eol(b), eol(b));
}
