#include "connection.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { READ_SIZE = 64 << 10 };

void
connection_init(struct connection *c)
{
	*c = (struct connection){.fd = -1};
}

int
connection_open(struct connection *c, const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	size_t len = strlen(path);
	if (len >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	memcpy(address.sun_path, path, len);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0) {
		int error = -errno;
		close(fd);
		return error;
	}
	c->fd = fd;
	scan_init(&c->scan, CONNECTION_FRAME_MAX);
	return 0;
}

void
connection_close(struct connection *c)
{
	if (c->fd >= 0)
		close(c->fd);
	bytes_finish(&c->in);
	bytes_finish(&c->out);
	connection_init(c);
}

/* A peer that reads no more may still have said why: what cannot be sent is dropped, and the end is
 * found by reading. */
static int
send_some(struct connection *c)
{
	ssize_t n = send(c->fd, c->out.data + c->sent, c->out.len - c->sent, MSG_NOSIGNAL);
	if (n >= 0)
		c->sent += (size_t)n;
	else if (errno == EPIPE || errno == ECONNRESET)
		c->sent = c->out.len;
	else if (errno != EAGAIN && errno != EINTR)
		return -errno;
	if (c->sent == c->out.len) {
		bytes_finish(&c->out);
		c->sent = 0;
	}
	return 0;
}

static int
receive_some(struct connection *c)
{
	bytes_consume(&c->in, c->begin);
	c->scanned -= c->begin;
	c->begin = 0;
	char *room = bytes_reserve(&c->in, READ_SIZE);
	if (room == NULL)
		return -ENOMEM;
	ssize_t n = recv(c->fd, room, READ_SIZE, 0);
	if (n > 0)
		c->in.len += (size_t)n;
	else if (n == 0 || errno == ECONNRESET)
		c->ended = true;
	else if (errno != EAGAIN && errno != EINTR)
		return -errno;
	return 0;
}

int
connection_wait(struct connection *c, int wake_fd, int timeout_ms)
{
	struct pollfd fds[] = {
		{.fd = c->fd, .events = POLLIN},
		{.fd = wake_fd, .events = POLLIN},
	};
	if (c->out.failed)
		return -ENOMEM;
	if (c->out.len > c->sent)
		fds[0].events |= POLLOUT;
	if (poll(fds, 2, timeout_ms) < 0)
		return errno == EINTR ? 0 : -errno;
	int error = 0;
	if (fds[0].revents & (POLLIN | POLLHUP | POLLERR))
		error = receive_some(c);
	if (error == 0 && fds[0].revents & POLLOUT)
		error = send_some(c);
	return error;
}

static int
unpack(struct connection *c, msgpack_unpacked *to)
{
	size_t offset = 0;
	switch (msgpack_unpack_next(to, c->in.data + c->begin, c->scanned - c->begin, &offset)) {
	case MSGPACK_UNPACK_SUCCESS:
		c->begin = c->scanned;
		return 1;
	case MSGPACK_UNPACK_NOMEM_ERROR:
		return -ENOMEM;
	default:
		return -EPROTO;
	}
}

int
connection_next(struct connection *c, msgpack_unpacked *to)
{
	size_t used = 0;
	enum scan_result found = SCAN_MORE;
	if (c->in.len > c->scanned) {
		found = scan_feed(&c->scan, c->in.data + c->scanned, c->in.len - c->scanned, &used);
		c->scanned += used;
	}
	if (found == SCAN_MORE)
		return c->ended ? -ECONNRESET : 0;
	if (found != SCAN_DONE)
		return -EPROTO;
	scan_init(&c->scan, CONNECTION_FRAME_MAX);
	return unpack(c, to);
}
