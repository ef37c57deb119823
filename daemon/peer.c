#include "peer.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { NAMES_MAX = 64, GROUPS_MAX = 256 };

struct peer_policy {
	uid_t uids[NAMES_MAX];
	gid_t gids[NAMES_MAX];
	size_t uid_count, gid_count;
};

int
peer_get(int fd, struct peer *to)
{
	struct ucred credentials;
	socklen_t len = sizeof credentials;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &len) != 0)
		return -errno;
	*to = (struct peer){credentials.pid, credentials.uid, credentials.gid};
	return 0;
}

static bool
find_user(const char *name, unsigned *id)
{
	const struct passwd *user = getpwnam(name);
	if (user)
		*id = user->pw_uid;
	return user != NULL;
}

static bool
find_group(const char *name, unsigned *id)
{
	const struct group *group = getgrnam(name);
	if (group)
		*id = group->gr_gid;
	return group != NULL;
}

static bool
parse_names(const char *list, bool (*find)(const char *, unsigned *), unsigned *ids, size_t *count,
	struct bytes *why)
{
	while (list && *list) {
		list += strspn(list, ", \t\n");
		size_t len = strcspn(list, ", \t\n");
		if (len == 0)
			break;
		char name[64], *end;
		if (len >= sizeof name || *count == NAMES_MAX) {
			bytes_append_str(why, "too long a name, or too many names");
			return false;
		}
		memcpy(name, list, len);
		name[len] = '\0';
		list += len;
		unsigned id = (unsigned)strtoul(name, &end, 10);
		if (*end != '\0' && !find(name, &id)) {
			bytes_printf(why, "'%s' is not known on this system", name);
			return false;
		}
		ids[(*count)++] = id;
	}
	return true;
}

struct peer_policy *
peer_policy_create(const char *users, const char *groups, struct bytes *why)
{
	struct peer_policy *p = calloc(1, sizeof *p);
	if (p == NULL)
		abort();
	if (parse_names(users, find_user, p->uids, &p->uid_count, why) &&
		parse_names(groups, find_group, p->gids, &p->gid_count, why))
		return p;
	free(p);
	return NULL;
}

void
peer_policy_destroy(struct peer_policy *p)
{
	free(p);
}

bool
peer_is_admin(const struct peer *peer)
{
	return peer->uid == 0 || peer->uid == geteuid();
}

static bool
group_is_allowed(const struct peer_policy *policy, gid_t gid)
{
	for (size_t i = 0; i < policy->gid_count; i++) {
		if (policy->gids[i] == gid)
			return true;
	}
	return false;
}

bool
peer_may_submit(const struct peer_policy *policy, const struct peer *peer, int fd)
{
	if (peer_is_admin(peer))
		return true;
	for (size_t i = 0; i < policy->uid_count; i++) {
		if (policy->uids[i] == peer->uid)
			return true;
	}
	if (policy->gid_count == 0)
		return false;
	if (group_is_allowed(policy, peer->gid))
		return true;
	gid_t groups[GROUPS_MAX];
	socklen_t len = sizeof groups;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &len) != 0)
		return false;
	for (size_t i = 0; i < len / sizeof groups[0]; i++) {
		if (group_is_allowed(policy, groups[i]))
			return true;
	}
	return false;
}
