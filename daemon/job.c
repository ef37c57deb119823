#include "job.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define TO(state) (1U << JOB_##state)

static const struct {
	const char *name;
	unsigned may_follow;
} states[JOB_STATES] = {
	[JOB_RECEIVED] = {"received", TO(QUEUED) | TO(DONE) | TO(FAILED)},
	[JOB_QUEUED] = {"queued", TO(RESERVED) | TO(FAILED) | TO(CANCELLED)},
	[JOB_RESERVED] = {"reserved", TO(SENT) | TO(QUEUED) | TO(FAILED) | TO(CANCELLED)},
	[JOB_SENT] = {"sent", TO(STREAMING) | TO(QUEUED) | TO(DONE) | TO(FAILED) | TO(CANCELLED)},
	[JOB_STREAMING] = {"streaming", TO(DONE) | TO(FAILED) | TO(CANCELLED)},
	[JOB_DONE] = {"done", 0},
	[JOB_FAILED] = {"failed", 0},
	[JOB_CANCELLED] = {"cancelled", 0},
};

void
job_request_finish(struct job_request *r)
{
	bytes_finish(&r->model);
	bytes_finish(&r->parameters);
}

struct job *
job_create(uint64_t id, struct job_request *request, int64_t now_ms)
{
	struct job *job = calloc(1, sizeof *job);
	if (job == NULL)
		abort();
	job->id = id;
	job->request = *request;
	memset(&request->model, 0, sizeof request->model);
	memset(&request->parameters, 0, sizeof request->parameters);
	job->received_ms = now_ms;
	job->started_ms = job->first_delta_ms = -1;
	if (job->request.deadline_ms > 0)
		job->deadline_ms = now_ms + job->request.deadline_ms;
	return job;
}

void
job_destroy(struct job *job)
{
	if (job == NULL)
		return;
	assert(job->attempt == NULL);
	for (size_t i = 0; i < job->attempt_count; i++)
		free(job->attempts[i].error);
	free(job->attempts);
	free(job->candidates);
	job_request_finish(&job->request);
	free(job);
}

void
job_set_state(struct job *job, enum job_state state)
{
	if (!(states[job->state].may_follow & (1U << state)))
		abort();
	job->state = state;
}

const char *
job_state_name(enum job_state state)
{
	return states[state].name;
}

void
job_add_attempt(struct job *job, int status, const char *error, int64_t ms)
{
	struct job_attempt *attempts =
		realloc(job->attempts, (job->attempt_count + 1) * sizeof *attempts);
	if (attempts == NULL)
		abort();
	job->attempts = attempts;
	struct job_attempt *a = &attempts[job->attempt_count++];
	*a = (struct job_attempt){
		.provider = job->current->provider,
		.model = job->current->model,
		.status = status,
		.ms = ms,
	};
	if (error && *error && (a->error = strdup(error)) == NULL)
		abort();
}

struct job_candidate *
job_next_candidate(const struct job *job)
{
	struct job_candidate *best = NULL;
	for (size_t i = 0; i < job->candidate_count; i++) {
		struct job_candidate *c = &job->candidates[i];
		if (!c->dead && (best == NULL || c->not_before_ms < best->not_before_ms))
			best = c;
	}
	return best;
}
