#include "unit.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log.h"

static char text[3 * 4096];

/* What `act` writes to stderr; $JOURNAL_STREAM names it when `journal`. */
static const char *
capture(bool journal, enum log_level level, void (*act)(void))
{
	struct stat st;
	char stream[64];
	int ends[2], saved = dup(STDERR_FILENO);
	assert_int_equal(pipe(ends), 0);
	dup2(ends[1], STDERR_FILENO);
	fstat(STDERR_FILENO, &st);
	snprintf(stream, sizeof stream, "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
	setenv("JOURNAL_STREAM", journal ? stream : "1:1", 1);
	log_init(level);
	act();
	dup2(saved, STDERR_FILENO);
	close(saved);
	close(ends[1]);
	ssize_t len = read(ends[0], text, sizeof text - 1);
	text[len > 0 ? len : 0] = '\0';
	close(ends[0]);
	return text;
}

static void
each_level(void)
{
	log_error("one %d", 1);
	log_warning("two");
	log_info("three");
	log_debug("four");
}

static void
test_levels(void **state)
{
	capture(false, LOG_LEVEL_WARNING, each_level);
	assert_non_null(strstr(text, " error: one 1\n"));
	assert_non_null(strstr(text, " warning: two\n"));
	assert_null(strstr(text, "three"));
	capture(false, LOG_LEVEL_DEBUG, each_level);
	assert_non_null(strstr(text, " debug: four\n"));
}

static void
test_journal(void **state)
{
	capture(true, LOG_LEVEL_DEBUG, each_level);
	assert_string_equal(text, "<3>one 1\n<4>two\n<6>three\n<7>four\n");
}

static void
forge(void)
{
	errno = ENOSPC;
	log_info("a\n<0>forged\x1b[31m\x7f");
	assert_int_equal(errno, ENOSPC);
}

static void
test_a_line_cannot_be_forged(void **state)
{
	capture(true, LOG_LEVEL_INFO, forge);
	assert_string_equal(text, "<6>a\\x0a<0>forged\\x1b[31m\\x7f\n");
}

static void
overflow(void)
{
	static char long_text[10000];
	memset(long_text, '\1', sizeof long_text - 1);
	log_info("%s", long_text);
}

static void
test_a_line_is_bounded(void **state)
{
	capture(true, LOG_LEVEL_INFO, overflow);
	assert_in_range(strlen(text), 4000, 4096);
	assert_int_equal(text[strlen(text) - 1], '\n');
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_levels),
		cmocka_unit_test(test_journal),
		cmocka_unit_test(test_a_line_cannot_be_forged),
		cmocka_unit_test(test_a_line_is_bounded),
	};
	return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
