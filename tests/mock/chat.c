#include "chat.h"

#include <inttypes.h>
#include <string.h>

#include "clock.h"

#define ECHO_BYTES 4096
#define ECHO_WORDS 64

static bool
is_space(char c)
{
	return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

/* FNV-1a with 64 bits. */
static uint64_t
hash(uint64_t state, const char *data, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		state ^= (unsigned char)data[i];
		state *= UINT64_C(0x100000001b3);
	}
	return state;
}

static int64_t
count_words(const char *text, size_t len)
{
	int64_t words = 0;
	bool inside = false;

	for (size_t i = 0; i < len; i++) {
		bool space = is_space(text[i]);

		if (!space && !inside)
			words++;
		inside = !space;
	}
	return words;
}

/* The text of one message: a string, or the text parts of an array one after the other. */
static void
message_text(json_t *content, struct buf *out)
{
	json_t *part;
	size_t i;

	if (json_is_string(content)) {
		buf_put(out, json_string_value(content), json_string_length(content));
		return;
	}
	json_array_foreach(content, i, part)
	{
		json_t *text = json_object_get(part, "text");

		if (json_is_string(text))
			buf_put(out, json_string_value(text), json_string_length(text));
	}
}

static void
set_echo(struct chat *chat, const struct buf *last)
{
	size_t end = 0;
	int64_t words = 0;

	while (end < last->len && end < ECHO_BYTES && words < ECHO_WORDS) {
		while (end < last->len && end < ECHO_BYTES && is_space(last->data[end]))
			end++;
		while (end < last->len && end < ECHO_BYTES && !is_space(last->data[end]))
			end++;
		words++;
	}
	/* A character is not cut. */
	while (end > 0 && end < last->len && ((unsigned char)last->data[end] & 0xc0) == 0x80)
		end--;
	buf_printf(&chat->echo, "%016" PRIx64, chat->digest);
	if (end > 0) {
		buf_puts(&chat->echo, " ");
		buf_put(&chat->echo, last->data, end);
	}
}

static const char *
read_messages(struct chat *chat, json_t *messages)
{
	struct buf text = {0}, last = {0};
	const char *error = NULL;
	json_t *message;
	size_t i;

	chat->digest = hash(UINT64_C(0xcbf29ce484222325), chat->model, strlen(chat->model));
	chat->prompt_tokens = 3;
	json_array_foreach(messages, i, message)
	{
		const char *role = json_string_value(json_object_get(message, "role"));

		if (!role) {
			error = "each message needs a role";
			break;
		}
		buf_clear(&text);
		message_text(json_object_get(message, "content"), &text);
		chat->digest = hash(chat->digest, "\n", 1);
		chat->digest = hash(chat->digest, role, strlen(role));
		chat->digest = hash(chat->digest, ":", 1);
		chat->digest = hash(chat->digest, text.data, text.len);
		chat->prompt_tokens += 4 + count_words(text.data, text.len);
		if (strcmp(role, "user") == 0) {
			buf_clear(&last);
			buf_put(&last, text.data, text.len);
		}
	}
	if (!error)
		set_echo(chat, &last);
	buf_free(&text);
	buf_free(&last);
	return error;
}

static const char *
read_numbers(struct chat *chat)
{
	json_t *stream = json_object_get(chat->root, "stream");
	json_t *options = json_object_get(chat->root, "stream_options");
	json_t *max = json_object_get(chat->root, "max_completion_tokens");

	if (!max)
		max = json_object_get(chat->root, "max_tokens");
	if (stream && !json_is_boolean(stream) && !json_is_null(stream))
		return "'stream' must be a boolean";
	if (max && !json_is_null(max) && (!json_is_integer(max) || json_integer_value(max) < 1))
		return "'max_tokens' must be a positive integer";
	chat->stream = json_is_true(stream);
	if (options && !json_is_null(options) && !chat->stream)
		return "'stream_options' is only allowed when 'stream' is true";
	chat->include_usage = json_is_true(json_object_get(options, "include_usage"));
	chat->max_tokens = json_is_integer(max) ? json_integer_value(max) : -1;
	return NULL;
}

const char *
chat_parse(struct chat *chat, const char *body, size_t len)
{
	json_t *messages;
	const char *error;

	*chat = (struct chat){.max_tokens = -1, .model = ""};
	chat->root = json_loadb(body ? body : "", len, JSON_REJECT_DUPLICATES, NULL);
	if (!json_is_object(chat->root))
		return "we could not parse the JSON body of your request";
	if (!json_is_string(json_object_get(chat->root, "model")))
		return "you must provide a model parameter";
	chat->model = json_string_value(json_object_get(chat->root, "model"));
	messages = json_object_get(chat->root, "messages");
	if (!json_is_array(messages) || json_array_size(messages) == 0)
		return "'messages' must be an array that is not empty";
	error = read_numbers(chat);
	if (error)
		return error;
	return read_messages(chat, messages);
}

void
chat_finish(struct chat *chat)
{
	json_decref(chat->root);
	buf_free(&chat->echo);
	*chat = (struct chat){0};
}

void
chat_pieces(const struct chat *chat, const struct behaviour *b, struct pieces *out)
{
	*out = (struct pieces){.pad = b->chunk_bytes, .stamp = b->stamp};
	out->text = b->text ? b->text : chat->echo.data;
	out->len = b->text ? strlen(b->text) : chat->echo.len;
	out->cycle = !b->text && b->chunks >= 0;
	out->words = b->chunks < 0;
	out->count = b->chunks >= 0 ? b->chunks : count_words(out->text, out->len);
	if (b->fault == FAULT_ENDLESS_STREAM) {
		out->cycle = true;
		out->count = INT64_MAX;
	} else if (chat->max_tokens >= 0 && out->count > chat->max_tokens) {
		out->length_limited = true;
		/* A text is still cut where all of its pieces would have been cut. */
		if (!out->cycle && b->chunks >= 0)
			out->len = (size_t)((__int128_t)out->len * chat->max_tokens / out->count);
		out->count = chat->max_tokens;
	}
}

void
chat_reasoning(const struct behaviour *b, struct pieces *out)
{
	*out = (struct pieces){0};
	if (!b->reasoning)
		return;
	out->text = b->reasoning;
	out->len = strlen(b->reasoning);
	out->words = b->reasoning_chunks < 0;
	out->count =
		b->reasoning_chunks >= 0 ? b->reasoning_chunks : count_words(out->text, out->len);
}

/* The next word with the white space before it; the last piece also takes what follows it. */
static void
take_word(struct pieces *p, struct buf *out)
{
	size_t from = p->at;

	while (p->at < p->len && is_space(p->text[p->at]))
		p->at++;
	while (p->at < p->len && !is_space(p->text[p->at]))
		p->at++;
	if (p->next + 1 == p->count && !p->length_limited)
		p->at = p->len;
	buf_put(out, p->text + from, p->at - from);
}

/* The next word of a text that goes round and round. */
static void
take_cycled(struct pieces *p, struct buf *out)
{
	size_t from;

	while (p->at < p->len && is_space(p->text[p->at]))
		p->at++;
	if (p->at == p->len) {
		p->at = 0;
		while (p->at < p->len && is_space(p->text[p->at]))
			p->at++;
	}
	from = p->at;
	while (p->at < p->len && !is_space(p->text[p->at]))
		p->at++;
	if (p->next > 0)
		buf_puts(out, " ");
	buf_put(out, p->text + from, p->at - from);
}

/* An equal share of a text, cut between characters. */
static void
take_share(struct pieces *p, struct buf *out)
{
	size_t end = (size_t)((__int128_t)p->len * (p->next + 1) / p->count);

	while (end < p->len && ((unsigned char)p->text[end] & 0xc0) == 0x80)
		end++;
	if (end > p->at) {
		buf_put(out, p->text + p->at, end - p->at);
		p->at = end;
	}
}

bool
pieces_next(struct pieces *p, struct buf *out)
{
	size_t before = out->len;

	if (p->next >= p->count)
		return false;
	if (p->stamp)
		buf_printf(out, "%s@%" PRId64 " ", p->next > 0 ? " " : "", clock_monotonic_us());
	if (p->cycle)
		take_cycled(p, out);
	else if (p->words)
		take_word(p, out);
	else
		take_share(p, out);
	p->next++;
	if (p->pad > 0 && out->len - before < (size_t)p->pad)
		buf_fill(out, 'x', (size_t)p->pad - (out->len - before));
	return true;
}

/* "tool_calls": true calls the first tool of the request with the digest as its argument. */
static json_t *
automatic_call(const struct chat *chat)
{
	json_t *tool = json_array_get(json_object_get(chat->root, "tools"), 0);
	const char *name =
		json_string_value(json_object_get(json_object_get(tool, "function"), "name"));
	struct buf arguments = {0};
	json_t *call;

	buf_printf(&arguments, "{\"digest\":\"%016" PRIx64 "\"}", chat->digest);
	call = json_pack("[{s:s, s:s, s:{s:s, s:s}}]", "id", "call_mock", "type", "function",
		"function", "name", name ? name : "mock", "arguments", arguments.data);
	buf_free(&arguments);
	return call;
}

json_t *
chat_tool_calls(const struct chat *chat, const struct behaviour *b)
{
	json_t *calls, *call;
	size_t i;

	if (json_is_true(b->tool_calls) || json_is_integer(b->tool_calls))
		return automatic_call(chat);
	calls = json_array();
	json_array_foreach(b->tool_calls, i, call)
	{
		const char *id = json_string_value(json_object_get(call, "id"));
		const char *name = json_string_value(json_object_get(call, "name"));
		const char *arguments = json_string_value(json_object_get(call, "arguments"));

		json_array_append_new(
			calls, json_pack("{s:s, s:s, s:{s:s, s:s}}", "id", id ? id : "call_mock",
				       "type", "function", "function", "name", name ? name : "mock",
				       "arguments", arguments ? arguments : "{}"));
	}
	return calls;
}

int64_t
chat_completion_tokens(const struct chat *chat, const struct behaviour *b)
{
	json_t *calls = chat_tool_calls(chat, b);
	struct pieces content, reasoning;
	int64_t tokens = (int64_t)json_array_size(calls);

	chat_reasoning(b, &reasoning);
	if (tokens == 0 || b->text) {
		chat_pieces(chat, b, &content);
		tokens += content.count == INT64_MAX ? 0 : content.count;
	}
	json_decref(calls);
	return tokens + reasoning.count;
}

json_t *
chat_usage(const struct chat *chat, const struct behaviour *b, int64_t completion_tokens)
{
	if (b->usage)
		return json_incref(b->usage);
	return json_pack("{s:I, s:I, s:I}", "prompt_tokens", (json_int_t)chat->prompt_tokens,
		"completion_tokens", (json_int_t)completion_tokens, "total_tokens",
		(json_int_t)(chat->prompt_tokens + completion_tokens));
}
