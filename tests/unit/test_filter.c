#include "unit.h"

#include <string.h>

#include "../../client/filter.h"

static const struct {
	const char *text, *shown;
} cases[] = {
	{"", ""},
	{"plain\ttext\nand more", "plain\ttext\nand more"},
	{"gr\xc3\xbc\xc3\x9f \xe6\x97\xa5 \xf0\x9f\x98\x80 \xc2\xa0\xc2\xbf",
		"gr\xc3\xbc\xc3\x9f \xe6\x97\xa5 "
		"\xf0\x9f\x98\x80 \xc2\xa0\xc2\xbf"},
	{"a\rb\bc\x07"
	 "d\x7f"
	 "e\x0b"
	 "f",
		"abcdef"},
	{"a\x1b[1;31mb\x1b[0mc", "abc"},
	{"a\x1b[?25lb\x1b[2 qc", "abc"},
	{"a\x1b]0;title\x07z", "az"},
	{"a\x1b]8;;http://x\x1b\\z", "az"},
	{"a\x1bPq#0\x1b\\z", "az"},
	{"a\x1b^x\x1b\\b\x1b_x\x1b\\c\x1bXx\x1b\\d", "abcd"},
	{"a\x1b(Bb\x1b#8c\x1b"
	 "cd",
		"abcd"},
	/* C1 controls, as UTF-8 has them: CSI, OSC to ST, NEL */
	{"a\xc2\x9b"
	 "2Jb\xc2\x9d"
	 "0;t\xc2\x9c"
	 "c\xc2\x85"
	 "d",
		"abcd"},
	/* What never ends takes no more than its line. */
	{"a\x1b]52;c;AAAA\nb", "a\nb"},
	{"a\x1b[12\nb", "a\nb"},
	{"a\x1b\nb", "a\nb"},
	{"a\x1b\x1b[31mb", "ab"},
	{"a\x1b[\x1b[31mb", "ab"},
	{"a\x1b]x\xc2\xa0y\x07z", "az"},
	{"a\x1b", "a"},
};

static void
check(const char *text, const char *shown, size_t cut)
{
	struct filter filter = {0};
	struct bytes out = {0};
	filter_append(&filter, &out, (struct slice){text, cut});
	filter_append(&filter, &out, (struct slice){text + cut, strlen(text) - cut});
	assert_string_equal(bytes_cstr(&out), shown);
	bytes_finish(&out);
}

static void
test_cut_anywhere(void **state)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		for (size_t cut = 0; cut <= strlen(cases[i].text); cut++)
			check(cases[i].text, cases[i].shown, cut);
	}
}

/* Whatever comes, no control character gets through but the two. */
static void
test_every_pair_after_an_escape(void **state)
{
	for (unsigned pair = 0; pair < 1u << 16; pair++) {
		char text[] = {'\x1b', (char)(pair >> 8), (char)pair, '\n', 'z'};
		struct filter filter = {0};
		struct bytes out = {0};
		filter_append(&filter, &out, (struct slice){text, sizeof(text)});
		for (size_t i = 0; i < out.len; i++) {
			unsigned char c = (unsigned char)out.data[i];
			assert_true(c == '\n' || c == '\t' || (c >= 0x20 && c != 0x7f));
		}
		assert_true(out.len >= 1 && out.data[out.len - 1] == 'z');
		bytes_finish(&out);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cut_anywhere),
		cmocka_unit_test(test_every_pair_after_an_escape),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
