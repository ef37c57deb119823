/*
 * A pull scanner for the form in which nearly all chunks and whole answers come, because jansson's
 * tree costs several microseconds for each. It validates every byte and gives up (false) on
 * whatever it has no simple rule for.
 */
#include "openai_internal.h"

#include <string.h>

enum { MAX_DEPTH = 32, MAX_DIGITS = 15 };

struct cursor {
	const char *at, *end;
};

static bool
skip_space(struct cursor *c)
{
	while (c->at < c->end &&
		(*c->at == ' ' || *c->at == '\n' || *c->at == '\t' || *c->at == '\r'))
		c->at++;
	return c->at < c->end;
}

static bool
take(struct cursor *c, char wanted)
{
	if (!skip_space(c) || *c->at != wanted)
		return false;
	c->at++;
	return true;
}

/* Does this word of eight bytes hold none that ends or complicates a string: a quote, a backslash,
 * a control character, anything beyond ASCII? The usual trick of looking for a zero byte. */
static bool
is_plain_word(const char *p)
{
	const uint64_t ones = 0x0101010101010101, highs = 0x8080808080808080;
	uint64_t w;
	memcpy(&w, p, sizeof(w));
	uint64_t quote = w ^ (ones * '"');
	uint64_t slash = w ^ (ones * '\\');
	uint64_t found =
		((quote - ones) & ~quote) | ((slash - ones) & ~slash) | (w - ones * 0x20) | w;
	return (found & highs) == 0;
}

/* The four hexadecimal digits of \uXXXX, p being at its backslash. -1: it is none. */
static int
unicode_escape(const char *p, const char *end)
{
	int value = 0;
	if (end - p < 6 || p[0] != '\\' || p[1] != 'u')
		return -1;
	for (int i = 2; i < 6; i++) {
		int digit = p[i] >= '0' && p[i] <= '9'   ? p[i] - '0'
			    : p[i] >= 'a' && p[i] <= 'f' ? p[i] - 'a' + 10
			    : p[i] >= 'A' && p[i] <= 'F' ? p[i] - 'A' + 10
							 : -1;
		if (digit < 0)
			return -1;
		value = value * 16 + digit;
	}
	return value;
}

/* The code point that the \u escape at p stands for, and in *len how long it is, with the second
 * half of a pair. -1: none, or one that is left to jansson (control characters, half pairs). */
static int
code_point(const char *p, const char *end, size_t *len)
{
	int first = unicode_escape(p, end);
	*len = 6;
	if (first < 0x20 || (first >= 0xdc00 && first <= 0xdfff))
		return -1;
	if (first < 0xd800 || first > 0xdbff)
		return first;
	int second = unicode_escape(p + 6, end);
	*len = 12;
	if (second < 0xdc00 || second > 0xdfff)
		return -1;
	return 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
}

/* The length of the escape at p; 0 when it is none. */
static size_t
scan_escape(const char *p, const char *end, enum escapes *escapes)
{
	size_t len = 2;
	if (end - p < 2 || p[1] == '\0')
		return 0;
	if (strchr("\"\\nrtbf", p[1]) != NULL) {
		*escapes = *escapes == ESCAPES_NONE ? ESCAPES_SHORT : *escapes;
		return len;
	}
	*escapes = ESCAPES_OTHER;
	return p[1] == '/' || code_point(p, end, &len) >= 0 ? len : 0;
}

/* A string, `at` being at its quote. */
static bool
scan_string(struct cursor *c, struct slice *raw, enum escapes *escapes)
{
	const char *p = c->at + 1;
	*escapes = ESCAPES_NONE;
	for (;;) {
		while (c->end - p >= 8 && is_plain_word(p))
			p += 8;
		if (p >= c->end)
			return false;
		unsigned char ch = (unsigned char)*p;
		if (ch == '"')
			break;
		size_t len = 0;
		if (ch == '\\')
			len = scan_escape(p, c->end, escapes);
		else if (ch >= 0x20)
			len = utf8_sequence((const unsigned char *)p, (size_t)(c->end - p));
		if (len == 0)
			return false;
		p += len;
	}
	*raw = (struct slice){c->at + 1, (size_t)(p - c->at - 1)};
	c->at = p + 1;
	return true;
}

static bool
skip_digits(struct cursor *c, size_t max)
{
	const char *from = c->at;
	while (c->at < c->end && *c->at >= '0' && *c->at <= '9')
		c->at++;
	return c->at > from && (size_t)(c->at - from) <= max;
}

/* An integer, or with `to` NULL a decimal fraction too; never with an exponent. */
static bool
scan_number(struct cursor *c, int64_t *to)
{
	bool negative = *c->at == '-';
	if (negative)
		c->at++;
	const char *from = c->at;
	if (!skip_digits(c, MAX_DIGITS) || (*from == '0' && c->at - from > 1))
		return false;
	if (to != NULL) {
		int64_t value = 0;
		for (const char *p = from; p < c->at; p++)
			value = value * 10 + (*p - '0');
		*to = negative ? -value : value;
	} else if (c->at < c->end && *c->at == '.') {
		c->at++;
		if (!skip_digits(c, MAX_DIGITS + 5))
			return false;
	}
	return c->at == c->end || (*c->at != '.' && *c->at != 'e' && *c->at != 'E');
}

static bool
take_word(struct cursor *c, const char *word, size_t len)
{
	if ((size_t)(c->end - c->at) < len || memcmp(c->at, word, len) != 0)
		return false;
	c->at += len;
	return true;
}

static bool
take_null(struct cursor *c)
{
	return skip_space(c) && take_word(c, "null", 4);
}

/* A member that says nothing, just as null does (annotations, tool_calls). */
static bool
take_empty_array(struct cursor *c)
{
	struct cursor from = *c;
	if (take(c, '[') && take(c, ']'))
		return true;
	*c = from;
	return false;
}

/* The name of the next member, `first` being true before the first one. Returns 1, 0 after the
 * last, -1 when it is not as it should be. */
static int
next_member(struct cursor *c, bool *first, struct slice *name)
{
	enum escapes escapes;
	if (!skip_space(c))
		return -1;
	if (*c->at == '}') {
		c->at++;
		return 0;
	}
	if (!*first && (!take(c, ',') || !skip_space(c)))
		return -1;
	if (*c->at != '"')
		return -1;
	*first = false;
	if (!scan_string(c, name, &escapes) || escapes != ESCAPES_NONE || !take(c, ':') ||
		!skip_space(c))
		return -1;
	return 1;
}

static bool skip_value(struct cursor *c, int depth);

static bool
skip_object(struct cursor *c, int depth)
{
	bool first = true;
	struct slice name;
	int r;
	c->at++;
	while ((r = next_member(c, &first, &name)) > 0)
		if (!skip_value(c, depth))
			return false;
	return r == 0;
}

static bool
skip_array(struct cursor *c, int depth)
{
	c->at++;
	if (!skip_space(c))
		return false;
	if (*c->at == ']') {
		c->at++;
		return true;
	}
	do {
		if (!skip_value(c, depth) || !skip_space(c))
			return false;
	} while (*c->at == ',' && c->at++ < c->end);
	return take(c, ']');
}

static bool
skip_value(struct cursor *c, int depth)
{
	struct slice raw;
	enum escapes escapes;
	if (depth >= MAX_DEPTH || !skip_space(c))
		return false;
	switch (*c->at) {
	case '"':
		return scan_string(c, &raw, &escapes);
	case '{':
		return skip_object(c, depth + 1);
	case '[':
		return skip_array(c, depth + 1);
	case 't':
		return take_word(c, "true", 4);
	case 'f':
		return take_word(c, "false", 5);
	case 'n':
		return take_word(c, "null", 4);
	default:
		return scan_number(c, NULL);
	}
}

/* Each of these readers sets its bit in `seen`: of two members with one name the last counts, which
 * is left to jansson. */
static bool
seen_before(unsigned *seen, unsigned bit)
{
	bool before = (*seen & bit) != 0;
	*seen |= bit;
	return before;
}

static bool
scan_usage(struct cursor *c, struct chunk *to)
{
	static const char *const names[] = {"prompt_tokens", "completion_tokens", "total_tokens"};
	int64_t *const values[] = {
		&to->usage.prompt_tokens, &to->usage.completion_tokens, &to->usage.total_tokens};
	bool first = true;
	unsigned seen = 0;
	struct slice name;
	int r;
	if (take_null(c))
		return true;
	if (!take(c, '{'))
		return false;
	while ((r = next_member(c, &first, &name)) > 0) {
		int which = 0;
		while (which < 3 && !slice_is(name, names[which]))
			which++;
		if (which == 3) {
			if (!skip_value(c, 0))
				return false;
			continue;
		}
		if (seen_before(&seen, 1U << which) || *c->at < '0' || *c->at > '9' ||
			!scan_number(c, values[which]))
			return false;
	}
	to->has_usage = seen != 0;
	return r == 0;
}

static bool
scan_delta(struct cursor *c, struct chunk *to)
{
	bool first = true, has_role = false;
	enum escapes escapes;
	struct slice name, raw;
	int r;
	if (!take(c, '{'))
		return false;
	while ((r = next_member(c, &first, &name)) > 0) {
		bool role = slice_is(name, "role");
		if (role && has_role)
			return false;
		has_role = has_role || role;
		if (take_null(c) || take_empty_array(c))
			raw = (struct slice){NULL, 0};
		else if (*c->at != '"' || !scan_string(c, &raw, &escapes))
			return false;
		for (size_t i = 0; i < to->member_count; i++)
			if (to->members[i].name.len == name.len &&
				memcmp(to->members[i].name.data, name.data, name.len) == 0)
				return false;
		if (role)
			continue;
		if (to->member_count == CHUNK_MEMBERS)
			return false;
		to->members[to->member_count++] =
			(struct chunk_member){name, raw, raw.len > 0 ? escapes : ESCAPES_NONE};
	}
	return r == 0;
}

static bool
scan_choice(struct cursor *c, struct chunk *to)
{
	enum { INDEX = 1, DELTA = 2, FINISH = 4, MESSAGE = 8 };
	bool first = true;
	enum escapes escapes = ESCAPES_NONE;
	unsigned seen = 0;
	struct slice name;
	int64_t index = 0;
	int r;
	if (!take(c, '{'))
		return false;
	while ((r = next_member(c, &first, &name)) > 0) {
		bool ok;
		if (slice_is(name, "delta"))
			ok = !seen_before(&seen, DELTA) && scan_delta(c, to);
		else if (slice_is(name, "message"))
			ok = !seen_before(&seen, MESSAGE) && scan_delta(c, to);
		else if (slice_is(name, "index"))
			ok = !seen_before(&seen, INDEX) && *c->at == '0' && scan_number(c, &index);
		else if (slice_is(name, "finish_reason"))
			ok = !seen_before(&seen, FINISH) &&
			     (take_null(c) || (*c->at == '"' && scan_string(c, &to->finish_reason,
									&escapes)));
		else
			ok = !slice_is(name, "error") && skip_value(c, 0);
		if (!ok || escapes != ESCAPES_NONE)
			return false;
	}
	to->is_message = (seen & MESSAGE) != 0;
	return r == 0 && to->is_message != ((seen & DELTA) != 0);
}

bool
openai_chunk_scan(struct slice json, struct chunk *to)
{
	enum { CHOICES = 1, USAGE = 2 };
	struct cursor c = {json.data, json.data + json.len};
	bool first = true;
	unsigned seen = 0;
	struct slice name;
	int r;
	to->member_count = 0;
	to->finish_reason = (struct slice){NULL, 0};
	to->usage = (struct usage){-1, -1, -1};
	to->has_usage = to->is_message = false;
	if (!take(&c, '{'))
		return false;
	while ((r = next_member(&c, &first, &name)) > 0) {
		bool ok;
		if (slice_is(name, "choices"))
			ok = !seen_before(&seen, CHOICES) && take(&c, '[') && scan_choice(&c, to) &&
			     take(&c, ']');
		else if (slice_is(name, "usage"))
			ok = !seen_before(&seen, USAGE) && scan_usage(&c, to);
		else
			ok = !slice_is(name, "error") && !slice_is(name, "x_groq") &&
			     skip_value(&c, 0);
		if (!ok)
			return false;
	}
	return r == 0 && !skip_space(&c) && (seen & CHOICES);
}

static void
append_code_point(struct bytes *out, int c)
{
	char utf8[4];
	size_t len = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
	for (size_t i = len; i-- > 1; c >>= 6)
		utf8[i] = (char)(0x80 | (c & 0x3f));
	utf8[0] = (char)(len == 1 ? c : (0xf00 >> len & 0xff) | c);
	bytes_append(out, utf8, len);
}

void
openai_chunk_unescape(struct bytes *out, const struct chunk_member *member)
{
	static const char from[] = "nrtbf", to[] = "\n\r\t\b\f";
	const char *at = member->raw.data;
	const char *end = at + member->raw.len;
	while (at < end) {
		const char *slash = NULL;
		if (member->escapes != ESCAPES_NONE)
			slash = memchr(at, '\\', (size_t)(end - at));
		bytes_append(out, at, (size_t)((slash != NULL ? slash : end) - at));
		if (slash == NULL)
			break;
		size_t len = 2;
		const char *known = strchr(from, slash[1]);
		if (slash[1] == 'u')
			append_code_point(out, code_point(slash, end, &len));
		else
			bytes_append_char(out, known != NULL ? to[known - from] : slash[1]);
		at = slash + len;
	}
}
