/*
 * Shared by the halves of reply: its life and its waiting, and the steps that an answer takes.
 */
#ifndef MOCK_REPLY_INTERNAL_H
#define MOCK_REPLY_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "answer.h"
#include "buf.h"
#include "reply.h"
#include "timers.h"
#include "worker.h"

#define REPLY_NEVER INT64_MAX

enum ending {
	END_KEEP, /* back to the library for the next request */
	END_FIN,
	END_RST,
	END_GONE, /* the client has left */
};

struct reply {
	struct watch watch;
	struct timer timer;
	struct worker *worker;
	struct reply *next, *previous;
	struct plan *plan;
	struct exchange *exchange;
	int fd;
	bool blocked;         /* waits for the socket to take more */
	bool waits_for_space; /* the socket is watched for that too */
	bool held;            /* has hung already */
	int64_t due_us;       /* when the next step may be taken */
	int64_t comment_us;   /* when the next keep-alive comment is due */
	bool in_body;
	bool (*step)(struct reply *); /* returns false when the reply has ended */
	enum ending ending;
	struct squeeze *squeeze;
	struct buf out; /* to be sent, from OFFSET on */
	size_t offset;
	struct buf segment, squeezed;
	int64_t sent;
};

/* Ends the reply; its memory lives until the end of the worker's turn. */
void reply_end(struct reply *, enum ending);

/* The step before the headers. Each step puts bytes to send into OUT, sets DUE_US and the next
 * step, and returns false when it has ended the reply. */
bool reply_first_step(struct reply *);

/* Moves SEGMENT, which is body, with its framing to OUT. LAST ends a compressed body. */
void reply_put_segment(struct reply *, bool last);

#endif
