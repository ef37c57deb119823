#include "reply_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "clock.h"
#include "exchange.h"
#include "squeeze.h"
#include "worker.h"

/* Steps and sends in one turn, before others get theirs. */
#define TURNS 64

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

void
reply_end(struct reply *reply, enum ending ending)
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
	if (us != REPLY_NEVER)
		timers_arm(&reply->worker->timers, &reply->timer, us);
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
			reply_put_segment(reply, false);
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
				reply_end(reply, END_GONE);
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
		reply_end(reply, END_GONE);
		return;
	}
	if ((events & EPOLLOUT) && reply->blocked) {
		reply->blocked = false;
		pump(reply);
	}
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
	reply->step = reply_first_step;
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
		if (reply->due_us != REPLY_NEVER)
			continue;
		reply->due_us = 0;
		timers_arm(&worker->timers, &reply->timer, clock_monotonic_us());
	}
}

void
reply_stop_all(struct worker *worker)
{
	while (worker->replies)
		reply_end(worker->replies, END_FIN);
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
