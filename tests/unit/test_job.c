#include "unit.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "job.h"

static struct job *
make_job(int64_t deadline_ms)
{
	struct job_request request = {.deadline_ms = deadline_ms, .ttl_ms = -1};
	bytes_append_str(&request.model, "lab/small");
	bytes_append_str(&request.parameters, "{}");
	struct job *job = job_create(7, &request, 1000);
	assert_null(request.model.data);
	assert_null(request.parameters.data);
	return job;
}

static void
test_takes_the_request_over(void **state)
{
	struct job *job = make_job(500);
	assert_int_equal(job->id, 7);
	assert_int_equal(job->deadline_ms, 1500);
	assert_true(slice_is(
		(struct slice){job->request.model.data, job->request.model.len}, "lab/small"));
	job_destroy(job);
	job = make_job(0);
	assert_int_equal(job->deadline_ms, 0);
	job_destroy(job);
	job_destroy(NULL);
}

static bool
aborts(enum job_state from, enum job_state to)
{
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
		signal(SIGABRT, SIG_DFL);
		struct job job = {.state = from};
		job_set_state(&job, to);
		_exit(0);
	}
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

/* The drawing at the head of job.h, as a matrix: a row for each state it comes from. */
static const char *const drawn[JOB_STATES] = {
	/*                 rcv que res snt str don fai can */
	[JOB_RECEIVED] = ".q...df.",
	[JOB_QUEUED] = "..r...fc",
	[JOB_RESERVED] = ".q.s..fc",
	[JOB_SENT] = ".q..tdfc",
	[JOB_STREAMING] = ".....dfc",
	[JOB_DONE] = "........",
	[JOB_FAILED] = "........",
	[JOB_CANCELLED] = "........",
};

static void
test_only_the_drawn_transitions(void **state)
{
	for (int from = 0; from < JOB_STATES; from++) {
		for (int to = 0; to < JOB_STATES; to++)
			assert_int_equal(aborts((enum job_state)from, (enum job_state)to),
				drawn[from][to] == '.');
	}
}

static void
test_next_candidate(void **state)
{
	struct job *job = make_job(0);
	assert_null(job_next_candidate(job));
	job->candidates = calloc(3, sizeof *job->candidates);
	job->candidate_count = 3;
	assert_ptr_equal(job_next_candidate(job), &job->candidates[0]);
	job->candidates[0].not_before_ms = 50;
	job->candidates[1].not_before_ms = 20;
	job->candidates[2].not_before_ms = 20;
	assert_ptr_equal(job_next_candidate(job), &job->candidates[1]);
	job->candidates[1].dead = true;
	assert_ptr_equal(job_next_candidate(job), &job->candidates[2]);
	job->candidates[2].dead = true;
	assert_ptr_equal(job_next_candidate(job), &job->candidates[0]);
	job->candidates[0].dead = true;
	assert_null(job_next_candidate(job));
	job_destroy(job);
}

static void
test_attempts_are_kept(void **state)
{
	struct job *job = make_job(0);
	job->candidates = calloc(1, sizeof *job->candidates);
	job->candidate_count = 1;
	job->candidates[0].model = slice_of("small");
	job->current = &job->candidates[0];
	char error[] = "rate limit";
	job_add_attempt(job, 429, error, 12);
	error[0] = 'X';
	job_add_attempt(job, 200, "", 34);
	assert_int_equal(job->attempt_count, 2);
	assert_string_equal(job->attempts[0].error, "rate limit");
	assert_null(job->attempts[1].error);
	assert_int_equal(job->attempts[1].ms, 34);
	job_destroy(job);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_takes_the_request_over),
		cmocka_unit_test(test_only_the_drawn_transitions),
		cmocka_unit_test(test_next_candidate),
		cmocka_unit_test(test_attempts_are_kept),
	};
	return cmocka_run_group_tests_name("job", tests, NULL, NULL);
}
