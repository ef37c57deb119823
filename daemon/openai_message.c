/*
 * The message that a stream's deltas add up to. Text that grows by a word at a time is kept in byte
 * buffers, because joining JSON strings would copy all of it for each word.
 */
#include "openai_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "text.h"

enum { MAX_CALLS = 256 };

struct member {
	char *name;
	struct bytes text;
};

struct call {
	int64_t given; /* the provider's index; -1: it gave none */
	struct bytes id, type, name, arguments;
	json_t *more, *function_more; /* members beyond those of the standard; NULL: none */
	bool has_function;
};

/* A part of the content: text[from..to), or a thinking part (its words in `thinking`), or another.
 */
struct part {
	size_t from, to;
	json_t *json;
	struct bytes thinking;
	bool is_thinking;
};

struct assembly {
	struct member *members;
	size_t member_count;
	json_t *more;
	struct call *calls;
	size_t call_count;
	struct part *parts;
	size_t part_count;
};

static void *
grown(void *list, size_t count, size_t size)
{
	/* Room is doubled: at 0 and at each power of two. */
	if ((count & (count - 1)) != 0)
		return list;
	list = realloc(list, (count ? 2 * count : 1) * size);
	if (list == NULL)
		abort();
	memset((char *)list + count * size, 0, (count ? count : 1) * size);
	return list;
}

static json_t *
must(json_t *made)
{
	if (made == NULL)
		abort();
	return made;
}

struct assembly *
assembly_create(void)
{
	struct assembly *a = calloc(1, sizeof(*a));
	if (a == NULL)
		abort();
	return a;
}

void
assembly_destroy(struct assembly *a)
{
	if (a == NULL)
		return;
	for (size_t i = 0; i < a->member_count; i++) {
		free(a->members[i].name);
		bytes_finish(&a->members[i].text);
	}
	for (size_t i = 0; i < a->call_count; i++) {
		struct call *call = &a->calls[i];
		bytes_finish(&call->id);
		bytes_finish(&call->type);
		bytes_finish(&call->name);
		bytes_finish(&call->arguments);
		json_decref(call->more);
		json_decref(call->function_more);
	}
	for (size_t i = 0; i < a->part_count; i++) {
		json_decref(a->parts[i].json);
		bytes_finish(&a->parts[i].thinking);
	}
	json_decref(a->more);
	free(a->members);
	free(a->calls);
	free(a->parts);
	free(a);
}

void
assembly_add_string(struct assembly *a, const char *name, size_t name_len, struct slice text)
{
	size_t i = 0;
	while (i < a->member_count && (strlen(a->members[i].name) != name_len ||
					      memcmp(a->members[i].name, name, name_len) != 0))
		i++;
	if (i == a->member_count) {
		a->members = grown(a->members, a->member_count, sizeof(*a->members));
		a->members[i].name = strndup(name, name_len);
		if (a->members[i].name == NULL)
			abort();
		a->member_count++;
	}
	bytes_append(&a->members[i].text, text.data, text.len);
}

static void merge(json_t *into, const char *name, json_t *value);

static void
merge_object(json_t *into, json_t *from)
{
	const char *name;
	json_t *value;
	json_object_foreach(from, name, value)
	{
		merge(into, name, value);
	}
}

/* Arrays are concatenated, objects merged, strings joined; of other values the last counts. */
static void
merge(json_t *into, const char *name, json_t *value)
{
	json_t *old = json_object_get(into, name);
	if (json_is_null(value))
		return;
	if (json_is_array(old) && json_is_array(value)) {
		json_array_extend(old, value);
	} else if (json_is_object(old) && json_is_object(value)) {
		merge_object(old, value);
	} else if (json_is_string(old) && json_is_string(value)) {
		struct bytes joined = {0};
		bytes_append(&joined, json_string_value(old), json_string_length(old));
		bytes_append(&joined, json_string_value(value), json_string_length(value));
		if (!joined.failed)
			json_string_setn(old, joined.data != NULL ? joined.data : "", joined.len);
		bytes_finish(&joined);
	} else {
		/* A copy, because the delta that it came in is still to be shown as it was. */
		json_object_set_new(into, name, must(json_deep_copy(value)));
	}
}

void
assembly_add_member(struct assembly *a, const char *name, json_t *value)
{
	if (a->more == NULL)
		a->more = must(json_object());
	merge(a->more, name, value);
}

static struct slice
string_member(json_t *object, const char *name)
{
	json_t *value = json_object_get(object, name);
	return json_is_string(value)
		       ? (struct slice){json_string_value(value), json_string_length(value)}
		       : (struct slice){NULL, 0};
}

static bool
is_same(const struct bytes *b, struct slice s)
{
	return b->len == s.len && (s.len == 0 || memcmp(b->data, s.data, s.len) == 0);
}

static bool
is_complete(const struct bytes *arguments)
{
	if (arguments->len == 0)
		return false;
	json_t *parsed = json_loadb(arguments->data, arguments->len, JSON_ALLOW_NUL, NULL);
	bool complete = parsed != NULL;
	json_decref(parsed);
	return complete;
}

/*
 * Is this delta the beginning of another call than `call`, although it has the same index or none?
 * A new id says so; where ids are empty (Gemini), a name after whole arguments does.
 */
static bool
begins_another(const struct call *call, struct slice id, struct slice name, struct slice arguments)
{
	if (id.len > 0 && call->id.len > 0)
		return !is_same(&call->id, id);
	return name.len > 0 && call->name.len > 0 && arguments.len > 0 &&
	       is_complete(&call->arguments);
}

/* The call that a delta goes on with, or call_count for a new one. */
static size_t
find_call(const struct assembly *a, int64_t index, struct slice id, struct slice name,
	struct slice arguments)
{
	for (size_t i = a->call_count; i-- > 0;) {
		const struct call *call = &a->calls[i];
		if (index >= 0 ? call->given != index : id.len > 0 && !is_same(&call->id, id))
			continue;
		/* Without index and id, a name begins a call and anything else goes on with the
		 * last. */
		if (index < 0 && id.len == 0)
			return name.len > 0 ? a->call_count : i;
		return begins_another(call, id, name, arguments) ? a->call_count : i;
	}
	return a->call_count;
}

static bool
is_known(const char *name, const char *const *known)
{
	while (*known != NULL && strcmp(*known, name) != 0)
		known++;
	return *known != NULL;
}

static void
add_more(json_t **more, json_t *from, const char *const *known)
{
	const char *name;
	json_t *value;
	json_object_foreach(from, name, value)
	{
		if (is_known(name, known))
			continue;
		if (*more == NULL)
			*more = must(json_object());
		merge(*more, name, value);
	}
}

static void
set_once(struct bytes *b, struct slice value)
{
	if (b->len == 0)
		bytes_append(b, value.data, value.len);
}

static void
add_to_call(struct call *call, json_t *delta, json_t *function, struct slice arguments)
{
	static const char *const known[] = {"index", "id", "type", "function", NULL};
	static const char *const known_function[] = {"name", "arguments", NULL};
	set_once(&call->id, string_member(delta, "id"));
	set_once(&call->type, string_member(delta, "type"));
	set_once(&call->name, string_member(function, "name"));
	bytes_append(&call->arguments, arguments.data, arguments.len);
	call->has_function = call->has_function || json_is_object(function);
	add_more(&call->more, delta, known);
	if (json_is_object(function))
		add_more(&call->function_more, function, known_function);
}

static int
add_call(struct assembly *a, json_t *delta)
{
	json_t *function = json_object_get(delta, "function");
	json_t *given = json_object_get(delta, "index");
	int64_t index = json_is_integer(given) && json_integer_value(given) >= 0
				? json_integer_value(given)
				: -1;
	struct slice arguments = string_member(function, "arguments");
	json_t *object = json_object_get(function, "arguments");
	char *dumped = NULL;
	if (json_is_object(object)) {
		dumped = json_dumps(object, JSON_COMPACT);
		arguments = slice_of(dumped);
	}
	size_t i = find_call(
		a, index, string_member(delta, "id"), string_member(function, "name"), arguments);
	int r = i < MAX_CALLS ? 0 : -E2BIG;
	if (r == 0 && i == a->call_count) {
		a->calls = grown(a->calls, a->call_count++, sizeof(*a->calls));
		a->calls[i].given = index;
	}
	if (r == 0) {
		add_to_call(&a->calls[i], delta, function, arguments);
		if (index != (int64_t)i)
			json_object_set_new(delta, "index", must(json_integer((json_int_t)i)));
	}
	free(dumped);
	return r;
}

int
assembly_add_calls(struct assembly *a, json_t *calls)
{
	size_t i;
	json_t *delta;
	json_array_foreach(calls, i, delta)
	{
		int r = json_is_object(delta) ? add_call(a, delta) : 0;
		if (r < 0)
			return r;
	}
	return 0;
}

/* The words of {"type":"thinking","thinking":[{"type":"text","text":"..."}]} (Mistral), appended to
 * `out` (may be NULL). False: it is something else. */
static bool
thinking_words(json_t *part, struct bytes *out)
{
	json_t *list = json_object_get(part, "thinking");
	size_t i;
	json_t *item;
	if (json_object_size(part) != 2 || !slice_is(string_member(part, "type"), "thinking") ||
		!json_is_array(list))
		return false;
	json_array_foreach(list, i, item)
	{
		json_t *text = json_object_get(item, "text");
		if (json_object_size(item) != 2 || !slice_is(string_member(item, "type"), "text") ||
			!json_is_string(text))
			return false;
		if (out != NULL)
			bytes_append(out, json_string_value(text), json_string_length(text));
	}
	return true;
}

static struct part *
new_part(struct assembly *a)
{
	a->parts = grown(a->parts, a->part_count, sizeof(*a->parts));
	return &a->parts[a->part_count++];
}

/* The text since the last part that is no text becomes a part. */
static void
close_text(struct assembly *a, size_t text_len)
{
	size_t from = 0;
	if (a->part_count > 0)
		from = a->parts[a->part_count - 1].to;
	if (text_len > from) {
		struct part *part = new_part(a);
		part->from = from;
		part->to = text_len;
	}
}

void
assembly_add_part(struct assembly *a, json_t *json, size_t text_len)
{
	close_text(a, text_len);
	bool thinking = thinking_words(json, NULL);
	struct part *part = a->part_count > 0 ? &a->parts[a->part_count - 1] : NULL;
	if (!thinking || part == NULL || !part->is_thinking) {
		part = new_part(a);
		part->from = part->to = text_len;
		part->is_thinking = thinking;
		if (!thinking)
			part->json = json_incref(json);
	}
	if (thinking)
		thinking_words(json, &part->thinking);
}

/* ---- Writing ---- */

static int
write_dumped(const char *data, size_t len, void *out)
{
	bytes_append(out, data, len);
	return 0;
}

static void
write_json(struct bytes *out, json_t *value)
{
	if (json_dump_callback(value, write_dumped, out, JSON_COMPACT | JSON_ENCODE_ANY) != 0)
		out->failed = true;
}

static struct slice
slice_of_bytes(const struct bytes *b)
{
	return (struct slice){b->data, b->len};
}

static void
write_name(struct bytes *out, const char *name)
{
	bytes_append_char(out, ',');
	value_json_string(out, slice_of(name));
	bytes_append_char(out, ':');
}

static void
write_members(struct bytes *out, json_t *object)
{
	const char *name;
	json_t *value;
	json_object_foreach(object, name, value)
	{
		write_name(out, name);
		write_json(out, value);
	}
}

static void
write_call(struct bytes *out, const struct call *call)
{
	bytes_append_str(out, "{\"id\":");
	value_json_string(out, slice_of_bytes(&call->id));
	write_name(out, "type");
	value_json_string(
		out, call->type.len > 0 ? slice_of_bytes(&call->type) : slice_of("function"));
	if (call->has_function || call->more == NULL) {
		bytes_append_str(out, ",\"function\":{\"name\":");
		value_json_string(out, slice_of_bytes(&call->name));
		write_name(out, "arguments");
		value_json_string(out, slice_of_bytes(&call->arguments));
		write_members(out, call->function_more);
		bytes_append_char(out, '}');
	}
	write_members(out, call->more);
	bytes_append_char(out, '}');
}

static void
write_text_part(struct bytes *out, struct slice text)
{
	bytes_append_str(out, "{\"type\":\"text\",\"text\":");
	value_json_string(out, text);
	bytes_append_char(out, '}');
}

static void
write_part(struct bytes *out, const struct part *part, struct slice text)
{
	if (part->is_thinking) {
		bytes_append_str(out, "{\"type\":\"thinking\",\"thinking\":[");
		write_text_part(out, slice_of_bytes(&part->thinking));
		bytes_append_str(out, "]}");
	} else if (part->json != NULL) {
		write_json(out, part->json);
	} else {
		write_text_part(out, (struct slice){text.data + part->from, part->to - part->from});
	}
}

static void
write_content(const struct assembly *a, struct slice text, struct bytes *out)
{
	if (a->part_count == 0) {
		if (text.len > 0)
			value_json_string(out, text);
		else
			bytes_append_str(out, "null");
		return;
	}
	bytes_append_char(out, '[');
	for (size_t i = 0; i < a->part_count; i++) {
		if (i > 0)
			bytes_append_char(out, ',');
		write_part(out, &a->parts[i], text);
	}
	size_t from = a->parts[a->part_count - 1].to;
	if (text.len > from) {
		bytes_append_char(out, ',');
		write_text_part(out, (struct slice){text.data + from, text.len - from});
	}
	bytes_append_char(out, ']');
}

void
assembly_write(const struct assembly *a, struct slice text, struct bytes *out)
{
	if (a->member_count + a->call_count + a->part_count == 0 && a->more == NULL)
		return;
	bytes_append_str(out, "{\"role\":\"assistant\",\"content\":");
	write_content(a, text, out);
	for (size_t i = 0; i < a->member_count; i++) {
		write_name(out, a->members[i].name);
		value_json_string(out, slice_of_bytes(&a->members[i].text));
	}
	write_members(out, a->more);
	for (size_t i = 0; i < a->call_count; i++) {
		bytes_append_str(out, i == 0 ? ",\"tool_calls\":[" : ",");
		write_call(out, &a->calls[i]);
	}
	bytes_append_str(out, a->call_count > 0 ? "]}" : "}");
}
