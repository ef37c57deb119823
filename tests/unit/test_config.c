#include "unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config.h"
#include "log_capture.h"
#include "settings_files.h"

static const char catalogue[] = "[provider alpha]\n"
				"base_url = https://api.alpha.example/v1\n"
				"env = ALPHA_KEY, ALPHA_OTHER_KEY\n"
				"limits = 5 requests per minute\n"
				"trains_on_prompts = yes\n"
				"[model alpha/one]\n"
				"context = 1000\n"
				"limits = 1 requests per second\n"
				"[model alpha/deep/two:free]\n"
				"[provider beta]\n"
				"base_url = https://api.beta.example/${BETA_ACCOUNT}/v1\n"
				"env = BETA_KEY\n"
				"[provider local]\n"
				"base_url = http://localhost:11434/v1\n"
				"needs_key = no\n"
				"enabled = no\n";

static struct config *
load(const char *ini, struct seen_problems *seen, int *error)
{
	struct config *c = NULL;
	setenv("FREELLMD_CATALOG", settings_write("catalog.ini", catalogue), 1);
	*error = config_load(&c, settings_write("f.ini", ini), settings_seen, seen);
	return c;
}

static struct config *
load_good(const char *ini)
{
	static const char *const none[] = {NULL};
	struct seen_problems seen = {0};
	int error;
	struct config *c = load(ini, &seen, &error);
	settings_expect(ini, &seen, none);
	assert_int_equal(error, 0);
	assert_non_null(c);
	return c;
}

static const struct {
	const char *ini;
	const char *problems[8];
} bad[] = {
	{"[daemn]\nx = 1\n", {"/f.ini:1: unknown section 'daemn'; did you mean [daemon]?"}},
	{"[provider]\n", {"/f.ini:1: unknown section 'provider'; write [provider NAME]"}},
	{"[daemon x]\n", {"/f.ini:1: unknown section 'daemon x'"}},
	{"[]\n", {"/f.ini:1: unknown section ''"}},
	{"[daemon]\nsokcet = /x\n",
		{"/f.ini:2: unknown option 'sokcet' in [daemon]; did you mean 'socket'?"}},
	{"[daemon]\nSocket = /x\n",
		{"/f.ini:2: unknown option 'Socket' in [daemon]; did you mean"}},
	{"[daemon]\nmax_frame = 1M\n",
		{"/f.ini:2: unknown option 'max_frame' in [daemon]; it belongs "
		 "into [limits]"}},
	{"[daemon]\ngsk_hunter2hunter2 = 1\n", {"/f.ini:2: unknown option (not shown"}},
	{"[provider alpha]\nurl = x\n", {"/f.ini:2: unknown option 'url' in [provider ...]"}},
	{"[daemon]\nsocket = /x\nsocket = /y\n", {"/f.ini:3: 'socket' is set already"}},
	{"[daemon]\n[cache]\n[daemon]\n",
		{"/f.ini:3: the section 'daemon' is there already, at line 1"}},
	{"socket = /x\n", {"/f.ini:1: an option before the first [section]"}},
	{"[limits]\nmax_sessions = 0\n",
		{"/f.ini:2: max_sessions: '0' is not a whole number from 1 to 100000"}},
	{"[daemon]\nsocket_mode = 0060\n", {"/f.ini:2: socket_mode: the owner must"}},
	{"[retry]\nbackoff_base = 1 min\n", {"/f.ini:2: backoff_base is longer than backoff_max"}},
	{"[cache]\nttl = 31 days\n", {"/f.ini:2: ttl is longer than max_ttl"}},
	{"[cache]\nmax_entry = 1 GiB\n", {"/f.ini:2: max_entry is larger than max_size"}},
	{"[provider alpha]\nkey = gsk_hunter2\n", {"/f.ini:2: key: a key itself is never written"}},
	{"[key alpha/a]\nsource = hunter2\n", {"/f.ini:2: source: a key itself is never written"}},
	{"[key alpha/a]\nenvironment = production\n",
		{"/f.ini:1: section 'key alpha/a': source ="}},
	{"[key alpha]\nsource = env:A\n",
		{"/f.ini:1: section 'key alpha': expected PROVIDER/NAME"}},
	{"[key alpha/]\nsource = env:A\n", {"/f.ini:1: section 'key alpha/': the name of a key"}},
	{"[key alpha/gsk_hunter2hunter2hunter2hunter2]\nsource = env:A\n",
		{"/f.ini:1: section (not shown: it looks like a key): the name of a key"}},
	{"[key alfa/a]\nsource = env:A\n", {"/f.ini:1: section 'key alfa/a': there is no such "
					    "provider; did you mean 'alpha'?"}},
	{"[provider alpha]\nkey = env:A\n[key alpha/default]\nsource = env:B\n",
		{"/f.ini:3: section 'key alpha/default': key = in the section"}},
	{"[key alpha/a]\nsource = env:A\nschedule = weekly\n", {"/f.ini:3: schedule: rotation"}},
	{"[model gamma/x]\n", {"/f.ini:1: section 'model gamma/x': there is no such provider"}},
	{"[model alpha/]\n", {"/f.ini:1: section 'model alpha/': the id of a model"}},
	{"[model alpha/a b]\n", {"/f.ini:1: section 'model alpha/a b': the id of a model"}},
	{"[model alpha]\n", {"/f.ini:1: section 'model alpha': expected PROVIDER/NAME"}},
	{"[provider a/b]\n", {"/f.ini:1: section 'provider a/b': the name of a provider"}},
	{"[provider lab]\nlimits = 1 concurrent\n",
		{"/f.ini:1: the provider 'lab' is not in the catalogue, and needs base_url"}},
	{"[provider Alpha]\nenabled = yes\n", {"/f.ini:1: the provider 'Alpha' is not in the "
					       "catalogue, and needs base_url; did you "
					       "mean 'alpha'?"}},
	{"[provider lab]\nbase_url = http://lab.example/v1\n",
		{"/f.ini:2: base_url: not a base URL: plain http:// would"}},
	{"[provider lab]\nbase_url = https://x/${NOT_SET}\n",
		{"/f.ini:1: the provider 'lab': base_url names ${NOT_SET}, which is not set"}},
	{"\n[provider lab]\nbase_url = https://API.alpha.example:443/other\n",
		{"/f.ini:2: the providers 'lab' and 'alpha' ("}},
	{"[provider a]\nbase_url = http://127.0.0.1:8080/a\n[provider b]\n"
	 "base_url = http://localhost:8080/b\n",
		{"/f.ini:1: the providers 'a' and 'b' ("}},
	{"[provider alpha]\nheaders = Authorization: Bearer hunter2\n",
		{"/f.ini:2: headers: a header with a credential"}},
	{"[provider alpha]\nlimits = 5 requests per minute, nonsense\n",
		{"/f.ini:2: limits: 'nonsense': a limit begins"}},
	{"[provider alpha]\nnotes = x\nset = max_tokens\n",
		{"/f.ini:3: set: cannot read \"max_tokens\""}},
	{"[provider alpha]\nset = max_tokens={]\ndrop = a b\n",
		{"/f.ini:3: drop: cannot read", "/f.ini:2: set: cannot read"}},
	{"[provider alpha]\nset = parallel_tool_calls=false if tools, max_tokens=8192 default\n"
	 "rename = seed\n",
		{"/f.ini:3: rename: 'seed' is not OURS=THEIRS"}},
	{"[daemon]\ndefault_model = one\n",
		{"/f.ini:2: default_model: 'one' is not PROVIDER/MODEL"}},
	{"[daemon]\ndefault_model = alpha/one, gamma/x\n",
		{"/f.ini:2: default_model: there is no provider for 'gamma/x'"}},
	{"[daemon]\ndefault_model = alpha/\n", {"/f.ini:2: default_model: 'alpha/' is not"}},
	/* Every one is reported, and what is wrong in one place does not hide what is elsewhere. */
	{"[daemon]\nsokcet = /x\n\xff\n[cache]\nenabled = perhaps\n[provider lab]\nkey = hunter2\n"
	 "[model lab/x]\ncontext = big\n[nothing]\n",
		{"/f.ini:3: not UTF-8", "/f.ini:2: unknown option", "/f.ini:5: enabled:",
			"/f.ini:7: key:", "/f.ini:10: unknown section 'nothing'",
			"/f.ini:9: context:", "/f.ini:6: the provider 'lab'"}},
};

static void
test_problems(void **state)
{
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct seen_problems seen = {0};
		int error;
		struct config *c = load(bad[i].ini, &seen, &error);
		settings_expect(bad[i].ini, &seen, bad[i].problems);
		assert_int_equal(error, -EINVAL);
		assert_null(c);
		for (size_t j = 0; j < seen.count; j++) {
			assert_memory_equal(seen.sentence[j], settings_path("f.ini"),
				strlen(settings_path("f.ini")));
			assert_null(strstr(seen.sentence[j], "hunter2"));
		}
		settings_seen_free(&seen);
	}
}

/* A socket's path must fit into struct sockaddr_un. */
static void
test_long_socket(void **state)
{
	static const char *const problems[] = {
		"/f.ini:2: socket: the path is longer than the 107 bytes", NULL};
	char ini[256];
	struct seen_problems seen = {0};
	int error;
	snprintf(ini, sizeof(ini), "[daemon]\nsocket = /%0107d\n", 0);
	assert_null(load(ini, &seen, &error));
	settings_expect("socket", &seen, problems);
	settings_seen_free(&seen);
	snprintf(ini, sizeof(ini), "[daemon]\nsocket = /%0106d\n", 0);
	config_destroy(load_good(ini));
}

static const struct provider *
provider(const struct config *c, const char *name)
{
	const struct provider *p = catalog_provider(&c->catalog, slice_of(name));
	assert_non_null(p);
	return p;
}

/* The file of DESIGN section 11, with the providers of this test's catalogue. */
static void
test_layers(void **state)
{
	struct config *c = load_good("[model lab/small]\n"
				     "context = 32768\n"
				     "limits = 30 requests per 60s, 4 concurrent\n"
				     "[provider lab] ; before its models or after\n"
				     "base_url = http://127.0.0.1:8080/v1/\n"
				     "limits = 60 requests per minute, 100000 tokens per day\n"
				     "[provider alpha]\n"
				     "key = env:MY_KEY\n"
				     "limits =\n"
				     "[model alpha/one]\n"
				     "context = 2000\n"
				     "[model alpha/new]\n"
				     "[key alpha/b]\n"
				     "source = file:keys/b\n"
				     "environment = production\n"
				     "schedule = 1-14\n"
				     "[provider local]\n"
				     "enabled = yes\n");
	const struct provider *p = c->catalog.providers;
	assert_string_equal(p->name, "lab");
	assert_false(p->from_catalog);
	assert_string_equal(p->base_url, "http://127.0.0.1:8080/v1");
	assert_false(p->needs_key);
	assert_true(p->enabled && p->stream_usage);
	assert_int_equal(p->limits.count, 2);
	assert_string_equal(p->models->id, "small");
	assert_ptr_equal(p->models->provider, p);
	assert_int_equal(p->models->context, 32768);
	assert_int_equal(p->models->limits.count, 2);
	p = p->next;
	assert_string_equal(p->name, "alpha");
	assert_true(p->from_catalog && p->needs_key);
	assert_int_equal(p->trains, YES);
	assert_int_equal(p->limits.count, 0);
	assert_string_equal(p->keys->name, "default");
	assert_string_equal(p->keys->source, "env:MY_KEY");
	assert_string_equal(p->keys->next->name, "b");
	assert_string_equal(p->keys->next->schedule, "1-14");
	assert_non_null(strstr(p->keys->next->source, "/keys/b"));
	assert_memory_equal(p->keys->next->source, "file:/", 6);
	assert_int_equal(catalog_model(p, slice_of("one"))->context, 2000);
	assert_int_equal(catalog_model(p, slice_of("one"))->limits.count, 1);
	assert_non_null(catalog_model(p, slice_of("deep/two:free")));
	assert_non_null(catalog_model(p, slice_of("new")));
	assert_null(catalog_model(p, slice_of("none")));
	assert_null(catalog_provider(&c->catalog, slice_of("none")));
	assert_null(catalog_provider(&c->catalog, slice_of("alphabet")));
	assert_true(provider(c, "local")->enabled);
	assert_false(provider(c, "local")->needs_key);
	config_destroy(c);
}

static void
test_needs_key(void **state)
{
	struct config *c =
		load_good("[provider plain]\nbase_url = https://a.example\n"
			  "[provider keyed]\nbase_url = https://b.example\nkey = env:A\n"
			  "[provider sections]\nbase_url = https://c.example\n"
			  "[key sections/a]\nsource = env:A\n"
			  "[provider found]\nbase_url = https://d.example\nenv = A\n"
			  "[provider said]\nbase_url = https://e.example\nneeds_key = yes\n"
			  "[provider denied]\nbase_url = https://f.example\nkey = env:A\n"
			  "needs_key = no\n");
	assert_false(provider(c, "plain")->needs_key);
	assert_true(provider(c, "keyed")->needs_key);
	assert_true(provider(c, "sections")->needs_key);
	assert_true(provider(c, "found")->needs_key);
	assert_true(provider(c, "said")->needs_key);
	assert_false(provider(c, "denied")->needs_key);
	config_destroy(c);
}

/* A catalogue provider without what its URL needs is left out with a reason, and is no error. */
static void
test_unset_variable(void **state)
{
	struct config *c = load_good("");
	assert_false(provider(c, "beta")->enabled);
	assert_string_equal(
		provider(c, "beta")->unusable, "BETA_ACCOUNT is not set in the environment");
	config_destroy(c);
	setenv("BETA_ACCOUNT", "me", 1);
	c = load_good("");
	assert_true(provider(c, "beta")->enabled);
	assert_null(provider(c, "beta")->unusable);
	assert_string_equal(provider(c, "beta")->base_url, "https://api.beta.example/me/v1");
	config_destroy(c);
	unsetenv("BETA_ACCOUNT");
	settings_write(".env", "BETA_ACCOUNT=you\n");
	c = load_good("");
	assert_string_equal(provider(c, "beta")->base_url, "https://api.beta.example/you/v1");
	config_destroy(c);
	unlink(settings_path(".env"));
}

/* The same service twice is fine when one of the two is switched off. */
static void
test_disabled_twin(void **state)
{
	config_destroy(load_good("[provider alpha]\nenabled = no\n"
				 "[provider mine]\nbase_url = https://api.alpha.example/v1\n"));
	config_destroy(load_good("[provider mine]\nbase_url = http://127.0.0.1:11434/v1\n"));
	config_destroy(load_good("[provider a]\nbase_url = http://127.0.0.1:1/v1\n"
				 "[provider b]\nbase_url = http://127.0.0.1:2/v1\n"));
}

static void
test_defaults(void **state)
{
	struct config *c = load_good("");
	assert_string_equal(c->socket, settings_path("freellmd.sock"));
	assert_int_equal(c->socket_mode, 0600);
	assert_string_equal(c->state_dir, settings_path(".local/state/freellmd"));
	assert_string_equal(c->dotenv, settings_path(".env"));
	assert_string_equal(c->catalog_file, settings_path("catalog.ini"));
	assert_string_equal(c->file, settings_path("f.ini"));
	assert_string_equal(c->environment, "development");
	assert_memory_equal(c->user_agent, "freellmd/", 9);
	assert_int_equal(config_log_level(c), LOG_LEVEL_INFO);
	assert_null(c->socket_group);
	assert_null(c->proxy);
	assert_null(c->default_model);
	assert_int_equal(c->stop_timeout_ms, 10000);
	assert_int_equal(c->max_frame, 16 << 20);
	assert_int_equal(c->max_sessions, 1100);
	assert_int_equal(c->session_idle_ms, 60000);
	assert_int_equal(c->stream_hold, 64 << 10);
	assert_int_equal(c->first_byte_timeout_ms, 180000);
	assert_int_equal(c->total_timeout_ms, 900000);
	assert_int_equal(c->max_attempts, 4);
	assert_int_equal(c->backoff_base_ms, 500);
	assert_true(c->cache_enabled);
	assert_false(c->cache_shared);
	assert_int_equal(c->cache_ttl_ms, 3600000);
	assert_int_equal(c->cache_max_ttl_ms, INT64_C(30) * 86400000);
	config_destroy(c);
	c = load_good("[daemon]\nlog_level = debug\nsocket = s\ncatalog = catalog.ini\n"
		      "[cache]\nenabled = no ; off\n");
	assert_int_equal(config_log_level(c), LOG_LEVEL_DEBUG);
	assert_string_equal(c->socket, settings_path("s"));
	assert_false(c->cache_enabled);
	config_destroy(c);
}

static void
test_default_paths(void **state)
{
	setenv("STATE_DIRECTORY", "/var/lib/a:/var/lib/b", 1);
	struct config *c = load_good("");
	assert_string_equal(c->state_dir, "/var/lib/a");
	config_destroy(c);
	unsetenv("STATE_DIRECTORY");
	setenv("XDG_STATE_HOME", "/state", 1);
	c = load_good("");
	assert_string_equal(c->state_dir, "/state/freellmd");
	config_destroy(c);
	setenv("XDG_STATE_HOME", "relative", 1);
	c = load_good("");
	assert_string_equal(c->state_dir, settings_path(".local/state/freellmd"));
	config_destroy(c);
	unsetenv("XDG_STATE_HOME");
	unsetenv("XDG_RUNTIME_DIR");
	c = load_good("");
	if (geteuid() == 0 || access("/run/freellmd", W_OK | X_OK) == 0)
		assert_string_equal(c->socket, "/run/freellmd/freellmd.sock");
	else
		assert_string_equal(
			c->socket, settings_path(".local/state/freellmd/freellmd.sock"));
	config_destroy(c);
	setenv("XDG_RUNTIME_DIR", settings_path(""), 1);
}

/* Without --config: $XDG_CONFIG_HOME, ~/.config, and none. */
static void
test_usual_places(void **state)
{
	static const char *const none[] = {NULL};
	struct seen_problems seen = {0};
	struct config *c = NULL;
	setenv("FREELLMD_CATALOG", settings_write("catalog.ini", catalogue), 1);
	if (access("/etc/freellmd/freellmd.ini", F_OK) != 0) {
		assert_int_equal(config_load(&c, NULL, settings_seen, &seen), 0);
		assert_null(c->file);
		assert_string_equal(c->dotenv, settings_path(".config/freellmd/.env"));
		config_destroy(c);
	}
	mkdir(settings_path(".config"), 0700);
	mkdir(settings_path(".config/freellmd"), 0700);
	settings_write(".config/freellmd/freellmd.ini", "[daemon]\nlog_level = error\n");
	assert_int_equal(config_load(&c, NULL, settings_seen, &seen), 0);
	assert_string_equal(c->file, settings_path(".config/freellmd/freellmd.ini"));
	assert_int_equal(config_log_level(c), LOG_LEVEL_ERROR);
	config_destroy(c);
	mkdir(settings_path("xdg"), 0700);
	mkdir(settings_path("xdg/freellmd"), 0700);
	settings_write("xdg/freellmd/freellmd.ini", "[daemon]\nlog_level = debug\n");
	setenv("XDG_CONFIG_HOME", settings_path("xdg"), 1);
	assert_int_equal(config_load(&c, NULL, settings_seen, &seen), 0);
	assert_int_equal(config_log_level(c), LOG_LEVEL_DEBUG);
	config_destroy(c);
	unsetenv("XDG_CONFIG_HOME");
	settings_expect("usual places", &seen, none);
}

static void
test_unreadable(void **state)
{
	static const char *const missing[] = {"/none.ini: No such file or directory", NULL};
	static const char *const folder[] = {": Is a directory", NULL};
	static const char *const no_catalogue[] = {"/nowhere.ini: No such file", NULL};
	struct seen_problems seen = {0};
	struct config untouched;
	struct config *c = &untouched;
	assert_int_equal(config_load(&c, settings_path("none.ini"), settings_seen, &seen), -ENOENT);
	assert_null(c);
	settings_expect("missing", &seen, missing);
	settings_seen_free(&seen);
	assert_int_equal(config_load(&c, settings_path(""), settings_seen, &seen), -EISDIR);
	settings_expect("folder", &seen, folder);
	settings_seen_free(&seen);
	settings_write("f.ini", "[daemon]\ncatalog = nowhere.ini\n");
	assert_int_equal(config_load(&c, settings_path("f.ini"), settings_seen, &seen), -ENOENT);
	settings_expect("catalogue", &seen, no_catalogue);
	settings_seen_free(&seen);
	assert_int_equal(config_load(&c, settings_path("none.ini"), NULL, NULL), -ENOENT);
}

static void
test_bad_catalogue(void **state)
{
	static const char *const problems[] = {
		"/bad.ini:1: section 'daemon': this belongs into the configuration",
		"/bad.ini:2: section 'provider x y': the name", NULL};
	struct seen_problems seen = {0};
	struct config *c = NULL;
	settings_write("bad.ini", "[daemon]\n[provider x y]\n");
	settings_write("f.ini", "[daemon]\ncatalog = bad.ini\n");
	assert_int_equal(config_load(&c, settings_path("f.ini"), settings_seen, &seen), -EINVAL);
	settings_expect("bad catalogue", &seen, problems);
	settings_seen_free(&seen);
}

static void
test_writable_file(void **state)
{
	struct seen_problems seen = {0};
	struct config *c = NULL;
	setenv("FREELLMD_CATALOG", settings_write("catalog.ini", catalogue), 1);
	log_capture_clear();
	assert_int_equal(chmod(settings_write("open.ini", ""), 0666), 0);
	assert_int_equal(config_load(&c, settings_path("open.ini"), settings_seen, &seen), 0);
	assert_true(log_capture_has("open.ini: anyone can write to it"));
	config_destroy(c);
	log_capture_clear();
	config_destroy(load_good(""));
	assert_false(log_capture_has("anyone"));
}

static char *
print(const struct config *c)
{
	char *text = NULL;
	size_t len = 0;
	FILE *to = open_memstream(&text, &len);
	assert_non_null(to);
	config_print(c, to);
	fclose(to);
	return text;
}

/* What is printed is a configuration, and means the same. */
static void
test_print(void **state)
{
	struct config *c = load_good(
		"[http]\nproxy = http://me:hunter2@127.0.0.1:3128\n"
		"[limits]\nmax_frame = 1 MiB\n"
		"[provider lab]\nbase_url = https://lab.example\nnotes = a long text that\n"
		"  goes on for more than the hundred characters that a line of the printed\n"
		"  configuration has\n"
		"key = env:LAB\n"
		"[key lab/b]\nsource = env:LAB_B\nschedule = 1-14\n"
		"[model lab/small]\nsize = 0.5\n");
	char *once = print(c);
	assert_non_null(strstr(once, "max_frame = 1 MiB ; default 16 MiB\n"));
	assert_non_null(strstr(once, "max_queue = 10000 ; default\n"));
	assert_non_null(
		strstr(once, "\n[key lab/b]\nsource = env:LAB_B\nschedule = 1-14 ; default"));
	assert_null(strstr(once, "hunter2"));
	config_destroy(c);
	c = load_good(once);
	char *twice = print(c);
	assert_string_equal(twice, once);
	free(once);
	free(twice);
	config_destroy(c);
}

/* The catalogue that is installed loads without a problem, and says something. */
static void
test_real_catalogue(void **state)
{
	static const char *const none[] = {NULL};
	struct seen_problems seen = {0};
	struct config *c = NULL;
	char *text = settings_read_source("daemon/providers.ini");
	setenv("FREELLMD_CATALOG", settings_write("providers.ini", text), 1);
	free(text);
	int error = config_load(&c, "/dev/null", settings_seen, &seen);
	settings_expect("providers.ini", &seen, none);
	assert_int_equal(error, 0);
	assert_non_null(provider(c, "groq")->models);
	size_t providers = 0;
	for (const struct provider *p = c->catalog.providers; p != NULL; p = p->next) {
		assert_true(p->from_catalog);
		assert_true(p->env != NULL || !p->needs_key);
		if (strncmp(p->base_url, "http://", 7) == 0)
			assert_false(p->enabled);
		providers++;
	}
	assert_true(providers >= 15);
	config_destroy(c);
}

/* Loads the example with one of its lines, and its section's header, uncommented. */
static void
load_example(const char *text)
{
	static const char *const none[] = {NULL};
	struct seen_problems seen = {0};
	struct config *c = NULL;
	int error = config_load(&c, settings_write("f.ini", text), settings_seen, &seen);
	settings_expect("the example", &seen, none);
	assert_int_equal(error, 0);
	config_destroy(c);
}

/* "\n;" before `at` becomes "\n " when it is the beginning of an option or a header. */
static void
uncomment(char *text, const char *what)
{
	char *at = strstr(text, what);
	if (at != NULL)
		memmove(at + 1, at + 2, strlen(at + 2) + 1);
	else
		fail_msg("the example has no '%s'", what);
}

static void
test_example(void **state)
{
	char *text = settings_read_source("freellmd.ini.example");
	char *catalogue_text = settings_read_source("daemon/providers.ini");
	setenv("FREELLMD_CATALOG", settings_write("providers.ini", catalogue_text), 1);
	free(catalogue_text);
	load_example(text);
	size_t options = 0;
	for (char *at = text; (at = strstr(at, "\n;")) != NULL; at += 2) {
		if (at[2] < 'a' || at[2] > 'z')
			continue;
		char *copy = strdup(text);
		assert_non_null(copy);
		memmove(copy + (at - text) + 1, at + 2, strlen(at + 2) + 1);
		const char *header = strstr(copy, "\n;[key ");
		if (header < copy + (at - text)) {
			uncomment(copy, "\n;[key ");
			if (strncmp(at, "\n;source", 8) != 0)
				uncomment(strstr(copy, "\n[key "), "\n;source");
		}
		load_example(copy);
		free(copy);
		options++;
	}
	assert_true(options > 70);
	free(text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_problems),
		cmocka_unit_test(test_long_socket),
		cmocka_unit_test(test_layers),
		cmocka_unit_test(test_needs_key),
		cmocka_unit_test(test_unset_variable),
		cmocka_unit_test(test_disabled_twin),
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_default_paths),
		cmocka_unit_test(test_usual_places),
		cmocka_unit_test(test_unreadable),
		cmocka_unit_test(test_bad_catalogue),
		cmocka_unit_test(test_writable_file),
		cmocka_unit_test(test_print),
		cmocka_unit_test(test_real_catalogue),
		cmocka_unit_test(test_example),
	};
	return cmocka_run_group_tests_name(
		"config", tests, settings_files_setup, settings_files_teardown);
}
