#include "unit.h"

#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "completion.h"
#include "error.h"
#include "message.h"
#include "scan.h"
#include "status.h"
#include "submit.h"
#include "value.h"

/* A message on its way: encoded into `wire`, decoded into `object`. */
struct fixture {
	struct bytes wire;
	msgpack_packer packer;
	msgpack_unpacked unpacked;
	struct message message;
};

static int
set_up(void **state)
{
	*state = calloc(1, sizeof(struct fixture));
	return *state == NULL;
}

static int
tear_down(void **state)
{
	struct fixture *f = *state;
	msgpack_unpacked_destroy(&f->unpacked);
	bytes_finish(&f->wire);
	free(f);
	return 0;
}

/* Also: every truncation goes on, and the whole ends where the wire does. */
static void
receive(struct fixture *f)
{
	struct scan s;
	size_t used, off = 0;
	bool has_msgid;
	for (size_t cut = 0; cut < f->wire.len; cut++) {
		scan_init(&s, 1 << 20);
		assert_int_equal(scan_feed(&s, f->wire.data, cut, &used), SCAN_MORE);
	}
	scan_init(&s, 1 << 20);
	assert_int_equal(scan_feed(&s, f->wire.data, f->wire.len, &used), SCAN_DONE);
	assert_int_equal(used, f->wire.len);
	msgpack_unpacked_destroy(&f->unpacked);
	assert_int_equal(msgpack_unpack_next(&f->unpacked, f->wire.data, f->wire.len, &off),
		MSGPACK_UNPACK_SUCCESS);
	assert_int_equal(off, f->wire.len);
	assert_null(message_decode(&f->unpacked.data, &f->message, &has_msgid));
	assert_int_equal(has_msgid, f->message.kind != MESSAGE_NOTIFICATION);
	bytes_clear(&f->wire);
}

static void
assert_slice(struct slice got, const char *wanted)
{
	assert_int_equal(got.len, strlen(wanted));
	assert_memory_equal(got.data ? got.data : "", wanted, got.len);
}

static void
test_envelope(void **state)
{
	struct fixture *f = *state;
	const uint32_t ids[] = {0, 1, 127, 128, 65536, UINT32_MAX};
	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
		message_begin_request(&f->wire, &f->packer, ids[i], "status");
		msgpack_pack_map(&f->packer, 0);
		receive(f);
		assert_int_equal(f->message.kind, MESSAGE_REQUEST);
		assert_int_equal(f->message.msgid, ids[i]);
		assert_slice(f->message.method, "status");
		assert_int_equal(f->message.params->type, MSGPACK_OBJECT_MAP);
	}
}

/* The slices of *to point into freed memory afterwards, its sentences do not. */
static const char *
decode_error(const char *packed, size_t len, bool *has_msgid, struct message *to)
{
	msgpack_unpacked unpacked;
	size_t off = 0;
	msgpack_unpacked_init(&unpacked);
	assert_int_equal(msgpack_unpack_next(&unpacked, packed, len, &off), MSGPACK_UNPACK_SUCCESS);
	const char *why = message_decode(&unpacked.data, to, has_msgid);
	msgpack_unpacked_destroy(&unpacked);
	return why;
}

/* Params that are not ours cost one request, not the connection; a notification may have any, and
 * its method may be binary, as pynvim sends it. */
static void
test_bad_params(void **state)
{
	static const struct {
		const char *packed;
		size_t len;
		const char *part; /* of the sentence; NULL: they are good */
	} cases[] = {
		{"\x94\x00\x05\xa1m\x90", 6, NULL}, /* [] stands for no params */
		{"\x94\x00\x05\xa1m\x91\x80", 7, NULL},
		{"\x94\x00\x05\xc4\x01m\x91\x80", 8, NULL},
		{"\x93\x02\xa1m\x90", 5, NULL},
		{"\x93\x02\xc4\x01m\x95\xa1x\x80\xa1y\x80\x80", 13, "the params must be"},
		{"\x94\x00\x05\xa1m\x80", 6, "the params must be"},
		{"\x94\x00\x05\xa1m\xc0", 6, "the params must be"},
		{"\x94\x00\x05\xa1m\x91\x07", 7, "the only element"},
		{"\x94\x00\x05\xa1m\x92\x80\x80", 8, "the params must be"},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct message got;
		bool has_msgid;
		assert_null(decode_error(cases[i].packed, cases[i].len, &has_msgid, &got));
		assert_int_equal(has_msgid, got.kind == MESSAGE_REQUEST);
		assert_int_equal(got.msgid, has_msgid ? 5 : 0);
		assert_int_equal(got.method.len, 1);
		assert_int_equal(got.params_problem != NULL, cases[i].part != NULL);
		if (cases[i].part != NULL) {
			assert_non_null(strstr(got.params_problem, cases[i].part));
			assert_null(got.params);
		}
	}
}

static void
test_bad_envelopes(void **state)
{
	static const struct {
		const char *packed;
		size_t len;
		bool has_msgid;
		const char *part; /* of the sentence */
	} cases[] = {
		{"\xc0", 1, false, "must be an array"},
		{"\x90", 1, false, "must be an array"},
		{"\x80", 1, false, "must be an array"},
		{"\x91\x00", 2, false, "four elements"},
		{"\x94\x03\x05\xa1m\x90", 6, false, "must begin with"},
		{"\x94\xa1"
		 "0\x05\xa1m\x90",
			7, false, "must begin with"},
		{"\x94\xff\x05\xa1m\x90", 6, false, "must begin with"},
		{"\x93\x00\x05\xa1m", 5, true, "four elements"},
		{"\x94\x00\xa1"
		 "5\xa1m\x90",
			7, false, "msgid"},
		{"\x94\x00\xff\xa1m\x90", 6, false, "msgid"},
		{"\x94\x00\xcf\x00\x00\x00\x01\x00\x00\x00\x00\xa1m\x90", 14, false, "msgid"},
		{"\x94\x00\x05\x07\x90", 5, true, "method"},
		{"\x94\x02\x05\xa1m\x90", 6, false, "three elements"},
		{"\x94\x01\x05\xc0\xc0", 5, true, "either"},
		{"\x94\x01\x05\x80\x80", 5, true, "either"},
		{"\x94\x01\x05\xa1x\xc0", 6, true, "must be a map"},
		{"\x94\x01\x05\xc0\x07", 5, true, "must be a map"},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct message got;
		bool has_msgid;
		const char *why = decode_error(cases[i].packed, cases[i].len, &has_msgid, &got);
		assert_non_null(why);
		assert_non_null(strstr(why, cases[i].part));
		assert_int_equal(has_msgid, cases[i].has_msgid);
		if (has_msgid)
			assert_int_equal(got.msgid, 5);
	}
}

static void
test_hello(void **state)
{
	struct fixture *f = *state;
	struct bytes why = {0};
	struct hello got;
	message_begin_request(&f->wire, &f->packer, 1, "hello");
	hello_encode(&f->packer, &(struct hello){.protocol = 1, .client = slice_of("backup")});
	receive(f);
	assert_true(hello_decode(f->message.params, &got, &why));
	assert_int_equal(got.protocol, 1);
	assert_slice(got.client, "backup");
	assert_true(hello_decode(NULL, &got, &why));
	assert_int_equal(got.protocol, 0);
	assert_int_equal(why.len, 0);

	message_begin_request(&f->wire, &f->packer, 1, "hello");
	hello_encode(&f->packer, &(struct hello){.protocol = 2});
	receive(f);
	assert_false(hello_decode(f->message.params, &got, &why));
	assert_non_null(strstr(bytes_cstr(&why), "protocol 2"));
	bytes_clear(&why);

	message_begin_request(&f->wire, &f->packer, 1, "hello");
	hello_encode(&f->packer, &(struct hello){.protocol = 1, .client = slice_of("a\nb")});
	receive(f);
	assert_false(hello_decode(f->message.params, &got, &why));
	assert_non_null(strstr(bytes_cstr(&why), "`client`"));
	bytes_finish(&why);

	const struct hello_result sent = {.server = slice_of("freellmd"),
		.version = slice_of("0.1.0"),
		.protocol = 1,
		.frame_bytes = 16 << 20,
		.nesting = 16,
		.jobs = 256};
	struct hello_result result;
	message_begin_result(&f->wire, &f->packer, 1);
	hello_result_encode(&f->packer, &sent);
	receive(f);
	assert_true(hello_result_decode(f->message.result, &result));
	assert_slice(result.server, "freellmd");
	assert_slice(result.version, "0.1.0");
	assert_int_equal(result.protocol, 1);
	assert_int_equal(result.frame_bytes, 16 << 20);
	assert_int_equal(result.nesting, 16);
	assert_int_equal(result.jobs, 256);
	assert_false(hello_result_decode(NULL, &result));
}

static void
test_cancel(void **state)
{
	struct fixture *f = *state;
	struct bytes why = {0};
	uint32_t msgid = 0;
	bool cancelled = false;
	message_begin_request(&f->wire, &f->packer, 9, "cancel");
	cancel_encode(&f->packer, UINT32_MAX);
	receive(f);
	assert_true(cancel_decode(f->message.params, &msgid, &why));
	assert_int_equal(msgid, UINT32_MAX);
	assert_false(cancel_decode(NULL, &msgid, &why));
	assert_non_null(strstr(bytes_cstr(&why), "`msgid`"));
	bytes_finish(&why);
	for (int i = 0; i < 2; i++) {
		message_begin_result(&f->wire, &f->packer, 9);
		cancel_result_encode(&f->packer, i);
		receive(f);
		assert_true(cancel_result_decode(f->message.result, &cancelled));
		assert_int_equal(cancelled, i);
	}
	assert_false(cancel_result_decode(NULL, &cancelled));
}

static const struct attempt_report attempts_sent[2] = {
	{.provider = {"groq", 4}, .model = {"m", 1}, .status = 503, .error = {"busy", 4}, .ms = 12},
	{.provider = {"lab", 3}, .model = {"x/y", 3}, .status = 200, .ms = 34},
};

static void
assert_attempts(const struct attempt_report *got, size_t count)
{
	assert_int_equal(count, 2);
	assert_slice(got[0].provider, "groq");
	assert_slice(got[0].model, "m");
	assert_int_equal(got[0].status, 503);
	assert_slice(got[0].error, "busy");
	assert_int_equal(got[0].ms, 12);
	assert_slice(got[1].provider, "lab");
	assert_slice(got[1].model, "x/y");
	assert_int_equal(got[1].status, 200);
	assert_slice(got[1].error, "");
	assert_int_equal(got[1].ms, 34);
}

static void
test_completion(void **state)
{
	struct fixture *f = *state;
	struct completion sent = {.text = slice_of("forty-two"),
		.message_packed = {"\x81\xa4role\xa1"
				   "a",
			8},
		.finish_reason = slice_of("stop"),
		.usage = {3, 5, 9},
		.provider = slice_of("lab"),
		.model = slice_of("x/y"),
		.cached = true,
		.coalesced = true,
		.attempt_count = 2,
		.queued_ms = 7,
		.first_token_ms = 8,
		.total_ms = 10};
	struct completion got;
	memcpy(sent.attempts, attempts_sent, sizeof(attempts_sent));
	message_begin_result(&f->wire, &f->packer, 4);
	completion_encode(&f->packer, &sent);
	receive(f);
	assert_true(completion_decode(f->message.result, &got));
	assert_slice(got.text, "forty-two");
	assert_non_null(value_member(got.message, "role"));
	assert_slice(got.finish_reason, "stop");
	assert_int_equal(got.usage.prompt_tokens, 3);
	assert_int_equal(got.usage.completion_tokens, 5);
	assert_int_equal(got.usage.total_tokens, 9);
	assert_slice(got.provider, "lab");
	assert_slice(got.model, "x/y");
	assert_true(got.cached && got.coalesced);
	assert_attempts(got.attempts, got.attempt_count);
	assert_int_equal(got.queued_ms, 7);
	assert_int_equal(got.first_token_ms, 8);
	assert_int_equal(got.total_ms, 10);
}

static void
test_smallest_completion(void **state)
{
	struct fixture *f = *state;
	const struct completion sent = {.text = slice_of("so"),
		.usage = {-1, -1, -1},
		.provider = slice_of("p"),
		.model = slice_of("m"),
		.first_token_ms = -1};
	struct completion got;
	message_begin_result(&f->wire, &f->packer, 4);
	completion_encode(&f->packer, &sent);
	receive(f);
	assert_true(completion_decode(f->message.result, &got));
	struct slice role, content;
	assert_slice(got.text, "so");
	assert_true(value_slice(value_member(got.message, "role"), &role));
	assert_true(value_slice(value_member(got.message, "content"), &content));
	assert_int_equal(got.message->via.map.size, 2);
	assert_slice(role, "assistant");
	assert_slice(content, "so");
	assert_slice(got.finish_reason, "");
	assert_int_equal(got.usage.prompt_tokens, -1);
	assert_int_equal(got.usage.completion_tokens, -1);
	assert_int_equal(got.usage.total_tokens, -1);
	assert_int_equal(got.first_token_ms, -1);
	assert_int_equal(got.attempt_count, 0);
	assert_false(got.cached || got.coalesced);
	assert_false(completion_decode(NULL, &got));
}

static void
test_failure(void **state)
{
	struct fixture *f = *state;
	struct failure got;
	for (int code = ERROR_NONE + 1; code < ERROR_COUNT; code++) {
		struct failure sent = {.code = (enum error_code)code,
			.message = slice_of("try later"),
			.retry_at_ms = 1700000000123,
			.attempt_count = 2};
		memcpy(sent.attempts, attempts_sent, sizeof(attempts_sent));
		message_begin_error(&f->wire, &f->packer, 4);
		failure_encode(&f->packer, &sent);
		message_end_error(&f->packer);
		receive(f);
		assert_null(f->message.result);
		assert_true(failure_decode(f->message.error, &got));
		assert_int_equal(got.code, code);
		assert_slice(got.message, "try later");
		assert_int_equal(got.retry_at_ms, 1700000000123);
		assert_attempts(got.attempts, got.attempt_count);
	}
	message_begin_notification(&f->wire, &f->packer, MESSAGE_ERROR);
	msgpack_pack_map(&f->packer, 1);
	pack_name(&f->packer, "code");
	pack_name(&f->packer, "from_the_future");
	receive(f);
	assert_slice(f->message.method, "error");
	assert_true(failure_decode(f->message.params, &got));
	assert_int_equal(got.code, ERROR_INTERNAL);
	assert_int_equal(got.retry_at_ms, 0);
	assert_false(failure_decode(NULL, &got));
}

static void
test_too_many_attempts(void **state)
{
	struct fixture *f = *state;
	struct failure got;
	message_begin_error(&f->wire, &f->packer, 4);
	msgpack_pack_map(&f->packer, 2);
	pack_name(&f->packer, "code");
	pack_name(&f->packer, "internal");
	pack_name(&f->packer, "attempts");
	msgpack_pack_array(&f->packer, 1000);
	for (int i = 0; i < 1000; i++)
		msgpack_pack_map(&f->packer, 0);
	message_end_error(&f->packer);
	receive(f);
	assert_true(failure_decode(f->message.error, &got));
	assert_int_equal(got.attempt_count, ATTEMPTS_MAX);
}

static bool
send_event(struct fixture *f, const struct event *sent, struct event *got)
{
	message_begin_notification(&f->wire, &f->packer, event_name(sent->kind));
	event_encode(&f->packer, sent);
	receive(f);
	return event_decode(f->message.method, f->message.params, got);
}

static void
test_events(void **state)
{
	struct fixture *f = *state;
	struct event got;
	const struct event queued = {.kind = EVENT_QUEUED,
		.msgid = UINT32_MAX,
		.position = 3,
		.eta_ms = 1500,
		.reason = slice_of("groq: 30 requests per minute")};
	assert_true(send_event(f, &queued, &got));
	assert_int_equal(got.kind, EVENT_QUEUED);
	assert_int_equal(got.msgid, UINT32_MAX);
	assert_int_equal(got.position, 3);
	assert_int_equal(got.eta_ms, 1500);
	assert_slice(got.reason, "groq: 30 requests per minute");
	assert_true(send_event(f, &(struct event){.kind = EVENT_QUEUED, .eta_ms = -1}, &got));
	assert_int_equal(got.eta_ms, -1);
	assert_slice(got.reason, "");

	const struct event started = {.kind = EVENT_STARTED, .msgid = 1, .target = slice_of("p/m")};
	assert_true(send_event(f, &started, &got));
	assert_int_equal(got.kind, EVENT_STARTED);
	assert_int_equal(got.msgid, 1);
	assert_slice(got.target, "p/m");

	assert_true(send_event(
		f, &(struct event){.kind = EVENT_CHUNK, .msgid = 2, .text = slice_of("a")}, &got));
	assert_int_equal(got.kind, EVENT_CHUNK);
	assert_int_equal(got.msgid, 2);
	assert_slice(got.text, "a");
	assert_null(got.delta);
	const struct event delta = {
		.kind = EVENT_CHUNK, .msgid = 2, .delta_packed = {"\x81\xa1x\x07", 4}};
	assert_true(send_event(f, &delta, &got));
	assert_int_equal(value_member(got.delta, "x")->via.u64, 7);
	assert_null(got.text.data);

	const struct event retrying = {.kind = EVENT_RETRYING,
		.msgid = 3,
		.target = slice_of("p/m"),
		.reason = slice_of("503")};
	assert_true(send_event(f, &retrying, &got));
	assert_int_equal(got.kind, EVENT_RETRYING);
	assert_int_equal(got.msgid, 3);
	assert_slice(got.target, "p/m");
	assert_slice(got.reason, "503");
	assert_false(event_decode(slice_of("retrying"), NULL, &got));
	assert_false(event_decode(slice_of("unheard_of"), f->message.params, &got));
}

static void
test_status(void **state)
{
	struct fixture *f = *state;
	const struct status sent = {.version = slice_of("1.2"),
		.uptime_ms = 1,
		.sessions = 2,
		.jobs = {3, 4, 5, 6, 7, 8},
		.cache = {9, 10, 11, 12, 13, 14, 15, 16, 17}};
	struct status got;
	message_begin_result(&f->wire, &f->packer, 1);
	status_encode(&f->packer, &sent);
	receive(f);
	assert_true(status_decode(f->message.result, &got));
	assert_slice(got.version, "1.2");
	got.version = sent.version;
	assert_memory_equal(&got, &sent, sizeof(got));
	assert_false(status_decode(NULL, &got));
}

static void
test_models(void **state)
{
	struct fixture *f = *state;
	const struct model_report sent = {.provider = slice_of("lab"),
		.model = slice_of("x/y"),
		.usable = true,
		.context = 32768,
		.good_at = slice_of("code"),
		.trains_on_prompts = slice_of("no")};
	struct model_report got;
	message_begin_result(&f->wire, &f->packer, 1);
	models_begin(&f->packer, 2);
	model_report_encode(&f->packer, &sent);
	model_report_encode(&f->packer, &(struct model_report){0});
	receive(f);
	const msgpack_object_array *models = models_decode(f->message.result);
	assert_non_null(models);
	assert_int_equal(models->size, 2);
	assert_true(model_report_decode(&models->ptr[0], &got));
	assert_slice(got.provider, "lab");
	assert_slice(got.model, "x/y");
	assert_true(got.usable);
	assert_int_equal(got.context, 32768);
	assert_slice(got.good_at, "code");
	assert_slice(got.trains_on_prompts, "no");
	assert_true(model_report_decode(&models->ptr[1], &got));
	assert_false(got.usable);
	assert_false(model_report_decode(f->message.result, &got));
	assert_null(models_decode(&models->ptr[0]));
	assert_null(models_decode(NULL));
}

/* DESIGN's table of exit codes, row by row. */
static void
test_exit_statuses(void **state)
{
	static const struct {
		const char *name;
		int status;
	} rows[] = {
		{"bad_request", EX_DATAERR},
		{"too_large", EX_DATAERR},
		{"unauthorized", EX_NOPERM},
		{"prompt_rejected", EX_DATAERR},
		{"privacy_denied", EX_DATAERR},
		{"no_provider", EX_UNAVAILABLE},
		{"no_key", EX_UNAVAILABLE},
		{"quota_exhausted", EX_TEMPFAIL},
		{"deadline_exceeded", EX_TEMPFAIL},
		{"queue_full", EX_TEMPFAIL},
		{"client_limit", EX_TEMPFAIL},
		{"upstream_rejected", EX_UNAVAILABLE},
		{"upstream_unavailable", EX_UNAVAILABLE},
		{"content_filtered", EX_DATAERR},
		{"interrupted", EX_IOERR},
		{"cancelled", 130},
		{"shutting_down", EX_UNAVAILABLE},
		{"internal", EX_SOFTWARE},
	};
	assert_int_equal(sizeof(rows) / sizeof(rows[0]), ERROR_COUNT - 1);
	for (int code = 1; code < ERROR_COUNT; code++) {
		assert_string_equal(error_name((enum error_code)code), rows[code - 1].name);
		assert_int_equal(error_from_name(slice_of(rows[code - 1].name)), code);
		assert_int_equal(
			error_exit_status((enum error_code)code, 0), rows[code - 1].status);
	}
	assert_int_equal(error_exit_status(ERROR_UPSTREAM_UNAVAILABLE, 1), EX_TEMPFAIL);
	assert_int_equal(error_exit_status(ERROR_UPSTREAM_REJECTED, 1), EX_UNAVAILABLE);
	assert_int_equal(error_from_name(slice_of("none")), ERROR_INTERNAL);
	assert_int_equal(error_from_name(slice_of("")), ERROR_INTERNAL);
	assert_string_equal(error_name((enum error_code)999), "internal");
}

#define MESSAGE_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		MESSAGE_TEST(test_envelope),
		cmocka_unit_test(test_bad_envelopes),
		cmocka_unit_test(test_bad_params),
		MESSAGE_TEST(test_hello),
		MESSAGE_TEST(test_cancel),
		MESSAGE_TEST(test_completion),
		MESSAGE_TEST(test_smallest_completion),
		MESSAGE_TEST(test_failure),
		MESSAGE_TEST(test_too_many_attempts),
		MESSAGE_TEST(test_events),
		MESSAGE_TEST(test_status),
		MESSAGE_TEST(test_models),
		cmocka_unit_test(test_exit_statuses),
	};
	return cmocka_run_group_tests_name("messages", tests, NULL, NULL);
}
