/*
 * freellm_submit: one request, from its bytes to its response.
 */
#include <errno.h>

#include "event.h"
#include "handle.h"
#include "message.h"
#include "request.h"
#include "result.h"
#include "scan.h"
#include "submit.h"

enum { CANCEL_MS = 2000 }; /* how long the daemon may take to answer a cancel */

/*
 * waiting -> giving up -> over. Giving up (`reason` is set: cancelled or timed out) ends with the
 * daemon's answer, after CANCEL_MS, or with a second cancel, and nothing is told any more.
 */
struct call {
	struct freellm *f;
	uint32_t msgid;
	struct event_sink sink;
	int reason;       /* 0, -ECANCELED or -ETIMEDOUT */
	int64_t deadline; /* handle_now() at which to give up, or to stop waiting for that */
	int64_t next_tick;
	struct freellm_result *result;
};

static int
fail_encode(struct freellm *f, enum scan_result found)
{
	if (found == SCAN_TOO_DEEP)
		return trouble_set(&f->trouble, -E2BIG, TROUBLE_BAD_REQUEST,
			"the request's JSON is nested too deeply");
	return trouble_set(&f->trouble, -EMSGSIZE, TROUBLE_TOO_LARGE,
		"the request is larger than the %lld bytes or %d values that freellmd takes",
		(long long)f->frame_bytes, SCAN_MAX_VALUES);
}

/* The daemon's own scanner says beforehand whether it would refuse. */
static int
check_size(struct freellm *f, const struct bytes *packed)
{
	struct scan scan;
	size_t used;
	size_t cap = f->frame_bytes > 0 ? (size_t)f->frame_bytes : SIZE_MAX;
	scan_init(&scan, cap);
	enum scan_result found = scan_feed(&scan, packed->data, packed->len, &used);
	return found == SCAN_DONE ? 0 : fail_encode(f, found);
}

static int
gave_up(struct call *call)
{
	struct trouble *t = &call->f->trouble;
	if (call->reason == -ETIMEDOUT)
		return trouble_set(t, call->reason, TROUBLE_TIMED_OUT,
			"there was no answer within %lld ms", (long long)call->f->timeout_ms);
	return trouble_set(t, call->reason, TROUBLE_CANCELLED, "cancelled");
}

/* The bound on the whole call may be reached before there is a connection. */
static int
connect_in_time(struct call *call)
{
	int error = handle_connect(call->f, call->deadline);
	if (error != -ETIMEDOUT || handle_now() < call->deadline)
		return error;
	call->reason = error;
	return gave_up(call);
}

static int
begin(struct call *call, const struct freellm_request *request)
{
	struct freellm *f = call->f;
	struct bytes packed = {0};
	const char *why = NULL;
	call->msgid = f->msgid++;
	int error = request_encode(request, &packed, call->msgid, &why);
	if (error) {
		trouble_set(&f->trouble, error, TROUBLE_BAD_REQUEST, "%s", why);
		goto out;
	}
	if (packed.failed) {
		error = handle_connection_failed(f, -ENOMEM);
		goto out;
	}
	error = connect_in_time(call);
	if (error == 0)
		error = check_size(f, &packed);
	if (error == 0 && handle_cancels(f) > 0)
		error = trouble_set(&f->trouble, -ECANCELED, TROUBLE_CANCELLED, "cancelled");
	if (error == 0 && f->connection.out.len == 0) {
		f->connection.out = packed;
		return 0;
	}
	if (error == 0) /* behind what the last call left */
		bytes_append(&f->connection.out, packed.data, packed.len);
out:
	bytes_finish(&packed);
	return error;
}

static int
give_up(struct call *call, int reason)
{
	msgpack_packer packer;
	struct freellm *f = call->f;
	call->reason = reason;
	call->deadline = handle_now() + CANCEL_MS;
	call->sink.stopped = true;
	message_begin_request(&f->connection.out, &packer, f->msgid++, "cancel");
	cancel_encode(&packer, call->msgid);
	return 0;
}

static int
take_completion(struct call *call, const msgpack_object *object)
{
	struct completion completion;
	int error = completion_decode(object, &completion)
			    ? result_of_completion(&completion, &call->result)
			    : -EPROTO;
	return error ? handle_connection_failed(call->f, error) : 1;
}

/* The result is made while the bytes are there that it is made from. */
static int
take_error(struct call *call, const msgpack_object *object)
{
	struct failure failure;
	int error = handle_refused(call->f, object, &failure);
	if (error == -EREMOTEIO)
		(void)!result_of_trouble(
			&call->f->trouble, failure.attempts, failure.attempt_count, &call->result);
	return error;
}

/* As all steps of the loop: 1 when the call has its answer, 0 to go on, or its error. */
static int
take_response(struct call *call, const struct message *message)
{
	if (message->msgid != call->msgid)
		return 0;
	if (call->reason)
		return gave_up(call);
	if (message->error != NULL)
		return take_error(call, message->error);
	return take_completion(call, message->result);
}

static int
take_notification(struct call *call, const struct message *message)
{
	struct event event;
	if (slice_is(message->method, MESSAGE_ERROR)) {
		int error = take_error(call, message->params);
		freellm_disconnect(call->f);
		return error;
	}
	if (!event_decode(message->method, message->params, &event) || event.msgid != call->msgid)
		return 0;
	int error = event_sink_tell(&call->sink, &event);
	return error ? handle_connection_failed(call->f, error) : 0;
}

static int
take(struct call *call, const msgpack_object *object)
{
	struct message message;
	bool has_msgid;
	if (message_decode(object, &message, &has_msgid) != NULL)
		return handle_connection_failed(call->f, -EPROTO);
	switch (message.kind) {
	case MESSAGE_RESPONSE:
		return take_response(call, &message);
	case MESSAGE_NOTIFICATION:
		return take_notification(call, &message);
	case MESSAGE_REQUEST:
		break;
	}
	return 0;
}

/* What is due without any message. */
static int
look_around(struct call *call)
{
	int cancels = handle_cancels(call->f);
	int64_t now = handle_now();
	if (call->reason == 0 && (cancels > 0 || call->sink.stopped))
		return give_up(call, -ECANCELED);
	if (call->reason == 0 && now >= call->deadline)
		return give_up(call, -ETIMEDOUT);
	if (call->reason != 0 && (cancels > 1 || now >= call->deadline)) {
		freellm_disconnect(call->f);
		return gave_up(call);
	}
	if (call->reason == 0 && now >= call->next_tick) {
		call->next_tick = now + call->f->tick_ms;
		event_sink_tick(&call->sink);
	}
	return 0;
}

static int
step(struct call *call, msgpack_unpacked *unpacked)
{
	struct freellm *f = call->f;
	int done = look_around(call);
	if (done != 0)
		return done;
	int got = connection_next(&f->connection, unpacked);
	if (got > 0)
		return take(call, &unpacked->data);
	if (got < 0 && call->reason) {
		freellm_disconnect(f);
		return gave_up(call);
	}
	if (got == 0 && !(call->sink.stopped && call->reason == 0)) {
		int64_t until = call->deadline;
		if (call->reason == 0 && call->next_tick < until)
			until = call->next_tick;
		got = connection_wait(&f->connection, f->wake_fd, handle_timeout(until));
	}
	return got < 0 ? handle_connection_failed(f, got) : 0;
}

static int
run(struct call *call)
{
	msgpack_unpacked unpacked;
	int done = 0;
	int64_t now = handle_now();
	call->next_tick = call->f->tick_ms > 0 ? now + call->f->tick_ms : INT64_MAX;
	msgpack_unpacked_init(&unpacked);
	while (done == 0)
		done = step(call, &unpacked);
	msgpack_unpacked_destroy(&unpacked);
	return done > 0 ? 0 : done;
}

int
freellm_submit(struct freellm *f, const struct freellm_request *request, freellm_event_cb *callback,
	void *context, struct freellm_result **result)
{
	int64_t now = handle_now();
	struct call call = {
		.f = f,
		.sink = {.callback = callback, .context = context, .started = now},
		.deadline = f->timeout_ms > 0 ? now + f->timeout_ms : INT64_MAX,
	};
	trouble_clear(&f->trouble);
	int error = begin(&call, request);
	if (error == 0)
		error = run(&call);
	event_sink_finish(&call.sink);
	handle_forget_cancels(f);
	/* Without memory there is no result, and the error stays what it was. */
	if (error != 0 && call.result == NULL)
		(void)!result_of_trouble(&f->trouble, NULL, 0, &call.result);
	if (result != NULL)
		*result = call.result;
	else
		freellm_result_destroy(call.result);
	return error;
}
