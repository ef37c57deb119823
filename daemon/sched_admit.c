/*
 * The way in: cache, candidates, queue.
 */
#include "sched_internal.h"

#include <string.h>

#include "cache.h"
#include "clock.h"
#include "config.h"
#include "log.h"
#include "router.h"

static int64_t
ttl_of(const struct config *config, const struct job *job)
{
	int64_t ttl = job->request.ttl_ms < 0 ? config->cache_ttl_ms : job->request.ttl_ms;
	return ttl < config->cache_max_ttl_ms ? ttl : config->cache_max_ttl_ms;
}

static void
replay(const struct job *job, const struct answer_view *answer)
{
	struct delta delta;
	size_t at = 0;
	while (job->request.stream && answer_next_delta(answer->deltas, &at, &delta))
		job->observer->delta(job->context, &delta);
}

/* True when the job is over: answered, or refused because only the cache was wanted. */
static bool
answer_from_cache(struct sched *s, struct job *job)
{
	const struct config *config = s->parts.config;
	enum job_cache mode = job->request.cache;
	if (!config->cache_enabled || mode == JOB_CACHE_OFF) {
		if (mode == JOB_CACHE_ONLY)
			goto miss;
		return false;
	}
	struct cache_key key;
	cache_key_make(s->parts.cache, &key, config->cache_shared ? (uid_t)-1 : job->request.uid,
		(struct slice){job->request.model.data, job->request.model.len},
		(struct slice){job->request.parameters.data, job->request.parameters.len});
	job->ttl_ms = ttl_of(config, job);
	job->has_cache_key = job->ttl_ms > 0;
	memcpy(job->cache_key, key.bytes, sizeof job->cache_key);
	if (mode == JOB_CACHE_REFRESH)
		return false;

	struct answer_view answer;
	if (cache_get(s->parts.cache, &key, clock_realtime_ms(), &answer)) {
		job->first_delta_ms = job->received_ms;
		replay(job, &answer);
		const struct job_result result = {.answer = &answer, .cached = true};
		/* The observer is told while the answer lies in the cache's memory. */
		sched_finish(s, job, JOB_DONE, &result);
		cache_release(s->parts.cache);
		return true;
	}
miss:
	if (mode != JOB_CACHE_ONLY)
		return false;
	sched_fail(s, job, ERROR_NO_PROVIDER, 0,
		"the answer is not in the cache, and only the cache was to be asked (cache: only)");
	return true;
}

static bool
find_candidates(struct sched *s, struct job *job)
{
	struct bytes why = {0};
	enum error_code code = router_resolve(s->parts.config, s->parts.keyring,
		(struct slice){job->request.model.data, job->request.model.len},
		clock_realtime_ms(), &job->candidates, &job->candidate_count, &why);
	if (code != ERROR_NONE)
		sched_fail(s, job, code, 0, "%s", bytes_cstr(&why) ? why.data : "");
	bytes_finish(&why);
	return code == ERROR_NONE;
}

void
sched_submit(struct sched *s, struct job_request *request, const struct job_observer *observer,
	void *context, struct job **handle)
{
	struct job *job = job_create(++s->last_id, request, clock_boottime_ms());
	job->sched = s;
	job->observer = observer;
	job->context = context;
	job->handle = handle;
	*handle = job;
	s->stats.accepted++;

	if (s->stopping) {
		sched_fail(s, job, ERROR_SHUTTING_DOWN, 0, "freellmd is stopping");
		return;
	}
	if (answer_from_cache(s, job) || !find_candidates(s, job))
		return;
	if ((int64_t)(s->ready.count + s->delayed.count) >= s->parts.config->max_queue) {
		sched_fail(s, job, ERROR_QUEUE_FULL, 0, "%lld requests wait already (max_queue)",
			(long long)s->parts.config->max_queue);
		return;
	}
	sched_enqueue(s, job, "");
	sched_pass(s);
}
