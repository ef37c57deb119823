#include "text.h"

#include <stdint.h>
#include <string.h>

#include "utf8.h"

enum value_problem
value_check_text(struct slice text)
{
	size_t good = utf8_good_prefix(text.data, text.len);
	if (good == text.len)
		return VALUE_OK;
	return text.data[good] == '\0' ? VALUE_HAS_NUL : VALUE_NOT_UTF8;
}

bool
value_is_plain(struct slice text)
{
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.data[i];
		if (c < 0x20 || c == 0x7f)
			return false;
	}
	return value_check_text(text) == VALUE_OK;
}

/* How many bytes from p on need no escape in JSON. */
static size_t
plain_run(const char *p, size_t len)
{
	const uint64_t ones = UINT64_C(0x0101010101010101), tops = ones << 7;
	size_t i = 0;
	for (; len - i >= 8; i += 8) {
		uint64_t w;
		memcpy(&w, p + i, 8);
		uint64_t quote = w ^ (ones * '"'), backslash = w ^ (ones * '\\');
		/* A byte below n (n <= 128) borrows from its top bit; bytes of 128 and more are
		 * masked out. */
		uint64_t found = ((w - ones * 0x20) & ~w) | ((quote - ones) & ~quote) |
				 ((backslash - ones) & ~backslash);
		if (found & tops)
			break;
	}
	while (i < len && (unsigned char)p[i] >= 0x20 && p[i] != '"' && p[i] != '\\')
		i++;
	return i;
}

static void
write_escape(struct bytes *out, char c)
{
	static const char hex[] = "0123456789abcdef";
	static const char shorts[] = {['\b'] = 'b',
		['\t'] = 't',
		['\n'] = 'n',
		['\f'] = 'f',
		['\r'] = 'r',
		['"'] = '"',
		['\\'] = '\\'};
	unsigned char u = (unsigned char)c;
	if (u < sizeof(shorts) && shorts[u]) {
		bytes_append(out, (char[]){'\\', shorts[u]}, 2);
	} else {
		bytes_append(out, (char[]){'\\', 'u', '0', '0', hex[u >> 4], hex[u & 15]}, 6);
	}
}

void
value_json_string(struct bytes *out, struct slice text)
{
	if (bytes_reserve(out, text.len + 2) == NULL)
		return;
	out->data[out->len++] = '"';
	for (size_t i = 0; i < text.len && !out->failed;) {
		size_t run = plain_run(text.data + i, text.len - i);
		bytes_append(out, text.data + i, run);
		i += run;
		if (i < text.len)
			write_escape(out, text.data[i++]);
	}
	bytes_append_char(out, '"');
}

int
value_compare_names(struct slice a, struct slice b)
{
	size_t len = a.len < b.len ? a.len : b.len;
	int order = len ? memcmp(a.data, b.data, len) : 0;
	return order ? order : (a.len > b.len) - (a.len < b.len);
}

const char *
value_problem_text(enum value_problem problem)
{
	switch (problem) {
	case VALUE_OK:
		break;
	case VALUE_NOT_UTF8:
		return "text is not valid UTF-8";
	case VALUE_HAS_NUL:
		return "text holds the character U+0000";
	case VALUE_NOT_JSON:
		return "binary data, extension types, NaN, infinities, and names that are no "
		       "strings "
		       "have no JSON form";
	case VALUE_DUPLICATE_KEY:
		return "a map has the same name twice";
	}
	return "nothing is wrong";
}
