#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ini_file.h"
#include "problems.h"
#include "settings_files.h"

static bool
is_option(const char *section, const char *name)
{
	return strcmp(section, "daemon") == 0 && strcmp(name, "socket") == 0;
}

/* The tree as text: "[section] name=value@line ...". */
static void
print_tree(const struct ini_file *f, struct bytes *out)
{
	for (const struct ini_section *s = f->sections; s != NULL; s = s->next) {
		bytes_printf(out, "[%s]@%d", s->name ? s->name : "?", s->line);
		for (const struct ini_entry *e = s->entries; e != NULL; e = e->next)
			bytes_printf(out, " %s=%s@%d", e->name, e->value, e->line);
		bytes_append_char(out, '\n');
	}
}

struct ini_case {
	const char *title;
	const char *text;
	const char *tree;
	const char *problems[6];
};

#define LONG_ID "openrouter/qwen/qwen3-next-80b-a3b-instruct-with-a-name-that-goes-on-and-on:free"
#define TEN "0123456789"
#define HUNDRED TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN

static const struct ini_case cases[] = {
	{"empty", "", ""},
	{"blank", "\n \n\t\n", ""},
	{"comments", "; a\n# b\n  ; c\n", ""},
	{"one", "[a]\nx = 1\n", "[a]@1 x=1@2\n"},
	{"no newline at the end", "[a]\nx = 1", "[a]@1 x=1@2\n"},
	{"header at the end", "[a]", "[a]@1\n"},
	{"CR LF", "[a]\r\nx = 1\r\n\r\ny = 2\r\n", "[a]@1 x=1@2 y=2@4\n"},
	{"CR LF without end", "[a]\r\nx = 1\r", "[a]@1 x=1@2\n"},
	{"BOM", "\xef\xbb\xbf[a]\nx = 1\n", "[a]@1 x=1@2\n"},
	{"only a BOM", "\xef\xbb\xbf", ""},
	{"empty sections", "[a]\n[b]\n\n[c]\n", "[a]@1\n[b]@2\n[c]@4\n"},
	{"blanks in a header", "[ provider \t groq ]\n", "[provider groq]@1\n"},
	{"long section name", "[model " LONG_ID "]\nx = 1\n", "[model " LONG_ID "]@1 x=1@2\n"},
	{"comment after a header", "[a] ; b\n[c];d\n", "[a]@1\n[c]@2\n"},
	{"long comment", "; " HUNDRED HUNDRED HUNDRED "\n[a]\n", "[a]@2\n"},
	{"comment in a line", "[a]\nx = 1 ; one\ny = a;b\nz = ; none\n",
		"[a]@1 x=1@2 y=a;b@3 z=@4\n"},
	{"colon", "[a]\nx: 1\ny = a:b\n", "[a]@1 x=1@2 y=a:b@3\n"},
	{"empty value", "[a]\nx =\n", "[a]@1 x=@2\n"},
	{"continued", "[a]\nx = 1,\n  2, ; two\n\t3\ny = 4\n", "[a]@1 x=1, 2, 3@2 y=4@5\n"},
	{"continued over comments", "[a]\nx = 1\n; no\n\n  2\n", "[a]@1 x=1 2@2\n"},
	{"continued from nothing", "[a]\nx =\n  2\n", "[a]@1 x=2@2\n"},
	{"continuation is not a duplicate", "[a]\nx = 1\n  x\n", "[a]@1 x=1 x@2\n"},
	{"first option indented", "[a]\n  x = 1\n", "[a]@1 x=1@2\n"},
	{"continuation with a parameter", "[a]\nset = a=1,\n  b=2\n", "[a]@1 set=a=1, b=2@2\n"},
	{"UTF-8", "[a]\nx = gr\xc3\xbc\xc3\x9f\n", "[a]@1 x=gr\xc3\xbc\xc3\x9f@2\n"},
	{"indented option", "[daemon]\nx = 1\n  socket = 2\n  more\ny = 3\n",
		"[daemon]@1 x=1@2 y=3@5\n", {"f.ini:3: socket is indented"}},
	{"indented header", "[a]\nx = 1\n  [b]\ny = 2\n", "[a]@1 x=1@2 y=2@4\n",
		{"f.ini:3: an indented [section]"}},
	{"duplicate option", "[a]\nx = 1\ny = 2\nx = 3\n more\n", "[a]@1 x=1@2 y=2@3\n",
		{"f.ini:4: 'x' is set already in this section, at line 2"}},
	{"duplicate section", "[a]\n[b]\n[ a ]\nx = 1\n", "[a]@1\n[b]@2\n[a]@3 x=1@4\n",
		{"f.ini:3: the section 'a' is there already, at line 1"}},
	{"no section", "x = 1\n y\n[a]\n", "[a]@3\n", {"f.ini:1: an option before the first"}},
	{"no value", "[a]\nx\n  y\nz = 1\n", "[a]@1 z=1@4\n", {"f.ini:2: expected NAME = VALUE"}},
	{"no value at the end", "[a]\nx", "[a]@1\n", {"f.ini:2: expected NAME = VALUE"}},
	{"no name", "[a]\n= 1\nx = 2\n", "[a]@1 x=2@3\n", {"f.ini:2: there is no name"}},
	{"open header", "[a\nx = 1\n[b]\n", "[?]@1 x=1@2\n[b]@3\n", {"f.ini:1: a section header"}},
	{"text after a header", "[a] x = 1\n[b]\n", "[?]@1\n[b]@2\n",
		{"f.ini:1: a section header"}},
	{"not UTF-8", "[a]\nx = \xff\ny = \xc0\xaf\nz = \xed\xa0\x80\nw = 1\n", "[a]@1 w=1@5\n",
		{"f.ini:2: not UTF-8", "f.ini:3: not UTF-8", "f.ini:4: not UTF-8"}},
	{"UTF-16", "\xff\xfe[", "", {"f.ini:1: not UTF-8"}},
	{"control character", "[a]\nx = \033[31m\n", "[a]@1\n", {"f.ini:2: a control character"}},
	{"CR inside", "[a]\nx = 1\ry = 2\n", "[a]@1\n", {"f.ini:2: a control character"}},
	{"too long", "[a]\nx = " HUNDRED HUNDRED "\n more\ny = 1\n", "[a]@1 y=1@4\n",
		{"f.ini:2: the line is longer than 199 bytes: go on in the next line, indented"}},
	{"too long, continued", "[a]\nx = 1\n  " HUNDRED HUNDRED "\ny = 1\n", "[a]@1 x=1@2 y=1@4\n",
		{"f.ini:3: the line is longer"}},
	{"several", "y\n[a\n[b]\nx\n= 2\n", "[?]@2\n[b]@3\n",
		{"f.ini:1: expected", "f.ini:2: a section header", "f.ini:4: expected",
			"f.ini:5: there is no name"}},
};

static void
check_text(const char *title, struct slice text, const char *tree, const char *const *problems)
{
	struct seen_problems seen = {0};
	struct problems p = {.report = settings_seen, .context = &seen};
	struct bytes out = {0};
	struct ini_file *f = ini_file_parse("f.ini", text, is_option, &p);
	print_tree(f, &out);
	settings_expect(title, &seen, problems);
	if (strcmp(bytes_cstr(&out), tree) != 0)
		fail_msg("%s: the tree is\n%s", title, out.data);
	assert_int_equal(p.count, seen.count);
	settings_seen_free(&seen);
	bytes_finish(&out);
	ini_file_destroy(f);
}

static void
test_cases(void **state)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		check_text(
			cases[i].title, slice_of(cases[i].text), cases[i].tree, cases[i].problems);
}

static void
test_nul(void **state)
{
	static const char text[] = "[a]\nx = 1\0002\ny = 2\n";
	static const char *const problems[] = {"f.ini:2: a NUL byte", NULL};
	check_text("NUL", (struct slice){text, sizeof(text) - 1}, "[a]@1 y=2@3\n", problems);
}

/* A value of exactly what inih's buffer holds, in a file with and without a newline. */
static void
test_longest_line(void **state)
{
	static const char *const none[] = {NULL};
	char tree[400];
	for (int extra = 0; extra < 2; extra++) {
		struct bytes text = {0};
		bytes_printf(&text, "[a]\nx = %.*s", 195, HUNDRED HUNDRED);
		bytes_append_str(&text, extra ? "\n" : "");
		snprintf(tree, sizeof(tree), "[a]@1 x=%.*s@2\n", 195, HUNDRED HUNDRED);
		check_text("longest", (struct slice){text.data, text.len}, tree, none);
		bytes_finish(&text);
	}
}

static void
expect_unreadable(const char *path, int error, const char *says)
{
	struct seen_problems seen = {0};
	struct problems p = {.report = settings_seen, .context = &seen};
	struct ini_file *f = NULL;
	const char *expected[] = {says, NULL};
	assert_int_equal(ini_file_read(&f, path, is_option, &p), error);
	assert_null(f);
	settings_expect(path, &seen, expected);
	settings_seen_free(&seen);
}

static void
test_unreadable(void **state)
{
	expect_unreadable(settings_path("none"), -ENOENT, "none: No such file");
	expect_unreadable(settings_path(""), -EISDIR, ": Is a directory");
	assert_int_equal(mkfifo(settings_path("fifo"), 0600), 0);
	expect_unreadable(settings_path("fifo"), -EINVAL, "fifo: not a regular file");
	int fd = open(settings_write("huge", ""), O_WRONLY | O_CLOEXEC);
	assert_int_equal(ftruncate(fd, INI_FILE_MAX + 1), 0);
	close(fd);
	expect_unreadable(settings_path("huge"), -EFBIG, "huge: larger than 4 MiB");
	expect_unreadable("/dev/zero", -EINVAL, "/dev/zero: not a regular file");
	if (geteuid() != 0) {
		assert_int_equal(chmod(settings_write("secret", ""), 0), 0);
		expect_unreadable(settings_path("secret"), -EACCES, "Permission denied");
	}
}

static void
test_readable(void **state)
{
	struct seen_problems seen = {0};
	struct problems p = {.report = settings_seen, .context = &seen};
	struct ini_file *f = NULL;
	assert_int_equal(ini_file_read(&f, "/dev/null", is_option, &p), 0);
	assert_null(f->sections);
	ini_file_destroy(f);
	assert_int_equal(ini_file_read(&f, settings_write("f", "[a]\nx=1\n"), is_option, &p), 0);
	assert_string_equal(ini_section_entry(f->sections, "x")->value, "1");
	assert_null(ini_section_entry(f->sections, "y"));
	ini_file_destroy(f);
	assert_int_equal(seen.count, 0);
}

/* Bounds that keep the search for duplicates cheap, and the value itself. */
static void
test_bounds(void **state)
{
	static const char *const options[] = {"f.ini:202: too many options", NULL};
	static const char *const sections[] = {"f.ini:10001: too many sections", NULL};
	struct seen_problems seen = {0};
	struct problems p = {.report = settings_seen, .context = &seen};
	struct bytes text = {0};
	bytes_append_str(&text, "[a]\n");
	for (int i = 0; i < 1000; i++)
		bytes_printf(&text, "x%d = 1\n", i);
	ini_file_destroy(
		ini_file_parse("f.ini", (struct slice){text.data, text.len}, is_option, &p));
	settings_expect("options", &seen, options);
	settings_seen_free(&seen);
	bytes_clear(&text);
	for (int i = 0; i < 11000; i++)
		bytes_printf(&text, "[a%d]\n", i);
	ini_file_destroy(
		ini_file_parse("f.ini", (struct slice){text.data, text.len}, is_option, &p));
	settings_expect("sections", &seen, sections);
	settings_seen_free(&seen);
	bytes_clear(&text);
	bytes_append_str(&text, "[a]\nx = 1\n");
	for (int i = 0; i < 2000; i++)
		bytes_append_str(&text, " " HUNDRED "\n");
	ini_file_destroy(
		ini_file_parse("f.ini", (struct slice){text.data, text.len}, is_option, &p));
	assert_int_equal(seen.count, 1);
	assert_non_null(strstr(seen.sentence[0], "the value is too long"));
	settings_seen_free(&seen);
	bytes_finish(&text);
}

/* A generator with a fixed seed (Marsaglia's xorshift64). */
static uint64_t
next_random(uint64_t *x)
{
	*x ^= *x << 13;
	*x ^= *x >> 7;
	*x ^= *x << 17;
	return *x;
}

/* Text that is nearly a configuration: what happens must be bounded, whatever it is. */
static void
test_random(void **state)
{
	static const char *const pieces[] = {"[", "]", "=", ":", ";", " ;", "#", "\n", "\r\n", " ",
		"\t", "a", "socket", "daemon", "[daemon]\n", "\xef\xbb\xbf", "\xff", "\xc3\xa9",
		"x = 1\n", HUNDRED, "\n  ", "\0"};
	uint64_t seed = 20261001;
	char text[2000];
	for (int round = 0; round < 20000; round++) {
		size_t len = 0;
		while (len < 400 && next_random(&seed) % 40 != 0) {
			uint64_t r = next_random(&seed);
			const char *piece = pieces[r % (sizeof(pieces) / sizeof(pieces[0]))];
			size_t n = piece[0] == '\0' ? 1 : strlen(piece);
			memcpy(text + len, piece, n);
			len += n;
			if (r >> 32 & 1)
				text[len++] = (char)(r >> 40);
		}
		struct problems p = {0};
		/* Its own memory, so that a sanitizer sees a step beyond the end. */
		char *copy = malloc(len + 1);
		assert_non_null(copy);
		memcpy(copy, text, len);
		char *exact = realloc(copy, len > 0 ? len : 1);
		struct ini_file *f =
			ini_file_parse("f.ini", (struct slice){exact, len}, is_option, &p);
		for (const struct ini_section *s = f->sections; s != NULL; s = s->next)
			for (const struct ini_entry *e = s->entries; e != NULL; e = e->next)
				assert_true(e->line > s->line && e->name[0] != '\0');
		ini_file_destroy(f);
		free(exact);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases),
		cmocka_unit_test(test_nul),
		cmocka_unit_test(test_longest_line),
		cmocka_unit_test(test_unreadable),
		cmocka_unit_test(test_readable),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_random),
	};
	return cmocka_run_group_tests_name(
		"ini_file", tests, settings_files_setup, settings_files_teardown);
}
