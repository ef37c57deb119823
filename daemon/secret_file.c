#include "secret_file.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

static ssize_t
check_file(int fd, mode_t forbidden)
{
	struct stat st;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (S_ISDIR(st.st_mode))
		return -EISDIR;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	uid_t me = geteuid();
	if (me != 0 && st.st_uid != me && st.st_uid != 0)
		return -EKEYREJECTED;
	return (st.st_mode & forbidden) != 0 ? -EPERM : 0;
}

ssize_t
secret_file_read(const char *path, mode_t forbidden, char *to, size_t size)
{
	/* Non-blocking: a FIFO in its place is refused, not waited for. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0)
		return -errno;
	size_t len = 0;
	ssize_t error = check_file(fd, forbidden);
	while (error == 0 && len < size) {
		ssize_t n = read(fd, to + len, size - len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			error = -errno;
		if (n <= 0)
			break;
		len += (size_t)n;
	}
	close(fd);
	if (error == 0 && len == size)
		error = -EFBIG;
	if (error != 0)
		return error;
	to[len] = '\0';
	return (ssize_t)len;
}
