/*
 * Who is at the other end of a Unix socket, by the kernel's word (SO_PEERCRED, SO_PEERGROUPS), and
 * what they may do.
 */
#ifndef FREELLMD_PEER_H
#define FREELLMD_PEER_H

#include <stdbool.h>
#include <sys/types.h>

#include "bytes.h"

struct peer {
	pid_t pid;
	uid_t uid;
	gid_t gid;
};

/* Returns 0 or a negative errno. */
int peer_get(int fd, struct peer *to) __attribute__((warn_unused_result));

/* Names resolved once, because a look-up may ask a server and the loop never blocks. */
struct peer_policy;

/* From comma-separated names or numbers; NULL: none. An unknown name is reported in `why`, and NULL
 * returned. */
struct peer_policy *peer_policy_create(const char *users, const char *groups, struct bytes *why);
void peer_policy_destroy(struct peer_policy *p);

/* The daemon's own uid and root administer. */
bool peer_is_admin(const struct peer *peer);
/* Administrators, and members of the configured users and groups, also by a supplementary group. */
bool peer_may_submit(const struct peer_policy *policy, const struct peer *peer, int fd);

#endif
