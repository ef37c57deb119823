/*
 * What the end of an attempt means for its job: an answer, a retry, another target, or the end
 * (DESIGN section 5).
 */
#include "sched_internal.h"

#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "backoff.h"
#include "cache.h"
#include "clock.h"
#include "config.h"
#include "keyring.h"
#include "log.h"

void
sched_on_delta(void *context, const struct delta *delta)
{
	struct job *job = context;
	if (job->state == JOB_SENT) {
		job_set_state(job, JOB_STREAMING);
		job->first_delta_ms = clock_boottime_ms();
	}
	if (job->observer && job->request.stream)
		job->observer->delta(job->context, delta);
}

static struct answer_view
view_of(const struct job *job, const struct answer *a)
{
	return (struct answer_view){
		.text = {a->text.data, a->text.len},
		.message = {a->message.data, a->message.len},
		.finish_reason = {a->finish_reason.data, a->finish_reason.len},
		.deltas = {a->deltas.data, a->deltas.len},
		.usage = a->usage,
		.provider = slice_of(job->current->provider->name),
		.model = job->current->model,
	};
}

static void
finish_done(struct sched *s, struct job *job, struct answer *answer)
{
	const struct answer_view view = view_of(job, answer);
	if (job->has_cache_key && !slice_is(view.finish_reason, "content_filter")) {
		struct cache_key key;
		memcpy(key.bytes, job->cache_key, sizeof key.bytes);
		cache_put(s->parts.cache, &key, answer, view.provider, view.model,
			clock_realtime_ms(), job->ttl_ms);
	}
	const struct job_result result = {.answer = &view};
	sched_finish(s, job, JOB_DONE, &result);
}

/* The code of a job whose last attempt ended so, when nothing more can be tried. */
static enum error_code
code_of(const struct attempt_result *result)
{
	switch (result->end) {
	case ATTEMPT_REJECTED:
	case ATTEMPT_KEY:
	case ATTEMPT_TARGET:
		return ERROR_UPSTREAM_REJECTED;
	case ATTEMPT_FILTERED:
		return ERROR_CONTENT_FILTERED;
	case ATTEMPT_BROKEN:
		return ERROR_INTERRUPTED;
	case ATTEMPT_TOO_LARGE:
		return ERROR_TOO_LARGE;
	default:
		return ERROR_UPSTREAM_UNAVAILABLE;
	}
}

static void
fail_with(
	struct sched *s, struct job *job, const struct attempt_result *result, int64_t retry_at_ms)
{
	char status[16] = "";
	if (result->status)
		snprintf(status, sizeof status, "%d: ", result->status);
	enum error_code code = code_of(result);
	if (result->end == ATTEMPT_TOO_LARGE && job->state == JOB_STREAMING && job->request.stream)
		code = ERROR_INTERRUPTED;
	sched_fail(s, job, code, retry_at_ms, "%s/%.*s: %s%s%s", job->current->provider->name,
		(int)job->current->model.len, job->current->model.data, status, result->error,
		result->end == ATTEMPT_LOST
			? "; not sent again, because the provider may have done the work"
			: "");
}

/* The candidate cannot be used for a while, or at all. Returns whether another try may help. */
static bool
mark_candidate(struct sched *s, struct job *job, const struct attempt_result *result, int64_t now)
{
	const struct config *config = s->parts.config;
	struct job_candidate *c = job->current;
	switch (result->end) {
	case ATTEMPT_LATER:
	case ATTEMPT_UNAVAILABLE: {
		c->failures++;
		int64_t wait = result->retry_after_ms;
		if (wait < 0)
			wait = backoff_delay(c->failures, config->backoff_base_ms,
				config->backoff_max_ms, randombytes_random());
		else if (wait > 0)
			wait++; /* now is rounded down: never before the provider's time */
		c->not_before_ms = now + wait;
		return true;
	}
	case ATTEMPT_KEY:
		log_warning("%s: refused key %s (%d): %s; it is not used again until restart",
			c->provider->name, job->key ? job->key : "none", result->status,
			result->error);
		if (job->key)
			keyring_quarantine(s->parts.keyring, c->provider, job->key);
		c->dead = job->key == NULL ||
			  !keyring_usable(s->parts.keyring, c->provider, clock_realtime_ms());
		return true;
	case ATTEMPT_TARGET:
		log_warning("%s/%.*s: cannot serve (%d): %s", c->provider->name, (int)c->model.len,
			c->model.data, result->status, result->error);
		c->dead = true;
		return true;
	default:
		return false;
	}
}

/* Waits for the next candidate's time, unless that is too far off. */
static void
try_again(struct sched *s, struct job *job, const struct attempt_result *result, int64_t now)
{
	const struct config *config = s->parts.config;
	struct job_candidate *next = job_next_candidate(job);
	if (next == NULL) {
		fail_with(s, job, result, 0);
		return;
	}
	int64_t at = next->not_before_ms > now ? next->not_before_ms : now;
	int64_t retry_at = at > now ? sched_unix_time(at) : 0;
	if (job->deadline_ms && at >= job->deadline_ms) {
		sched_fail(s, job, ERROR_DEADLINE_EXCEEDED, retry_at,
			"%s cannot be asked again before the deadline: %s", next->provider->name,
			result->error);
		return;
	}
	if ((int64_t)job->attempt_count >= config->max_attempts || at - now > config->max_wait_ms) {
		fail_with(s, job, result, retry_at);
		return;
	}
	job_list_remove(&s->running, job);
	if (job->observer)
		job->observer->retrying(job->context, next, result->error);
	sched_enqueue(s, job, result->error);
}

/* The time of an attempt ends at the deadline; its timer is not as fine as the clock. */
static bool
is_too_late(const struct sched *s, const struct job *job, const struct attempt_result *result,
	int64_t now)
{
	if (job->deadline_ms == 0 || result->end == ATTEMPT_BROKEN)
		return false;
	bool bounded = job->deadline_ms - job->attempt_began_ms < s->parts.config->total_timeout_ms;
	return now >= job->deadline_ms || (bounded && result->overdue);
}

void
sched_on_end(void *context, const struct attempt_result *result)
{
	struct job *job = context;
	struct sched *s = job->sched;
	int64_t now = clock_boottime_ms();
	job->attempt = NULL;
	job_add_attempt(job, result->status, result->error, now - job->attempt_began_ms);

	if (result->end == ATTEMPT_DONE)
		finish_done(s, job, result->answer);
	else if (is_too_late(s, job, result, now))
		sched_fail(s, job, ERROR_DEADLINE_EXCEEDED, 0,
			"the answer did not come before the deadline");
	else if (!mark_candidate(s, job, result, now))
		fail_with(s, job, result, 0);
	else if (s->stopping)
		sched_fail(s, job, ERROR_SHUTTING_DOWN, 0, "freellmd is stopping; %s said: %s",
			job->current->provider->name, result->error);
	else
		try_again(s, job, result, now);
	sched_pass(s);
}
