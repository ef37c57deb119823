#include "reply.h"

#include <errno.h>
#include <linux/sockios.h>
#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "answer.h"
#include "clock.h"
#include "exchange.h"
#include "mock.h"
#include "random.h"
#include "squeeze.h"
#include "worker.h"

/* Steps and sends in one turn, before others get theirs. */
#define TURNS 64
#define GARBAGE_BYTES 700
#define NEVER INT64_MAX

enum ending {
	END_KEEP, /* back to the library for the next request */
	END_FIN,
	END_RST,
	END_GONE, /* the client has left */
};

struct reply {
	struct watch watch;
	struct timer timer;
	struct worker *worker;
	struct reply *next, *previous;
	struct plan *plan;
	struct exchange *exchange;
	int fd;
	bool blocked;         /* waits for the socket to take more */
	bool waits_for_space; /* the socket is watched for that too */
	bool held;            /* has hung already */
	int64_t due_us;       /* when the next step may be taken */
	int64_t comment_us;   /* when the next keep-alive comment is due */
	bool in_body;
	bool (*step)(struct reply *); /* returns false when the reply has ended */
	enum ending ending;
	struct squeeze *squeeze;
	struct buf out; /* to be sent, from OFFSET on */
	size_t offset;
	struct buf segment, squeezed;
	int64_t sent;
};

static bool step_start(struct reply *);
static bool step_head(struct reply *);
static bool step_body(struct reply *);
static bool step_over(struct reply *);

static void
unlink_reply(struct reply *reply)
{
	struct worker *worker = reply->worker;

	if (reply->previous)
		reply->previous->next = reply->next;
	else
		worker->replies = reply->next;
	if (reply->next)
		reply->next->previous = reply->previous;
	reply->previous = NULL;
	reply->next = worker->dead;
	worker->dead = reply;
}

/* Ends the reply; its memory lives until the end of the worker's turn. */
static void
end(struct reply *reply, enum ending ending)
{
	static const struct linger at_once = {.l_onoff = 1};
	struct worker *worker = reply->worker;
	int fd = reply->fd;
	bool answered = reply->sent > 0 && reply->plan->behaviour.fault != FAULT_GARBAGE;

	timers_disarm(&worker->timers, &reply->timer);
	worker_unwatch(worker, fd);
	exchange_end(reply->exchange, answered ? reply->plan->status : 0, reply->sent,
		ending == END_GONE ? clock_monotonic_us() : -1);
	reply->exchange = NULL;
	reply->fd = -1;
	unlink_reply(reply);
	if (ending == END_KEEP) {
		worker_give(worker, fd);
		return;
	}
	/* A close with a linger time of 0 sends a reset. */
	if (ending == END_RST)
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	else
		shutdown(fd, SHUT_WR);
	worker_closed(worker, fd);
}

enum sent { SENT_ALL, SENT_PART, SENT_NOTHING, SENT_FAILED };

/* Sends what is in OUT, or the next bytes of it when the wire is cut into pieces. */
static enum sent
send_some(struct reply *reply)
{
	int64_t wire = reply->plan->behaviour.wire;
	size_t left = reply->out.len - reply->offset;
	size_t size = wire > 0 && (size_t)wire < left ? (size_t)wire : left;
	ssize_t sent =
		send(reply->fd, reply->out.data + reply->offset, size, MSG_NOSIGNAL | MSG_DONTWAIT);

	if (sent < 0 && errno == EAGAIN)
		return SENT_NOTHING;
	if (sent < 0)
		return SENT_FAILED;
	if (reply->sent == 0)
		exchange_first_byte(reply->exchange);
	reply->sent += sent;
	reply->offset += (size_t)sent;
	if (reply->offset < reply->out.len)
		return SENT_PART;
	reply->offset = 0;
	buf_clear(&reply->out);
	return SENT_ALL;
}

static void
wait_for_space(struct reply *reply)
{
	reply->blocked = true;
	if (reply->waits_for_space)
		return;
	reply->waits_for_space = true;
	worker_watch(
		reply->worker, reply->fd, &reply->watch, EPOLLRDHUP | EPOLLOUT | EPOLLET, true);
}

static void
wait_until(struct reply *reply, int64_t us)
{
	if (us != NEVER)
		timers_arm(&reply->worker->timers, &reply->timer, us);
}

/* Puts DATA, which is body, into OUT with its framing. */
static void
frame(struct reply *reply, const char *data, size_t len)
{
	if (len == 0)
		return;
	if (reply->plan->framing == FRAMING_CHUNKED)
		buf_printf(&reply->out, "%zx\r\n", len);
	buf_put(&reply->out, data, len);
	if (reply->plan->framing == FRAMING_CHUNKED)
		buf_puts(&reply->out, "\r\n");
}

static void
put_segment(struct reply *reply, bool last)
{
	if (reply->squeeze) {
		buf_clear(&reply->squeezed);
		squeeze_put(reply->squeeze, reply->segment.data, reply->segment.len, last,
			&reply->squeezed);
		frame(reply, reply->squeezed.data, reply->squeezed.len);
	} else {
		frame(reply, reply->segment.data, reply->segment.len);
	}
	buf_clear(&reply->segment);
}

/* Whether the next step is due; arms the timer otherwise, and keeps the stream alive meanwhile. */
static bool
is_due(struct reply *reply)
{
	const struct behaviour *b = &reply->plan->behaviour;
	int64_t now_us, next_us = reply->due_us;

	if (reply->due_us == 0)
		return true;
	now_us = clock_monotonic_us();
	if (reply->due_us <= now_us)
		return true;
	if (b->keepalive_ms > 0 && reply->in_body) {
		if (reply->comment_us <= now_us) {
			source_comment(b, "keep-alive", &reply->segment);
			put_segment(reply, false);
			reply->comment_us = now_us + b->keepalive_ms * 1000;
		}
		if (reply->comment_us < next_us)
			next_us = reply->comment_us;
	}
	wait_until(reply, next_us);
	return false;
}

/* Sends and steps until there is something to wait for. */
static void
pump(struct reply *reply)
{
	for (int turn = 0; turn < TURNS; turn++) {
		if (reply->out.len > 0) {
			enum sent sent = send_some(reply);

			if (sent == SENT_FAILED) {
				end(reply, END_GONE);
				return;
			}
			if (sent == SENT_NOTHING) {
				wait_for_space(reply);
				return;
			}
			if (sent == SENT_PART && reply->plan->behaviour.wire_us > 0) {
				wait_until(reply,
					clock_monotonic_us() + reply->plan->behaviour.wire_us);
				return;
			}
			continue;
		}
		if (!is_due(reply)) {
			if (reply->out.len > 0)
				continue;
			return;
		}
		if (!reply->step(reply))
			return;
	}
	wait_until(reply, clock_monotonic_us());
}

static void
on_timer(struct timer *timer)
{
	struct reply *reply = (struct reply *)((char *)timer - offsetof(struct reply, timer));

	pump(reply);
}

static void
on_event(struct watch *watch, uint32_t events)
{
	struct reply *reply = (struct reply *)((char *)watch - offsetof(struct reply, watch));

	if (reply->fd < 0)
		return;
	if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) {
		end(reply, END_GONE);
		return;
	}
	if ((events & EPOLLOUT) && reply->blocked) {
		reply->blocked = false;
		pump(reply);
	}
}

/* Hangs until released, once. Returns whether it does. */
static bool
hang(struct reply *reply)
{
	if (reply->held)
		return false;
	reply->held = true;
	reply->due_us = NEVER;
	return true;
}

static void
finish_with(struct reply *reply, enum ending ending)
{
	reply->ending = ending;
	reply->due_us = 0;
	reply->step = step_over;
}

static void
put_garbage(struct reply *reply)
{
	uint64_t state = (uint64_t)reply->plan->behaviour.seed;

	for (int i = 0; i < GARBAGE_BYTES; i++) {
		char byte = (char)random_next(&state);

		/* Never the beginning of a status line. */
		if (i == 0)
			byte = (char)0x80;
		buf_put(&reply->out, &byte, 1);
	}
}

static bool
step_start(struct reply *reply)
{
	switch (reply->plan->behaviour.fault) {
	case FAULT_REFUSE:
		end(reply, END_RST);
		return false;
	case FAULT_CLOSE_BEFORE_HEADERS:
		end(reply, END_FIN);
		return false;
	case FAULT_HANG_BEFORE_HEADERS:
		if (hang(reply))
			return true;
		break;
	case FAULT_GARBAGE:
		put_garbage(reply);
		finish_with(reply, END_FIN);
		return true;
	default:
		break;
	}
	reply->due_us = 0;
	reply->step = step_head;
	return true;
}

static void
put_framing_header(struct reply *reply)
{
	const struct plan *plan = reply->plan;

	if (plan->behaviour.gzip)
		buf_puts(&reply->out, "Content-Encoding: gzip\r\n");
	if (plan->framing == FRAMING_CHUNKED)
		buf_puts(&reply->out, "Transfer-Encoding: chunked\r\n");
	else if (plan->framing == FRAMING_LENGTH)
		buf_printf(&reply->out, "Content-Length: %lld\r\n",
			(long long)source_length(&plan->source));
	else
		buf_puts(&reply->out, "Connection: close\r\n");
}

static bool
step_head(struct reply *reply)
{
	const struct plan *plan = reply->plan;
	const struct behaviour *b = &plan->behaviour;

	if (!plan->whole_head)
		buf_printf(&reply->out, "HTTP/1.1 %d %s\r\n", plan->status,
			MHD_get_reason_phrase_for((unsigned int)plan->status));
	buf_put(&reply->out, plan->head.data, plan->head.len);
	if (b->fault == FAULT_CLOSE_IN_HEADERS || b->fault == FAULT_RESET_IN_HEADERS) {
		reply->out.len -= reply->out.len / 4;
		finish_with(reply, b->fault == FAULT_CLOSE_IN_HEADERS ? END_FIN : END_RST);
		return true;
	}
	put_framing_header(reply);
	if (b->huge_header > 0) {
		buf_puts(&reply->out, "X-Mock-Huge: ");
		buf_fill(&reply->out, 'h', (size_t)b->huge_header);
		buf_puts(&reply->out, "\r\n");
	}
	buf_puts(&reply->out, "\r\n");
	reply->in_body = true;
	reply->step = step_body;
	if (b->first_content_ms > 0)
		reply->due_us = clock_monotonic_us() + b->first_content_ms * 1000;
	reply->comment_us = clock_monotonic_us() + b->keepalive_ms * 1000;
	if (b->fault == FAULT_HANG_AFTER_HEADERS)
		hang(reply);
	return true;
}

/* A fault in the middle of the body. Returns whether the body goes on. */
static bool
body_goes_on(struct reply *reply)
{
	const struct behaviour *b = &reply->plan->behaviour;

	if (reply->plan->source.content < b->after)
		return true;
	switch (b->fault) {
	case FAULT_RESET_MID_STREAM:
		finish_with(reply, END_RST);
		return false;
	case FAULT_CLOSE_MID_STREAM:
		finish_with(reply, END_FIN);
		return false;
	case FAULT_BAD_CHUNK:
		buf_puts(&reply->out, "no size\r\n");
		finish_with(reply, END_FIN);
		return false;
	case FAULT_HANG_MID_STREAM:
		return !hang(reply);
	default:
		return true;
	}
}

static bool
step_body(struct reply *reply)
{
	struct plan *plan = reply->plan;
	const struct behaviour *b = &plan->behaviour;
	int64_t pace_us = b->pace_ms * 1000 + b->pace_us;

	if (!body_goes_on(reply))
		return true;
	if (!plan->source.next(&plan->source, &reply->segment)) {
		if (reply->squeeze)
			put_segment(reply, true);
		if (plan->framing == FRAMING_CHUNKED)
			buf_puts(&reply->out, "0\r\n\r\n");
		finish_with(reply, plan->framing == FRAMING_CLOSE ? END_FIN : END_KEEP);
		return true;
	}
	put_segment(reply, false);
	reply->due_us = 0;
	if (pace_us > 0 && !source_ended(&plan->source)) {
		reply->due_us = clock_monotonic_us() + pace_us;
		if (b->keepalive_ms > 0)
			reply->comment_us = clock_monotonic_us() + b->keepalive_ms * 1000;
	}
	return true;
}

/* All is handed to the kernel. A reset would throw away what it has not sent yet. */
static bool
step_over(struct reply *reply)
{
	int unsent = 0;

	if (reply->ending == END_RST && ioctl(reply->fd, SIOCOUTQNSD, &unsent) == 0 && unsent > 0) {
		reply->due_us = clock_monotonic_us() + 1000;
		return true;
	}
	end(reply, reply->ending);
	return false;
}

void
reply_start(struct worker *worker, int fd, struct plan *plan, struct exchange *exchange)
{
	struct reply *reply = calloc(1, sizeof(*reply));
	int64_t first_byte_ms = plan->behaviour.first_byte_ms;

	if (!reply)
		abort();
	reply->watch.ready = on_event;
	reply->timer.fire = on_timer;
	reply->worker = worker;
	reply->plan = plan;
	reply->exchange = exchange;
	reply->fd = fd;
	reply->step = step_start;
	if (plan->behaviour.gzip)
		reply->squeeze = squeeze_create();
	if (first_byte_ms > 0)
		reply->due_us = clock_monotonic_us() + first_byte_ms * 1000;
	reply->next = worker->replies;
	if (worker->replies)
		worker->replies->previous = reply;
	worker->replies = reply;
	worker_watch(worker, fd, &reply->watch, EPOLLRDHUP | EPOLLET, false);
	pump(reply);
}

void
reply_release_all(struct worker *worker)
{
	struct reply *next;

	for (struct reply *reply = worker->replies; reply; reply = next) {
		next = reply->next;
		if (reply->due_us != NEVER)
			continue;
		reply->due_us = 0;
		timers_arm(&worker->timers, &reply->timer, clock_monotonic_us());
	}
}

void
reply_stop_all(struct worker *worker)
{
	while (worker->replies)
		end(worker->replies, END_FIN);
	reply_bury(worker);
}

void
reply_bury(struct worker *worker)
{
	while (worker->dead) {
		struct reply *reply = worker->dead;

		worker->dead = reply->next;
		plan_finish(reply->plan);
		free(reply->plan);
		squeeze_destroy(reply->squeeze);
		buf_free(&reply->out);
		buf_free(&reply->segment);
		buf_free(&reply->squeezed);
		free(reply);
	}
}
