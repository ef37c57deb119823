/*
 * The clients and their loop. A closed loop: each client has one request outstanding and sends the
 * next when its answer has come. Requests, chunks and CPU time count within the window between
 * warm-up and end.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "load.h"

enum { READ_BYTES = 64 * 1024, EVENTS = 256, WRONG_SHOWN = 5, PATIENCE_MS = 60000 };

#define NS_PER_MS INT64_C(1000000)

static struct results *results; /* of the run: there is one in a process */
static bool measuring;
static unsigned wrong_shown;

enum step
load_wrong(const struct client *c, const char *what, const char *data, size_t len)
{
	if (wrong_shown++ < WRONG_SHOWN)
		fprintf(stderr, "load: request %llu: %s: %.*s\n", (unsigned long long)c->number,
			what, (int)(len < 400 ? len : 400), data ? data : "");
	return STEP_WRONG;
}

void
load_chunks(struct client *c, const char *data, size_t len, int64_t now)
{
	const char *end = data + len;
	for (const char *at = data;
		at < end && (at = memchr(at, '@', (size_t)(end - at))) != NULL;) {
		int64_t stamp = 0;
		for (at++; at < end && *at >= '0' && *at <= '9'; at++)
			stamp = stamp * 10 + (*at - '0');
		c->chunks++;
		if (measuring) {
			results->chunks++;
			samples_add(&results->delay_us, now / 1000 - stamp);
		}
	}
}

static int
connect_to(const char *address)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	struct sockaddr_in in = {.sin_family = AF_INET};
	const char *colon = strrchr(address, ':');
	bool tcp = strchr(address, '/') == NULL && colon;
	int fd = socket(tcp ? AF_INET : AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
	if (fd < 0)
		return -1;
	if (tcp) {
		char host[32];
		snprintf(host, sizeof host, "%.*s", (int)(colon - address), address);
		in.sin_port = htons((uint16_t)strtoul(colon + 1, NULL, 10));
		inet_pton(AF_INET, host, &in.sin_addr);
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	} else {
		snprintf(un.sun_path, sizeof un.sun_path, "%s", address);
	}
	const void *name = tcp ? (const void *)&in : (const void *)&un;
	/* A listener whose queue is full makes a blocking connect wait. */
	int rc = connect(fd, name, tcp ? sizeof in : sizeof un);
	if (rc != 0) {
		close(fd);
		return -1;
	}
	return fd;
}

static bool
send_all(int fd, const char *data, size_t len)
{
	while (len > 0) {
		ssize_t n = send(fd, data, len, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno == EAGAIN) {
			poll(&(struct pollfd){.fd = fd, .events = POLLOUT}, 1, -1);
			continue;
		}
		if (n < 0)
			return false;
		data += n;
		len -= (size_t)n;
	}
	return true;
}

static bool
send_request(const struct options *o, struct client *c)
{
	static struct buf out;
	out.len = 0;
	c->chunks = 0;
	o->dialect->request(o, c, &out);
	c->busy = true;
	c->sent_ns = now_ns();
	return send_all(c->fd, out.data, out.len);
}

/* Reads what is there. STEP_WRONG also when the other side is gone. */
static enum step
receive(const struct options *o, struct client *c)
{
	static char data[READ_BYTES];
	ssize_t n = recv(c->fd, data, sizeof data, 0);
	if (n <= 0)
		return load_wrong(
			c, n == 0 ? "the connection was closed" : strerror(errno), NULL, 0);
	buf_put(&c->in, data, (size_t)n);
	return o->dialect->answer(o, c, now_ns());
}

bool
load_ask(const struct options *o, struct client *c)
{
	enum step step = STEP_MORE;
	if (!send_request(o, c))
		return false;
	while (step == STEP_MORE)
		step = receive(o, c);
	c->busy = false;
	return step == STEP_DONE;
}

static bool
prepare(const struct options *o)
{
	struct client c = {.fd = connect_to(o->address), .preparing = true};
	if (c.fd < 0) {
		fprintf(stderr, "load: %s: %s\n", o->address, strerror(errno));
		return false;
	}
	bool ok = o->keys == 0 || o->dialect->prepare == NULL || o->dialect->prepare(o, &c);
	close(c.fd);
	free(c.in.data);
	free(c.body.data);
	return ok;
}

static int64_t
server_cpu(const struct options *o)
{
	int64_t total = 0;
	for (unsigned i = 0; i < o->pid_count; i++)
		total += cpu_of(o->pids[i]);
	return total;
}

static void
window_begin(const struct options *o, int64_t now)
{
	measuring = true;
	results->seconds = -(double)now / 1e9;
	results->own_ns = -cpu_of(getpid());
	results->server_ns = -server_cpu(o);
}

static void
window_end(const struct options *o, int64_t now)
{
	measuring = false;
	results->seconds += (double)now / 1e9;
	results->own_ns += cpu_of(getpid());
	results->server_ns += server_cpu(o);
}

/* Each run asks for other prompts than the one before it. */
static uint64_t
next_number(const struct options *o)
{
	static uint64_t next;
	if (next == 0 && o->keys == 0)
		next = (uint64_t)now_ns() / 1000 % 1000000000000;
	return o->keys > 0 ? next++ % (uint64_t)o->keys : next++;
}

struct run {
	const struct options *o;
	struct client *clients;
	int epoll;
	int64_t started, done; /* streams and held connections */
	bool broken;
};

static void
run_break(struct run *r)
{
	results->wrong++;
	r->broken = true;
}

static void
begin_request(struct run *r, struct client *c)
{
	c->number = next_number(r->o);
	if (!send_request(r->o, c)) {
		load_wrong(c, "could not be sent", NULL, 0);
		run_break(r);
	}
}

static void
on_ready(struct run *r, struct client *c)
{
	enum step step = receive(r->o, c);
	if (step == STEP_WRONG)
		run_break(r);
	if (step != STEP_DONE)
		return;
	c->busy = false;
	if (measuring) {
		results->requests++;
		samples_add(&results->latency_ns, now_ns() - c->sent_ns);
	}
	if (r->o->chunks > 0)
		r->done++;
	else if (!r->broken)
		begin_request(r, c);
}

static void
turn(struct run *r, int wait_ms)
{
	struct epoll_event events[EVENTS];
	int count = epoll_wait(r->epoll, events, EVENTS, wait_ms);
	for (int i = 0; i < count; i++)
		on_ready(r, events[i].data.ptr);
}

static bool
open_clients(struct run *r)
{
	const struct options *o = r->o;
	r->clients = calloc((size_t)o->clients, sizeof *r->clients);
	r->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (r->clients == NULL || r->epoll < 0)
		return false;
	for (int64_t i = 0; i < o->clients; i++) {
		struct client *c = &r->clients[i];
		struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
		c->fd = connect_to(o->address);
		if (c->fd < 0 || epoll_ctl(r->epoll, EPOLL_CTL_ADD, c->fd, &event) != 0) {
			fprintf(stderr, "load: client %lld: %s: %s\n", (long long)i, o->address,
				strerror(errno));
			return false;
		}
	}
	return true;
}

static void
run_closed(struct run *r)
{
	int64_t from = now_ns() + r->o->warm_up_ms * NS_PER_MS;
	int64_t to = from + r->o->window_ms * NS_PER_MS, now;
	for (int64_t i = 0; i < r->o->clients; i++)
		begin_request(r, &r->clients[i]);
	while (!r->broken && (now = now_ns()) < to) {
		if (!measuring && now >= from)
			window_begin(r->o, now);
		turn(r, 100);
	}
	if (measuring)
		window_end(r->o, now_ns());
}

/* Starts are spread over one pace, so that the chunks of all streams do not come at once. */
static void
start_streams(struct run *r, int64_t began)
{
	int64_t gap = r->o->pace_us * 1000 / r->o->clients;
	while (r->started < r->o->clients && now_ns() >= began + r->started * gap)
		begin_request(r, &r->clients[r->started++]);
}

static void
run_streams(struct run *r)
{
	int64_t began = now_ns(), now;
	int64_t from = began + r->o->warm_up_ms * NS_PER_MS;
	int64_t to = from + r->o->window_ms * NS_PER_MS;
	bool over = false;
	while (!r->broken && r->done < r->o->clients) {
		bool starting = r->started < r->o->clients;
		if (starting)
			start_streams(r, began);
		now = now_ns();
		if (!measuring && !over && now >= from)
			window_begin(r->o, now);
		/* From the first stream's end on, there are fewer than asked for. */
		if (measuring && (now >= to || (r->done > 0 && r->o->pace_us > 0))) {
			window_end(r->o, now);
			over = true;
		}
		if (now > to + PATIENCE_MS * NS_PER_MS)
			run_break(r);
		turn(r, starting ? 0 : 100);
	}
	if (measuring)
		window_end(r->o, now_ns());
}

static bool
all_streaming(const struct run *r)
{
	for (int64_t i = 0; i < r->o->clients; i++) {
		if (r->clients[i].chunks == 0)
			return false;
	}
	return true;
}

static void
run_hold(struct run *r)
{
	int64_t began = now_ns();
	struct pollfd wait[] = {
		{.fd = STDIN_FILENO, .events = POLLIN}, {.fd = r->epoll, .events = POLLIN}};
	if (r->o->chunks > 0) {
		while (!r->broken && (r->started < r->o->clients || !all_streaming(r))) {
			start_streams(r, began);
			turn(r, 1);
			if (now_ns() > began + PATIENCE_MS * NS_PER_MS)
				run_break(r);
		}
	}
	puts(r->broken ? "broken" : "ready");
	fflush(stdout);
	while (!r->broken && poll(wait, 2, -1) >= 0 && wait[0].revents == 0)
		turn(r, 0);
}

static void
run_finish(struct run *r)
{
	for (int64_t i = 0; r->clients && i < r->o->clients; i++) {
		if (r->clients[i].fd >= 0)
			close(r->clients[i].fd);
		free(r->clients[i].in.data);
		free(r->clients[i].body.data);
	}
	if (r->epoll >= 0)
		close(r->epoll);
	free(r->clients);
}

bool
load_run(const struct options *o, struct results *to)
{
	struct run r = {.o = o, .epoll = -1};
	results = to;
	bool ok = prepare(o) && open_clients(&r);
	if (ok && o->hold)
		run_hold(&r);
	else if (ok && o->chunks > 0)
		run_streams(&r);
	else if (ok)
		run_closed(&r);
	run_finish(&r);
	samples_sort(&to->latency_ns);
	samples_sort(&to->delay_us);
	return ok;
}
