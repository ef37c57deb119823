#include "submit.h"

#include "message.h"
#include "value.h"

bool
hello_decode(const msgpack_object *params, struct hello *to, struct bytes *why)
{
	const msgpack_object *protocol = value_member(params, "protocol");
	const msgpack_object *client = value_member(params, "client");
	*to = (struct hello){0};
	if (protocol != NULL && !(value_int64(protocol, &to->protocol) && to->protocol > 0)) {
		bytes_append_str(why, "`protocol` must be a whole number from 1");
		return false;
	}
	if (to->protocol > PROTOCOL_VERSION) {
		bytes_printf(why,
			"the client wants protocol %lld, this freellmd speaks up to %d: use an "
			"older "
			"client or a newer freellmd",
			(long long)to->protocol, PROTOCOL_VERSION);
		return false;
	}
	if (client != NULL &&
		!(value_slice(client, &to->client) && to->client.len <= SUBMIT_MAX_NAME &&
			value_is_plain(to->client))) {
		bytes_printf(why,
			"`client` must be a string of at most %d bytes of UTF-8 without control "
			"characters",
			SUBMIT_MAX_NAME);
		return false;
	}
	return true;
}

void
hello_encode(msgpack_packer *packer, const struct hello *hello)
{
	bool has_client = hello->client.len > 0;
	msgpack_pack_map(packer, 1 + has_client);
	pack_name(packer, "protocol");
	msgpack_pack_int64(packer, hello->protocol ? hello->protocol : PROTOCOL_VERSION);
	if (has_client) {
		pack_name(packer, "client");
		pack_text(packer, hello->client);
	}
}

bool
hello_result_decode(const msgpack_object *result, struct hello_result *to)
{
	*to = (struct hello_result){0};
	const msgpack_object *limits = value_member(result, "limits");
	return value_slice(value_member(result, "server"), &to->server) &&
	       value_slice(value_member(result, "version"), &to->version) &&
	       value_int64(value_member(result, "protocol"), &to->protocol) &&
	       value_int64(value_member(limits, "frame_bytes"), &to->frame_bytes) &&
	       value_int64(value_member(limits, "nesting"), &to->nesting) &&
	       value_int64(value_member(limits, "jobs"), &to->jobs);
}

void
hello_result_encode(msgpack_packer *packer, const struct hello_result *result)
{
	msgpack_pack_map(packer, 4);
	pack_name(packer, "server");
	pack_text(packer, result->server);
	pack_name(packer, "version");
	pack_text(packer, result->version);
	pack_name(packer, "protocol");
	msgpack_pack_int64(packer, result->protocol);
	pack_name(packer, "limits");
	msgpack_pack_map(packer, 3);
	pack_name(packer, "frame_bytes");
	msgpack_pack_int64(packer, result->frame_bytes);
	pack_name(packer, "nesting");
	msgpack_pack_int64(packer, result->nesting);
	pack_name(packer, "jobs");
	msgpack_pack_int64(packer, result->jobs);
}

bool
cancel_decode(const msgpack_object *params, uint32_t *msgid, struct bytes *why)
{
	int64_t number = -1;
	if (!value_int64(value_member(params, "msgid"), &number) || number < 0 ||
		number > UINT32_MAX) {
		bytes_append_str(why, "`msgid` must be the msgid of a request of this connection");
		return false;
	}
	*msgid = (uint32_t)number;
	return true;
}

void
cancel_encode(msgpack_packer *packer, uint32_t msgid)
{
	msgpack_pack_map(packer, 1);
	pack_name(packer, "msgid");
	msgpack_pack_uint32(packer, msgid);
}

bool
cancel_result_decode(const msgpack_object *result, bool *cancelled)
{
	return value_bool(value_member(result, "cancelled"), cancelled);
}

void
cancel_result_encode(msgpack_packer *packer, bool cancelled)
{
	msgpack_pack_map(packer, 1);
	pack_name(packer, "cancelled");
	pack_bool(packer, cancelled);
}
