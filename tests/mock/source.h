/*
 * Where the body of an answer comes from, one segment at a time: events of a stream, a block of
 * bytes cut into pieces, or a filler of any size that is never held in memory.
 */
#ifndef MOCK_SOURCE_H
#define MOCK_SOURCE_H

#include <stdbool.h>
#include <stdint.h>

#include "behaviour.h"
#include "buf.h"
#include "chat.h"

struct profile;

enum stage {
	STAGE_COMMENTS,
	STAGE_ROLE,
	STAGE_REASONING,
	STAGE_CONTENT,
	STAGE_TOOLS,
	STAGE_FINISH,
	STAGE_USAGE,
	STAGE_DONE,
	STAGE_END,
};

struct source {
	bool (*next)(struct source *, struct buf *out);
	int64_t content; /* pieces of content that were handed out */

	/* Events of a stream. */
	const struct chat *chat;
	const struct behaviour *behaviour;
	const struct profile *profile;
	enum stage stage;
	struct pieces reasoning, pieces;
	struct buf prefix;
	struct buf scratch, text, delta;
	json_t *calls;
	size_t call;
	bool named;       /* the call's name was sent */
	size_t argument;  /* bytes of its arguments that were sent */
	int64_t comments; /* still to send */
	int64_t completion_tokens;
	bool marred; /* the garbage or the error between two events was sent */

	/* A block, or a filler between the two halves of the block. */
	struct buf block;
	size_t at;
	int64_t write;
	uint64_t random;
	int64_t filler;   /* bytes left */
	size_t filler_at; /* the filler's place in the block */
};

/* A stream's events. CHAT and BEHAVIOUR must live as long as the source. */
void source_events(struct source *, const struct chat *, const struct behaviour *,
	const struct profile *, int64_t id, int64_t created_s);

/* BLOCK, whose memory the source takes, in pieces of WRITE bytes: 0 for one piece, -1 for random
 * sizes that follow from SEED. */
void source_block(struct source *, struct buf *block, int64_t write, int64_t seed);

/* BLOCK with FILLER bytes of 'x' put in at AT. */
void source_filler(struct source *, struct buf *block, size_t at, int64_t filler);

/* How many bytes a block or a filler still has. */
int64_t source_length(const struct source *);

/* Whether nothing comes any more, as far as is known without trying. */
bool source_ended(const struct source *);

/* Renders all that is left into OUT. Not for endless streams. */
void source_drain(struct source *, struct buf *out);

void source_finish(struct source *);

/* A comment line as a keep-alive. */
void source_comment(const struct behaviour *, const char *text, struct buf *out);

#endif
