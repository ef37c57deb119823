#include "unit.h"

#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "keyring.h"
#include "router.h"
#include "settings_files.h"

static const char catalogue[] = "[provider keyed]\n"
				"base_url = https://keyed.example/v1\n"
				"env = KEYED_API_KEY\n"
				"default_model = large\n"
				"[model keyed/small]\n"
				"context = 1000\n"
				"[model keyed/large]\n"
				"context = 9000\n"
				"[model keyed/vendor/common:free]\n"
				"[model keyed/gone]\n"
				"enabled = no\n"
				"[provider account]\n"
				"base_url = https://account.example/${ROUTER_TEST_ACCOUNT}/v1\n"
				"[model account/m]\n"
				"[provider off]\n"
				"base_url = https://off.example/v1\n"
				"enabled = no\n"
				"[model off/m]\n"
				"[provider open]\n"
				"base_url = https://open.example/v1\n"
				"[model open/first]\n"
				"[model open/vendor/common:free]\n"
				"[provider bare]\n"
				"base_url = https://bare.example/v1\n";

struct setting {
	struct config *config;
	struct keyring *keyring;
	struct job_candidate *candidates;
	size_t count;
	struct bytes why;
};

static void
load(struct setting *s, const char *ini)
{
	static const char *const none[] = {NULL};
	struct seen_problems seen = {0};
	*s = (struct setting){0};
	setenv("FREELLMD_CATALOG", settings_write("catalog.ini", catalogue), 1);
	int error = config_load(&s->config, settings_write("f.ini", ini), settings_seen, &seen);
	settings_expect(ini, &seen, none);
	assert_int_equal(error, 0);
	assert_int_equal(keyring_create(&s->keyring, s->config, &s->why), 0);
}

static void
unload(struct setting *s)
{
	free(s->candidates);
	keyring_destroy(s->keyring);
	config_destroy(s->config);
	bytes_finish(&s->why);
}

static enum error_code
resolve(struct setting *s, const char *model)
{
	free(s->candidates);
	s->candidates = NULL;
	bytes_clear(&s->why);
	return router_resolve(s->config, s->keyring, slice_of(model), INT64_C(1767268800000),
		&s->candidates, &s->count, &s->why);
}

static void
expect(struct setting *s, const char *model, const char *targets)
{
	struct bytes got = {0};
	if (resolve(s, model) != ERROR_NONE)
		fail_msg("%s: %s", model, bytes_cstr(&s->why));
	for (size_t i = 0; i < s->count; i++)
		bytes_printf(&got, "%s%s/%.*s", i ? " " : "", s->candidates[i].provider->name,
			(int)s->candidates[i].model.len, s->candidates[i].model.data);
	assert_string_equal(bytes_cstr(&got), targets);
	bytes_finish(&got);
}

static void
expect_error(struct setting *s, const char *model, enum error_code code, const char *part)
{
	assert_int_equal(resolve(s, model), code);
	assert_null(s->candidates);
	assert_int_equal(s->count, 0);
	if (strstr(bytes_cstr(&s->why), part) == NULL)
		fail_msg("'%s' is not in: %s", part, s->why.data);
}

static void
test_names(void **state)
{
	struct setting s;
	setenv("KEYED_API_KEY", "key-0123456789abcdef", 1);
	load(&s, "");
	expect(&s, "keyed/small", "keyed/small");
	expect(&s, "keyed/vendor/common:free", "keyed/vendor/common:free");
	expect(&s, "vendor/common:free", "keyed/vendor/common:free open/vendor/common:free");
	expect(&s, "first", "open/first");
	expect(&s, "bare/any/thing", "bare/any/thing");
	expect_error(&s, "keyed/none", ERROR_NO_PROVIDER, "[model keyed/none]");
	expect_error(&s, "keyed/gone", ERROR_NO_PROVIDER, "keyed does not list it");
	expect_error(&s, "gone", ERROR_NO_PROVIDER, "'gone'");
	expect_error(&s, "keyed/", ERROR_NO_PROVIDER, "provider/model");
	expect_error(&s, "/", ERROR_NO_PROVIDER, "provider/model");
	unload(&s);
}

static void
test_defaults_in_order(void **state)
{
	struct setting s;
	setenv("KEYED_API_KEY", "key-0123456789abcdef", 1);
	load(&s, "");
	expect(&s, "", "keyed/large open/first");
	unload(&s);
	load(&s, "[daemon]\ndefault_model = open/first, bare/x\n");
	expect(&s, "", "open/first bare/x");
	unload(&s);
	load(&s, "[daemon]\ndefault_model = bare/x, off/m\n");
	expect(&s, "", "bare/x");
	unload(&s);
}

static void
test_each_exclusion_has_its_reason(void **state)
{
	struct setting s;
	unsetenv("KEYED_API_KEY");
	load(&s, "[provider open]\nenabled = no\n[provider bare]\nenabled = no\n");
	expect_error(&s, "keyed/small", ERROR_NO_KEY, "keyed: no usable key (set KEYED_API_KEY)");
	expect_error(&s, "off/m", ERROR_NO_PROVIDER, "off: disabled");
	expect_error(&s, "account/m", ERROR_NO_PROVIDER, "ROUTER_TEST_ACCOUNT is not set");
	expect_error(&s, "", ERROR_NO_KEY, "keyed: no usable key");
	expect_error(&s, "", ERROR_NO_KEY, "off: disabled");
	unload(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_defaults_in_order),
		cmocka_unit_test(test_each_exclusion_has_its_reason),
	};
	return cmocka_run_group_tests_name(
		"router", tests, settings_files_setup, settings_files_teardown);
}
