#include "handle.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "value.h"

const char *
freellm_version(void)
{
	return FREELLM_VERSION;
}

int
freellm_api(void)
{
	return FREELLM_API_LEVEL;
}

struct freellm *
freellm_create(void)
{
	struct freellm *f = calloc(1, sizeof(*f));
	if (f == NULL)
		return NULL;
	f->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (f->wake_fd < 0) {
		free(f);
		return NULL;
	}
	connection_init(&f->connection);
	trouble_clear(&f->trouble);
	f->msgid = 1;
	return f;
}

void
freellm_destroy(struct freellm *f)
{
	if (f == NULL)
		return;
	connection_close(&f->connection);
	trouble_clear(&f->trouble);
	close(f->wake_fd);
	free(f->socket);
	free(f->client);
	free(f->connected);
	free(f->server_version);
	free(f);
}

static int
replace(char **field, const char *text)
{
	char *copy = NULL;
	if (text != NULL && (copy = strdup(text)) == NULL)
		return -ENOMEM;
	free(*field);
	*field = copy;
	return 0;
}

int
freellm_set_socket(struct freellm *f, const char *path)
{
	return replace(&f->socket, path);
}

int
freellm_set_client(struct freellm *f, const char *name)
{
	return replace(&f->client, name);
}

void
freellm_set_timeout(struct freellm *f, int64_t ms)
{
	f->timeout_ms = ms > 0 ? ms : 0;
}

void
freellm_set_tick(struct freellm *f, int64_t ms)
{
	f->tick_ms = ms > 0 ? ms : 0;
}

void
freellm_disconnect(struct freellm *f)
{
	connection_close(&f->connection);
}

const char *
freellm_socket(const struct freellm *f)
{
	return f->connected ? f->connected : "";
}

const char *
freellm_server_version(const struct freellm *f)
{
	return f->server_version ? f->server_version : "";
}

int64_t
freellm_request_limit(const struct freellm *f)
{
	return f->frame_bytes;
}

const char *
freellm_error(const struct freellm *f)
{
	return f->trouble.code;
}

const char *
freellm_message(const struct freellm *f)
{
	return f->trouble.message ? f->trouble.message : "";
}

int
freellm_exit_status(const struct freellm *f)
{
	return f->trouble.exit_status;
}

void
freellm_cancel(struct freellm *f)
{
	int saved = errno;
	uint64_t one = 1;
	atomic_fetch_add(&f->cancels, 1);
	/* It can only fail when the counter is full: then it is readable. */
	ssize_t written = write(f->wake_fd, &one, sizeof(one));
	(void)written;
	errno = saved;
}

int
handle_cancels(struct freellm *f)
{
	uint64_t count;
	ssize_t taken = read(f->wake_fd, &count, sizeof(count));
	(void)taken;
	return atomic_load(&f->cancels);
}

void
handle_forget_cancels(struct freellm *f)
{
	(void)handle_cancels(f);
	atomic_store(&f->cancels, 0);
}

int64_t
handle_now(void)
{
	struct timespec now;
	clock_gettime(CLOCK_BOOTTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int
handle_timeout(int64_t deadline)
{
	if (deadline == INT64_MAX)
		return -1;
	int64_t left = deadline - handle_now();
	return left < 0 ? 0 : left > INT_MAX ? INT_MAX : (int)left;
}

int
handle_connection_failed(struct freellm *f, int error)
{
	const char *socket = freellm_socket(f);
	freellm_disconnect(f);
	switch (error) {
	case -ECONNRESET:
		return trouble_set(&f->trouble, error, TROUBLE_INTERRUPTED,
			"freellmd at %s went away before the answer was complete; the request may "
			"have been sent to a provider",
			socket);
	case -EPROTO:
		return trouble_set(&f->trouble, error, TROUBLE_BAD_ANSWER,
			"what %s answered cannot be understood: is it freellmd, and of this "
			"version?",
			socket);
	case -ENOMEM:
		return trouble_set(&f->trouble, error, TROUBLE_INTERNAL, "out of memory");
	default:
		return trouble_set(&f->trouble, error, TROUBLE_INTERNAL,
			"the connection to %s failed: %s", socket, strerror(-error));
	}
}

int
handle_refused(struct freellm *f, const msgpack_object *error, struct failure *failure)
{
	struct slice code = {0};
	if (!failure_decode(error, failure))
		return handle_connection_failed(f, -EPROTO);
	(void)value_slice(value_member(error, "code"), &code);
	return trouble_set_failure(&f->trouble, failure, code);
}
