#include "unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "config.h"
#include "dotenv.h"
#include "keyring.h"
#include "log_capture.h"
#include "schedule.h"
#include "secret.h"
#include "settings_files.h"

/* 2026-01-01 and 2026-01-20, at noon UTC: the same day of the month in nearly every zone. */
enum { DAY_MS = 86400000 };
static const int64_t first = INT64_C(1767268800000);
static const int64_t twentieth = INT64_C(1767268800000) + INT64_C(19) * DAY_MS;

static const char catalogue[] = "[provider alpha]\n"
				"base_url = https://alpha.example\n"
				"env = ALPHA_KEY, ALPHA_OTHER_KEY\n"
				"[provider beta]\n"
				"base_url = https://beta.example\n"
				"env = BETA_KEY2\n"
				"[provider off]\n"
				"base_url = https://off.example\n"
				"env = OFF_KEY\n"
				"enabled = no\n"
				"[provider open]\n"
				"base_url = https://open.example\n";

static struct config *
load(const char *ini)
{
	static const char *const none[] = {NULL};
	struct seen_problems seen = {0};
	struct config *c = NULL;
	setenv("FREELLMD_CATALOG", settings_write("catalog.ini", catalogue), 1);
	int error = config_load(&c, settings_write("f.ini", ini), settings_seen, &seen);
	settings_expect(ini, &seen, none);
	assert_int_equal(error, 0);
	return c;
}

static const struct provider *
provider(const struct config *c, const char *name)
{
	const struct provider *p = catalog_provider(&c->catalog, slice_of(name));
	assert_non_null(p);
	return p;
}

static struct keyring *
create(const struct config *c)
{
	struct keyring *k = NULL;
	struct bytes why = {0};
	int error = keyring_create(&k, c, &why);
	if (error != 0)
		fail_msg("%s", bytes_cstr(&why));
	assert_int_equal(why.len, 0);
	bytes_finish(&why);
	return k;
}

/* "provider/name usable quarantined; ..." of all keys. */
static void
list_one(void *to, const struct keyring_entry *e)
{
	bytes_printf(to, "%s/%s%s%s; ", e->provider, e->name, e->usable ? "" : " unusable",
		e->quarantined ? " quarantined" : "");
	assert_int_equal(strlen(e->fingerprint), 10);
}

static void
expect_keys(const struct keyring *k, int64_t now_ms, const char *expected)
{
	struct bytes list = {0};
	keyring_each(k, now_ms, list_one, &list);
	assert_string_equal(list.len > 0 ? bytes_cstr(&list) : "", expected);
	bytes_finish(&list);
}

static void
test_none(void **state)
{
	struct config *c = load("");
	struct keyring *k = create(c);
	const char *fingerprint = "untouched";
	assert_false(keyring_usable(k, provider(c, "alpha"), first));
	assert_true(keyring_usable(k, provider(c, "open"), first));
	assert_null(keyring_secret(k, provider(c, "alpha"), first, &fingerprint));
	assert_null(fingerprint);
	assert_null(keyring_secret(k, provider(c, "open"), first, &fingerprint));
	expect_keys(k, first, "");
	keyring_destroy(k);
	keyring_destroy(NULL);
	config_destroy(c);
}

/* printf %s secret | sha256sum begins with 2bb80d53. */
static void
test_fingerprint(void **state)
{
	setenv("ALPHA_KEY", "secret", 1);
	struct config *c = load("");
	struct keyring *k = create(c);
	const char *fingerprint = NULL;
	assert_string_equal(keyring_secret(k, provider(c, "alpha"), first, &fingerprint), "secret");
	assert_string_equal(fingerprint, "k-2bb80d53");
	assert_true(keyring_usable(k, provider(c, "alpha"), first));
	keyring_destroy(k);
	config_destroy(c);
}

/* Without a configured key: the first name that is set, with its numbered ones; then all are gone.
 */
static void
test_found(void **state)
{
	setenv("ALPHA_KEY", "", 1);
	setenv("ALPHA_OTHER_KEY", "a0", 1);
	setenv("ALPHA_OTHER_KEY_1", "a1", 1);
	setenv("ALPHA_OTHER_KEY_2", "a0", 1);
	setenv("ALPHA_OTHER_KEY_3", "a3", 1);
	setenv("ALPHA_OTHER_KEY_5", "a5", 1);
	setenv("BETA_KEY2_1", "b1", 1);
	setenv("OFF_KEY", "off", 1);
	setenv("ALPHA_KEYS", "stays", 1);
	setenv("BETA_KEY", "stays", 1);
	struct config *c = load("");
	struct keyring *k = create(c);
	expect_keys(k, first,
		"alpha/ALPHA_OTHER_KEY; alpha/ALPHA_OTHER_KEY_1; alpha/ALPHA_OTHER_KEY_3; "
		"beta/BETA_KEY2_1; ");
	static const char *const gone[] = {"ALPHA_KEY", "ALPHA_OTHER_KEY", "ALPHA_OTHER_KEY_1",
		"ALPHA_OTHER_KEY_2", "ALPHA_OTHER_KEY_3", "ALPHA_OTHER_KEY_5", "BETA_KEY2_1",
		"OFF_KEY"};
	for (size_t i = 0; i < sizeof(gone) / sizeof(gone[0]); i++)
		if (getenv(gone[i]) != NULL)
			fail_msg("%s is still there", gone[i]);
	assert_string_equal(getenv("ALPHA_KEYS"), "stays");
	assert_string_equal(getenv("BETA_KEY"), "stays");
	keyring_destroy(k);
	config_destroy(c);
}

static void
test_quarantine(void **state)
{
	setenv("ALPHA_KEY", "a0", 1);
	setenv("ALPHA_KEY_1", "a1", 1);
	setenv("BETA_KEY2", "a0", 1);
	struct config *c = load("");
	struct keyring *k = create(c);
	const struct provider *alpha = provider(c, "alpha");
	const char *fingerprint = NULL;
	char refused[FINGERPRINT_BYTES];
	assert_string_equal(keyring_secret(k, alpha, first, &fingerprint), "a0");
	snprintf(refused, sizeof(refused), "%s", fingerprint);
	keyring_quarantine(k, alpha, refused);
	assert_string_equal(keyring_secret(k, alpha, first, &fingerprint), "a1");
	keyring_quarantine(k, alpha, "k-00000000");
	assert_true(keyring_usable(k, alpha, first));
	keyring_quarantine(k, alpha, fingerprint);
	assert_false(keyring_usable(k, alpha, first));
	assert_null(keyring_secret(k, alpha, first, &fingerprint));
	/* The same secret of another provider is another key. */
	assert_true(keyring_usable(k, provider(c, "beta"), first));
	expect_keys(k, first,
		"alpha/ALPHA_KEY unusable quarantined; alpha/ALPHA_KEY_1 unusable quarantined; "
		"beta/BETA_KEY2; ");
	keyring_destroy(k);
	config_destroy(c);
}

static void
test_configured(void **state)
{
	setenv("KEY_A", "from-env", 1);
	setenv("KEY_P", "production", 1);
	setenv("ALPHA_KEY", "passed-over", 1);
	setenv("CREDENTIALS_DIRECTORY", settings_path(""), 1);
	settings_write("credential", "from-credential\r\n");
	chmod(settings_path("credential"), 0440);
	settings_write("keyfile", "from-file\n");
	settings_write(".env", "A=1\nexport KEY_D = 'from-dotenv' # comment\n");
	struct config *c = load("[key alpha/a]\nsource = env:KEY_A\nschedule = 1-14\n"
				"[key alpha/d]\nsource = dotenv:KEY_D\nschedule = 15-31\n"
				"[key alpha/p]\nsource = env:KEY_P\nenvironment = production\n"
				"[key alpha/x]\nsource = env:NOT_SET\nenvironment = staging\n"
				"[provider beta]\nkey = file:keyfile\n"
				"[key open/c]\nsource = credential:credential\n"
				"[provider off]\nkey = env:NOT_SET\n");
	struct keyring *k = create(c);
	const char *fingerprint;
	expect_keys(k, first, "alpha/a; alpha/d unusable; beta/default; open/c; ");
	assert_string_equal(
		keyring_secret(k, provider(c, "alpha"), first, &fingerprint), "from-env");
	assert_string_equal(
		keyring_secret(k, provider(c, "alpha"), twentieth, &fingerprint), "from-dotenv");
	assert_string_equal(
		keyring_secret(k, provider(c, "beta"), first, &fingerprint), "from-file");
	assert_string_equal(
		keyring_secret(k, provider(c, "open"), first, &fingerprint), "from-credential");
	assert_null(getenv("KEY_A"));
	assert_null(getenv("ALPHA_KEY"));
	keyring_destroy(k);
	config_destroy(c);
	/* KEY_P is not of this environment and of no list: it stays where it is. */
	assert_non_null(getenv("KEY_P"));
	c = load("[daemon]\nenvironment = production\n"
		 "[key alpha/p]\nsource = env:KEY_P\nenvironment = production\n");
	k = create(c);
	expect_keys(k, first, "alpha/p; ");
	keyring_destroy(k);
	config_destroy(c);
	unlink(settings_path(".env"));
	unsetenv("CREDENTIALS_DIRECTORY");
}

/* What the environment does not have is looked up in the .env file, whose mode is looked at. */
static void
test_found_in_file(void **state)
{
	settings_write(".env", "ALPHA_KEY=f0\nALPHA_KEY_1=f1\nBETA_KEY2=f2\n");
	chmod(settings_path(".env"), 0644);
	setenv("BETA_KEY2", "e2", 1);
	log_capture_clear();
	struct config *c = load("");
	struct keyring *k = create(c);
	const char *fingerprint;
	expect_keys(k, first, "alpha/ALPHA_KEY; alpha/ALPHA_KEY_1; beta/BETA_KEY2; ");
	assert_string_equal(keyring_secret(k, provider(c, "beta"), first, &fingerprint), "e2");
	assert_true(log_capture_has("/.env: it holds keys, and others can read it"));
	keyring_destroy(k);
	settings_write(".env", "ALPHA_KEY=f 0\n");
	log_capture_clear();
	k = create(c);
	expect_keys(k, first, "");
	assert_true(log_capture_has("provider alpha: ALPHA_KEY: the key has a blank"));
	keyring_destroy(k);
	config_destroy(c);
	unlink(settings_path(".env"));
}

/* Each source that fails, and what is said; the secret is never in it. */
static const struct {
	const char *source, *says;
} bad_sources[] = {
	{"env:NOT_SET", "NOT_SET is not set in the environment"},
	{"env:EMPTY", "the key is empty"},
	{"env:BLANK", "the key has a blank"},
	{"env:NEWLINE", "the key has a blank, a control character"},
	{"env:UMLAUT", "not ASCII"},
	{"env:LONG", "longer than 4096 bytes"},
	{"dotenv:NOT_SET", "NOT_SET is not set in /"},
	{"dotenv:OPEN", "the quotes around OPEN in /"},
	{"dotenv:EMPTY", "the key is empty"},
	{"dotenv:CONTROL", "a control character"},
	{"file:none", "/none': No such file or directory"},
	{"file:open", "/open' can be read by others: chmod 600"},
	{"file:folder", "/folder': Is a directory"},
	{"file:empty", "the key is empty"},
	{"file:newline", "the key is empty"},
	{"file:two", "the key has a blank, a control character"},
	{"file:nul", "the key has a NUL byte"},
	{"file:huge", "/huge' is too large"},
	{"file:long", "longer than 4096 bytes"},
	{"credential:groq", "there is no credential 'groq': $CREDENTIALS_DIRECTORY is not set"},
};

static void
write_bad_sources(void)
{
	char text[8193];
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	settings_write("huge", text);
	text[SECRET_MAX + 1] = '\0';
	settings_write("long", text);
	setenv("LONG", text, 1);
	setenv("EMPTY", "", 1);
	setenv("BLANK", "hunter2 hunter2", 1);
	setenv("NEWLINE", "hunter2\nX-Evil: 1", 1);
	setenv("UMLAUT", "hunter2\xc3\xbc", 1);
	settings_write("open", "hunter2");
	chmod(settings_path("open"), 0640);
	mkdir(settings_path("folder"), 0700);
	settings_write("empty", "");
	settings_write("newline", "\n");
	settings_write("two", "hunter2\nhunter2\n");
	settings_write_bytes("nul", "hunter2\0x", 9);
	settings_write(".env", "OPEN=\"hunter2\nEMPTY=\nCONTROL=\"hunter2\\nhunter2\"\n");
}

static void
test_bad_sources(void **state)
{
	write_bad_sources();
	for (size_t i = 0; i < sizeof(bad_sources) / sizeof(bad_sources[0]); i++) {
		char ini[256];
		struct keyring *k = NULL;
		struct bytes why = {0};
		setenv("ALPHA_KEY", "fine", 1);
		snprintf(ini, sizeof(ini),
			"[provider alpha]\nkey = env:ALPHA_KEY\n[key beta/b]\n"
			"source = %s\n",
			bad_sources[i].source);
		struct config *c = load(ini);
		assert_int_equal(keyring_create(&k, c, &why), -EINVAL);
		assert_null(k);
		const char *text = bytes_cstr(&why);
		if (strstr(text, "/f.ini:3: [key beta/b]: ") == NULL ||
			strstr(text, bad_sources[i].says) == NULL || strstr(text, "hunter2") ||
			text[why.len - 1] != '\n')
			fail_msg("%s: %s", bad_sources[i].source, text);
		/* After a failure the environment is as it was. */
		assert_string_equal(getenv("ALPHA_KEY"), "fine");
		config_destroy(c);
		bytes_finish(&why);
	}
	unlink(settings_path(".env"));
	unsetenv("ALPHA_KEY");
}

/* All that is wrong is said at once. */
static void
test_several_problems(void **state)
{
	struct keyring *k = NULL;
	struct bytes why = {0};
	struct config *c =
		load("[key alpha/a]\nsource = env:NOT_A\n[key alpha/b]\nsource = env:NOT_B\n");
	assert_int_equal(keyring_create(&k, c, &why), -EINVAL);
	assert_non_null(strstr(bytes_cstr(&why), "f.ini:1: [key alpha/a]: NOT_A is not set"));
	assert_non_null(strstr(why.data, "\n"));
	assert_non_null(strstr(why.data, "f.ini:3: [key alpha/b]: NOT_B is not set"));
	bytes_finish(&why);
	config_destroy(c);
}

/* A longest key of 4,096 bytes, and one of a single byte. */
static void
test_lengths(void **state)
{
	char text[SECRET_MAX + 3];
	memset(text, 'x', SECRET_MAX);
	memcpy(text + SECRET_MAX, "\r\n", 3);
	settings_write("longest", text);
	setenv("ALPHA_KEY", "y", 1);
	struct config *c = load("[provider beta]\nkey = file:longest\n");
	struct keyring *k = create(c);
	const char *fingerprint;
	assert_int_equal(
		strlen(keyring_secret(k, provider(c, "beta"), first, &fingerprint)), SECRET_MAX);
	assert_string_equal(keyring_secret(k, provider(c, "alpha"), first, &fingerprint), "y");
	keyring_destroy(k);
	config_destroy(c);
}

static void
test_dotenv(void **state)
{
	static const char text[] = "\xef\xbb\xbf"
				   "PLAIN=value\r\n"
				   "# COMMENT=no\n"
				   "  SPACED = some value  \n"
				   "export EXPORTED=yes\n"
				   "exported=other\n"
				   "HASH=a#b # comment\n"
				   "SINGLE='a \\n $b \"c\" # d' # e\n"
				   "DOUBLE=\"a\\n\\\"b\\\" \\$c \\\\ 'd'\"\n"
				   "EMPTY=\n"
				   "ONLY_COMMENT= # nothing\n"
				   "QUOTED_EMPTY=''\n"
				   "TWICE=first\n"
				   "TWICE=second\n"
				   "EQUALS=a=b==\n"
				   "OPEN='abc\n"
				   "NO_VALUE\n"
				   "LAST=end";
	static const struct {
		const char *name, *value;
		ssize_t result;
	} cases[] = {
		{"PLAIN", "value", 5},
		{"COMMENT", NULL, -ENOENT},
		{"SPACED", "some value", 10},
		{"EXPORTED", "yes", 3},
		{"exported", "other", 5},
		{"HASH", "a#b", 3},
		{"SINGLE", "a \\n $b \"c\" # d", 15},
		{"DOUBLE", "a\n\"b\" $c \\ 'd'", 14},
		{"EMPTY", "", 0},
		{"ONLY_COMMENT", "", 0},
		{"QUOTED_EMPTY", "", 0},
		{"TWICE", "second", 6},
		{"EQUALS", "a=b==", 5},
		{"OPEN", NULL, -EINVAL},
		{"NO_VALUE", NULL, -ENOENT},
		{"LAST", "end", 3},
		{"PLAI", NULL, -ENOENT},
		{"", NULL, -ENOENT},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char value[32];
		ssize_t n = dotenv_find(slice_of(text), cases[i].name, value, sizeof(value));
		if (n != cases[i].result)
			fail_msg("%s: %zd", cases[i].name, n);
		if (n >= 0)
			assert_string_equal(value, cases[i].value);
	}
	char small[5];
	assert_int_equal(dotenv_find(slice_of(text), "PLAIN", small, sizeof(small)), -E2BIG);
	assert_int_equal(dotenv_find(slice_of(text), "SINGLE", small, sizeof(small)), -E2BIG);
	assert_int_equal(dotenv_find(slice_of(text), "TWICE", small, sizeof(small)), -E2BIG);
	assert_int_equal(dotenv_find(slice_of(NULL), "A", small, sizeof(small)), -ENOENT);
}

static void
test_schedule(void **state)
{
	static const struct {
		const char *text;
		uint32_t days;
	} cases[] = {
		{NULL, SCHEDULE_ALWAYS},
		{"Always", SCHEDULE_ALWAYS},
		{"1-31", SCHEDULE_ALWAYS},
		{"1", UINT32_C(1) << 1},
		{"31", UINT32_C(1) << 31},
		{"1 - 2,3", 0xe},
		{" 5 , 5-6 ", 0x60},
	};
	struct bytes why = {0};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint32_t days = 0;
		assert_true(schedule_parse(cases[i].text, &days, &why));
		assert_int_equal(days, cases[i].days);
	}
	bytes_finish(&why);
}

/* In a process of its own, whose environment the kernel shows: the secret's bytes are gone from it.
 */
static int
child(void)
{
	struct config *c = NULL;
	struct keyring *k = NULL;
	struct bytes why = {0};
	static char seen[1 << 20];
	if (config_load(&c, getenv("TEST_INI"), NULL, NULL) != 0 ||
		keyring_create(&k, c, &why) != 0)
		return 10;
	FILE *f = fopen("/proc/self/environ", "re");
	if (f == NULL)
		return 11;
	size_t len = fread(seen, 1, sizeof(seen), f);
	fclose(f);
	if (memmem(seen, len, "swordfish", 9) != NULL)
		return 12;
	if (memmem(seen, len, "OTHER_VARIABLE=stays", 20) == NULL)
		return 13;
	const char *fingerprint;
	const char *secret = keyring_secret(
		k, catalog_provider(&c->catalog, slice_of("alpha")), first, &fingerprint);
	int error = secret != NULL && strcmp(secret, "swordfish-alpha") == 0 ? 0 : 14;
	keyring_destroy(k);
	config_destroy(c);
	return error;
}

/* Runs this program again as `child`. */
static int
run_child(rlim_t locked)
{
	/* Resolved here: under valgrind the link itself leads to valgrind. */
	char *program = realpath("/proc/self/exe", NULL);
	assert_non_null(program);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct rlimit limit = {locked, locked};
		if (locked != RLIM_INFINITY)
			setrlimit(RLIMIT_MEMLOCK, &limit);
		setenv("ALPHA_KEY", "swordfish-alpha", 1);
		setenv("OFF_KEY", "swordfish-off", 1);
		setenv("MY_KEY", "swordfish-mine", 1);
		setenv("OTHER_VARIABLE", "stays", 1);
		setenv("TEST_INI", settings_path("f.ini"), 1);
		execl(program, "test_keyring", "--child", (char *)NULL);
		_exit(99);
	}
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	free(program);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void
test_environ_is_wiped(void **state)
{
	config_destroy(load("[provider beta]\nkey = env:MY_KEY\n"));
	assert_int_equal(run_child(RLIM_INFINITY), 0);
}

/* Nothing can be locked (a container's limit of 0): the keys work all the same. */
static void
test_no_locked_memory(void **state)
{
	config_destroy(load("[provider beta]\nkey = env:MY_KEY\n"));
	assert_int_equal(run_child(0), 0);
}

int
main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "--child") == 0)
		return child();
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_none),
		cmocka_unit_test(test_fingerprint),
		cmocka_unit_test(test_found),
		cmocka_unit_test(test_quarantine),
		cmocka_unit_test(test_configured),
		cmocka_unit_test(test_found_in_file),
		cmocka_unit_test(test_bad_sources),
		cmocka_unit_test(test_several_problems),
		cmocka_unit_test(test_lengths),
		cmocka_unit_test(test_dotenv),
		cmocka_unit_test(test_schedule),
		cmocka_unit_test(test_environ_is_wiped),
		cmocka_unit_test(test_no_locked_memory),
	};
	return cmocka_run_group_tests_name(
		"keyring", tests, settings_files_setup, settings_files_teardown);
}
