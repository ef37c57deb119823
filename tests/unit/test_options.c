#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "option_value.h"
#include "options.h"
#include "problems.h"
#include "settings_files.h"

/* An object that is large enough for every section. */
union object {
	struct config config;
	struct provider provider;
	struct model model;
	struct key_source key;
};

static const struct option_context context = {.folder = "/folder"};

/* Sets a value and prints it again; NULL for `printed` when it must be refused, and then `says` is
 * in the reason. */
static const struct value_case {
	enum section_kind section;
	const char *name, *text, *printed, *says;
} values[] = {
	{SECTION_CACHE, "enabled", "YES", "yes"},
	{SECTION_CACHE, "enabled", "true", "yes"},
	{SECTION_CACHE, "enabled", "on", "yes"},
	{SECTION_CACHE, "enabled", "No", "no"},
	{SECTION_CACHE, "enabled", "false", "no"},
	{SECTION_CACHE, "enabled", "off", "no"},
	{SECTION_CACHE, "enabled", "1", NULL, "'1' is not yes or no"},
	{SECTION_CACHE, "enabled", "", NULL, "'' is not yes or no"},
	{SECTION_CACHE, "enabled", "yes # really", NULL, "begins with ' ;'"},
	{SECTION_LIMITS, "max_sessions", "1", "1"},
	{SECTION_LIMITS, "max_sessions", "100000", "100000"},
	{SECTION_LIMITS, "max_sessions", "0", NULL, "a whole number from 1 to 100000"},
	{SECTION_LIMITS, "max_sessions", "100001", NULL, "from 1 to 100000"},
	{SECTION_LIMITS, "max_sessions", "-1", NULL, "from 1 to 100000"},
	{SECTION_LIMITS, "max_sessions", "1.5", NULL, "from 1 to 100000"},
	{SECTION_LIMITS, "max_sessions", "0x10", NULL, "from 1 to 100000"},
	{SECTION_LIMITS, "max_sessions", "99999999999999999999", NULL, "from 1 to 100000"},
	{SECTION_LIMITS, "max_sessions", "ten", NULL, "'ten' is not a whole number"},
	{SECTION_LIMITS, "max_frame", "16 MiB", "16 MiB"},
	{SECTION_LIMITS, "max_frame", "64k", "64 KiB"},
	{SECTION_LIMITS, "max_frame", "64KiB", "64 KiB"},
	{SECTION_LIMITS, "max_frame", "2M", "2 MiB"},
	{SECTION_LIMITS, "max_frame", "1024 MiB", "1 GiB"},
	{SECTION_LIMITS, "max_frame", "1G", "1 GiB"},
	{SECTION_LIMITS, "max_frame", "5000", "5000 bytes"},
	{SECTION_LIMITS, "max_frame", "5000 bytes", "5000 bytes"},
	{SECTION_LIMITS, "max_frame", "16 MB", NULL, "KiB, MiB or GiB from 4 KiB to 1 GiB"},
	{SECTION_LIMITS, "max_frame", "2 GiB", NULL, "from 4 KiB to 1 GiB"},
	{SECTION_LIMITS, "max_frame", "1 KiB", NULL, "from 4 KiB to 1 GiB"},
	{SECTION_LIMITS, "max_frame", "9223372036854775807 GiB", NULL, "from 4 KiB"},
	{SECTION_LIMITS, "max_frame", "MiB", NULL, "from 4 KiB"},
	{SECTION_LIMITS, "stream_hold", "0", "0"},
	{SECTION_HTTP, "connect_timeout", "30 s", "30 s"},
	{SECTION_HTTP, "connect_timeout", "30s", "30 s"},
	{SECTION_HTTP, "connect_timeout", "500 ms", "500 ms"},
	{SECTION_HTTP, "connect_timeout", "90 s", "90 s"},
	{SECTION_HTTP, "connect_timeout", "120 seconds", "2 min"},
	{SECTION_HTTP, "connect_timeout", "30", NULL,
		"'30' is not a time in ms, s, min, h or days"},
	{SECTION_HTTP, "connect_timeout", "11 min", NULL, "from 100 ms to 10 min"},
	{SECTION_HTTP, "connect_timeout", "99 ms", NULL, "from 100 ms to 10 min"},
	{SECTION_HTTP, "connect_timeout", "forever", NULL, "from 100 ms to 10 min"},
	{SECTION_CACHE, "ttl", "1 h", "1 h"},
	{SECTION_CACHE, "ttl", "24 h", "1 day"},
	{SECTION_CACHE, "ttl", "30 days", "30 days"},
	{SECTION_CACHE, "ttl", "0", NULL, "from 1 ms to 365 days"},
	{SECTION_DAEMON, "socket_mode", "0660", "0660"},
	{SECTION_DAEMON, "socket_mode", "666", "0666"},
	{SECTION_DAEMON, "socket_mode", "0888", NULL, "an octal file mode from 0000 to 0777"},
	{SECTION_DAEMON, "socket_mode", "01777", NULL, "from 0000 to 0777"},
	{SECTION_DAEMON, "socket_mode", "rw", NULL, "an octal file mode"},
	{SECTION_DAEMON, "log_level", "debug", "debug"},
	{SECTION_DAEMON, "log_level", "verbose", NULL,
		"'verbose' is not one of error, warning, info, debug"},
	{SECTION_DAEMON, "log_level", "", NULL, "one of error"},
	{SECTION_DAEMON, "socket", "/run/x.sock", "/run/x.sock"},
	{SECTION_DAEMON, "socket", "x.sock", "/folder/x.sock"},
	{SECTION_DAEMON, "socket", "", ""},
	{SECTION_DAEMON, "socket", "~root/x", NULL, "not an absolute path"},
	{SECTION_DAEMON, "allow_users", "alice,bob ,  1001", "alice, bob, 1001"},
	{SECTION_DAEMON, "allow_users", "alice,,bob", NULL, "an element is missing"},
	{SECTION_DAEMON, "allow_users", ",", NULL, "an element is missing"},
	{SECTION_HTTP, "proxy", "http://10.0.0.1:3128", "http://10.0.0.1:3128"},
	{SECTION_HTTP, "proxy", "socks5h://me:hunter2@10.0.0.1:1080",
		"socks5h://***@10.0.0.1:1080"},
	{SECTION_HTTP, "proxy", "10.0.0.1:3128", NULL, "not a proxy"},
	{SECTION_HTTP, "proxy", "ftp://x", NULL, "not a proxy"},
	{SECTION_HTTP, "user_agent", "", ""},
	{SECTION_PROVIDER, "base_url", "https://api.example.org/v1///",
		"https://api.example.org/v1"},
	{SECTION_PROVIDER, "base_url", "http://127.0.0.1:8080/v1", "http://127.0.0.1:8080/v1"},
	{SECTION_PROVIDER, "base_url", "http://127.9.9.9", "http://127.9.9.9"},
	{SECTION_PROVIDER, "base_url", "http://localhost:1", "http://localhost:1"},
	{SECTION_PROVIDER, "base_url", "http://[::1]:8080/v1", "http://[::1]:8080/v1"},
	{SECTION_PROVIDER, "base_url", "https://[2001:db8::1]/v1", "https://[2001:db8::1]/v1"},
	{SECTION_PROVIDER, "base_url", "http://api.example.org/v1", NULL, "plain http://"},
	{SECTION_PROVIDER, "base_url", "http://127.0.0.1.example.org", NULL, "plain http://"},
	{SECTION_PROVIDER, "base_url", "http://localhost.example.org", NULL, "plain http://"},
	{SECTION_PROVIDER, "base_url", "http://[::2]/v1", NULL, "plain http://"},
	{SECTION_PROVIDER, "base_url", "http://192.168.1.2:8080", NULL, "plain http://"},
	{SECTION_PROVIDER, "base_url", "http://127.1/v1", NULL, "plain http://"},
	{SECTION_PROVIDER, "base_url", "api.example.org/v1", NULL, "must begin with https://"},
	{SECTION_PROVIDER, "base_url", "ftp://api.example.org", NULL, "must begin with https://"},
	{SECTION_PROVIDER, "base_url", "https://", NULL, "must begin with https://"},
	{SECTION_PROVIDER, "base_url", "https:///v1", NULL, "no host"},
	{SECTION_PROVIDER, "base_url", "https://:443/v1", NULL, "no host"},
	{SECTION_PROVIDER, "base_url", "https://x:0/v1", NULL, "its port"},
	{SECTION_PROVIDER, "base_url", "https://x:65536/v1", NULL, "its port"},
	{SECTION_PROVIDER, "base_url", "https://x:/v1", NULL, "its port"},
	{SECTION_PROVIDER, "base_url", "https://x:8a/v1", NULL, "its port"},
	{SECTION_PROVIDER, "base_url", "https://[::1/v1", NULL, "not closed"},
	{SECTION_PROVIDER, "base_url", "https://[::1]x/v1", NULL, "between the address"},
	{SECTION_PROVIDER, "base_url", "https://x y/v1", NULL, "no URL has"},
	{SECTION_PROVIDER, "base_url", "https://me:hunter2@x/v1", NULL, "user name or password"},
	{SECTION_PROVIDER, "base_url", "https://x/v1?key=hunter2", NULL, "has a query"},
	{SECTION_PROVIDER, "base_url", "https://x/${SECRET_KEY}", NULL, "has a key in it"},
	{SECTION_PROVIDER, "env", "A_KEY, B_KEY_2", "A_KEY, B_KEY_2"},
	{SECTION_PROVIDER, "env", "A-KEY", NULL, "'A-KEY' is not the name of an environment"},
	{SECTION_PROVIDER, "env", "gsk_hunter2hunter2", NULL, "(not shown: it looks like a key)"},
	{SECTION_PROVIDER, "rename", "seed=random_seed", "seed=random_seed"},
	{SECTION_PROVIDER, "rename", "seed", NULL, "'seed' is not OURS=THEIRS"},
	{SECTION_PROVIDER, "rename", "seed=", NULL, "is not OURS=THEIRS"},
	{SECTION_PROVIDER, "counts", "input,failed", "input, failed"},
	{SECTION_PROVIDER, "counts", "output", NULL,
		"'output' is not one of them: input, estimate, failed"},
	{SECTION_PROVIDER, "trains_on_prompts", "Yes", "yes"},
	{SECTION_PROVIDER, "trains_on_prompts", "unknown", "unknown"},
	{SECTION_PROVIDER, "trains_on_prompts", "maybe", NULL, "yes, no or unknown"},
	{SECTION_PROVIDER, "limits", "5 requests per s", "5 requests per second"},
	{SECTION_PROVIDER, "limits", "", ""},
	{SECTION_PROVIDER, "limits", "many", NULL, "'many': a limit begins"},
	{SECTION_PROVIDER, "headers", "X-Title: me | HTTP-Referer: https://x.org",
		"X-Title: me | HTTP-Referer: https://x.org"},
	{SECTION_PROVIDER, "headers", "X-Title", NULL, "NAME: VALUE"},
	{SECTION_PROVIDER, "headers", "X-Title: me |", NULL, "NAME: VALUE"},
	{SECTION_PROVIDER, "headers", "X Title: me", NULL, "letters, digits and '-' only"},
	{SECTION_PROVIDER, "headers", "authorization: hunter2", NULL, "with a credential"},
	{SECTION_PROVIDER, "headers", "X-A: b | Proxy-Authorization: hunter2", NULL,
		"with a credential"},
	{SECTION_PROVIDER, "headers", "x-goog-api-key: hunter2", NULL, "with a credential"},
	{SECTION_PROVIDER, "headers", "Cookie: hunter2", NULL, "with a credential"},
	{SECTION_PROVIDER, "headers", "X-Subscription-Token: hunter2", NULL, "with a credential"},
	{SECTION_PROVIDER, "headers", "X-A: Bearer hunter2", NULL, "looks like a credential"},
	{SECTION_PROVIDER, "headers", "X-A: gsk_hunter2hunter2", NULL, "looks like a credential"},
	{SECTION_PROVIDER, "headers", "Content-Length: 5", NULL, "sets itself"},
	{SECTION_PROVIDER, "headers", "Host: evil.example", NULL, "sets itself"},
	{SECTION_PROVIDER, "key", "env:GROQ_API_KEY", "env:GROQ_API_KEY"},
	{SECTION_PROVIDER, "key", "gsk_hunter2", NULL, "a key itself is never written here"},
	{SECTION_PROVIDER, "key", "hunter2", NULL, "a key itself is never written here"},
	{SECTION_PROVIDER, "key", "", NULL, "write env:NAME"},
	{SECTION_PROVIDER, "key", "env:", NULL, "not the name of an environment variable"},
	{SECTION_PROVIDER, "key", "env:gsk_hunter2hunter2", NULL, "not the name of"},
	{SECTION_PROVIDER, "key", "env:A B", NULL, "not the name of"},
	{SECTION_KEY, "source", "dotenv:A_KEY", "dotenv:A_KEY"},
	{SECTION_KEY, "source", "file:/etc/key", "file:/etc/key"},
	{SECTION_KEY, "source", "file:key", "file:/folder/key"},
	{SECTION_KEY, "source", "file:", NULL, "a key itself is never written here"},
	{SECTION_KEY, "source", "credential:groq", "credential:groq"},
	{SECTION_KEY, "source", "credential:../groq", NULL, "not the name of a credential"},
	{SECTION_KEY, "source", "credential:", NULL, "not the name of a credential"},
	{SECTION_KEY, "source", "ENV:A", NULL, "a key itself is never written here"},
	{SECTION_KEY, "schedule", "always", "always"},
	{SECTION_KEY, "schedule", "1-14, 20", "1-14, 20"},
	{SECTION_KEY, "schedule", "31", "31"},
	{SECTION_KEY, "schedule", "0", NULL, "'0' is not a schedule"},
	{SECTION_KEY, "schedule", "32", NULL, "is not a schedule"},
	{SECTION_KEY, "schedule", "14-1", NULL, "is not a schedule"},
	{SECTION_KEY, "schedule", "1-", NULL, "is not a schedule"},
	{SECTION_KEY, "schedule", "1,,2", NULL, "is not a schedule"},
	{SECTION_KEY, "schedule", "1 2", NULL, "is not a schedule"},
	{SECTION_KEY, "schedule", "weekly", NULL,
		"rotation through a set of keys is not there yet"},
	{SECTION_KEY, "schedule", "monthly", NULL, "rotation"},
	{SECTION_KEY, "environment", "staging", "staging"},
	{SECTION_KEY, "environment", "prod", NULL, "development, staging, production"},
	{SECTION_MODEL, "size", "0.5", "0.5"},
	{SECTION_MODEL, "size", "120", "120"},
	{SECTION_MODEL, "size", "8.03", "8.03"},
	{SECTION_MODEL, "size", "8b", NULL, "'8b' is not a number"},
	{SECTION_MODEL, "size", ".", NULL, "is not a number"},
	{SECTION_MODEL, "size", "1.2.3", NULL, "is not a number"},
	{SECTION_MODEL, "size", "-1", NULL, "is not a number"},
	{SECTION_MODEL, "context", "131072", "131072"},
	{SECTION_MODEL, "weight", "neurons=31818/68182.5", "neurons=31818/68182.5"},
	{SECTION_MODEL, "weight", "neurons=31818", NULL, "is not UNIT=INPUT/OUTPUT"},
};

static void
free_object(enum section_kind section, union object *object)
{
	options_free(section, object);
	if (section == SECTION_PROVIDER && object->provider.keys != NULL) {
		options_free(SECTION_KEY, object->provider.keys);
		free(object->provider.keys->name);
		free(object->provider.keys);
	}
}

static void
check_value(const struct value_case *v)
{
	union object object = {0};
	struct bytes why = {0};
	struct bytes printed = {0};
	const struct option *o = options_find(v->section, v->name);
	assert_non_null(o);
	bool set = option_value_set(o, &object, v->text, &context, &why);
	if (set != (v->printed != NULL))
		fail_msg("%s = %s: %s", v->name, v->text, set ? "not refused" : bytes_cstr(&why));
	if (set) {
		option_value_print(o, &object, &printed);
		if (strcmp(bytes_cstr(&printed), v->printed) != 0)
			fail_msg("%s = %s: printed %s", v->name, v->text, printed.data);
	} else if (strstr(bytes_cstr(&why), v->says) == NULL || strstr(why.data, "hunter2")) {
		fail_msg("%s = %s: %s", v->name, v->text, why.data);
	}
	free_object(v->section, &object);
	bytes_finish(&why);
	bytes_finish(&printed);
}

static void
test_values(void **state)
{
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
		check_value(&values[i]);
}

/* A refused value leaves what was there. */
static void
test_refusal_keeps(void **state)
{
	struct config c = {.max_sessions = 7};
	struct bytes why = {0};
	const struct option *sessions = options_find(SECTION_LIMITS, "max_sessions");
	const struct option *level = options_find(SECTION_DAEMON, "log_level");
	assert_true(option_value_set(level, &c, "debug", &context, &why));
	assert_false(option_value_set(level, &c, "loud", &context, &why));
	assert_false(option_value_set(sessions, &c, "none", &context, &why));
	assert_string_equal(c.log_level, "debug");
	assert_int_equal(c.max_sessions, 7);
	options_free(SECTION_DAEMON, &c);
	assert_null(c.log_level);
	bytes_finish(&why);
}

static void
test_url_variables(void **state)
{
	struct provider p = {0};
	struct bytes why = {0};
	const struct option *url = options_find(SECTION_PROVIDER, "base_url");
	struct option_context with = {.dotenv = settings_write("vars", "FROM_FILE='file'\n")};
	setenv("TEST_HOST", "api.example.org", 1);
	assert_true(
		option_value_set(url, &p, "https://${TEST_HOST}/${FROM_FILE}/v1/", &with, &why));
	assert_string_equal(p.base_url, "https://api.example.org/file/v1");
	assert_true(option_value_set(url, &p, "https://x/${NOT_SET}/v1/", &with, &why));
	assert_string_equal(p.base_url, "https://x/${NOT_SET}/v1/");
	setenv("TEST_HOST", "api.example.org/hunter2 x", 1);
	assert_false(option_value_set(url, &p, "https://${TEST_HOST}", &with, &why));
	assert_null(strstr(bytes_cstr(&why), "hunter2"));
	unsetenv("TEST_HOST");
	options_free(SECTION_PROVIDER, &p);
	bytes_finish(&why);
}

/* Every default is a value that its own row takes, and every row documents itself. */
static void
test_table(void **state)
{
	size_t count;
	const struct option *table = options_table(&count);
	for (size_t i = 0; i < count; i++) {
		const struct option *o = &table[i];
		union object object = {0};
		struct bytes why = {0};
		struct bytes text = {0};
		const char *value = o->value ? o->value : o->example;
		assert_non_null(value);
		assert_true((o->value == NULL) == (o->unset != NULL));
		assert_non_null(o->help);
		if (!option_value_set(o, &object, value, &context, &why))
			fail_msg("%s: %s", o->name, bytes_cstr(&why));
		option_value_print(o, &object, &text);
		if (o->value != NULL)
			assert_string_equal(bytes_cstr(&text), o->value);
		for (size_t j = 0; j < i; j++)
			assert_false(table[j].section == o->section &&
				     (table[j].offset == o->offset ||
					     strcmp(table[j].name, o->name) == 0));
		assert_true(i == 0 || table[i - 1].section <= o->section);
		free_object(o->section, &object);
		bytes_finish(&why);
		bytes_finish(&text);
	}
}

/* Is there an option at the beginning of a line, commented out or not? */
static bool
has_option(const char *from, const char *to)
{
	for (const char *p = from; p < to; p++) {
		const char *name = p[1] == ';' ? p + 2 : p + 1;
		if (p[0] == '\n' && name[0] >= 'a' && name[0] <= 'z')
			return true;
	}
	return false;
}

/* Behind the next "[...]" at the beginning of a line, which must be this one. */
static const char *
next_header(const char *at, const char *header)
{
	char line[64];
	char commented[64];
	snprintf(line, sizeof(line), "\n%s", header);
	snprintf(commented, sizeof(commented), "\n;%s", header);
	const char *found = strstr(at, line);
	if (found == NULL)
		found = strstr(at, commented);
	if (found == NULL) {
		fail_msg("the example has no %s", header);
		return at;
	}
	assert_false(has_option(at, found));
	return found + strlen(line);
}

/* Behind the option, which must be the next one. */
static const char *
next_option(const char *at, const struct option *o)
{
	struct bytes expected = {0};
	bytes_append_char(&expected, '\n');
	options_document(o, &expected);
	const char *found = strstr(at, bytes_cstr(&expected));
	if (found == NULL) {
		fail_msg("the example must have, in this place:\n%s", expected.data);
		return at;
	}
	assert_false(has_option(at, found));
	at = found + expected.len - 1;
	bytes_finish(&expected);
	return at;
}

/* The example's options are the table's, in its order, each with the same help, bounds and default;
 * and there are no others. */
static void
test_example(void **state)
{
	static const char *const headers[] = {"[daemon]", "[limits]", "[http]", "[retry]",
		"[cache]", "[provider ", "[model ", "[key "};
	size_t count;
	const struct option *table = options_table(&count);
	char *text = settings_read_source("freellmd.ini.example");
	const char *at = text;
	for (size_t i = 0; i < count; i++) {
		if (i == 0 || table[i].section != table[i - 1].section)
			at = next_header(at, headers[table[i].section]);
		at = next_option(at, &table[i]);
	}
	assert_false(has_option(at, text + strlen(text) - 1));
	free(text);
}

static void
test_quote(void **state)
{
	static const struct {
		const char *text, *quoted;
	} cases[] = {
		{"", "''"},
		{"sokcet", "'sokcet'"},
		{"model openrouter/qwen/qwen3-next-80b-a3b-instruct:free",
			"'model openrouter/qwen/qwen3-next-80b-a3b-instruct:free'"},
		{"GOOGLE_GENERATIVE_AI_API_KEY_2", "'GOOGLE_GENERATIVE_AI_API_KEY_2'"},
		{"a\033[31m\n", "'a?[31m?'"},
		{"gsk_hunter2hunter2", "(not shown: it looks like a key)"},
		{"sk-or-v1-0123456789abcdef", "(not shown: it looks like a key)"},
		{"key=AIzaSyhunter2-hunter2", "(not shown: it looks like a key)"},
		{"0123456789abcdef0123456789abcdef", "(not shown: it looks like a key)"},
		{"hf_abcdefghijklmnopqrstuvwxyzABCDEFGH", "(not shown: it looks like a key)"},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct bytes out = {0};
		problems_quote(&out, cases[i].text);
		assert_string_equal(bytes_cstr(&out), cases[i].quoted);
		bytes_finish(&out);
	}
	struct bytes out = {0};
	char text[201];
	for (size_t i = 0; i < 200; i += 2)
		memcpy(text + i, "\xc3\xa9", 2);
	text[200] = '\0';
	problems_quote(&out, text + 1);
	assert_true(out.len <= 90);
	assert_string_equal(bytes_cstr(&out) + out.len - 6, "\xc3\xa9...'");
	bytes_finish(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_refusal_keeps),
		cmocka_unit_test(test_url_variables),
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_example),
		cmocka_unit_test(test_quote),
	};
	return cmocka_run_group_tests_name(
		"options", tests, settings_files_setup, settings_files_teardown);
}
