/*
 * The listening Unix socket: made here, or handed over by systemd (LISTEN_FDS, sd_listen_fds(3)).
 */
#ifndef FREELLMD_LISTENER_H
#define FREELLMD_LISTENER_H

#include <stdbool.h>
#include <sys/types.h>

#include "bytes.h"

struct listener {
	int fd;
	bool activated; /* handed over: not ours to remove */
	dev_t device;   /* of the socket file, to remove no other */
	ino_t inode;
};

/*
 * Opens the socket at `path` with that mode and group (NULL: the daemon's own), listening. A stale
 * socket is replaced, a live one and a file that is no socket are not. With LISTEN_FDS the first
 * descriptor is taken and `path` not touched. Returns 0, or a negative errno with a sentence in
 * `why` that says what to do.
 */
int listener_open(struct listener *to, const char *path, mode_t mode, const char *group,
	struct bytes *why) __attribute__((warn_unused_result));

/* Removes the socket file, if it is still the one that was made here. The descriptor is the
 * caller's to close. */
void listener_unlink(const struct listener *l, const char *path);

#endif
