/*
 * One completion request on its way through the daemon. Pure: the record, its states, and what is
 * reported of it.
 *
 *   received -> queued -> reserved -> sent -> streaming -> done | failed | cancelled
 *                  ^________________________|  a retry that is allowed
 *
 * State is which list a job is on; job_set_state is the one setter, and a transition not drawn
 * above aborts.
 */
#ifndef FREELLMD_JOB_H
#define FREELLMD_JOB_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "answer.h"
#include "bytes.h"
#include "catalog.h"
#include "error.h"

struct attempt;
struct job;
struct sched;

enum job_state {
	JOB_RECEIVED,
	JOB_QUEUED,
	JOB_RESERVED,
	JOB_SENT,
	JOB_STREAMING,
	JOB_DONE,
	JOB_FAILED,
	JOB_CANCELLED,
	JOB_STATES,
};

enum job_cache { JOB_CACHE_USE, JOB_CACHE_REFRESH, JOB_CACHE_ONLY, JOB_CACHE_OFF };
enum job_class { JOB_NORMAL, JOB_INTERACTIVE, JOB_BATCH };

/* What was asked, free of any transport. */
struct job_request {
	struct bytes model;      /* "provider/model", a model id, or empty: the daemon chooses */
	struct bytes parameters; /* canonical JSON object: everything else for the provider */
	uid_t uid;
	bool stream;
	enum job_cache cache;
	enum job_class class;
	int64_t ttl_ms;      /* -1: the default */
	int64_t deadline_ms; /* from now; 0: none */
};

void job_request_finish(struct job_request *r);

/* A target the job may go to, and what is known about it so far. */
struct job_candidate {
	const struct provider *provider;
	struct slice model; /* in the catalogue, or in the request's own model */
	bool dead;          /* it cannot serve this job: key refused, model gone, credit spent */
	unsigned failures;
	int64_t not_before_ms; /* boot time */
};

struct job_attempt {
	const struct provider *provider;
	struct slice model;
	int status;
	char *error; /* NULL: it succeeded */
	int64_t ms;
};

/* The end of a job. */
struct job_result {
	enum error_code code; /* ERROR_NONE: there is an answer */
	const char *message;
	int64_t retry_at_ms;              /* Unix time; 0: none */
	const struct answer_view *answer; /* valid during the call */
	bool cached;
};

/*
 * Who waits for the job. Each call is about the job given; `done` is the last and comes exactly
 * once, unless the observer was taken away before.
 */
struct job_observer {
	void (*queued)(void *context, int64_t position, int64_t eta_ms, const char *reason);
	void (*started)(void *context, const struct job_candidate *target);
	void (*delta)(void *context, const struct delta *delta);
	void (*retrying)(void *context, const struct job_candidate *target, const char *reason);
	void (*done)(void *context, const struct job *job, const struct job_result *result);
};

struct job {
	struct sched *sched;         /* whose it is */
	struct job *previous, *next; /* of the list that its state names */
	uint64_t id;
	enum job_state state;
	struct job_request request;
	const struct job_observer *observer; /* NULL: nobody waits any more */
	void *context;
	struct job *
		*handle; /* the observer's name for the job, set to NULL at its end; may be NULL */

	struct job_candidate *candidates;
	size_t candidate_count;
	struct job_candidate *current;
	struct attempt *attempt; /* NULL when none runs */
	int64_t attempt_began_ms;
	const char *key; /* fingerprint of the key in use; NULL: none */

	struct job_attempt *attempts;
	size_t attempt_count;

	int64_t received_ms, started_ms, first_delta_ms; /* boot time; -1: not yet */
	int64_t not_before_ms;
	int64_t deadline_ms;        /* boot time; 0: none */
	bool paused, has_cache_key; /* has_cache_key: the answer may be stored */
	int64_t ttl_ms;
	unsigned char cache_key[32];
};

/* Takes the request over (the caller's is emptied). */
struct job *job_create(uint64_t id, struct job_request *request, int64_t now_ms);
void job_destroy(struct job *job);

void job_set_state(struct job *job, enum job_state state);
const char *job_state_name(enum job_state state);

/* Records a finished attempt at job->current. `error` is copied; NULL or "" for success. */
void job_add_attempt(struct job *job, int status, const char *error, int64_t ms);

/*
 * The candidate to try next: alive, and the earliest; the order of the list breaks ties. NULL: none
 * is left. The caller compares its not_before_ms with now.
 */
struct job_candidate *job_next_candidate(const struct job *job);

#endif
