/*
 * One thread that serves: a listening socket, an epoll loop, a daemon of libmicrohttpd that parses
 * requests, timers, and the replies that own their sockets.
 */
#ifndef MOCK_WORKER_H
#define MOCK_WORKER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "timers.h"

struct MHD_Daemon;
struct mock;
struct reply;

/* Embedded in what an epoll event is for. */
struct watch {
	void (*ready)(struct watch *, uint32_t events);
};

struct worker {
	struct mock *mock;
	pthread_t thread;
	int epoll;
	int listener; /* -1 while nothing listens; changes with the mock's lock held */
	int reserved; /* bound to the same port and never listening: nobody else is given the port meanwhile */
	bool deafened; /* the listener was shut down and is to be closed; with the lock held */
	int wake;
	int dummy; /* stands in for a socket that was taken from the library */
	struct MHD_Daemon *http;
	struct watch listen_watch, wake_watch, http_watch;
	struct timer listen_timer;
	struct timers timers;
	int *given; /* sockets for the library, at the end of this turn of the loop */
	size_t given_count, given_cap;
	struct reply *replies; /* in flight */
	struct reply *dead;    /* to be freed after this turn of the loop */
	atomic_bool stop;
	atomic_bool listening_changed;
	atomic_bool release; /* hanging replies may go on */
};

/* Creates a worker that listens on PORT, 0 for any. Returns NULL with errno set. */
struct worker *worker_create(struct mock *, const char *bind, uint16_t port);

/* The port that it listens on. */
uint16_t worker_port(const struct worker *);

/* Starts its thread. Returns 0 or a negative errno. */
int worker_start(struct worker *) __attribute__((warn_unused_result));

/* Makes the worker look at its flags; from any thread. */
void worker_wake(struct worker *);

/* Stops the thread and frees everything. */
void worker_destroy(struct worker *);

/* Watches FD, from within the worker's thread. */
void worker_watch(struct worker *, int fd, struct watch *, uint32_t events, bool again);
void worker_unwatch(struct worker *, int fd);

/* Opens or closes the listening socket as the mock's deaf_until_us says, now. */
void worker_listen(struct worker *);

/* Closes a connected socket that was taken. */
void worker_closed(struct worker *, int fd);

/* Gives a connected socket (back) to the library, which will own it; not at once, for this may be
 * called from within the library. */
void worker_give(struct worker *, int fd);

#endif
