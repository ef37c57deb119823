#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "catalog_load.h"
#include "config_paths.h"
#include "ini_file.h"
#include "option_value.h"
#include "problems.h"
#include "section.h"

/* One load: what is being read, and what is found wrong with it. */
struct loader {
	struct config *config;
	struct problems problems;
	struct option_context context;
	struct ini_file *file;
	char *folder;
};

static const struct {
	const char *name;
	enum log_level level;
} log_levels[] = {
	{"error", LOG_LEVEL_ERROR},
	{"warning", LOG_LEVEL_WARNING},
	{"info", LOG_LEVEL_INFO},
	{"debug", LOG_LEVEL_DEBUG},
};

static char *
copy(const char *text)
{
	char *s = strdup(text);
	if (s == NULL)
		abort();
	return s;
}

/* Whoever can write the file can send every prompt to a server of their own. */
static void
warn_if_writable(const char *path)
{
	struct stat st;
	if (stat(path, &st) == 0 && (st.st_mode & S_IWOTH) != 0 && S_ISREG(st.st_mode))
		log_warning("%s: anyone can write to it: chmod o-w", path);
}

static int
read_user_file(struct loader *l, const char *file)
{
	struct config *c = l->config;
	c->file = file != NULL ? copy(file) : config_paths_find_file();
	l->folder = config_paths_folder(c->file);
	l->context.folder = l->folder;
	if (c->file == NULL)
		return 0;
	int error = ini_file_read(&l->file, c->file, section_has_option, &l->problems);
	if (error == 0)
		warn_if_writable(c->file);
	return error;
}

/* The sections that are part of the configuration itself. */
static void
apply_user_file(struct loader *l)
{
	struct section_reader r = {l->file, &l->context, &l->problems};
	for (const struct ini_section *s = l->file->sections; s != NULL; s = s->next) {
		if (s->name == NULL)
			continue;
		enum section_kind kind = options_section(s->name);
		if (kind < SECTION_PROVIDER)
			section_apply(&r, s, kind, l->config);
	}
}

/* The line where an option is set, or 0. */
static int
line_of(const struct loader *l, const char *section, const char *option)
{
	if (l->file == NULL)
		return 0;
	for (const struct ini_section *s = l->file->sections; s != NULL; s = s->next) {
		const struct ini_entry *e = s->name != NULL && strcmp(s->name, section) == 0
						    ? ini_section_entry(s, option)
						    : NULL;
		if (e != NULL)
			return e->line;
	}
	return 0;
}

/* What must hold between options. */
static void
check_options(struct loader *l)
{
	const struct config *c = l->config;
	const struct sockaddr_un address;
	if (c->socket != NULL && strlen(c->socket) >= sizeof(address.sun_path))
		problems_add(&l->problems, c->file, line_of(l, "daemon", "socket"),
			"socket: the path is longer than the %zu bytes that a Unix socket's may "
			"have",
			sizeof(address.sun_path) - 1);
	if ((c->socket_mode & 0600) != 0600)
		problems_add(&l->problems, c->file, line_of(l, "daemon", "socket_mode"),
			"socket_mode: the owner must be able to read and write (0600)");
	if (c->backoff_base_ms > c->backoff_max_ms)
		problems_add(&l->problems, c->file, line_of(l, "retry", "backoff_base"),
			"backoff_base is longer than backoff_max");
	if (c->cache_ttl_ms > c->cache_max_ttl_ms)
		problems_add(&l->problems, c->file, line_of(l, "cache", "ttl"),
			"ttl is longer than max_ttl");
	if (c->cache_max_entry > c->cache_max_bytes)
		problems_add(&l->problems, c->file, line_of(l, "cache", "max_entry"),
			"max_entry is larger than max_size");
}

static void
complete_options(struct loader *l)
{
	struct config *c = l->config;
	const char *missing = config_paths_complete(c, l->folder);
	if (missing != NULL)
		problems_add(&l->problems, c->file, 0, "%s", missing);
	if (c->user_agent == NULL)
		c->user_agent = copy("freellmd/" FREELLM_VERSION);
	if (c->catalog_file == NULL)
		c->catalog_file = config_paths_catalog();
	l->context.dotenv = c->dotenv;
	check_options(l);
}

static int
load_catalogue(struct loader *l)
{
	struct config *c = l->config;
	struct ini_file *file = NULL;
	int error = ini_file_read(&file, c->catalog_file, section_has_option, &l->problems);
	if (error != 0)
		return error;
	struct section_reader r = {file, &l->context, &l->problems};
	catalog_load(&c->catalog, &r, true);
	ini_file_destroy(file);
	if (l->file != NULL) {
		r.file = l->file;
		catalog_load(&c->catalog, &r, false);
	}
	catalog_check(&c->catalog, &l->problems);
	return 0;
}

/* Every target of default_model names a provider that is there. The model may be one that is not
 * listed. */
static void
check_default_model(struct loader *l)
{
	const struct config *c = l->config;
	struct bytes quoted = {0};
	for (const char *p = c->default_model; p != NULL && *p != '\0';) {
		size_t len = strcspn(p, ",");
		size_t name = strcspn(p, "/");
		char *target = strndup(p, len);
		if (target == NULL)
			abort();
		bytes_clear(&quoted);
		problems_quote(&quoted, target);
		free(target);
		int line = line_of(l, "daemon", "default_model");
		if (name == 0 || name + 1 >= len)
			problems_add(&l->problems, c->file, line,
				"default_model: %s is not PROVIDER/MODEL", bytes_cstr(&quoted));
		else if (catalog_provider(&c->catalog, (struct slice){p, name}) == NULL)
			problems_add(&l->problems, c->file, line,
				"default_model: there is no provider for %s", bytes_cstr(&quoted));
		p += len;
		p += strspn(p, ", ");
	}
	bytes_finish(&quoted);
}

static int
load(struct loader *l, const char *file)
{
	int error = read_user_file(l, file);
	if (error != 0)
		return error;
	for (int kind = SECTION_DAEMON; kind < SECTION_PROVIDER; kind++)
		options_set_defaults((enum section_kind)kind, l->config);
	if (l->file != NULL)
		apply_user_file(l);
	complete_options(l);
	error = load_catalogue(l);
	if (error != 0)
		return error;
	check_default_model(l);
	return l->problems.count > 0 ? -EINVAL : 0;
}

int
config_load(struct config **to, const char *file, config_problem_cb *problem, void *context)
{
	struct loader l = {.problems = {.report = problem, .context = context}};
	l.config = calloc(1, sizeof(*l.config));
	if (l.config == NULL)
		abort();
	int error = load(&l, file);
	ini_file_destroy(l.file);
	free(l.folder);
	if (error != 0) {
		config_destroy(l.config);
		l.config = NULL;
	}
	*to = l.config;
	return error;
}

void
config_destroy(struct config *c)
{
	if (c == NULL)
		return;
	for (int kind = SECTION_DAEMON; kind < SECTION_PROVIDER; kind++)
		options_free((enum section_kind)kind, c);
	catalog_destroy(&c->catalog);
	free(c->file);
	free(c);
}

static void
print_provider(const struct provider *p, struct bytes *out)
{
	bytes_printf(out, "\n[provider %s]\n", p->name);
	if (p->unusable != NULL)
		bytes_printf(out, "; not usable: %s\n", p->unusable);
	/* What the files say, not what became of it. */
	struct provider said = *p;
	said.enabled = p->enabled || p->unusable != NULL;
	options_print(SECTION_PROVIDER, &said, out);
	for (const struct key_source *k = p->keys; k != NULL; k = k->next) {
		if (strcmp(k->name, "default") == 0)
			continue;
		bytes_printf(out, "\n[key %s/%s]\n", p->name, k->name);
		options_print(SECTION_KEY, k, out);
	}
	for (const struct model *m = p->models; m != NULL; m = m->next) {
		bytes_printf(out, "\n[model %s/%s]\n", p->name, m->id);
		options_print(SECTION_MODEL, m, out);
	}
}

void
config_print(const struct config *c, FILE *to)
{
	struct bytes out = {0};
	bytes_printf(&out, "; configuration: %s\n", c->file ? c->file : "none, all defaults");
	for (int kind = SECTION_DAEMON; kind < SECTION_PROVIDER; kind++) {
		bytes_printf(&out, "\n[%s]\n", options_section_name((enum section_kind)kind));
		options_print((enum section_kind)kind, c, &out);
	}
	for (const struct provider *p = c->catalog.providers; p != NULL; p = p->next)
		print_provider(p, &out);
	fwrite(out.data, 1, out.len, to);
	bytes_finish(&out);
}

enum log_level
config_log_level(const struct config *c)
{
	for (size_t i = 0; i < sizeof(log_levels) / sizeof(log_levels[0]); i++)
		if (strcmp(c->log_level, log_levels[i].name) == 0)
			return log_levels[i].level;
	return LOG_LEVEL_INFO;
}
