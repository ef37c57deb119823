/*
 * Messages over a Unix stream socket, read and written at the same time: the daemon stops reading
 * from a client that does not read.
 */
#ifndef FREELLM_CONNECTION_H
#define FREELLM_CONNECTION_H

#include <stdbool.h>
#include <stdint.h>

#include <msgpack.h>

#include "bytes.h"
#include "scan.h"

enum { CONNECTION_FRAME_MAX = 64 << 20 }; /* bytes in one message of the daemon */

struct connection {
	int fd;           /* -1: not connected */
	struct bytes out; /* what is to be sent; the owner appends */
	size_t sent;      /* of it */
	struct bytes in;
	size_t begin;   /* in `in`: where the message that is looked at begins */
	size_t scanned; /* in `in`: how far the scanner has looked */
	struct scan scan;
	bool ended; /* the daemon will send nothing more */
};

void connection_init(struct connection *c);

/* Takes 0 or a negative errno from connect(2); -EAGAIN when the listener's backlog is full. `path`
 * fits into a socket address, or it is -ENAMETOOLONG. */
int connection_open(struct connection *c, const char *path) __attribute__((warn_unused_result));

/* Frees everything but the struct, which can be opened again. */
void connection_close(struct connection *c);

/*
 * Sends what it can, and waits until bytes have come, `wake_fd` is readable, or `timeout_ms` have
 * passed (-1: no bound). Returns 0 for all of these and for a signal; or a negative errno that ends
 * the connection.
 */
int connection_wait(struct connection *c, int wake_fd, int timeout_ms)
	__attribute__((warn_unused_result));

/*
 * The next whole message: 1, with the object in *to, valid until the next call of any function of
 * this module; 0 when more must come first; or
 *   -ECONNRESET  the daemon has closed the connection
 *   -EPROTO      what came is not MessagePack within the bounds
 *   -ENOMEM
 */
int connection_next(struct connection *c, msgpack_unpacked *to) __attribute__((warn_unused_result));

#endif
