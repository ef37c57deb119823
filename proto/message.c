#include "message.h"

#include <string.h>

static bool
read_msgid(const msgpack_object *value, uint32_t *to)
{
	if (value->type != MSGPACK_OBJECT_POSITIVE_INTEGER || value->via.u64 > UINT32_MAX)
		return false;
	*to = (uint32_t)value->via.u64;
	return true;
}

static const char *
read_call(const msgpack_object *method, const msgpack_object *params, struct message *to)
{
	if (method->type == MSGPACK_OBJECT_STR)
		to->method = (struct slice){method->via.str.ptr, method->via.str.size};
	else if (method->type == MSGPACK_OBJECT_BIN)
		to->method = (struct slice){method->via.bin.ptr, method->via.bin.size};
	else
		return "the method must be a string";
	uint32_t count = params->type == MSGPACK_OBJECT_ARRAY ? params->via.array.size : UINT32_MAX;
	if (count > 1)
		to->params_problem = "the params must be an array that holds one map, or nothing";
	else if (count == 1 && params->via.array.ptr->type != MSGPACK_OBJECT_MAP)
		to->params_problem = "the only element of params must be a map";
	else if (count == 1)
		to->params = params->via.array.ptr;
	return NULL;
}

static const char *
read_outcome(const msgpack_object *error, const msgpack_object *result, struct message *to)
{
	bool failed = error->type != MSGPACK_OBJECT_NIL;
	if (failed == (result->type != MSGPACK_OBJECT_NIL))
		return "a response must have either an error or a result, and nil for the other";
	if ((failed ? error : result)->type != MSGPACK_OBJECT_MAP)
		return "the error or result of a response must be a map";
	to->error = failed ? error : NULL;
	to->result = failed ? NULL : result;
	return NULL;
}

const char *
message_decode(const msgpack_object *object, struct message *to, bool *has_msgid)
{
	*to = (struct message){0};
	*has_msgid = false;
	if (object->type != MSGPACK_OBJECT_ARRAY || object->via.array.size == 0)
		return "a message must be an array: [0, msgid, method, [params]]";
	const msgpack_object *item = object->via.array.ptr;
	uint32_t size = object->via.array.size;
	if (item[0].type != MSGPACK_OBJECT_POSITIVE_INTEGER ||
		item[0].via.u64 > MESSAGE_NOTIFICATION)
		return "a message must begin with 0 (request), 1 (response) or 2 (notification)";
	to->kind = (enum message_kind)item[0].via.u64;
	if (to->kind == MESSAGE_NOTIFICATION) {
		if (size != 3)
			return "a notification must have three elements: [2, method, [params]]";
		return read_call(&item[1], &item[2], to);
	}
	*has_msgid = size > 1 && read_msgid(&item[1], &to->msgid);
	if (size != 4)
		return "a request must have four elements: [0, msgid, method, [params]]";
	if (!*has_msgid)
		return "the msgid must be an integer from 0 to 4294967295";
	if (to->kind == MESSAGE_REQUEST)
		return read_call(&item[2], &item[3], to);
	return read_outcome(&item[2], &item[3], to);
}

void
message_begin_request(struct bytes *out, msgpack_packer *packer, uint32_t msgid, const char *method)
{
	msgpack_packer_init(packer, out, bytes_msgpack_write);
	msgpack_pack_array(packer, 4);
	msgpack_pack_uint8(packer, MESSAGE_REQUEST);
	msgpack_pack_uint32(packer, msgid);
	pack_name(packer, method);
	msgpack_pack_array(packer, 1);
}

void
message_begin_notification(struct bytes *out, msgpack_packer *packer, const char *method)
{
	msgpack_packer_init(packer, out, bytes_msgpack_write);
	msgpack_pack_array(packer, 3);
	msgpack_pack_uint8(packer, MESSAGE_NOTIFICATION);
	pack_name(packer, method);
	msgpack_pack_array(packer, 1);
}

static void
begin_response(struct bytes *out, msgpack_packer *packer, uint32_t msgid)
{
	msgpack_packer_init(packer, out, bytes_msgpack_write);
	msgpack_pack_array(packer, 4);
	msgpack_pack_uint8(packer, MESSAGE_RESPONSE);
	msgpack_pack_uint32(packer, msgid);
}

void
message_begin_result(struct bytes *out, msgpack_packer *packer, uint32_t msgid)
{
	begin_response(out, packer, msgid);
	msgpack_pack_nil(packer);
}

void
message_begin_error(struct bytes *out, msgpack_packer *packer, uint32_t msgid)
{
	begin_response(out, packer, msgid);
}

void
message_end_error(msgpack_packer *packer)
{
	msgpack_pack_nil(packer);
}

void
pack_text(msgpack_packer *packer, struct slice text)
{
	enum { SHORT = 32, FIXSTR = 0xa0 };
	char whole[SHORT];
	if (text.len == 0 || text.len >= SHORT) {
		msgpack_pack_str(packer, text.len);
		if (text.len)
			msgpack_pack_str_body(packer, text.data, text.len);
		return;
	}
	/* Names, mostly: one append for head and body. */
	whole[0] = (char)(FIXSTR | text.len);
	memcpy(whole + 1, text.data, text.len);
	packer->callback(packer->data, whole, text.len + 1);
}

void
pack_name(msgpack_packer *packer, const char *name)
{
	pack_text(packer, slice_of(name));
}

void
pack_bool(msgpack_packer *packer, bool value)
{
	if (value)
		msgpack_pack_true(packer);
	else
		msgpack_pack_false(packer);
}
