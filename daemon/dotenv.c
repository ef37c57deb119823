#include "dotenv.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "secret_file.h"

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static struct slice
trim(struct slice s)
{
	while (s.len > 0 && is_blank(s.data[0])) {
		s.data++;
		s.len--;
	}
	while (s.len > 0 && is_blank(s.data[s.len - 1]))
		s.len--;
	return s;
}

/* Is the line "NAME=..." or "export NAME=..."? Then *value is what follows the '='. */
static bool
line_assigns(struct slice line, const char *name, struct slice *value)
{
	line = trim(line);
	if (line.len > 7 && memcmp(line.data, "export", 6) == 0 && is_blank(line.data[6]))
		line = trim((struct slice){line.data + 6, line.len - 6});
	const char *equals = line.len > 0 ? memchr(line.data, '=', line.len) : NULL;
	if (equals == NULL)
		return false;
	struct slice before = trim((struct slice){line.data, (size_t)(equals - line.data)});
	*value = trim((struct slice){equals + 1, line.len - (size_t)(equals + 1 - line.data)});
	return slice_is(before, name);
}

static char
escaped(char c)
{
	switch (c) {
	case 'n':
		return '\n';
	case 'r':
		return '\r';
	case 't':
		return '\t';
	default:
		return c;
	}
}

static ssize_t
unquote(struct slice value, char *to, size_t size)
{
	char quote = value.data[0];
	size_t len = 0;
	for (size_t i = 1; i < value.len; i++) {
		char c = value.data[i];
		if (c == quote) {
			to[len] = '\0';
			return (ssize_t)len;
		}
		if (c == '\\' && quote == '"' && i + 1 < value.len)
			c = escaped(value.data[++i]);
		if (len + 1 >= size)
			return -E2BIG;
		to[len++] = c;
	}
	return -EINVAL;
}

static ssize_t
plain(struct slice value, char *to, size_t size)
{
	for (size_t i = 0; i < value.len; i++)
		if (value.data[i] == '#' && (i == 0 || is_blank(value.data[i - 1])))
			value.len = i;
	value = trim(value);
	if (value.len >= size)
		return -E2BIG;
	if (value.len > 0)
		memcpy(to, value.data, value.len);
	to[value.len] = '\0';
	return (ssize_t)value.len;
}

ssize_t
dotenv_find(struct slice text, const char *name, char *to, size_t size)
{
	ssize_t found = -ENOENT;
	static const char bom[] = "\xef\xbb\xbf";
	if (text.len >= 3 && memcmp(text.data, bom, 3) == 0)
		text = (struct slice){text.data + 3, text.len - 3};
	while (text.len > 0) {
		const char *newline = memchr(text.data, '\n', text.len);
		struct slice line = {text.data, newline ? (size_t)(newline - text.data) : text.len};
		size_t used = line.len + (newline != NULL);
		text.data += used;
		text.len -= used;
		struct slice value;
		if (!line_assigns(line, name, &value))
			continue;
		bool quoted = value.len > 0 && (value.data[0] == '"' || value.data[0] == '\'');
		found = quoted ? unquote(value, to, size) : plain(value, to, size);
	}
	return found;
}

ssize_t
dotenv_read(const char *path, const char *name, char *to, size_t size, enum dotenv_failure *failure)
{
	if (sodium_init() < 0)
		abort();
	char *text = sodium_malloc(DOTENV_FILE_MAX + 1);
	if (text == NULL)
		abort();
	ssize_t len = secret_file_read(path, 0, text, DOTENV_FILE_MAX + 1);
	*failure = len < 0 ? DOTENV_FILE : DOTENV_NAME;
	if (len >= 0)
		len = dotenv_find((struct slice){text, (size_t)len}, name, to, size);
	sodium_free(text);
	return len;
}
