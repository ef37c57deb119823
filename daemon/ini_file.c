#include "ini_file.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <ini.h>

#include "problems.h"
#include "utf8.h"

/* Far beyond any real file, and small enough that looking for duplicates stays cheap. */
enum { ENTRIES_MAX = 200, SECTIONS_MAX = 10000, VALUE_MAX = 64 << 10 };

/* Stands between the text and inih: gives it one line at a time and remembers what the line was. */
struct reader {
	struct ini_file *file;
	ini_is_option *is_option;
	struct problems *problems;
	struct slice rest; /* not yet read */
	int line;
	bool pending;   /* inih has a line that must lead to a call of the handler */
	bool continued; /* ... and it goes on with the value above */
	bool orphaned;  /* the line before was wrong: what continues it is passed over */
	struct ini_section *section; /* NULL before the first header */
	struct ini_section **next_section;
	struct ini_entry *entry; /* the last one of the section */
	size_t entries, sections;
};

static void *
must(void *memory)
{
	if (memory == NULL)
		abort();
	return memory;
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static struct slice
trim(struct slice s)
{
	while (s.len > 0 && is_blank(s.data[0])) {
		s.data++;
		s.len--;
	}
	while (s.len > 0 && (is_blank(s.data[s.len - 1]) || s.data[s.len - 1] == '\r'))
		s.len--;
	return s;
}

/* inih strips a comment within a line, but not from a line that continues a value (release 55). */
static struct slice
cut_comment(struct slice s)
{
	for (size_t i = 1; i < s.len; i++)
		if (s.data[i] == ';' && is_blank(s.data[i - 1]))
			return trim((struct slice){s.data, i});
	return s;
}

static struct slice
take_line(struct reader *r)
{
	const char *newline = memchr(r->rest.data, '\n', r->rest.len);
	struct slice line = {
		r->rest.data, newline ? (size_t)(newline - r->rest.data) : r->rest.len};
	size_t used = line.len + (newline != NULL);
	r->rest.data += used;
	r->rest.len -= used;
	r->line++;
	static const char bom[] = "\xef\xbb\xbf";
	if (r->line == 1 && line.len >= 3 && memcmp(line.data, bom, 3) == 0) {
		line.data += 3;
		line.len -= 3;
	}
	return line;
}

static void
refuse_line(struct reader *r, const char *why)
{
	problems_add(r->problems, r->file->path, r->line, "%s", why);
	r->orphaned = true;
}

static bool
check_characters(struct reader *r, struct slice line)
{
	for (size_t i = 0; i < line.len; i++) {
		unsigned char c = (unsigned char)line.data[i];
		bool control = (c < 0x20 && c != '\t') || c == 0x7f;
		if (control && !(c == '\r' && i == line.len - 1)) {
			refuse_line(r, c == '\0' ? "a NUL byte: is this a text file?"
						 : "a control character in the line");
			return false;
		}
	}
	if (utf8_good_prefix(line.data, line.len) < line.len) {
		refuse_line(r, "not UTF-8 text");
		return false;
	}
	return true;
}

/* The name in "[name]", with its blanks made single; NULL when the header is not well-formed. */
static char *
header_name(struct slice line)
{
	const char *end = memchr(line.data, ']', line.len);
	if (end == NULL)
		return NULL;
	struct slice after =
		trim((struct slice){end + 1, line.len - (size_t)(end + 1 - line.data)});
	if (after.len > 0 && after.data[0] != ';' && after.data[0] != '#')
		return NULL;
	struct slice inside = trim((struct slice){line.data + 1, (size_t)(end - line.data) - 1});
	char *name = must(calloc(1, inside.len + 1));
	size_t len = 0;
	for (size_t i = 0; i < inside.len; i++) {
		if (is_blank(inside.data[i]) && is_blank(inside.data[i - 1]))
			continue;
		name[len++] = is_blank(inside.data[i]) ? ' ' : inside.data[i];
	}
	name[len] = '\0';
	return name;
}

static void
check_duplicate_section(struct reader *r, const struct ini_section *s)
{
	for (const struct ini_section *o = r->file->sections; o != s; o = o->next) {
		if (o->name == NULL || strcmp(o->name, s->name) != 0)
			continue;
		struct bytes quoted = {0};
		problems_quote(&quoted, s->name);
		problems_add(r->problems, r->file->path, s->line,
			"the section %s is there already, at line %d", bytes_cstr(&quoted),
			o->line);
		bytes_finish(&quoted);
		return;
	}
}

static void
begin_section(struct reader *r, struct slice line)
{
	struct ini_section *s = must(calloc(1, sizeof(*s)));
	s->name = header_name(line);
	s->line = r->line;
	*r->next_section = s;
	r->next_section = &s->next;
	r->section = s;
	r->entry = NULL;
	r->entries = 0;
	r->sections++;
	if (s->name == NULL)
		refuse_line(r, "a section header is written [NAME], alone on its line");
	else
		check_duplicate_section(r, s);
}

/* An indented line after an option is more of its value, unless it is plainly something else. */
static bool
check_continuation(struct reader *r, struct slice text)
{
	if (text.data[0] == '[' && text.data[text.len - 1] == ']') {
		refuse_line(r, "an indented [section] would be read as part of the value above it: "
			       "begin it in the first column");
		return false;
	}
	size_t len = 0;
	while (len < text.len && (isalnum((unsigned char)text.data[len]) || text.data[len] == '_'))
		len++;
	struct slice after = trim((struct slice){text.data + len, text.len - len});
	if (len == 0 || after.len == 0 || after.data[0] != '=' || r->is_option == NULL)
		return true;
	char *name = must(strndup(text.data, len));
	bool known = r->section->name != NULL && r->is_option(r->section->name, name);
	if (known) {
		problems_add(r->problems, r->file->path, r->line,
			"%s is indented, and would be read as part of the value above it: begin it "
			"in the first column",
			name);
		r->orphaned = true;
	}
	free(name);
	return !known;
}

/* Gives inih a line, or an empty one when the line is too long for its buffer. */
static void
hand_over(struct reader *r, char *to, size_t size, const char *prefix, struct slice text)
{
	size_t indent = strlen(prefix);
	if (indent + text.len >= size) {
		problems_add(r->problems, r->file->path, r->line,
			"the line is longer than %zu bytes: go on in the next line, indented",
			size - 1);
		r->orphaned = true;
		to[0] = '\0';
		return;
	}
	memcpy(to, prefix, indent);
	memcpy(to + indent, text.data, text.len);
	to[indent + text.len] = '\0';
	r->pending = true;
}

/* Nothing came of the line that inih was given. */
static void
check_pending(struct reader *r)
{
	if (r->pending)
		refuse_line(r, "expected NAME = VALUE, [SECTION], or a comment that begins with ;");
	r->pending = false;
}

/* inih's fgets. */
static char *
next_line(char *to, int size, void *stream)
{
	struct reader *r = stream;
	check_pending(r);
	if (r->rest.len == 0)
		return NULL;
	struct slice line = take_line(r);
	struct slice text = trim(line);
	to[0] = '\0';
	if (!check_characters(r, line) || text.len == 0 || text.data[0] == ';' ||
		text.data[0] == '#')
		return to;
	bool indented = is_blank(line.data[0]);
	if (indented && r->orphaned)
		return to;
	r->continued = indented && r->entry != NULL;
	if (r->continued) {
		text = cut_comment(text);
		if (check_continuation(r, text))
			hand_over(r, to, (size_t)size, " ", text);
		return to;
	}
	r->orphaned = false;
	if (text.data[0] != '[') {
		hand_over(r, to, (size_t)size, "", text);
		return to;
	}
	if (r->sections >= SECTIONS_MAX) {
		refuse_line(r, "too many sections: the rest of the file is not read");
		r->rest.len = 0;
		return to;
	}
	begin_section(r, text);
	/* inih would cut a long name: it gets a number, which also ends its idea of the option that
	 * an indented line could continue. */
	snprintf(to, (size_t)size, "[%zu]", r->sections);
	return to;
}

static void
add_entry(struct reader *r, const char *name, const char *value)
{
	if (name[0] == '\0') {
		refuse_line(r, "there is no name before the '='");
		return;
	}
	if (r->section == NULL) {
		refuse_line(r, "an option before the first [section]");
		return;
	}
	const struct ini_entry *same = ini_section_entry(r->section, name);
	if (same != NULL) {
		struct bytes quoted = {0};
		problems_quote(&quoted, name);
		problems_add(r->problems, r->file->path, r->line,
			"%s is set already in this section, at line %d", bytes_cstr(&quoted),
			same->line);
		bytes_finish(&quoted);
		r->orphaned = true;
		return;
	}
	if (++r->entries > ENTRIES_MAX) {
		if (r->entries == ENTRIES_MAX + 1)
			refuse_line(r, "too many options in one section");
		r->orphaned = true;
		return;
	}
	struct ini_entry *e = must(calloc(1, sizeof(*e)));
	e->name = must(strdup(name));
	e->value = must(strdup(value));
	e->line = r->line;
	if (r->entry != NULL)
		r->entry->next = e;
	else
		r->section->entries = e;
	r->entry = e;
}

static void
continue_entry(struct reader *r, const char *more)
{
	size_t len = strlen(r->entry->value);
	size_t extra = strlen(more);
	if (len + extra + 2 > VALUE_MAX) {
		refuse_line(r, "the value is too long");
		return;
	}
	char *joined = must(realloc(r->entry->value, len + extra + 2));
	if (len > 0)
		joined[len++] = ' ';
	memcpy(joined + len, more, extra + 1);
	r->entry->value = joined;
}

static int
on_value(void *user, const char *section, const char *name, const char *value)
{
	struct reader *r = user;
	r->pending = false;
	if (r->continued)
		continue_entry(r, value);
	else
		add_entry(r, name, value);
	return 1;
}

struct ini_file *
ini_file_parse(
	const char *path, struct slice text, ini_is_option *is_option, struct problems *problems)
{
	struct ini_file *f = must(calloc(1, sizeof(*f)));
	f->path = must(strdup(path));
	struct reader r = {
		.file = f,
		.is_option = is_option,
		.problems = problems,
		.rest = text,
		.next_section = &f->sections,
	};
	/* Its result names only the first line it could not read: ours are all reported. */
	if (ini_parse_stream(next_line, &r, on_value, &r) == -2)
		abort();
	check_pending(&r);
	return f;
}

static int
check_kind(const struct stat *st)
{
	if (S_ISDIR(st->st_mode))
		return -EISDIR;
	bool null = S_ISCHR(st->st_mode) && st->st_rdev == makedev(1, 3);
	if (!S_ISREG(st->st_mode) && !null)
		return -EINVAL;
	return st->st_size > INI_FILE_MAX ? -EFBIG : 0;
}

static int
slurp(const char *path, struct bytes *text)
{
	/* Non-blocking, so that a FIFO in its place is refused rather than waited for. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0)
		return -errno;
	struct stat st;
	int error = fstat(fd, &st) < 0 ? -errno : check_kind(&st);
	while (error == 0) {
		char *to = must(bytes_reserve(text, 65536));
		ssize_t n = read(fd, to, 65536);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			error = -errno;
		if (n <= 0)
			break;
		text->len += (size_t)n;
		if (text->len > INI_FILE_MAX)
			error = -EFBIG;
	}
	close(fd);
	return error;
}

int
ini_file_read(
	struct ini_file **to, const char *path, ini_is_option *is_option, struct problems *problems)
{
	struct bytes text = {0};
	*to = NULL;
	int error = slurp(path, &text);
	if (error == -EFBIG)
		problems_add(problems, path, 0, "larger than %d MiB", INI_FILE_MAX >> 20);
	else if (error == -EINVAL)
		problems_add(problems, path, 0, "not a regular file");
	else if (error != 0)
		problems_add(problems, path, 0, "%s", strerror(-error));
	else
		*to = ini_file_parse(
			path, (struct slice){text.data, text.len}, is_option, problems);
	bytes_finish(&text);
	return error;
}

void
ini_file_destroy(struct ini_file *f)
{
	if (f == NULL)
		return;
	while (f->sections != NULL) {
		struct ini_section *s = f->sections;
		f->sections = s->next;
		while (s->entries != NULL) {
			struct ini_entry *e = s->entries;
			s->entries = e->next;
			free(e->name);
			free(e->value);
			free(e);
		}
		free(s->name);
		free(s);
	}
	free(f->path);
	free(f);
}

const struct ini_entry *
ini_section_entry(const struct ini_section *s, const char *name)
{
	for (const struct ini_entry *e = s->entries; e != NULL; e = e->next)
		if (strcmp(e->name, name) == 0)
			return e;
	return NULL;
}
