#include "fuzz.h"

#include <string.h>

#include "bytes.h"
#include "dotenv.h"
#include "ini_file.h"
#include "limits.h"
#include "problems.h"
#include "schedule.h"

static bool
is_option(const char *section, const char *name)
{
	return name[0] == 's';
}

/* A tree that is well-formed: entries behind their header, named, once each. */
static void
check_tree(const struct ini_file *f)
{
	for (const struct ini_section *s = f->sections; s != NULL; s = s->next) {
		for (const struct ini_entry *e = s->entries; e != NULL; e = e->next) {
			CHECK(e->line > s->line && e->name[0] != '\0');
			CHECK(ini_section_entry(s, e->name) == e);
		}
	}
}

/* What limits_parse takes is printed as what it takes again. */
static void
check_limits(const char *text)
{
	struct limits limits, again;
	struct bytes why = {0}, printed = {0}, twice = {0};
	if (limits_parse(text, &limits, &why)) {
		limits_print(&limits, &printed);
		CHECK(limits_parse(printed.len > 0 ? bytes_cstr(&printed) : "", &again, &why));
		limits_print(&again, &twice);
		CHECK(twice.len == printed.len);
		CHECK(twice.len == 0 || memcmp(twice.data, printed.data, twice.len) == 0);
	} else {
		CHECK(why.len > 0);
	}
	bytes_finish(&why);
	bytes_finish(&printed);
	bytes_finish(&twice);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct problems problems = {0};
	struct bytes why = {0};
	uint32_t days;
	char value[64];
	struct slice text = {(const char *)data, len};
	struct ini_file *f = ini_file_parse("f.ini", text, is_option, &problems);
	check_tree(f);
	ini_file_destroy(f);
	ssize_t found = dotenv_find(text, "A", value, sizeof(value));
	CHECK(found < (ssize_t)sizeof(value));
	char *string = strndup((const char *)data, len);
	CHECK(string != NULL);
	check_limits(string);
	(void)schedule_parse(string, &days, &why);
	problems_quote(&why, string);
	free(string);
	bytes_finish(&why);
	return 0;
}
