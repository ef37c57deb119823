#include "json_msgpack.h"

#include <string.h>

#include <jansson.h>

static bool
pack_value(msgpack_packer *packer, const json_t *value, unsigned nesting)
{
	switch (json_typeof(value)) {
	case JSON_OBJECT: {
		const char *name;
		json_t *member;
		if (nesting == 0)
			return false;
		msgpack_pack_map(packer, json_object_size(value));
		json_object_foreach((json_t *)value, name, member)
		{
			msgpack_pack_str_with_body(packer, name, strlen(name));
			if (!pack_value(packer, member, nesting - 1))
				return false;
		}
		return true;
	}
	case JSON_ARRAY: {
		size_t i;
		json_t *element;
		if (nesting == 0)
			return false;
		msgpack_pack_array(packer, json_array_size(value));
		json_array_foreach(value, i, element)
		{
			if (!pack_value(packer, element, nesting - 1))
				return false;
		}
		return true;
	}
	case JSON_STRING:
		msgpack_pack_str_with_body(
			packer, json_string_value(value), json_string_length(value));
		return true;
	case JSON_INTEGER:
		msgpack_pack_int64(packer, json_integer_value(value));
		return true;
	case JSON_REAL:
		msgpack_pack_double(packer, json_real_value(value));
		return true;
	case JSON_TRUE:
		msgpack_pack_true(packer);
		return true;
	case JSON_FALSE:
		msgpack_pack_false(packer);
		return true;
	case JSON_NULL:
		msgpack_pack_nil(packer);
		return true;
	}
	return false;
}

bool
json_to_msgpack(struct bytes *out, struct slice json, unsigned max_nesting)
{
	json_t *value = json_loadb(json.data, json.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
	if (value == NULL)
		return false;
	size_t before = out->len;
	msgpack_packer packer;
	msgpack_packer_init(&packer, out, bytes_msgpack_write);
	bool packed = pack_value(&packer, value, max_nesting) && !out->failed;
	json_decref(value);
	if (!packed)
		out->len = before;
	return packed;
}
