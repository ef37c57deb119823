/*
 * What runs when. A pass starts every job that is due while there is room, refuses what can no
 * longer be in time, and sets the one timer to the next moment that changes anything.
 */
#include "sched_internal.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "config.h"
#include "keyring.h"
#include "log.h"

static void
list_insert_after(struct job_list *list, struct job *after, struct job *job)
{
	job->previous = after;
	job->next = after ? after->next : list->first;
	if (job->next)
		job->next->previous = job;
	else
		list->last = job;
	if (after)
		after->next = job;
	else
		list->first = job;
	list->count++;
}

void
job_list_remove(struct job_list *list, struct job *job)
{
	if (job->previous)
		job->previous->next = job->next;
	else
		list->first = job->next;
	if (job->next)
		job->next->previous = job->previous;
	else
		list->last = job->previous;
	job->previous = job->next = NULL;
	list->count--;
}

int64_t
sched_unix_time(int64_t boottime_ms)
{
	return clock_realtime_ms() + boottime_ms - clock_boottime_ms();
}

static struct job_list *
list_of(struct sched *s, const struct job *job)
{
	switch (job->state) {
	case JOB_QUEUED:
		return job->not_before_ms ? &s->delayed : &s->ready;
	case JOB_SENT:
	case JOB_STREAMING:
		return &s->running;
	default:
		return NULL;
	}
}

void
sched_finish(
	struct sched *s, struct job *job, enum job_state state, const struct job_result *result)
{
	assert(s); /* clang-tidy takes a job that is on no list for a scheduler that is not there */
	struct job_list *list = list_of(s, job);
	if (list)
		job_list_remove(list, job);
	if (job->attempt) {
		attempt_cancel(job->attempt);
		job->attempt = NULL;
	}
	job_set_state(job, state);
	s->stats.done += state == JOB_DONE;
	s->stats.failed += state == JOB_FAILED;
	s->stats.cancelled += state == JOB_CANCELLED;
	if (job->handle)
		*job->handle = NULL;
	if (job->observer)
		job->observer->done(job->context, job, result);
	job_destroy(job);

	if (s->stopping && s->stopped && s->running.count == 0) {
		void (*stopped)(void *) = s->stopped;
		s->stopped = NULL;
		stopped(s->stopped_context);
	}
}

void
sched_fail(struct sched *s, struct job *job, enum error_code code, int64_t retry_at_ms,
	const char *format, ...)
{
	char line[2000];
	va_list ap;
	va_start(ap, format);
	vsnprintf(line, sizeof line, format, ap);
	va_end(ap);
	const struct job_result result = {
		.code = code,
		.message = line,
		.retry_at_ms = retry_at_ms,
	};
	log_debug("job %llu: %s: %s", (unsigned long long)job->id, error_name(code), line);
	sched_finish(s, job, code == ERROR_CANCELLED ? JOB_CANCELLED : JOB_FAILED, &result);
}

void
sched_enqueue(struct sched *s, struct job *job, const char *reason)
{
	int64_t now = clock_boottime_ms();
	struct job_candidate *next = job_next_candidate(job);
	assert(next);
	job_set_state(job, JOB_QUEUED);
	job->not_before_ms = next->not_before_ms > now ? next->not_before_ms : 0;
	if (job->not_before_ms == 0) {
		list_insert_after(&s->ready, s->ready.last, job);
		if (job->deadline_ms &&
			(s->ready_deadline_ms == 0 || job->deadline_ms < s->ready_deadline_ms))
			s->ready_deadline_ms = job->deadline_ms;
		bool room = (int64_t)s->running.count < s->parts.config->max_transfers;
		if (!room && job->observer)
			job->observer->queued(job->context, (int64_t)s->ready.count, -1,
				"as many requests as allowed are running (max_transfers)");
		return;
	}
	struct job *after = s->delayed.last;
	while (after && after->not_before_ms > job->not_before_ms)
		after = after->previous;
	list_insert_after(&s->delayed, after, job);
	if (job->observer)
		job->observer->queued(
			job->context, (int64_t)s->delayed.count, job->not_before_ms - now, reason);
}

static const struct attempt_events attempt_events = {
	.delta = sched_on_delta,
	.end = sched_on_end,
};

/* On no list, JOB_QUEUED. */
static void
dispatch(struct sched *s, struct job *job, int64_t now)
{
	const struct config *config = s->parts.config;
	const char *fingerprint = NULL;
	job->current = job_next_candidate(job);
	job_set_state(job, JOB_RESERVED);

	const struct provider *p = job->current->provider;
	const char *secret = keyring_secret(s->parts.keyring, p, clock_realtime_ms(), &fingerprint);
	job->key = fingerprint;
	struct slice parameters = {job->request.parameters.data, job->request.parameters.len};
	int64_t limit = config->total_timeout_ms;
	if (job->deadline_ms && job->deadline_ms - now < limit)
		limit = job->deadline_ms - now;
	job->attempt_began_ms = now;
	if (job->started_ms < 0)
		job->started_ms = now;
	job->attempt = attempt_start(s->parts.http, config,
		&(struct attempt_spec){
			.provider = p,
			.model = job->current->model,
			.secret = secret,
			.parameters = parameters,
			.stream = job->request.stream,
			.total_timeout_ms = limit,
		},
		&attempt_events, job);
	if (job->attempt == NULL) {
		sched_fail(s, job, ERROR_INTERNAL, 0, "the request for %s could not be built",
			p->name);
		return;
	}
	job_set_state(job, JOB_SENT);
	list_insert_after(&s->running, s->running.last, job);
	log_debug("job %llu: sent to %s/%.*s with key %s", (unsigned long long)job->id, p->name,
		(int)job->current->model.len, job->current->model.data,
		fingerprint ? fingerprint : "none");
	if (job->observer)
		job->observer->started(job->context, job->current);
}

static void
refuse_late(struct sched *s, int64_t now)
{
	if (s->ready_deadline_ms == 0 || now < s->ready_deadline_ms)
		return;
	s->ready_deadline_ms = 0;
	for (struct job *job = s->ready.first, *next; job; job = next) {
		next = job->next;
		if (job->deadline_ms == 0)
			continue;
		if (job->deadline_ms <= now)
			sched_fail(s, job, ERROR_DEADLINE_EXCEEDED, 0,
				"the deadline passed while the request waited for its turn");
		else if (s->ready_deadline_ms == 0 || job->deadline_ms < s->ready_deadline_ms)
			s->ready_deadline_ms = job->deadline_ms;
	}
}

static void on_timer(uv_timer_t *timer);

static void
set_timer(struct sched *s, int64_t now)
{
	int64_t at = s->delayed.first ? s->delayed.first->not_before_ms : 0;
	if (s->ready_deadline_ms && s->ready.count > 0 && (at == 0 || s->ready_deadline_ms < at))
		at = s->ready_deadline_ms;
	if (at == 0)
		uv_timer_stop(&s->timer);
	else
		uv_timer_start(&s->timer, on_timer, at > now ? (uint64_t)(at - now) : 0, 0);
}

static void
pass_once(struct sched *s)
{
	int64_t now = clock_boottime_ms();
	while (s->delayed.first && s->delayed.first->not_before_ms <= now) {
		struct job *job = s->delayed.first;
		job_list_remove(&s->delayed, job);
		job->not_before_ms = 0;
		list_insert_after(&s->ready, s->ready.last, job);
	}
	refuse_late(s, now);
	while (s->ready.first && (int64_t)s->running.count < s->parts.config->max_transfers) {
		struct job *job = s->ready.first;
		job_list_remove(&s->ready, job);
		dispatch(s, job, now);
	}
	set_timer(s, now);
}

void
sched_pass(struct sched *s)
{
	s->again = true;
	if (s->passing)
		return;
	s->passing = true;
	while (s->again) {
		s->again = false;
		pass_once(s);
	}
	s->passing = false;
}

static void
on_timer(uv_timer_t *timer)
{
	sched_pass(timer->data);
}

void
sched_cancel(struct sched *s, struct job *job)
{
	sched_fail(s, job, ERROR_CANCELLED, 0, "cancelled by the client");
	sched_pass(s);
}

void
sched_abandon(struct sched *s, struct job *job)
{
	bool running = job->state == JOB_SENT || job->state == JOB_STREAMING;
	job->observer = NULL;
	job->handle = NULL;
	if (running && job->has_cache_key) {
		sched_pause(s, job, false);
		return;
	}
	sched_fail(s, job, ERROR_CANCELLED, 0, "the client went away");
	sched_pass(s);
}

void
sched_pause(struct sched *s, struct job *job, bool pause)
{
	(void)s;
	if (job->paused == pause)
		return;
	job->paused = pause;
	if (job->attempt)
		attempt_pause(job->attempt, pause);
}

void
sched_stop(struct sched *s, void (*stopped)(void *context), void *context)
{
	s->stopping = true;
	s->stopped = stopped;
	s->stopped_context = context;
	struct job_list *lists[] = {&s->ready, &s->delayed};
	for (size_t i = 0; i < 2; i++) {
		while (lists[i]->first && s->stopped)
			sched_fail(s, lists[i]->first, ERROR_SHUTTING_DOWN, 0,
				"freellmd is stopping; the request was not sent");
	}
	if (s->stopped && s->running.count == 0) {
		s->stopped = NULL;
		stopped(context);
	} else if (s->running.count > 0) {
		log_info("waiting for %zu requests in flight", s->running.count);
	}
}

void
sched_abort(struct sched *s)
{
	struct job *next;
	for (struct job *job = s->running.first; job; job = next) {
		next = job->next;
		bool begun = job->state == JOB_STREAMING;
		log_warning("job %llu: given up at %s: freellmd is stopping",
			(unsigned long long)job->id, job->current->provider->name);
		sched_fail(s, job, begun ? ERROR_INTERRUPTED : ERROR_SHUTTING_DOWN, 0,
			"freellmd is stopping and the answer had not ended");
	}
}

void
sched_get_stats(const struct sched *s, struct sched_stats *to)
{
	*to = s->stats;
	to->queued = s->ready.count + s->delayed.count;
	to->running = s->running.count;
}

struct sched *
sched_create(const struct sched_parts *parts)
{
	struct sched *s = calloc(1, sizeof *s);
	if (s == NULL)
		abort();
	s->parts = *parts;
	uv_timer_init(parts->loop, &s->timer);
	s->timer.data = s;
	return s;
}

static void
on_closed(uv_handle_t *handle)
{
	free(handle->data);
}

void
sched_close(struct sched *s)
{
	if (s == NULL)
		return;
	assert(s->ready.count + s->delayed.count + s->running.count == 0);
	uv_close((uv_handle_t *)&s->timer, on_closed);
}
