#include "listener.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { FIRST_PASSED_FD = 3 }; /* SD_LISTEN_FDS_START */

static bool
is_listening_unix(int fd)
{
	int value;
	socklen_t len = sizeof value;
	if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &value, &len) != 0 || value != AF_UNIX)
		return false;
	len = sizeof value;
	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &value, &len) != 0 || value != SOCK_STREAM)
		return false;
	len = sizeof value;
	return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &value, &len) == 0 && value;
}

/* Returns 1 when a socket was handed over, 0 when not, or a negative errno. */
static int
take_activated(struct listener *to, struct bytes *why)
{
	const char *pid = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS");
	bool ours =
		pid && fds && strtol(pid, NULL, 10) == (long)getpid() && strtol(fds, NULL, 10) > 0;
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
	if (!ours)
		return 0;
	if (!is_listening_unix(FIRST_PASSED_FD)) {
		bytes_append_str(
			why, "LISTEN_FDS: descriptor 3 is not a listening Unix stream socket");
		return -EINVAL;
	}
	fcntl(FIRST_PASSED_FD, F_SETFD, FD_CLOEXEC);
	*to = (struct listener){.fd = FIRST_PASSED_FD, .activated = true};
	return 1;
}

/* Removes what is at `path` if it is a socket that nobody listens on. */
static int
clear_stale(const struct sockaddr_un *address, struct bytes *why)
{
	struct stat st;
	const char *path = address->sun_path;
	if (lstat(path, &st) != 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode)) {
		bytes_printf(why,
			"%s exists and is not a socket; move it away or set another socket", path);
		return -EEXIST;
	}
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	int result =
		connect(fd, (const struct sockaddr *)address, sizeof *address) == 0 ? 0 : errno;
	close(fd);
	if (result != ECONNREFUSED) {
		bytes_printf(why,
			"another freellmd listens on %s; stop it first, or set another socket",
			path);
		return -EADDRINUSE;
	}
	return unlink(path) == 0 || errno == ENOENT ? 0 : -errno;
}

static int
find_group(const char *name, gid_t *gid, struct bytes *why)
{
	*gid = (gid_t)-1;
	if (name == NULL)
		return 0;
	char *end;
	unsigned long number = strtoul(name, &end, 10);
	if (*name && *end == '\0') {
		*gid = (gid_t)number;
		return 0;
	}
	const struct group *group = getgrnam(name);
	if (group == NULL) {
		bytes_printf(why, "socket_group: there is no group '%s'", name);
		return -EINVAL;
	}
	*gid = group->gr_gid;
	return 0;
}

static int
make_socket(struct listener *to, const struct sockaddr_un *address, mode_t mode, gid_t gid)
{
	struct stat st;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	mode_t mask = umask(0777); /* nobody gets in before the mode is set */
	int result = bind(fd, (const struct sockaddr *)address, sizeof *address) == 0 ? 0 : -errno;
	umask(mask);
	if (result != 0)
		goto fail;
	if ((gid != (gid_t)-1 && chown(address->sun_path, (uid_t)-1, gid) != 0) ||
		chmod(address->sun_path, mode) != 0 || listen(fd, SOMAXCONN) != 0 ||
		lstat(address->sun_path, &st) != 0) {
		result = -errno;
		unlink(address->sun_path);
		goto fail;
	}
	*to = (struct listener){.fd = fd, .device = st.st_dev, .inode = st.st_ino};
	return 0;
fail:
	close(fd);
	return result;
}

/* Two daemons that start together must not both find the socket stale: the folder is locked
 * meanwhile. */
static int
lock_folder(const char *path, struct bytes *why)
{
	char copy[sizeof((struct sockaddr_un *)0)->sun_path];
	strncpy(copy, path, sizeof copy - 1);
	copy[sizeof copy - 1] = '\0';
	const char *folder = dirname(copy);
	int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0) {
		int error = errno;
		bytes_printf(why, "the socket's folder %s: %s%s", folder, strerror(error),
			error == ENOENT ? "; create it, or set socket to another place" : "");
		return -error;
	}
	flock(fd, LOCK_EX);
	return fd;
}

int
listener_open(
	struct listener *to, const char *path, mode_t mode, const char *group, struct bytes *why)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	gid_t gid;
	int result = take_activated(to, why);
	if (result != 0)
		return result < 0 ? result : 0;
	if (strlen(path) >= sizeof address.sun_path) {
		bytes_printf(why, "the socket's path is longer than %zu bytes: %s",
			sizeof address.sun_path - 1, path);
		return -ENAMETOOLONG;
	}
	memcpy(address.sun_path, path, strlen(path) + 1);
	if ((result = find_group(group, &gid, why)) != 0)
		return result;
	int folder = lock_folder(path, why);
	if (folder < 0)
		return folder;
	result = clear_stale(&address, why);
	if (result == 0)
		result = make_socket(to, &address, mode, gid);
	close(folder);
	if (result != 0 && why->len == 0)
		bytes_printf(why, "cannot listen on %s: %s", path, strerror(-result));
	return result;
}

void
listener_unlink(const struct listener *l, const char *path)
{
	struct stat st;
	if (!l->activated && lstat(path, &st) == 0 && st.st_dev == l->device &&
		st.st_ino == l->inode)
		unlink(path);
}
