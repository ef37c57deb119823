#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "answer_internal.h"
#include "profile.h"
#include "recording.h"

static void
put_header(struct plan *plan, const char *name, const char *value)
{
	buf_printf(&plan->head, "%s: %s\r\n", name, value);
}

/* Whether the answer needs more of the wire than the library gives. */
static bool
needs_socket(const struct behaviour *b)
{
	bool fault = b->fault != FAULT_NONE && b->fault != FAULT_WRONG_CONTENT_TYPE;

	return fault || b->first_byte_ms || b->first_content_ms || b->wire || b->gzip ||
	       b->huge_header || b->write || b->framing || b->headers;
}

static void
set_framing(struct plan *plan, enum framing usual)
{
	const struct behaviour *b = &plan->behaviour;

	plan->framing = usual;
	if (b->write != 0 || (b->gzip && usual == FRAMING_LENGTH))
		plan->framing = FRAMING_CHUNKED;
	if (!b->framing)
		return;
	if (strcmp(b->framing, "close") == 0)
		plan->framing = FRAMING_CLOSE;
	else if (strcmp(b->framing, "length") == 0 && usual == FRAMING_LENGTH && !b->gzip)
		plan->framing = FRAMING_LENGTH;
	else
		plan->framing = FRAMING_CHUNKED;
}

/* A whole body: sent by the library when it can be. */
static void
plan_block(struct plan *plan, struct buf *body)
{
	const struct behaviour *b = &plan->behaviour;

	plan->raw = needs_socket(b);
	if (!plan->raw) {
		plan->body = *body;
		return;
	}
	set_framing(plan, FRAMING_LENGTH);
	source_block(&plan->source, body, b->write, b->seed);
}

static bool
plan_recording(struct plan *plan, const char *dir, const struct profile *profile)
{
	const struct behaviour *b = &plan->behaviour;
	struct recording recording;

	if (!b->recording)
		return false;
	if (!dir || recording_load(&recording, dir, b->recording) < 0) {
		struct buf body = {0};

		plan->status = 500;
		profile_error(profile, 500, "the recording cannot be read", "mock", &body);
		plan_block(plan, &body);
		return true;
	}
	plan->raw = true;
	plan->whole_head = true;
	plan->status = recording.status;
	plan->head = recording.head;
	set_framing(plan, recording.stream ? FRAMING_CHUNKED : FRAMING_LENGTH);
	source_block(&plan->source, &recording.body, b->write, b->seed);
	return true;
}

static void
put_json_choice(struct plan *plan, struct buf *body)
{
	const struct chat *chat = &plan->chat;
	const struct behaviour *b = &plan->behaviour;
	json_t *calls = chat_tool_calls(chat, b);
	struct pieces pieces, reasoning;
	struct buf text = {0};
	const char *finish = b->finish_reason;

	chat_pieces(chat, b, &pieces);
	chat_reasoning(b, &reasoning);
	if (!finish)
		finish = json_array_size(calls) > 0 ? "tool_calls"
			 : pieces.length_limited    ? "length"
						    : "stop";
	buf_puts(body, "{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":");
	if (json_array_size(calls) > 0 && !b->text) {
		buf_puts(body, "null");
	} else {
		while (pieces_next(&pieces, &text))
			;
		buf_puts(body, "\"");
		buf_json(body, text.data, text.len);
		buf_puts(body, "\"");
	}
	if (b->reasoning) {
		buf_clear(&text);
		while (pieces_next(&reasoning, &text))
			;
		buf_printf(body, ",\"%s\":\"", b->reasoning_field);
		buf_json(body, text.data, text.len);
		buf_puts(body, "\"");
	}
	if (json_array_size(calls) > 0) {
		char *dump = json_dumps(calls, JSON_COMPACT);

		buf_printf(body, ",\"tool_calls\":%s", dump);
		free(dump);
	}
	buf_printf(body, "},\"logprobs\":null,\"finish_reason\":\"%s\"}", finish);
	buf_free(&text);
	json_decref(calls);
}

static void
plan_json(struct plan *plan, const struct profile *profile, int64_t sequence, int64_t created_s)
{
	const struct behaviour *b = &plan->behaviour;
	int64_t tokens = chat_completion_tokens(&plan->chat, b);
	struct buf body = {0};

	buf_printf(&body,
		"{\"id\":\"chatcmpl-mock-%" PRId64 "\",\"object\":\"chat.completion\",\"created\":"
		"%" PRId64 ",\"model\":\"",
		sequence, created_s);
	buf_json(&body, plan->chat.model, strlen(plan->chat.model));
	buf_puts(&body, "\",\"choices\":[");
	put_json_choice(plan, &body);
	buf_puts(&body, "]");
	if (!b->no_usage) {
		json_t *usage = chat_usage(&plan->chat, b, tokens);
		char *dump = json_dumps(usage, JSON_COMPACT);

		buf_printf(&body, ",\"usage\":%s", dump);
		free(dump);
		json_decref(usage);
	}
	buf_puts(&body, "}");
	plan_block(plan, &body);
}

static void
plan_events(struct plan *plan, const struct profile *profile, int64_t sequence, int64_t created_s)
{
	const struct behaviour *b = &plan->behaviour;

	plan->raw = true;
	set_framing(plan, FRAMING_CHUNKED);
	source_events(&plan->source, &plan->chat, b, profile, sequence, created_s);
	/* Other pieces than events: render all of them first, and cut that. */
	if (b->write != 0 && b->fault != FAULT_ENDLESS_STREAM) {
		struct buf all = {0};

		source_drain(&plan->source, &all);
		source_finish(&plan->source);
		source_block(&plan->source, &all, b->write, b->seed);
	}
}

/* A body of any size around a long run of 'x'. */
static void
plan_huge(struct plan *plan)
{
	static const char error_head[] = "{\"error\":{\"message\":\"";
	static const char error_tail[] = "\",\"type\":\"server_error\",\"code\":null}}";
	static const char event_head[] = "data: {\"id\":\"mock\",\"choices\":[{\"index\":0,"
					 "\"delta\":{\"content\":\"";
	static const char event_tail[] = "\"},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";
	static const char json_head[] = "{\"id\":\"mock\",\"choices\":[{\"index\":0,\"message\":{"
					"\"role\":\"assistant\",\"content\":\"";
	static const char json_tail[] = "\"},\"finish_reason\":\"stop\"}]}";
	bool error = plan->status >= 400, stream = plan->chat.stream && !error;
	struct buf block = {0};
	size_t at;

	buf_puts(&block, error ? error_head : stream ? event_head : json_head);
	at = block.len;
	buf_puts(&block, error ? error_tail : stream ? event_tail : json_tail);
	plan->raw = true;
	set_framing(plan, stream ? FRAMING_CHUNKED : FRAMING_LENGTH);
	source_filler(&plan->source, &block, at, plan->behaviour.huge_body);
}

static const char *
content_type(const struct plan *plan, bool stream)
{
	const struct behaviour *b = &plan->behaviour;

	if (b->content_type)
		return b->content_type;
	if (b->fault == FAULT_WRONG_CONTENT_TYPE)
		return "text/html; charset=utf-8";
	return stream ? "text/event-stream" : "application/json";
}

static void
put_extra_headers(struct plan *plan)
{
	const struct behaviour *b = &plan->behaviour;
	const char *name;
	json_t *value;

	if (b->retry_after)
		put_header(plan, "Retry-After", b->retry_after);
	json_object_foreach(b->headers, name, value)
	{
		json_t *item;
		size_t i;

		if (json_is_string(value))
			put_header(plan, name, json_string_value(value));
		json_array_foreach(value, i, item)
		{
			const char *text = json_string_value(item);

			put_header(plan, name, text ? text : "");
		}
	}
}

void
plan_behaviour(struct plan *plan, const char *recordings, const struct profile *profile,
	int64_t sequence, int64_t created_s)
{
	struct behaviour *b = &plan->behaviour;
	bool endless = b->fault == FAULT_ENDLESS_STREAM;
	bool html = b->fault == FAULT_WRONG_CONTENT_TYPE;
	bool whole = b->status >= 400 || b->body || html;
	bool stream = (plan->chat.stream || endless) && !whole;
	struct buf body = {0};

	if (b->fault == FAULT_SLOW_DRIP) {
		b->wire = b->wire ? b->wire : 1;
		b->wire_us = b->wire_us ? b->wire_us : 1000;
	}
	plan->status = (int)b->status;
	if (plan_recording(plan, recordings, profile))
		return;
	put_header(plan, "Content-Type", content_type(plan, stream));
	if (stream)
		put_header(plan, "Cache-Control", "no-cache");
	put_extra_headers(plan);
	if (b->huge_body > 0) {
		plan_huge(plan);
	} else if (whole) {
		if (b->body)
			buf_puts(&body, b->body);
		else if (html)
			buf_puts(&body, "<html><body><h1>Welcome</h1></body></html>\n");
		else
			profile_error(profile, plan->status, "the mock was told to answer so",
				plan->status >= 500 ? "server_error" : "invalid_request_error",
				&body);
		plan_block(plan, &body);
	} else if (stream) {
		plan_events(plan, profile, sequence, created_s);
	} else {
		plan_json(plan, profile, sequence, created_s);
	}
}
