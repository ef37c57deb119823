#include "value.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	SORT_STACK = 64, /* members of a map that are sorted without touching the heap */
	SORT_INSERTION = 24,
	NUMBER_MAX = 40, /* bytes of the longest number that is written */
};

/* Doubles hold each integer up to here. */
#define EXACT 9007199254740992.0 /* 2^53 */

#define INT64_END 9223372036854775808.0 /* 2^63 */

static enum value_problem
write_text(struct bytes *out, struct slice text)
{
	enum value_problem problem = value_check_text(text);
	if (problem == VALUE_OK)
		value_json_string(out, text);
	return problem;
}

/* Writes n, with a minus sign if so, and a decimal point before the last `decimals` digits. */
static void
write_decimal(struct bytes *out, uint64_t n, bool negative, unsigned decimals)
{
	char text[NUMBER_MAX];
	char *end = text + sizeof(text), *p = end;
	for (unsigned digits = 0; n != 0 || digits <= decimals; digits++) {
		if (digits == decimals && decimals > 0)
			*--p = '.';
		*--p = (char)('0' + n % 10);
		n /= 10;
	}
	if (negative)
		*--p = '-';
	bytes_append(out, p, (size_t)(end - p));
}

/* The common case, 0.2 or 1.25: the quotient of two exact doubles is rounded once, as strtod rounds
 * the decimal itself, so when it gives the number back these digits are the ones %.15g finds. */
static bool
write_short_fraction(struct bytes *out, double number)
{
	double size = number < 0 ? -number : number;
	double scale = 1;
	if (size < 0.0001 || size >= 1e6)
		return false;
	for (unsigned decimals = 1; decimals <= 6; decimals++) {
		scale *= 10;
		uint64_t scaled = (uint64_t)(size * scale + 0.5);
		if ((double)scaled / scale == size) {
			write_decimal(out, scaled, number < 0, decimals);
			return true;
		}
	}
	return false;
}

static bool
reads_back(const char *text, double number, bool single)
{
	return single ? strtof(text, NULL) == (float)number : strtod(text, NULL) == number;
}

static enum value_problem
write_double(struct bytes *out, double number, bool single)
{
	if (number - number != 0) /* neither NaN nor an infinity is JSON */
		return VALUE_NOT_JSON;
	double size = number < 0 ? -number : number;
	if (size < EXACT && size == (double)(uint64_t)size) {
		write_decimal(out, (uint64_t)size, number < 0, 0);
		return VALUE_OK;
	}
	if (!single && write_short_fraction(out, number))
		return VALUE_OK;
	char text[NUMBER_MAX];
	int most = single ? 9 : 17;
	for (int digits = single ? 6 : 15; digits <= most; digits++) {
		snprintf(text, sizeof(text), "%.*g", digits, number);
		if (reads_back(text, number, single))
			break;
	}
	/* The program that links this may have set a locale with another decimal point. */
	for (char *p = text; *p; p++) {
		if (strchr("0123456789e+-", *p) == NULL)
			*p = '.';
	}
	bytes_append_str(out, text);
	return VALUE_OK;
}

static inline struct slice
name_of(const msgpack_object_kv *member)
{
	return (struct slice){member->key.via.str.ptr, member->key.via.str.size};
}

static int
compare_members(const void *a, const void *b)
{
	return value_compare_names(name_of(*(const msgpack_object_kv *const *)a),
		name_of(*(const msgpack_object_kv *const *)b));
}

static void
sort_members(const msgpack_object_kv **sorted, size_t count)
{
	if (count > SORT_INSERTION) {
		qsort(sorted, count, sizeof(*sorted), compare_members);
		return;
	}
	for (size_t i = 1; i < count; i++) {
		const msgpack_object_kv *member = sorted[i];
		size_t to = i;
		for (; to > 0 && compare_members(&sorted[to - 1], &member) > 0; to--)
			sorted[to] = sorted[to - 1];
		sorted[to] = member;
	}
}

static enum value_problem
write_members(struct bytes *out, const msgpack_object_map *map, const msgpack_object_kv **sorted)
{
	for (uint32_t i = 0; i < map->size; i++) {
		if (map->ptr[i].key.type != MSGPACK_OBJECT_STR)
			return VALUE_NOT_JSON;
		sorted[i] = &map->ptr[i];
	}
	sort_members(sorted, map->size);
	bytes_append_char(out, '{');
	for (uint32_t i = 0; i < map->size; i++) {
		if (i > 0 && compare_members(&sorted[i - 1], &sorted[i]) == 0)
			return VALUE_DUPLICATE_KEY;
		if (i > 0)
			bytes_append_char(out, ',');
		enum value_problem problem = write_text(out, name_of(sorted[i]));
		if (problem != VALUE_OK)
			return problem;
		bytes_append_char(out, ':');
		problem = value_to_json(out, &sorted[i]->val);
		if (problem != VALUE_OK)
			return problem;
	}
	bytes_append_char(out, '}');
	return VALUE_OK;
}

static enum value_problem
write_map(struct bytes *out, const msgpack_object_map *map)
{
	const msgpack_object_kv *few[SORT_STACK];
	if (map->size <= SORT_STACK)
		return write_members(out, map, few);
	const msgpack_object_kv **many = malloc(map->size * sizeof(*many));
	if (many == NULL) {
		out->failed = true;
		return VALUE_OK;
	}
	enum value_problem problem = write_members(out, map, many);
	free(many);
	return problem;
}

static enum value_problem
write_array(struct bytes *out, const msgpack_object_array *array)
{
	bytes_append_char(out, '[');
	for (uint32_t i = 0; i < array->size; i++) {
		if (i > 0)
			bytes_append_char(out, ',');
		enum value_problem problem = value_to_json(out, &array->ptr[i]);
		if (problem != VALUE_OK)
			return problem;
	}
	bytes_append_char(out, ']');
	return VALUE_OK;
}

enum value_problem
value_to_json(struct bytes *out, const msgpack_object *value)
{
	switch (value->type) {
	case MSGPACK_OBJECT_NIL:
		bytes_append(out, "null", 4);
		return VALUE_OK;
	case MSGPACK_OBJECT_BOOLEAN:
		bytes_append_str(out, value->via.boolean ? "true" : "false");
		return VALUE_OK;
	case MSGPACK_OBJECT_POSITIVE_INTEGER:
		write_decimal(out, value->via.u64, false, 0);
		return VALUE_OK;
	case MSGPACK_OBJECT_NEGATIVE_INTEGER:
		write_decimal(out, 0 - (uint64_t)value->via.i64, true, 0);
		return VALUE_OK;
	case MSGPACK_OBJECT_FLOAT32:
	case MSGPACK_OBJECT_FLOAT64:
		return write_double(out, value->via.f64, value->type == MSGPACK_OBJECT_FLOAT32);
	case MSGPACK_OBJECT_STR:
		return write_text(out, (struct slice){value->via.str.ptr, value->via.str.size});
	case MSGPACK_OBJECT_ARRAY:
		return write_array(out, &value->via.array);
	case MSGPACK_OBJECT_MAP:
		return write_map(out, &value->via.map);
	case MSGPACK_OBJECT_BIN:
	case MSGPACK_OBJECT_EXT:
		break;
	}
	return VALUE_NOT_JSON;
}

const char *
value_type_text(const msgpack_object *value)
{
	static const char *const texts[] = {
		[MSGPACK_OBJECT_NIL] = "nil",
		[MSGPACK_OBJECT_BOOLEAN] = "a boolean",
		[MSGPACK_OBJECT_POSITIVE_INTEGER] = "an integer",
		[MSGPACK_OBJECT_NEGATIVE_INTEGER] = "a negative integer",
		[MSGPACK_OBJECT_FLOAT32] = "a float",
		[MSGPACK_OBJECT_FLOAT64] = "a float",
		[MSGPACK_OBJECT_STR] = "a string",
		[MSGPACK_OBJECT_ARRAY] = "an array",
		[MSGPACK_OBJECT_MAP] = "a map",
		[MSGPACK_OBJECT_BIN] = "binary data",
		[MSGPACK_OBJECT_EXT] = "an extension type",
	};
	return texts[value->type];
}

const msgpack_object *
value_member(const msgpack_object *map, const char *name)
{
	if (map == NULL || map->type != MSGPACK_OBJECT_MAP)
		return NULL;
	for (uint32_t i = map->via.map.size; i-- > 0;) {
		const msgpack_object_kv *member = &map->via.map.ptr[i];
		if (member->key.type == MSGPACK_OBJECT_STR && slice_is(name_of(member), name))
			return &member->val;
	}
	return NULL;
}

bool
value_slice(const msgpack_object *value, struct slice *to)
{
	if (value == NULL || value->type != MSGPACK_OBJECT_STR)
		return false;
	*to = (struct slice){value->via.str.ptr, value->via.str.size};
	return true;
}

bool
value_int64(const msgpack_object *value, int64_t *to)
{
	if (value == NULL)
		return false;
	if (value->type == MSGPACK_OBJECT_POSITIVE_INTEGER && value->via.u64 <= INT64_MAX) {
		*to = (int64_t)value->via.u64;
	} else if (value->type == MSGPACK_OBJECT_NEGATIVE_INTEGER) {
		*to = value->via.i64;
	} else if (value->type == MSGPACK_OBJECT_FLOAT64 || value->type == MSGPACK_OBJECT_FLOAT32) {
		double number = value->via.f64;
		if (!(number >= -INT64_END && number < INT64_END) ||
			number != (double)(int64_t)number)
			return false;
		*to = (int64_t)number;
	} else {
		return false;
	}
	return true;
}

bool
value_bool(const msgpack_object *value, bool *to)
{
	if (value == NULL || value->type != MSGPACK_OBJECT_BOOLEAN)
		return false;
	*to = value->via.boolean;
	return true;
}
