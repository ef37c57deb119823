/*
 * What to answer: reads a request, checks key, limits and behaviour, and plans the answer. How the
 * plan is sent is the concern of http and reply.
 */
#ifndef MOCK_ANSWER_H
#define MOCK_ANSWER_H

#include <stdbool.h>

#include "behaviour.h"
#include "buf.h"
#include "chat.h"
#include "source.h"

struct exchange;

enum framing { FRAMING_CHUNKED, FRAMING_LENGTH, FRAMING_CLOSE };

struct plan {
	int status;
	struct buf head; /* header lines; with a status line before them when whole_head is set */
	bool whole_head;
	bool raw; /* needs the socket: a stream, a delay, a fault */
	enum framing framing;
	struct source source; /* where a raw answer's body comes from */
	struct buf body;      /* the body of one that is not raw */
	struct chat chat;
	struct behaviour behaviour;
};

/* Plans the answer to a chat completion with AUTHORIZATION (NULL: no such header). The plan must
 * stay where it is: its source points into it. */
void answer_chat(struct exchange *, const char *authorization, struct plan *);

/* Plans the list of models. */
void answer_models(struct exchange *, const char *authorization, struct plan *);

/* Plans an error in the shape of the provider. */
void answer_error(struct exchange *, int status, const char *message, struct plan *);

void plan_finish(struct plan *);

#endif
