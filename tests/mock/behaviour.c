#include "behaviour.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define GIB (INT64_C(1) << 30)
#define DAY_MS INT64_C(86400000)

enum kind { INTEGER, BOOLEAN, STRING, OBJECT, ANY, FAULT, WRITE };

static const char *const fault_names[] = {
	[FAULT_NONE] = "none",
	[FAULT_REFUSE] = "refuse",
	[FAULT_CLOSE_BEFORE_HEADERS] = "close_before_headers",
	[FAULT_CLOSE_IN_HEADERS] = "close_in_headers",
	[FAULT_RESET_IN_HEADERS] = "reset_in_headers",
	[FAULT_HANG_BEFORE_HEADERS] = "hang_before_headers",
	[FAULT_HANG_AFTER_HEADERS] = "hang_after_headers",
	[FAULT_HANG_MID_STREAM] = "hang_mid_stream",
	[FAULT_RESET_MID_STREAM] = "reset_mid_stream",
	[FAULT_CLOSE_MID_STREAM] = "close_mid_stream",
	[FAULT_SLOW_DRIP] = "slow_drip",
	[FAULT_GARBAGE] = "garbage",
	[FAULT_GARBAGE_SSE] = "garbage_sse",
	[FAULT_BAD_CHUNK] = "bad_chunk",
	[FAULT_WRONG_CONTENT_TYPE] = "wrong_content_type",
	[FAULT_ENDLESS_STREAM] = "endless_stream",
};

static const struct member {
	const char *name;
	enum kind kind;
	size_t offset;
	int64_t initial;
	int64_t min;
	int64_t max;
} members[] = {
#define AT(field) offsetof(struct behaviour, field)
	{"chunks", INTEGER, AT(chunks), -1, -1, 100000000},
	{"chunk_bytes", INTEGER, AT(chunk_bytes), 0, 0, 1 << 20},
	{"pace_ms", INTEGER, AT(pace_ms), 0, 0, DAY_MS},
	{"pace_us", INTEGER, AT(pace_us), 0, 0, DAY_MS},
	{"first_byte_ms", INTEGER, AT(first_byte_ms), 0, 0, DAY_MS},
	{"first_content_ms", INTEGER, AT(first_content_ms), 0, 0, DAY_MS},
	{"keepalive_ms", INTEGER, AT(keepalive_ms), 0, 0, DAY_MS},
	{"comments", INTEGER, AT(comments), 0, 0, 100000},
	{"status", INTEGER, AT(status), 200, 200, 599},
	{"after", INTEGER, AT(after), 1, 0, 100000000},
	{"write", WRITE, AT(write), 0, 0, GIB},
	{"seed", INTEGER, AT(seed), 1, 0, INT64_MAX},
	{"wire", INTEGER, AT(wire), 0, 0, GIB},
	{"wire_us", INTEGER, AT(wire_us), 0, 0, DAY_MS},
	{"huge_body", INTEGER, AT(huge_body), 0, 0, 64 * GIB},
	{"huge_header", INTEGER, AT(huge_header), 0, 0, GIB},
	{"reasoning_chunks", INTEGER, AT(reasoning_chunks), -1, -1, 1000000},
	{"no_done", BOOLEAN, AT(no_done), 0, 0, 0},
	{"no_usage", BOOLEAN, AT(no_usage), 0, 0, 0},
	{"crlf", BOOLEAN, AT(crlf), 0, 0, 0},
	{"gzip", BOOLEAN, AT(gzip), 0, 0, 0},
	{"split_data", BOOLEAN, AT(split_data), 0, 0, 0},
	{"stamp", BOOLEAN, AT(stamp), 0, 0, 0},
	{"error_done", BOOLEAN, AT(error_done), 0, 0, 0},
	{"fault", FAULT, AT(fault), FAULT_NONE, 0, 0},
	{"headers", OBJECT, AT(headers), 0, 0, 0},
	{"usage", OBJECT, AT(usage), 0, 0, 0},
	{"tool_calls", ANY, AT(tool_calls), 0, 0, 0},
	{"error_in_stream", ANY, AT(error_in_stream), 0, 0, 0},
	{"body", STRING, AT(body), 0, 0, 0},
	{"text", STRING, AT(text), 0, 0, 0},
	{"reasoning", STRING, AT(reasoning), 0, 0, 0},
	{"reasoning_field", STRING, AT(reasoning_field), 0, 0, 0},
	{"content_type", STRING, AT(content_type), 0, 0, 0},
	{"finish_reason", STRING, AT(finish_reason), 0, 0, 0},
	{"recording", STRING, AT(recording), 0, 0, 0},
	{"framing", STRING, AT(framing), 0, 0, 0},
	{"retry_after", STRING, AT(retry_after), 0, 0, 0},
#undef AT
};

static const size_t member_count = sizeof(members) / sizeof(members[0]);

static void *
field(struct behaviour *b, const struct member *m)
{
	return (char *)b + m->offset;
}

static void
set_initial(struct behaviour *b)
{
	*b = (struct behaviour){0};
	for (size_t i = 0; i < member_count; i++) {
		const struct member *m = &members[i];

		if (m->kind == INTEGER || m->kind == WRITE)
			*(int64_t *)field(b, m) = m->initial;
	}
	b->reasoning_field = "reasoning_content";
}

static bool
set_integer(void *at, const struct member *m, json_t *value)
{
	if (!json_is_integer(value) || json_integer_value(value) < m->min ||
		json_integer_value(value) > m->max)
		return false;
	*(int64_t *)at = json_integer_value(value);
	return true;
}

static bool
set_fault(enum fault *at, json_t *value)
{
	const char *name = json_string_value(value);

	if (!name)
		return false;
	for (size_t i = 0; i < sizeof(fault_names) / sizeof(fault_names[0]); i++) {
		if (strcmp(fault_names[i], name) == 0) {
			*at = (enum fault)i;
			return true;
		}
	}
	return false;
}

/* An option in a model's name gives a flag as 1 or 0. */
static bool
set_boolean(bool *at, json_t *value)
{
	if (json_is_integer(value))
		*at = json_integer_value(value) != 0;
	else if (json_is_boolean(value))
		*at = json_is_true(value);
	else
		return false;
	return true;
}

static bool
set_member(struct behaviour *b, const struct member *m, json_t *value)
{
	void *at = field(b, m);

	switch (m->kind) {
	case INTEGER:
		return set_integer(at, m, value);
	case WRITE:
		if (json_is_string(value) && strcmp(json_string_value(value), "random") == 0) {
			*(int64_t *)at = -1;
			return true;
		}
		return set_integer(at, m, value);
	case BOOLEAN:
		return set_boolean(at, value);
	case FAULT:
		return set_fault(at, value);
	case STRING:
		if (!json_is_string(value))
			return false;
		*(const char **)at = json_string_value(value);
		return true;
	case OBJECT:
		if (!json_is_object(value))
			return false;
		break;
	case ANY:
		break;
	}
	*(json_t **)at = value;
	return true;
}

const char *
behaviour_parse(struct behaviour *out, json_t *source)
{
	struct behaviour b;
	const char *name;
	json_t *value;

	if (!json_is_object(source))
		return "a behaviour is an object";
	set_initial(&b);
	json_object_foreach(source, name, value)
	{
		size_t i;

		for (i = 0; i < member_count; i++) {
			if (strcmp(members[i].name, name) == 0)
				break;
		}
		if (i == member_count)
			return "a behaviour has a member that is not known";
		if (!json_is_null(value) && !set_member(&b, &members[i], value))
			return "a member of a behaviour has a wrong type or is out of bounds";
	}
	if (b.framing && strcmp(b.framing, "chunked") != 0 && strcmp(b.framing, "length") != 0 &&
		strcmp(b.framing, "close") != 0)
		return "framing is chunked, length or close";
	b.source = json_incref(source);
	*out = b;
	return NULL;
}

void
behaviour_copy(struct behaviour *out, const struct behaviour *from)
{
	*out = *from;
	json_incref(out->source);
}

void
behaviour_finish(struct behaviour *b)
{
	json_decref(b->source);
	b->source = NULL;
}

static bool
is_string_member(const char *name, size_t len)
{
	for (size_t i = 0; i < member_count; i++) {
		if (strlen(members[i].name) == len && memcmp(members[i].name, name, len) == 0)
			return members[i].kind == STRING;
	}
	return false;
}

static json_t *
option_value(const char *text, size_t len, bool string)
{
	char number[24];
	char *end;

	if (!string && len > 0 && len < sizeof(number)) {
		long long value;

		memcpy(number, text, len);
		number[len] = '\0';
		errno = 0;
		value = strtoll(number, &end, 10);
		if (*end == '\0' && errno == 0)
			return json_integer(value);
	}
	return json_stringn(text, len);
}

json_t *
behaviour_of_model(const char *model)
{
	const char *at = strchr(model, '+');
	json_t *options;

	if (!at)
		return NULL;
	options = json_object();
	while (at) {
		const char *name = at + 1;
		const char *end = strchrnul(name, '+');
		const char *equals = memchr(name, '=', (size_t)(end - name));
		const char *stop = equals ? equals : end;
		size_t len = (size_t)(stop - name);
		json_t *value = json_true();

		if (equals)
			value = option_value(equals + 1, (size_t)(end - equals - 1),
				is_string_member(name, len));
		json_object_setn_new(options, name, len, value);
		at = *end ? end : NULL;
	}
	return options;
}
