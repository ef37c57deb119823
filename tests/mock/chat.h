/*
 * A chat-completions request as the mock reads it, and the answer that follows from it: text, token
 * counts and digest are functions of the request alone, so that a test can work out what each client
 * must receive.
 */
#ifndef MOCK_CHAT_H
#define MOCK_CHAT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "behaviour.h"
#include "buf.h"

struct chat {
	json_t *root;      /* NULL: the body was no JSON object */
	const char *model; /* lives in root */
	bool stream;
	bool include_usage;
	int64_t max_tokens; /* -1: not given */
	int64_t prompt_tokens;
	uint64_t digest;
	struct buf echo; /* digest and the beginning of the last user message */
};

/* Reads BODY. Returns NULL or a static sentence on what is wrong; CHAT is to be finished either way. */
const char *chat_parse(struct chat *chat, const char *body, size_t len);

void chat_finish(struct chat *);

/* The pieces that a text is sent in. */
struct pieces {
	const char *text;
	size_t len;
	int64_t count;
	int64_t pad;         /* bytes that each piece is filled up to; 0: as it is */
	bool words;          /* pieces are words of the text, which are sent once */
	bool cycle;          /* pieces are words of the text, over and over */
	bool stamp;          /* each piece begins with "@MICROSECONDS " of CLOCK_MONOTONIC */
	size_t at;           /* where the next piece begins */
	int64_t next;        /* which piece comes next */
	bool length_limited; /* max_tokens cut the text short */
};

/* The pieces of CHAT's answer, and those of a reasoning text, which may be NULL. */
void chat_pieces(const struct chat *, const struct behaviour *, struct pieces *out);
void chat_reasoning(const struct behaviour *, struct pieces *out);

/* Appends the next piece to OUT. Returns false when there is none left. */
bool pieces_next(struct pieces *, struct buf *out);

/* The tool calls to answer with: a new array, empty when there are none. */
json_t *chat_tool_calls(const struct chat *, const struct behaviour *);

/* The usage object to report: a new reference. */
json_t *chat_usage(const struct chat *, const struct behaviour *, int64_t completion_tokens);

/* How many completion tokens the answer has: one for each piece and each tool call. */
int64_t chat_completion_tokens(const struct chat *, const struct behaviour *);

#endif
