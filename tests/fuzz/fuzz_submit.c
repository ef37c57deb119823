#include "fuzz.h"

#include "completion.h"
#include "message.h"
#include "scan.h"
#include "status.h"
#include "submit.h"

enum { CAP = 4096 };

static void
decode_submit(const msgpack_object *params)
{
	static struct submit submit;
	struct bytes why = {0}, json = {0};
	bool good = submit_decode(params, &submit, &why);
	CHECK(good == (why.len == 0));
	if (good) {
		enum value_problem problem = submit_body_to_json(&json, &submit, &why);
		CHECK((problem == VALUE_OK) == (why.len == 0));
		if (problem == VALUE_OK) {
			struct slice text = {json.data, json.len};
			CHECK(value_check_text(text) == VALUE_OK);
			CHECK(json.data[0] == '{' && json.data[json.len - 1] == '}');
		}
	}
	CHECK(value_check_text((struct slice){why.data, why.len}) == VALUE_OK);
	bytes_finish(&why);
	bytes_finish(&json);
}

/* Every decoder takes every map. */
static void
decode_all(const struct message *m)
{
	static struct completion completion;
	static struct failure failure;
	const msgpack_object *map = m->params ? m->params : m->error ? m->error : m->result;
	struct hello hello;
	struct hello_result hello_result;
	struct event event;
	struct status status;
	struct model_report model;
	struct bytes why = {0};
	uint32_t msgid;
	bool cancelled;
	decode_submit(map);
	hello_decode(map, &hello, &why);
	hello_result_decode(map, &hello_result);
	cancel_decode(map, &msgid, &why);
	cancel_result_decode(map, &cancelled);
	completion_decode(map, &completion);
	failure_decode(map, &failure);
	event_decode(m->method, map, &event);
	status_decode(map, &status);
	models_decode(map);
	if (map)
		model_report_decode(map, &model);
	bytes_finish(&why);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct scan s;
	struct message message;
	bool has_msgid;
	size_t used, off = 0;
	scan_init(&s, CAP);
	if (scan_feed(&s, data, len, &used) != SCAN_DONE)
		return 0;
	msgpack_unpacked unpacked;
	msgpack_unpacked_init(&unpacked);
	CHECK(msgpack_unpack_next(&unpacked, (const char *)data, used, &off) ==
		MSGPACK_UNPACK_SUCCESS);
	const char *wrong = message_decode(&unpacked.data, &message, &has_msgid);
	if (s.has_msgid && has_msgid)
		CHECK(s.msgid == message.msgid);
	if (wrong == NULL) {
		CHECK(s.is_request == (message.kind == MESSAGE_REQUEST));
		CHECK(message.kind == MESSAGE_RESPONSE || has_msgid == s.has_msgid);
		decode_all(&message);
	}
	/* A map alone, so that the fuzzer need not find the envelope. */
	if (unpacked.data.type == MSGPACK_OBJECT_MAP)
		decode_all(&(struct message){.params = &unpacked.data});
	msgpack_unpacked_destroy(&unpacked);
	return 0;
}
