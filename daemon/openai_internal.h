/*
 * What the files of the chat-completions codec share. Included nowhere else.
 */
#ifndef FREELLMD_OPENAI_INTERNAL_H
#define FREELLMD_OPENAI_INTERNAL_H

#include <jansson.h>

#include "openai.h"

/* The length of the well-formed UTF-8 sequence at p, of which `left` bytes may be read; 0 when
 * there is none. Unicode 15, table 3-7. */
static inline size_t
utf8_sequence(const unsigned char *p, size_t left)
{
	if (left < 1 || p[0] < 0x80)
		return left < 1 ? 0 : 1;
	size_t len = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
	unsigned char low = p[0] == 0xe0 ? 0xa0 : p[0] == 0xf0 ? 0x90 : 0x80;
	unsigned char high = p[0] == 0xed ? 0x9f : p[0] == 0xf4 ? 0x8f : 0xbf;
	if (p[0] < 0xc2 || p[0] > 0xf4 || left < len || p[1] < low || p[1] > high)
		return 0;
	for (size_t i = 2; i < len; i++)
		if (p[i] < 0x80 || p[i] > 0xbf)
			return 0;
	return len;
}

/* The text of a JSON string; borrowed. */
static inline struct slice
json_slice(const json_t *string)
{
	return (struct slice){json_string_value(string), json_string_length(string)};
}

/* ---- openai_text.c: text as it may be shown ---- */

/* Appends what a person may see of a provider's message: valid UTF-8 on one line, no more than
 * `max` bytes, and without anything that looks like a key. */
void openai_clean_text(struct bytes *out, struct slice text, size_t max);

/* ---- openai_chunk.c: the quick reader of the usual chunk and the usual answer ---- */

enum { CHUNK_MEMBERS = 4 };

enum escapes {
	ESCAPES_NONE,
	ESCAPES_SHORT, /* those of two characters that jansson would write too */
	ESCAPES_OTHER, /* \u and \/ as well: written anew, the text is another */
};

/* A string or null member of a delta: what stands between the quotes. */
struct chunk_member {
	struct slice name, raw;
	enum escapes escapes;
};

struct chunk {
	struct chunk_member members[CHUNK_MEMBERS]; /* all but the role */
	size_t member_count;
	struct slice finish_reason; /* empty: none */
	struct usage usage;
	bool has_usage;
	bool is_message; /* the members are those of a whole `message`, not of a `delta` */
};

/*
 * Reads a chat.completion.chunk, or a chat.completion, of the usual form: valid JSON that holds one
 * choice of index 0, whose delta or message has string members only, and no error. False for
 * everything else, well-formed or not: jansson then has the last word. True means that jansson
 * would have read the same.
 */
bool openai_chunk_scan(struct slice json, struct chunk *to);

/* Appends the text that a member's raw string stands for. */
void openai_chunk_unescape(struct bytes *out, const struct chunk_member *member);

/* ---- openai_message.c: the message that deltas add up to ---- */

struct assembly;

struct assembly *assembly_create(void);
void assembly_destroy(struct assembly *a);

/* More of a string member (reasoning, refusal). */
void assembly_add_string(struct assembly *a, const char *name, size_t name_len, struct slice text);

/* Any other member of a delta except role, content and tool_calls: arrays are concatenated, objects
 * merged, strings joined. */
void assembly_add_member(struct assembly *a, const char *name, json_t *value);

/* Tool-call deltas. Gives each element of `calls` the index that it has in the message. Returns 0,
 * or -E2BIG for more calls than any model makes. */
int assembly_add_calls(struct assembly *a, json_t *calls);

/* A part of the content, `json`, that is no text (Mistral's thinking). `text_len`: how much text
 * came before it. */
void assembly_add_part(struct assembly *a, json_t *json, size_t text_len);

/* Appends the whole message as JSON, or nothing when it is only {role, content: text}. */
void assembly_write(const struct assembly *a, struct slice text, struct bytes *out);

/* ---- openai_collect.c: the answer that deltas add up to ---- */

struct collector {
	openai_delta_cb *delta; /* may be NULL */
	void *context;
	struct answer answer;
	struct assembly *assembly;  /* NULL as long as there is only text */
	struct bytes scratch, json; /* an unescaped string; a delta under construction */
	bool has_content;
};

void collector_init(struct collector *c, size_t max, openai_delta_cb *delta, void *context);
void collector_finish(struct collector *c);

/* A delta, or a whole message: passes on first what is no text, then the text. Each returns 0, or
 * -E2BIG or -ENOMEM. */
int collector_add_json(struct collector *c, json_t *delta);
int collector_add_scanned(struct collector *c, const struct chunk *chunk);

/* Writes answer.message when all has come. Returns 0, or -E2BIG when it does not fit; there is none
 * then. */
int collector_write_message(struct collector *c);

/* ---- openai_error.c: refusals ---- */

/* An error with the memory of its strings. */
struct error_store {
	struct openai_error error;
	struct bytes message, code;
};

void error_store_init(struct error_store *e);
void error_store_finish(struct error_store *e);

/* A fault that we found ourselves. */
void openai_error_set(
	struct error_store *e, enum openai_error_kind kind, int status, const char *message);

/* Fills *e from a decoded error, of whatever shape. `status` is that of HTTP, or 0 when the error
 * came inside a 200. */
void openai_error_from_json(struct error_store *e, int status, json_t *body, int64_t now_ms);

/* Fills *e from the body of an answer whose status is no success. */
void openai_error_from_body(struct error_store *e, int status, struct slice body, int64_t now_ms);

/* Does this object, which holds no choices, report an error? */
bool openai_error_is_one(json_t *body);

/* The same for one that does: its `error` member. */
bool openai_error_has_one(json_t *chunk);

/* ---- openai_classify.c: what they mean ---- */

/* `words`: code, type, reason and message together. */
enum openai_error_kind openai_error_classify(int status, const char *words);

/* Is it the provider that is full, not we who asked too often? */
bool openai_error_is_capacity(const char *words);

/* ---- openai_reply.c ---- */

/* For tests: whether openai_chunk_scan may be used (default) or jansson reads everything. */
void openai_reply_use_scanner(struct openai_reply *r, bool use);

#endif
