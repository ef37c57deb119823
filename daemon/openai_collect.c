/*
 * Gathers an answer from the deltas it comes in, and passes them on.
 */
#include "openai_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "text.h"

void
collector_init(struct collector *c, size_t max, openai_delta_cb *delta, void *context)
{
	*c = (struct collector){.delta = delta, .context = context};
	answer_init(&c->answer, max);
}

void
collector_finish(struct collector *c)
{
	answer_finish(&c->answer);
	assembly_destroy(c->assembly);
	bytes_finish(&c->scratch);
	bytes_finish(&c->json);
}

static struct assembly *
assembly_of(struct collector *c)
{
	if (c->assembly == NULL)
		c->assembly = assembly_create();
	return c->assembly;
}

static int
pass_on(struct collector *c, enum delta_kind kind, struct slice data)
{
	struct delta delta = {kind, data};
	int e = answer_add_delta(&c->answer, &delta);
	if (e < 0)
		return e;
	c->has_content = true;
	if (c->delta != NULL)
		c->delta(c->context, &delta);
	return 0;
}

/* Text is passed on without NUL, which every C program in the way would cut it at. */
static int
pass_text(struct collector *c, struct slice text)
{
	static const char replacement[] = "\xef\xbf\xbd";
	if (text.len == 0)
		return 0;
	if (memchr(text.data, '\0', text.len) == NULL)
		return pass_on(c, DELTA_TEXT, text);
	struct bytes clean = {0};
	for (size_t i = 0; i < text.len; i++)
		if (text.data[i] != '\0')
			bytes_append_char(&clean, text.data[i]);
		else
			bytes_append(&clean, replacement, sizeof(replacement) - 1);
	int e = clean.failed ? -ENOMEM
			     : pass_on(c, DELTA_TEXT, (struct slice){clean.data, clean.len});
	bytes_finish(&clean);
	return e;
}

/* Members that only describe others: with nothing else a delta of them is not worth reporting. */
static bool
is_decoration(struct slice name)
{
	return slice_is(name, "channel");
}

static int
pass_json(struct collector *c, json_t *object)
{
	char *text = json_dumps(object, JSON_COMPACT);
	int e = text != NULL ? pass_on(c, DELTA_OTHER, slice_of(text)) : -ENOMEM;
	free(text);
	return e;
}

/* A part of a content array that is no text, alone in a delta. */
static int
pass_part(struct collector *c, json_t *part)
{
	assembly_add_part(assembly_of(c), part, c->answer.text.len);
	json_t *delta = json_pack("{s:[O]}", "content", part);
	int e = delta != NULL ? pass_json(c, delta) : -ENOMEM;
	json_decref(delta);
	return e;
}

static int
add_content(struct collector *c, json_t *content)
{
	size_t i;
	json_t *part;
	int e = 0;
	if (json_is_string(content))
		return pass_text(c, json_slice(content));
	if (!json_is_array(content))
		return 0;
	json_array_foreach(content, i, part)
	{
		json_t *text = json_object_get(part, "text");
		json_t *type = json_object_get(part, "type");
		bool is_text = json_is_string(text) &&
			       (type == NULL || slice_is(json_slice(type), "text"));
		if (json_is_string(part))
			e = pass_text(c, json_slice(part));
		else if (is_text)
			e = pass_text(c, json_slice(text));
		else if (json_is_object(part))
			e = pass_part(c, part);
		if (e < 0)
			return e;
	}
	return 0;
}

static bool
is_empty(json_t *value)
{
	return json_is_null(value) || (json_is_string(value) && json_string_length(value) == 0) ||
	       (json_is_array(value) && json_array_size(value) == 0) ||
	       (json_is_object(value) && json_object_size(value) == 0);
}

static int
add_member(struct collector *c, const char *name, json_t *value)
{
	if (strcmp(name, "tool_calls") == 0 && json_is_array(value))
		return assembly_add_calls(assembly_of(c), value);
	if (json_is_string(value))
		assembly_add_string(assembly_of(c), name, strlen(name), json_slice(value));
	else
		assembly_add_member(assembly_of(c), name, value);
	return 0;
}

int
collector_add_json(struct collector *c, json_t *delta)
{
	const char *name;
	json_t *value;
	bool substance = false;
	int e = 0;
	json_t *other = json_object();
	json_object_foreach(delta, name, value)
	{
		if (strcmp(name, "role") == 0 || strcmp(name, "content") == 0 || is_empty(value))
			continue;
		json_object_set(other, name, value);
		if (is_decoration(slice_of(name)) || json_is_boolean(value) ||
			json_is_number(value))
			continue;
		substance = true;
		e = add_member(c, name, value);
		if (e < 0)
			break;
	}
	if (e == 0 && substance)
		e = pass_json(c, other);
	json_decref(other);
	return e < 0 ? e : add_content(c, json_object_get(delta, "content"));
}

static bool
is_content(const struct chunk_member *m)
{
	return slice_is(m->name, "content");
}

/* The text of a scanned member; in c->scratch when it is not as it stands. */
static struct slice
scanned_text(struct collector *c, const struct chunk_member *m)
{
	if (m->escapes == ESCAPES_NONE)
		return m->raw;
	bytes_clear(&c->scratch);
	openai_chunk_unescape(&c->scratch, m);
	return (struct slice){c->scratch.data, c->scratch.len};
}

/* Appends a scanned member as jansson would write it, "," or "{" before it. */
static void
put_scanned(struct collector *c, struct bytes *out, const struct chunk_member *m)
{
	bytes_append(out, out->len == 0 ? "{\"" : ",\"", 2);
	bytes_append(out, m->name.data, m->name.len);
	bytes_append(out, "\":", 2);
	if (m->escapes == ESCAPES_OTHER) {
		value_json_string(out, scanned_text(c, m));
		return;
	}
	bytes_append_char(out, '"');
	bytes_append(out, m->raw.data, m->raw.len);
	bytes_append_char(out, '"');
}

/* The members of a scanned delta that are no content. */
static int
add_scanned_others(struct collector *c, const struct chunk *chunk)
{
	bool substance = false;
	struct bytes *out = &c->json;
	bytes_clear(out);
	for (size_t i = 0; i < chunk->member_count; i++) {
		const struct chunk_member *m = &chunk->members[i];
		if (m->raw.len == 0 || is_content(m))
			continue;
		put_scanned(c, out, m);
		if (is_decoration(m->name))
			continue;
		substance = true;
		assembly_add_string(assembly_of(c), m->name.data, m->name.len, scanned_text(c, m));
	}
	if (!substance)
		return 0;
	bytes_append_char(out, '}');
	return out->failed ? -ENOMEM : pass_on(c, DELTA_OTHER, (struct slice){out->data, out->len});
}

int
collector_add_scanned(struct collector *c, const struct chunk *chunk)
{
	int e = chunk->member_count > 1 || (chunk->member_count == 1 && !is_content(chunk->members))
			? add_scanned_others(c, chunk)
			: 0;
	for (size_t i = 0; e == 0 && i < chunk->member_count; i++) {
		const struct chunk_member *m = &chunk->members[i];
		if (is_content(m) && m->raw.len > 0)
			e = pass_text(c, scanned_text(c, m));
	}
	return e < 0 || !c->scratch.failed ? e : -ENOMEM;
}

int
collector_write_message(struct collector *c)
{
	struct answer *a = &c->answer;
	size_t max = a->text.max;
	if (c->assembly == NULL)
		return 0;
	assembly_write(c->assembly, (struct slice){a->text.data, a->text.len}, &a->message);
	if (!a->message.failed && (max == 0 || a->text.len + a->message.len + a->deltas.len <= max))
		return 0;
	bytes_finish(&a->message);
	return -E2BIG;
}
