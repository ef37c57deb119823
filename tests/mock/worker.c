#include "worker.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "http.h"
#include "mock.h"
#include "reply.h"

#define EVENTS 256
#define BACKLOG 4096
/* Connections accepted in one turn, before requests get theirs. */
#define ACCEPTS 64

#define WORKER_OF(member, pointer)                                                                 \
	((struct worker *)((char *)(pointer)-offsetof(struct worker, member)))

union address {
	struct sockaddr any;
	struct sockaddr_in in;
};

static int
bound_socket(const char *bind_to, uint16_t port)
{
	union address address = {.in = {.sin_family = AF_INET, .sin_port = htons(port)}};
	int fd, one = 1;

	if (inet_pton(AF_INET, bind_to, &address.in.sin_addr) != 1) {
		errno = EINVAL;
		return -1;
	}
	fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
		setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)) < 0 ||
		bind(fd, &address.any, sizeof(address)) < 0) {
		int error = errno;

		close(fd);
		errno = error;
		return -1;
	}
	return fd;
}

static int
listen_on(const char *bind_to, uint16_t port)
{
	int fd = bound_socket(bind_to, port);

	if (fd >= 0 && listen(fd, BACKLOG) < 0) {
		int error = errno;

		close(fd);
		errno = error;
		return -1;
	}
	return fd;
}

/* Counts a connection and remembers its number. Returns false when it is to be refused. */
static bool
admit(struct mock *mock, int fd)
{
	struct counters *counters = &mock->log.counters;
	bool admitted;

	pthread_mutex_lock(&mock->lock);
	admitted = mock->refuse_connections == 0 && (size_t)fd < mock->descriptors;
	if (admitted) {
		counters->accepted++;
		if (++counters->open > counters->peak_open)
			counters->peak_open = counters->open;
		mock->connections[fd] = (struct connection){++mock->next_connection, false};
	} else {
		counters->refused++;
		if (mock->refuse_connections > 0)
			mock->refuse_connections--;
	}
	pthread_mutex_unlock(&mock->lock);
	return admitted;
}

static void
on_connection(struct watch *watch, uint32_t events)
{
	static const struct linger at_once = {.l_onoff = 1};
	struct worker *worker = WORKER_OF(listen_watch, watch);
	int one = 1;

	for (int i = 0; i < ACCEPTS && worker->listener >= 0; i++) {
		int fd = accept4(worker->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd < 0)
			return;
		if (!admit(worker->mock, fd)) {
			setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
			close(fd);
			continue;
		}
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		worker_give(worker, fd);
	}
}

void
worker_give(struct worker *worker, int fd)
{
	if (worker->given_count == worker->given_cap) {
		worker->given_cap = worker->given_cap ? 2 * worker->given_cap : 64;
		worker->given = realloc(worker->given, worker->given_cap * sizeof(int));
		if (!worker->given)
			abort();
	}
	worker->given[worker->given_count++] = fd;
}

static void
give_all(struct worker *worker)
{
	union address peer = {.in = {.sin_family = AF_INET}};

	/* Running the library may take more sockets and give them back. */
	while (worker->given_count > 0) {
		int fd = worker->given[--worker->given_count];

		/* On failure the library has closed the socket. */
		if (MHD_add_connection(worker->http, fd, &peer.any, sizeof(peer.in)) != MHD_YES) {
			pthread_mutex_lock(&worker->mock->lock);
			worker->mock->log.counters.open--;
			pthread_mutex_unlock(&worker->mock->lock);
		}
		if (worker->given_count == 0)
			http_run(worker->http);
	}
}

void
worker_closed(struct worker *worker, int fd)
{
	pthread_mutex_lock(&worker->mock->lock);
	worker->mock->log.counters.open--;
	pthread_mutex_unlock(&worker->mock->lock);
	close(fd);
}

void
worker_watch(struct worker *worker, int fd, struct watch *watch, uint32_t events, bool again)
{
	struct epoll_event event = {.events = events, .data.ptr = watch};

	if (epoll_ctl(worker->epoll, again ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &event) < 0)
		abort();
}

void
worker_unwatch(struct worker *worker, int fd)
{
	if (epoll_ctl(worker->epoll, EPOLL_CTL_DEL, fd, NULL) < 0)
		abort();
}

void
worker_listen(struct worker *worker)
{
	struct mock *mock = worker->mock;

	pthread_mutex_lock(&mock->lock);
	if (worker->deafened) {
		close(worker->listener);
		worker->listener = -1;
		worker->deafened = false;
	}
	if (mock->deaf_until_us > clock_monotonic_us()) {
		timers_arm(&worker->timers, &worker->listen_timer, mock->deaf_until_us);
	} else if (worker->listener < 0) {
		worker->listener = listen_on(mock->bind, mock->port);
		if (worker->listener < 0)
			abort();
		worker_watch(worker, worker->listener, &worker->listen_watch, EPOLLIN, false);
	}
	pthread_mutex_unlock(&mock->lock);
}

static void
on_listen_timer(struct timer *timer)
{
	worker_listen(WORKER_OF(listen_timer, timer));
}

static void
on_http(struct watch *watch, uint32_t events)
{
	http_run(WORKER_OF(http_watch, watch)->http);
}

static void
on_wake(struct watch *watch, uint32_t events)
{
	struct worker *worker = WORKER_OF(wake_watch, watch);
	eventfd_t value;

	(void)eventfd_read(worker->wake, &value);
	if (atomic_exchange(&worker->listening_changed, false))
		worker_listen(worker);
	if (atomic_exchange(&worker->release, false))
		reply_release_all(worker);
}

/* Waits with the precision of the timers where the kernel can, else of a millisecond. */
static int
wait_for_events(struct worker *worker, struct epoll_event *events)
{
	int64_t wait_us = timers_wait(&worker->timers, clock_monotonic_us());
	struct timespec wait = {wait_us / 1000000, wait_us % 1000000 * 1000};
	int count;

	if (wait_us <= 0 || wait_us % 1000 == 0)
		return epoll_wait(
			worker->epoll, events, EVENTS, wait_us < 0 ? -1 : (int)(wait_us / 1000));
	count = epoll_pwait2(worker->epoll, events, EVENTS, &wait, NULL);
	if (count < 0 && errno == ENOSYS)
		count = epoll_wait(worker->epoll, events, EVENTS, (int)(wait_us / 1000 + 1));
	return count;
}

static void *
serve(void *context)
{
	struct worker *worker = context;
	struct epoll_event events[EVENTS] = {0};

	while (!atomic_load(&worker->stop)) {
		int count = wait_for_events(worker, events);

		for (int i = 0; i < count; i++) {
			struct watch *watch = events[i].data.ptr;

			watch->ready(watch, events[i].events);
		}
		timers_run(&worker->timers, clock_monotonic_us());
		give_all(worker);
		reply_bury(worker);
	}
	return NULL;
}

struct worker *
worker_create(struct mock *mock, const char *bind_to, uint16_t port)
{
	struct worker *worker = calloc(1, sizeof(*worker));
	const union MHD_DaemonInfo *info;

	if (!worker)
		abort();
	worker->mock = mock;
	worker->listen_watch.ready = on_connection;
	worker->wake_watch.ready = on_wake;
	worker->http_watch.ready = on_http;
	worker->listen_timer.fire = on_listen_timer;
	worker->listener = listen_on(bind_to, port);
	if (worker->listener < 0) {
		free(worker);
		return NULL;
	}
	worker->reserved = bound_socket(bind_to, worker_port(worker));
	worker->epoll = epoll_create1(EPOLL_CLOEXEC);
	worker->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	worker->dummy = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	worker->http = http_create(worker);
	if (worker->reserved < 0 || worker->epoll < 0 || worker->wake < 0 || worker->dummy < 0 ||
		!worker->http)
		abort();
	info = MHD_get_daemon_info(worker->http, MHD_DAEMON_INFO_EPOLL_FD);
	worker_watch(worker, worker->listener, &worker->listen_watch, EPOLLIN, false);
	worker_watch(worker, worker->wake, &worker->wake_watch, EPOLLIN, false);
	worker_watch(worker, info->epoll_fd, &worker->http_watch, EPOLLIN, false);
	return worker;
}

uint16_t
worker_port(const struct worker *worker)
{
	union address address = {0};
	socklen_t len = sizeof(address);

	if (getsockname(worker->listener, &address.any, &len) < 0)
		abort();
	return ntohs(address.in.sin_port);
}

int
worker_start(struct worker *worker)
{
	return -pthread_create(&worker->thread, NULL, serve, worker);
}

void
worker_wake(struct worker *worker)
{
	(void)eventfd_write(worker->wake, 1);
}

void
worker_destroy(struct worker *worker)
{
	if (worker->thread) {
		atomic_store(&worker->stop, true);
		worker_wake(worker);
		pthread_join(worker->thread, NULL);
	}
	reply_stop_all(worker);
	give_all(worker);
	http_run(worker->http);
	MHD_stop_daemon(worker->http);
	timers_finish(&worker->timers);
	if (worker->listener >= 0)
		close(worker->listener);
	close(worker->reserved);
	close(worker->epoll);
	close(worker->wake);
	close(worker->dummy);
	free(worker->given);
	free(worker);
}
