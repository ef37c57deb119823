/*
 * Shared by sched.c (what runs when), sched_admit.c (the way in) and sched_outcome.c (what the end
 * of an attempt means), and by nobody else.
 */
#ifndef FREELLMD_SCHED_INTERNAL_H
#define FREELLMD_SCHED_INTERNAL_H

#include "attempt.h"
#include "sched.h"

struct job_list {
	struct job *first, *last;
	size_t count;
};

struct sched {
	struct sched_parts parts;
	uv_timer_t timer;
	struct job_list ready;     /* JOB_QUEUED, may run as soon as there is room; oldest first */
	struct job_list delayed;   /* JOB_QUEUED, not before a time; the earliest first */
	struct job_list running;   /* JOB_SENT and JOB_STREAMING */
	int64_t ready_deadline_ms; /* no deadline on `ready` is before this; 0: none has one */
	uint64_t last_id;
	struct sched_stats stats;
	bool stopping, passing, again;
	void (*stopped)(void *context);
	void *stopped_context;
};

void job_list_remove(struct job_list *list, struct job *job);

/* Puts a job in the queue for its next candidate, now or when that may be tried; says so to its
 * client. */
void sched_enqueue(struct sched *s, struct job *job, const char *reason);

/* Does all work that is due. */
void sched_pass(struct sched *s);

/* The end: off every list, reported, gone. */
void sched_finish(
	struct sched *s, struct job *job, enum job_state state, const struct job_result *result);
void sched_fail(struct sched *s, struct job *job, enum error_code code, int64_t retry_at_ms,
	const char *format, ...) __attribute__((format(printf, 5, 6)));

/* The context of both is the job, whose scheduler is job->sched. */
void sched_on_delta(void *context, const struct delta *delta);
void sched_on_end(void *context, const struct attempt_result *result);

/* Boot time to Unix time, for what a client is told. */
int64_t sched_unix_time(int64_t boottime_ms);

#endif
