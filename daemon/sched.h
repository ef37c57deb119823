/*
 * Decides what runs next and when to look again: the way of a job from its submission to its end.
 * One timer; events change facts and poke; one pass does all due work and sets the timer to the
 * next deadline.
 */
#ifndef FREELLMD_SCHED_H
#define FREELLMD_SCHED_H

#include <stdbool.h>
#include <stdint.h>

#include <uv.h>

#include "job.h"

struct sched;
struct cache;
struct config;
struct http;
struct keyring;

/* All are borrowed and must outlive the scheduler. */
struct sched_parts {
	uv_loop_t *loop;
	const struct config *config;
	struct keyring *keyring;
	struct cache *cache;
	struct http *http;
};

struct sched *sched_create(const struct sched_parts *parts);

/* No job may be left. Frees in the timer's close callback. NULL is fine. */
void sched_close(struct sched *s);

/*
 * Takes a job in; the request is emptied. *handle names the job from now on, and is set to NULL
 * before `done` is called: the observer's calls may come from within, `done` too (a cache hit, a
 * refusal). *handle must stay in place until then.
 */
void sched_submit(struct sched *s, struct job_request *request, const struct job_observer *observer,
	void *context, struct job **handle);

/* The client asked for it: aborts upstream and reports `cancelled` through `done`, from within. */
void sched_cancel(struct sched *s, struct job *job);

/* The client is gone: no more calls, and the handle is forgotten. Not from within an observer's
 * call. What waits is dropped; what runs goes on when its answer can be cached. */
void sched_abandon(struct sched *s, struct job *job);

/* The client cannot take more for now, or can again. */
void sched_pause(struct sched *s, struct job *job, bool pause);

/*
 * Stops: refuses what comes and what waits; `stopped` is called once nothing runs any more, perhaps
 * from within. sched_abort ends what still runs.
 */
void sched_stop(struct sched *s, void (*stopped)(void *context), void *context);
void sched_abort(struct sched *s);

struct sched_stats {
	uint64_t accepted, done, failed, cancelled;
	uint64_t queued, running;
};
void sched_get_stats(const struct sched *s, struct sched_stats *to);

#endif
