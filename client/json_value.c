#include "json_value.h"

#include <string.h>

json_t *
json_value_parse(struct slice text, struct bytes *why)
{
	json_error_t error;
	json_t *value = json_loadb(text.data ? text.data : "", text.len,
		JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, &error);
	if (value == NULL && error.line > 0)
		bytes_printf(why, "line %d, column %d: %s", error.line,
			error.column > 0 ? error.column : 1, error.text);
	else if (value == NULL)
		bytes_append_str(why, error.text);
	return value;
}

/* How deep it goes is bounded by the parser. */
void
json_value_pack(msgpack_packer *packer, const json_t *value)
{
	const char *name;
	json_t *member;
	size_t i;
	switch (json_typeof(value)) {
	case JSON_OBJECT:
		msgpack_pack_map(packer, json_object_size(value));
		json_object_foreach((json_t *)value, name, member)
		{
			msgpack_pack_str_with_body(packer, name, strlen(name));
			json_value_pack(packer, member);
		}
		break;
	case JSON_ARRAY:
		msgpack_pack_array(packer, json_array_size(value));
		json_array_foreach(value, i, member) json_value_pack(packer, member);
		break;
	case JSON_STRING:
		msgpack_pack_str_with_body(
			packer, json_string_value(value), json_string_length(value));
		break;
	case JSON_INTEGER:
		msgpack_pack_int64(packer, json_integer_value(value));
		break;
	case JSON_REAL:
		msgpack_pack_double(packer, json_real_value(value));
		break;
	case JSON_TRUE:
		msgpack_pack_true(packer);
		break;
	case JSON_FALSE:
		msgpack_pack_false(packer);
		break;
	case JSON_NULL:
		msgpack_pack_nil(packer);
		break;
	}
}

json_t *
json_value_text(struct slice text)
{
	return json_stringn(text.data ? text.data : "", text.len);
}

static json_t *
from_array(const msgpack_object_array *from)
{
	json_t *array = json_array();
	for (uint32_t i = 0; i < from->size; i++) {
		if (json_array_append_new(array, json_value_from(&from->ptr[i])) < 0) {
			json_decref(array);
			return NULL;
		}
	}
	return array;
}

static json_t *
from_map(const msgpack_object_map *from)
{
	json_t *object = json_object();
	for (uint32_t i = 0; i < from->size; i++) {
		const msgpack_object *key = &from->ptr[i].key;
		json_t *value = json_value_from(&from->ptr[i].val);
		if (key->type != MSGPACK_OBJECT_STR || value == NULL ||
			json_object_setn_new(object, key->via.str.ptr, key->via.str.size, value) <
				0) {
			if (key->type != MSGPACK_OBJECT_STR)
				json_decref(value);
			json_decref(object);
			return NULL;
		}
	}
	return object;
}

json_t *
json_value_from(const msgpack_object *value)
{
	switch (value->type) {
	case MSGPACK_OBJECT_NIL:
		return json_null();
	case MSGPACK_OBJECT_BOOLEAN:
		return json_boolean(value->via.boolean);
	case MSGPACK_OBJECT_POSITIVE_INTEGER:
		if (value->via.u64 > INT64_MAX)
			return json_real((double)value->via.u64);
		return json_integer((json_int_t)value->via.u64);
	case MSGPACK_OBJECT_NEGATIVE_INTEGER:
		return json_integer(value->via.i64);
	case MSGPACK_OBJECT_FLOAT32:
	case MSGPACK_OBJECT_FLOAT64:
		return json_real(value->via.f64);
	case MSGPACK_OBJECT_STR:
		return json_value_text((struct slice){value->via.str.ptr, value->via.str.size});
	case MSGPACK_OBJECT_ARRAY:
		return from_array(&value->via.array);
	case MSGPACK_OBJECT_MAP:
		return from_map(&value->via.map);
	default:
		return NULL;
	}
}
