#include "dispatch_internal.h"

#include <string.h>

#include "config.h"
#include "log.h"
#include "submit.h"

static void
send_failure(struct session *s, uint32_t msgid, const struct failure *failure)
{
	struct bytes *out = &session_shared(s)->scratch;
	msgpack_packer packer;
	bytes_clear(out);
	message_begin_error(out, &packer, msgid);
	failure_encode(&packer, failure);
	message_end_error(&packer);
	session_send(s, out->data, out->len);
}

void
dispatch_send_error(struct session *s, uint32_t msgid, enum error_code code, const char *text)
{
	const struct failure failure = {.code = code, .message = slice_of(text)};
	log_debug("session %llu: request %u: %s: %s", (unsigned long long)session_id(s), msgid,
		error_name(code), text);
	send_failure(s, msgid, &failure);
}

/* An error that belongs to no request. */
static void
notify_error(struct session *s, enum error_code code, const char *text)
{
	struct bytes *out = &session_shared(s)->scratch;
	const struct failure failure = {.code = code, .message = slice_of(text)};
	msgpack_packer packer;
	bytes_clear(out);
	message_begin_notification(out, &packer, MESSAGE_ERROR);
	failure_encode(&packer, &failure);
	session_send(s, out->data, out->len);
}

static void
refuse(struct session *s, bool has_msgid, uint32_t msgid, enum error_code code, const char *text)
{
	log_info("session %llu (pid %d): %s: %s", (unsigned long long)session_id(s),
		(int)session_peer(s)->pid, error_name(code), text);
	if (has_msgid)
		dispatch_send_error(s, msgid, code, text);
	else
		notify_error(s, code, text);
	session_discard(s);
}

void
dispatch_refuse_frame(struct session *s, const struct scan *scan, enum scan_result why)
{
	bool has_msgid = scan->is_request && scan->has_msgid;
	char text[160];
	switch (why) {
	case SCAN_TOO_LARGE:
		snprintf(text, sizeof text, "the message is larger than %zu bytes (max_frame)",
			scan->cap);
		refuse(s, has_msgid, scan->msgid, ERROR_TOO_LARGE, text);
		break;
	case SCAN_TOO_DEEP:
		snprintf(text, sizeof text, "the message is nested deeper than %d",
			SCAN_MAX_NESTING);
		refuse(s, has_msgid, scan->msgid, ERROR_BAD_REQUEST, text);
		break;
	default:
		refuse(s, has_msgid, scan->msgid, ERROR_BAD_REQUEST, "this is not MessagePack");
		break;
	}
}

static void
dispatch_hello(struct session *s, const struct message *message)
{
	struct session_shared *shared = session_shared(s);
	const struct config *config = shared->parts.config;
	struct bytes why = {0};
	struct hello hello;
	if (!hello_decode(message->params, &hello, &why)) {
		dispatch_send_error(s, message->msgid, ERROR_BAD_REQUEST, bytes_cstr(&why));
	} else if (hello.protocol > PROTOCOL_VERSION) {
		bytes_printf(&why,
			"this freellmd speaks protocol %d, and the client asks for %lld; use a "
			"client of version %s",
			PROTOCOL_VERSION, (long long)hello.protocol, FREELLM_VERSION);
		dispatch_send_error(s, message->msgid, ERROR_BAD_REQUEST, bytes_cstr(&why));
	} else {
		const struct hello_result result = {
			.server = slice_of("freellmd"),
			.version = slice_of(FREELLM_VERSION),
			.protocol = PROTOCOL_VERSION,
			.frame_bytes = config->max_frame,
			.nesting = SCAN_MAX_NESTING,
			.jobs = config->max_session_jobs,
		};
		msgpack_packer packer;
		bytes_clear(&shared->scratch);
		message_begin_result(&shared->scratch, &packer, message->msgid);
		hello_result_encode(&packer, &result);
		session_send(s, shared->scratch.data, shared->scratch.len);
	}
	bytes_finish(&why);
}

static const struct {
	const char *name;
	dispatch_method *handle;
} methods[] = {
	{"submit", dispatch_submit},
	{"hello", dispatch_hello},
	{"cancel", dispatch_cancel},
	{"status", dispatch_status},
	{"models", dispatch_models},
};

static void
handle_request(struct session *s, const struct message *message)
{
	enum error_code refusal = session_refusal(s);
	if (refusal != ERROR_NONE) {
		refuse(s, true, message->msgid, refusal,
			refusal == ERROR_UNAUTHORIZED
				? "you may not use this freellmd; its owner can add you to "
				  "allow_users or allow_groups"
				: "too many clients are connected (max_sessions); try again later");
		return;
	}
	if (message->params_problem) {
		dispatch_send_error(s, message->msgid, ERROR_BAD_REQUEST, message->params_problem);
		return;
	}
	for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
		if (slice_is(message->method, methods[i].name)) {
			methods[i].handle(s, message);
			return;
		}
	}
	dispatch_send_error(s, message->msgid, ERROR_BAD_REQUEST,
		"unknown method; this freellmd knows submit, hello, cancel, status and models");
}

void
dispatch_frame(struct session *s, const char *data, size_t len)
{
	struct session_shared *shared = session_shared(s);
	msgpack_object object;
	struct message message;
	size_t offset = 0;
	bool has_msgid = false;

	msgpack_zone_clear(&shared->zone);
	msgpack_unpack_return unpacked = msgpack_unpack(data, len, &offset, &shared->zone, &object);
	if ((unpacked != MSGPACK_UNPACK_SUCCESS && unpacked != MSGPACK_UNPACK_EXTRA_BYTES)) {
		refuse(s, false, 0, ERROR_BAD_REQUEST, "the message cannot be decoded");
		return;
	}
	message = (struct message){0};
	const char *wrong = message_decode(&object, &message, &has_msgid);
	if (wrong)
		refuse(s, has_msgid, message.msgid, ERROR_BAD_REQUEST, wrong);
	else if (message.kind == MESSAGE_REQUEST)
		handle_request(s, &message);
	else if (message.kind == MESSAGE_NOTIFICATION)
		log_debug("session %llu: notification '%.*s' ignored",
			(unsigned long long)session_id(s), (int)message.method.len,
			message.method.data);
	else
		refuse(s, false, 0, ERROR_BAD_REQUEST,
			"a response, but nothing was asked of this client");
}
