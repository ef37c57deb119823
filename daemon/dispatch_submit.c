/*
 * submit and cancel: a client's requests in flight, and what is sent back about them.
 */
#include "dispatch_internal.h"

#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "config.h"
#include "job.h"
#include "json_msgpack.h"
#include "sched.h"
#include "submit.h"

enum {
	KEEP_SCRATCH_BYTES = 64 * 1024,
	REST_OF_PARAMETERS = 256,               /* usually */
	MESSAGE_NESTING = SCAN_MAX_NESTING - 3, /* below [1, msgid, nil, {message: ...}] */
	DELTA_NESTING = SCAN_MAX_NESTING - 3,   /* below [2, "chunk", [{delta: ...}]] */
};

/* A request in flight. Freed by `done`, or when its client goes. */
struct pending {
	struct pending *previous, *next;
	struct session *session;
	struct job *job; /* NULL before it is taken in, and after its end */
	uint32_t msgid;
};

static void
pending_link(struct session *s, struct pending *p)
{
	struct pending **list = session_pending(s);
	p->next = *list;
	if (p->next)
		p->next->previous = p;
	*list = p;
	++*session_pending_count(s);
}

static void
pending_destroy(struct pending *p)
{
	if (p->previous)
		p->previous->next = p->next;
	else
		*session_pending(p->session) = p->next;
	if (p->next)
		p->next->previous = p->previous;
	--*session_pending_count(p->session);
	free(p);
}

static struct pending *
pending_find(struct session *s, uint32_t msgid)
{
	struct pending *p = *session_pending(s);
	while (p && p->msgid != msgid)
		p = p->next;
	return p;
}

/* The message that was made in the shared buffer, whose memory is given back when it was a large
 * one. */
static void
send_scratch(struct pending *p)
{
	struct bytes *out = &session_shared(p->session)->scratch;
	session_send(p->session, out->data, out->len);
	if (out->cap > KEEP_SCRATCH_BYTES)
		bytes_finish(out);
}

static void
send_event(struct pending *p, struct event *event)
{
	struct bytes *out = &session_shared(p->session)->scratch;
	msgpack_packer packer;
	event->msgid = p->msgid;
	bytes_clear(out);
	message_begin_notification(out, &packer, event_name(event->kind));
	event_encode(&packer, event);
	if (event->kind == EVENT_CHUNK)
		send_scratch(p);
	else
		session_send_soon(p->session, out->data, out->len);
}

static void
on_queued(void *context, int64_t position, int64_t eta_ms, const char *reason)
{
	send_event(context, &(struct event){
				    .kind = EVENT_QUEUED,
				    .position = position,
				    .eta_ms = eta_ms,
				    .reason = slice_of(reason),
			    });
}

static void
send_target_event(struct pending *p, enum event_kind kind, const struct job_candidate *target,
	const char *reason)
{
	struct bytes name = {0};
	bytes_printf(&name, "%s/%.*s", target->provider->name, (int)target->model.len,
		target->model.data);
	send_event(p, &(struct event){
			      .kind = kind,
			      .target = {name.data, name.len},
			      .reason = slice_of(reason),
		      });
	bytes_finish(&name);
}

static void
on_started(void *context, const struct job_candidate *target)
{
	send_target_event(context, EVENT_STARTED, target, NULL);
}

static void
on_retrying(void *context, const struct job_candidate *target, const char *reason)
{
	send_target_event(context, EVENT_RETRYING, target, reason);
}

static void
on_delta(void *context, const struct delta *delta)
{
	struct event event = {.kind = EVENT_CHUNK};
	struct bytes packed = {0};
	if (delta->kind == DELTA_TEXT) {
		event.text = delta->data;
	} else {
		if (!json_to_msgpack(&packed, delta->data, DELTA_NESTING))
			return; /* nested too deeply for any client; the whole message says so too */
		event.delta_packed = (struct slice){packed.data, packed.len};
	}
	send_event(context, &event);
	bytes_finish(&packed);
}

static size_t
report_attempts(const struct job *job, struct attempt_report *to)
{
	size_t count = job->attempt_count < ATTEMPTS_MAX ? job->attempt_count : ATTEMPTS_MAX;
	for (size_t i = 0; i < count; i++) {
		const struct job_attempt *a = &job->attempts[i];
		to[i] = (struct attempt_report){
			.provider = slice_of(a->provider->name),
			.model = a->model,
			.status = a->status,
			.error = slice_of(a->error),
			.ms = a->ms,
		};
	}
	return count;
}

static void
send_completion(struct pending *p, const struct job *job, const struct job_result *result)
{
	struct bytes *out = &session_shared(p->session)->scratch;
	const struct answer_view *answer = result->answer;
	struct bytes message = {0};
	msgpack_packer packer;
	int64_t now = clock_boottime_ms();
	/* One that nests too deeply for any client is given as its text alone. */
	if (answer->message.len > 0)
		(void)json_to_msgpack(&message, answer->message, MESSAGE_NESTING);

	struct completion completion;
	completion.attempt_count = report_attempts(job, completion.attempts);
	completion.text = answer->text;
	completion.message_packed = (struct slice){message.data, message.len};
	completion.message = NULL;
	completion.finish_reason = answer->finish_reason;
	completion.usage = (struct completion_usage){
		answer->usage.prompt_tokens,
		answer->usage.completion_tokens,
		answer->usage.total_tokens,
	};
	completion.provider = answer->provider;
	completion.model = answer->model;
	completion.cached = result->cached;
	completion.coalesced = false;
	completion.queued_ms = job->started_ms < 0 ? 0 : job->started_ms - job->received_ms;
	completion.first_token_ms =
		job->first_delta_ms < 0 ? -1 : job->first_delta_ms - job->received_ms;
	completion.total_ms = now - job->received_ms;

	bytes_clear(out);
	message_begin_result(out, &packer, p->msgid);
	completion_encode(&packer, &completion);
	send_scratch(p);
	bytes_finish(&message);
}

static void
send_failure(struct pending *p, const struct job *job, const struct job_result *result)
{
	struct bytes *out = &session_shared(p->session)->scratch;
	msgpack_packer packer;
	struct failure failure;
	failure.code = result->code;
	failure.message = slice_of(result->message);
	failure.retry_at_ms = result->retry_at_ms;
	failure.attempt_count = report_attempts(job, failure.attempts);

	bytes_clear(out);
	message_begin_error(out, &packer, p->msgid);
	failure_encode(&packer, &failure);
	message_end_error(&packer);
	send_scratch(p);
}

static void
on_done(void *context, const struct job *job, const struct job_result *result)
{
	struct pending *p = context;
	if (result->code == ERROR_NONE)
		send_completion(p, job, result);
	else
		send_failure(p, job, result);
	pending_destroy(p);
}

static const struct job_observer observer = {
	.queued = on_queued,
	.started = on_started,
	.delta = on_delta,
	.retrying = on_retrying,
	.done = on_done,
};

static const char *
not_yet(const struct submit *submit)
{
	if (submit->detach)
		return "detach: this version answers only attached requests";
	if (submit->task.len || submit->complexity.len)
		return "task, complexity: this version has no routes; name a model";
	if (submit->privacy.len)
		return "privacy: this version cannot honour it, and will not pretend to; name a "
		       "model that suits";
	return NULL;
}

static const enum job_cache cache_modes[] = {
	[CACHE_DEFAULT] = JOB_CACHE_USE,
	[CACHE_USE] = JOB_CACHE_USE,
	[CACHE_REFRESH] = JOB_CACHE_REFRESH,
	[CACHE_ONLY] = JOB_CACHE_ONLY,
	[CACHE_OFF] = JOB_CACHE_OFF,
};

static const enum job_class classes[] = {
	[CLASS_NORMAL] = JOB_NORMAL,
	[CLASS_INTERACTIVE] = JOB_INTERACTIVE,
	[CLASS_BATCH] = JOB_BATCH,
};

/* From the message to what the scheduler takes. Returns false with the reason in `why`. */
static bool
make_request(
	struct session *s, const struct message *message, struct job_request *to, struct bytes *why)
{
	struct submit submit;
	if (!submit_decode(message->params, &submit, why))
		return false;
	const char *missing = not_yet(&submit);
	if (missing) {
		bytes_append_str(why, missing);
		return false;
	}
	*to = (struct job_request){
		.uid = session_peer(s)->uid,
		.stream = submit.stream,
		.cache = cache_modes[submit.cache],
		.class = classes[submit.class],
		.ttl_ms = submit.ttl_s < 0 ? -1 : submit.ttl_s * 1000,
		.deadline_ms = submit.deadline_ms,
	};
	bytes_append(&to->model, submit.model.data, submit.model.len);
	(void)bytes_reserve(&to->parameters, submit.prompt.len + REST_OF_PARAMETERS);
	if (submit_body_to_json(&to->parameters, &submit, why) == VALUE_OK &&
		!to->parameters.failed)
		return true;
	if (why->len == 0)
		bytes_append_str(why, "there is no memory for the request");
	job_request_finish(to);
	return false;
}

void
dispatch_submit(struct session *s, const struct message *message)
{
	const struct session_parts *parts = &session_shared(s)->parts;
	struct bytes why = {0};
	struct job_request request;
	if (pending_find(s, message->msgid)) {
		dispatch_send_error(s, message->msgid, ERROR_BAD_REQUEST,
			"this msgid belongs to a request that is still running");
	} else if ((int64_t)*session_pending_count(s) >= parts->config->max_session_jobs) {
		dispatch_send_error(s, message->msgid, ERROR_CLIENT_LIMIT,
			"too many requests at once on this connection (max_session_jobs)");
	} else if (!make_request(s, message, &request, &why)) {
		dispatch_send_error(
			s, message->msgid, ERROR_BAD_REQUEST, bytes_cstr(&why) ? why.data : "");
	} else {
		struct pending *p = calloc(1, sizeof *p);
		if (p == NULL)
			abort();
		p->session = s;
		p->msgid = message->msgid;
		pending_link(s, p);
		/* A cached answer's chunks leave together with its result; corking delays no live
		 * stream, which does not begin from within. */
		session_cork(s);
		sched_submit(parts->sched, &request, &observer, p, &p->job);
		session_uncork(s);
	}
	bytes_finish(&why);
}

void
dispatch_cancel(struct session *s, const struct message *message)
{
	struct session_shared *shared = session_shared(s);
	struct bytes why = {0};
	uint32_t msgid;
	if (!cancel_decode(message->params, &msgid, &why)) {
		dispatch_send_error(
			s, message->msgid, ERROR_BAD_REQUEST, bytes_cstr(&why) ? why.data : "");
		bytes_finish(&why);
		return;
	}
	struct pending *p = pending_find(s, msgid);
	bool found = p && p->job;
	if (found)
		sched_cancel(shared->parts.sched, p->job);
	msgpack_packer packer;
	bytes_clear(&shared->scratch);
	message_begin_result(&shared->scratch, &packer, message->msgid);
	cancel_result_encode(&packer, found);
	session_send(s, shared->scratch.data, shared->scratch.len);
	bytes_finish(&why);
}

void
dispatch_pause(struct session *s, bool pause)
{
	struct sched *sched = session_shared(s)->parts.sched;
	for (struct pending *p = *session_pending(s), *next; p; p = next) {
		next = p->next;
		if (p->job)
			sched_pause(sched, p->job, pause);
	}
}

void
dispatch_abandon(struct session *s)
{
	struct sched *sched = session_shared(s)->parts.sched;
	struct pending *p;
	while ((p = *session_pending(s)) != NULL) {
		struct job *job = p->job;
		pending_destroy(p);
		if (job)
			sched_abandon(sched, job);
	}
}
