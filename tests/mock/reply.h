/*
 * An answer that owns its socket: it decides on every byte and every moment of the wire.
 *
 * A connection is taken from the library once its request is complete, and is given back after a
 * clean end, so that keep-alive goes on.
 */
#ifndef MOCK_REPLY_H
#define MOCK_REPLY_H

struct exchange;
struct plan;
struct reply;
struct worker;

/* Answers on FD, which the reply owns from now on, as it does PLAN and EXCHANGE. */
void reply_start(struct worker *, int fd, struct plan *, struct exchange *);

/* Lets replies of the worker that hang go on. */
void reply_release_all(struct worker *);

/* Ends all replies of the worker. */
void reply_stop_all(struct worker *);

/* Frees those that have ended. */
void reply_bury(struct worker *);

#endif
