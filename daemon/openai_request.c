/*
 * Request bodies. The parameters are our own canonical JSON, so they are not parsed but walked:
 * what no quirk names is copied as it stands.
 */
#include "openai.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "text.h"

/* ---- The members of a JSON object ---- */

struct member {
	struct slice name, value; /* raw: as they stand in the text, the name without its quotes */
};

static const char *
skip_space(const char *at, const char *end)
{
	while (at < end && (*at == ' ' || *at == '\t' || *at == '\n' || *at == '\r'))
		at++;
	return at;
}

/* The end of the string that begins at `at`, or NULL. */
static const char *
string_end(const char *at, const char *end)
{
	for (at++; at < end; at++) {
		const char *quote = memchr(at, '"', (size_t)(end - at));
		if (quote == NULL)
			return NULL;
		/* An odd number of backslashes before it makes it part of the string. */
		const char *slash = quote;
		while (slash > at && slash[-1] == '\\')
			slash--;
		if ((quote - slash) % 2 == 0)
			return quote + 1;
		at = quote;
	}
	return NULL;
}

/* The end of the value that begins at `at`, or NULL. Looks at nesting and strings only. */
static const char *
value_end(const char *at, const char *end)
{
	size_t depth = 0;
	const char *from = at;
	while (at < end) {
		if (*at == '"') {
			at = string_end(at, end);
			if (at == NULL)
				return NULL;
		} else if (*at == '{' || *at == '[') {
			depth++;
			at++;
		} else if ((*at == '}' || *at == ']') && depth > 0) {
			depth--;
			at++;
		} else if (depth > 0 || strchr(",}] \t\r\n", *at) == NULL) {
			at++;
			if (at < end && depth == 0 && strchr(",}] \t\r\n", *at) == NULL)
				continue;
		} else {
			break;
		}
		if (depth == 0)
			break;
	}
	return depth == 0 && at > from ? at : NULL;
}

/* Takes the member at *at, which stands before it and is moved past it and its comma. Returns 1, 0
 * at the end of the object, or -EINVAL. */
static int
next_member(const char **at, const char *end, struct member *to)
{
	const char *p = skip_space(*at, end);
	if (p < end && *p == '}')
		return skip_space(p + 1, end) == end ? 0 : -EINVAL;
	const char *name_end = p < end && *p == '"' ? string_end(p, end) : NULL;
	if (name_end == NULL)
		return -EINVAL;
	to->name = (struct slice){p + 1, (size_t)(name_end - p - 2)};
	p = skip_space(name_end, end);
	if (p == end || *p != ':')
		return -EINVAL;
	p = skip_space(p + 1, end);
	const char *after = value_end(p, end);
	if (after == NULL)
		return -EINVAL;
	to->value = (struct slice){p, (size_t)(after - p)};
	p = skip_space(after, end);
	if (p == end || (*p != ',' && *p != '}'))
		return -EINVAL;
	if (*p == ',') {
		p = skip_space(p + 1, end);
		if (p == end || *p != '"')
			return -EINVAL;
	}
	*at = p;
	return 1;
}

static bool
open_object(struct slice json, const char **at)
{
	if (json.len == 0)
		return false;
	const char *end = json.data + json.len;
	const char *p = skip_space(json.data, end);
	*at = p + 1;
	return p < end && *p == '{';
}

/* Looks a member up by name; false when there is none, or its value is null. */
static bool
find_member(struct slice json, struct slice name, struct slice *value)
{
	const char *at;
	struct member m;
	bool found = false;
	if (!open_object(json, &at))
		return false;
	while (next_member(&at, json.data + json.len, &m) > 0)
		if (m.name.len == name.len && memcmp(m.name.data, name.data, name.len) == 0) {
			*value = m.value;
			found = !slice_is(m.value, "null");
		}
	return found;
}

/* ---- The quirks' small language ---- */

static bool
is_name_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '_';
}

static struct slice
take_name(const char **at)
{
	*at += strspn(*at, " \t");
	const char *from = *at;
	while (is_name_char(**at))
		(*at)++;
	struct slice name = {from, (size_t)(*at - from)};
	*at += strspn(*at, " \t");
	return name;
}

/* One item of a list; `at` moves past its comma. */
struct quirk {
	struct slice name;
	struct slice value; /* rename: the new name; set: JSON */
	struct slice condition;
	bool is_default, is_cap;
};
enum quirk_kind { QUIRK_DROP, QUIRK_RENAME, QUIRK_SET };

static bool
take_set_value(const char **at, struct quirk *to)
{
	const char *end = *at + strlen(*at);
	to->is_cap = **at == '<';
	if (to->is_cap)
		(*at)++;
	if (**at != '=')
		return false;
	*at += 1 + strspn(*at + 1, " \t");
	const char *after = value_end(*at, end);
	if (after == NULL)
		return false;
	to->value = (struct slice){*at, (size_t)(after - *at)};
	*at = after;
	json_error_t error;
	json_t *value = json_loadb(to->value.data, to->value.len, JSON_DECODE_ANY, &error);
	bool good = value != NULL && (!to->is_cap || json_is_number(value));
	json_decref(value);
	return good;
}

/* Returns 1, 0 at the end of the list, -EINVAL for what is none of the language. */
static int
next_quirk(const char **at, enum quirk_kind kind, struct quirk *to)
{
	*to = (struct quirk){0};
	if (*at == NULL || (*at)[strspn(*at, " \t")] == '\0')
		return 0;
	to->name = take_name(at);
	if (to->name.len == 0)
		return -EINVAL;
	if (kind == QUIRK_RENAME) {
		if (**at != '=')
			return -EINVAL;
		(*at)++;
		to->value = take_name(at);
		if (to->value.len == 0)
			return -EINVAL;
	} else if (kind == QUIRK_SET) {
		if (!take_set_value(at, to))
			return -EINVAL;
		struct slice word = take_name(at);
		to->is_default = slice_is(word, "default");
		if (to->is_default)
			word = take_name(at);
		if (slice_is(word, "if"))
			to->condition = word = take_name(at);
		else if (word.len > 0)
			return -EINVAL;
		if (to->condition.data != NULL && word.len == 0)
			return -EINVAL;
	}
	if (**at != ',' && **at != '\0')
		return -EINVAL;
	*at += **at == ',';
	return 1;
}

bool
openai_quirks_check(const struct openai_quirks *quirks, struct bytes *why)
{
	const struct {
		const char *name, *list;
	} lists[] = {{"drop", quirks->drop}, {"rename", quirks->rename}, {"set", quirks->set}};
	for (int i = 0; i < 3; i++) {
		const char *at = lists[i].list;
		struct quirk q;
		int r;
		do {
			const char *from = at;
			r = next_quirk(&at, (enum quirk_kind)i, &q);
			if (r < 0) {
				bytes_printf(why, "%s: cannot read \"%.60s\"", lists[i].name, from);
				return false;
			}
		} while (r > 0);
	}
	return true;
}

/* ---- Building ---- */

struct request {
	struct bytes *out;
	const struct openai_quirks *quirks;
	struct slice parameters;
	bool stream;
};

static bool
same(struct slice a, struct slice b)
{
	return a.len == b.len && memcmp(a.data, b.data, a.len) == 0;
}

/* Are these two names for one thing? max_completion_tokens is OpenAI's newer name for max_tokens.
 */
static bool
same_parameter(struct slice a, struct slice b)
{
	bool limits = (slice_is(a, "max_tokens") || slice_is(a, "max_completion_tokens")) &&
		      (slice_is(b, "max_tokens") || slice_is(b, "max_completion_tokens"));
	return limits || same(a, b);
}

static bool
was_given(const struct request *r, struct slice name)
{
	struct slice value;
	if (same_parameter(name, slice_of("max_tokens")))
		return find_member(r->parameters, slice_of("max_tokens"), &value) ||
		       find_member(r->parameters, slice_of("max_completion_tokens"), &value);
	return find_member(r->parameters, name, &value);
}

static bool
applies(const struct request *r, const struct quirk *q)
{
	return q->condition.len == 0 || was_given(r, q->condition);
}

static double
number_in(struct slice text)
{
	char copy[64] = "";
	if (text.len >= sizeof(copy) || text.len == 0)
		return NAN;
	memcpy(copy, text.data, text.len);
	char *end;
	double value = strtod(copy, &end);
	return *end == '\0' ? value : NAN;
}

static void
put_member(struct bytes *out, struct slice name, struct slice value)
{
	bytes_append(out, ",\"", 2);
	bytes_append(out, name.data, name.len);
	bytes_append(out, "\":", 2);
	bytes_append(out, value.data, value.len);
}

static bool
is_ours(const struct request *r, const struct member *m)
{
	return slice_is(m->name, "model") || slice_is(m->name, "stream") ||
	       (slice_is(m->name, "stream_options") && (!r->stream || r->quirks->stream_usage)) ||
	       (slice_is(m->name, "response_format") && slice_is(m->value, "{\"type\":\"text\"}"));
}

static bool
is_dropped(const struct request *r, struct slice name)
{
	struct quirk q;
	const char *at = r->quirks->drop;
	while (next_quirk(&at, QUIRK_DROP, &q) > 0)
		if (same(q.name, name))
			return true;
	return false;
}

/* Under which name the provider takes it. False: the client has used that name itself too. */
static bool
rename_parameter(const struct request *r, struct slice *name)
{
	struct quirk q;
	struct slice other;
	const char *at = r->quirks->rename;
	while (next_quirk(&at, QUIRK_RENAME, &q) > 0)
		if (same(q.name, *name)) {
			*name = q.value;
			return !find_member(r->parameters, q.value, &other);
		}
	return true;
}

/* Lowers the value to its cap. False: it is replaced at the end of the request. */
static bool
cap_parameter(const struct request *r, struct slice name, struct slice *value)
{
	struct quirk q;
	const char *at = r->quirks->set;
	while (next_quirk(&at, QUIRK_SET, &q) > 0) {
		if (!same_parameter(q.name, name) || !applies(r, &q))
			continue;
		if (q.is_cap && number_in(*value) > number_in(q.value))
			*value = q.value;
		if (!q.is_cap && !q.is_default && same(q.name, name))
			return false;
	}
	return true;
}

static void
put_parameter(const struct request *r, const struct member *m)
{
	struct slice name = m->name, value = m->value;
	if (!is_ours(r, m) && !is_dropped(r, name) && rename_parameter(r, &name) &&
		cap_parameter(r, name, &value))
		put_member(r->out, name, value);
}

static void
put_set_members(const struct request *r)
{
	struct quirk q;
	const char *at = r->quirks->set;
	while (next_quirk(&at, QUIRK_SET, &q) > 0)
		if (!q.is_cap && applies(r, &q) && !(q.is_default && was_given(r, q.name)))
			put_member(r->out, q.name, q.value);
}

/* The client's own stream_options keep their other members. */
static void
put_stream_options(const struct request *r)
{
	struct slice given = {"{}", 2};
	const char *at;
	struct member m;
	bytes_append_str(r->out, ",\"stream_options\":{\"include_usage\":true");
	find_member(r->parameters, slice_of("stream_options"), &given);
	if (open_object(given, &at))
		while (next_member(&at, given.data + given.len, &m) > 0)
			if (!slice_is(m.name, "include_usage"))
				put_member(r->out, m.name, m.value);
	bytes_append_char(r->out, '}');
}

int
openai_build_request(struct bytes *out, const struct openai_quirks *quirks, struct slice model,
	bool stream, struct slice parameters)
{
	struct request r = {out, quirks, parameters, stream};
	const char *at;
	struct member m;
	int more = -EINVAL;
	size_t start = out->len;
	if (!open_object(parameters, &at))
		return -EINVAL;
	bytes_append_str(out, "{\"model\":");
	value_json_string(out, model);
	bytes_append_str(out, stream ? ",\"stream\":true" : ",\"stream\":false");
	if (stream && quirks->stream_usage)
		put_stream_options(&r);
	while ((more = next_member(&at, parameters.data + parameters.len, &m)) > 0)
		put_parameter(&r, &m);
	put_set_members(&r);
	bytes_append_char(out, '}');
	if (more < 0)
		out->len = start;
	return more;
}
