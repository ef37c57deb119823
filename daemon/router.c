#include "router.h"

#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "keyring.h"

enum { CANDIDATES_MAX = 8, REASONS_MAX_BYTES = 1500 };

struct choice {
	const struct config *config;
	const struct keyring *keyring;
	int64_t now_ms;
	struct job_candidate *list;
	size_t count;
	struct bytes excluded; /* "groq: no key (set GROQ_API_KEY); ..." */
	bool lacks_key;        /* somebody was left out for want of a key */
};

static void
exclude(struct choice *choice, const struct provider *p, const char *reason)
{
	if (choice->excluded.len > REASONS_MAX_BYTES)
		return;
	bytes_printf(
		&choice->excluded, "%s%s: %s", choice->excluded.len ? "; " : "", p->name, reason);
}

/* Adds the target if its provider can be used now, else the reason to the list of exclusions. */
static void
consider(struct choice *choice, const struct provider *p, struct slice model)
{
	if (!p->enabled) {
		exclude(choice, p, p->unusable ? p->unusable : "disabled");
		return;
	}
	if (!keyring_usable(choice->keyring, p, choice->now_ms)) {
		choice->lacks_key = true;
		exclude(choice, p, "no usable key");
		if (p->env)
			bytes_printf(&choice->excluded, " (set %s)", p->env);
		return;
	}
	if (choice->count >= CANDIDATES_MAX)
		return;
	struct job_candidate *list =
		realloc(choice->list, (choice->count + 1) * sizeof *choice->list);
	if (list == NULL)
		abort();
	choice->list = list;
	list[choice->count++] = (struct job_candidate){.provider = p, .model = model};
}

/* A provider that lists no model at all takes any: a local server that was configured in two lines.
 */
static bool
offers(const struct provider *p, struct slice model)
{
	const struct model *m = catalog_model(p, model);
	return m ? m->enabled : p->models == NULL;
}

static const struct provider *
split_target(const struct catalog *catalog, struct slice target, struct slice *model)
{
	const char *slash = memchr(target.data, '/', target.len);
	if (slash == NULL || slash + 1 == target.data + target.len)
		return NULL;
	size_t len = (size_t)(slash - target.data);
	*model = (struct slice){slash + 1, target.len - len - 1};
	return catalog_provider(catalog, (struct slice){target.data, len});
}

/* Many models' own ids hold a slash too, so a name that is no target may still be an id. Returns
 * what went wrong. */
static enum error_code
consider_named(struct choice *choice, struct slice name, struct bytes *why)
{
	const struct catalog *catalog = &choice->config->catalog;
	struct slice id;
	const struct provider *p = split_target(catalog, name, &id);
	if (p && offers(p, id)) {
		consider(choice, p, id);
		return ERROR_NONE;
	}
	bool known = false;
	for (const struct provider *q = catalog->providers; q; q = q->next) {
		const struct model *m = catalog_model(q, name);
		if (m && m->enabled) {
			known = true;
			consider(choice, q, slice_of(m->id));
		}
	}
	if (known)
		return ERROR_NONE;
	bytes_append_str(why, "no provider offers the model '");
	bytes_append(why, name.data, name.len);
	if (p)
		bytes_printf(why, "': %s does not list it; a section [model ", p->name);
	else
		bytes_append_str(why, "'; name it provider/model, and a section [model ");
	if (p)
		bytes_append(why, name.data, name.len);
	else
		bytes_append_str(why, "PROVIDER/MODEL");
	bytes_append_str(why, "] in the configuration adds one");
	return ERROR_NO_PROVIDER;
}

static enum error_code
consider_list(struct choice *choice, const char *list, struct bytes *why)
{
	for (const char *p = list; *p;) {
		p += strspn(p, ", \t\n");
		size_t len = strcspn(p, ", \t\n");
		if (len == 0)
			break;
		enum error_code code = consider_named(choice, (struct slice){p, len}, why);
		if (code != ERROR_NONE)
			return code;
		p += len;
	}
	return ERROR_NONE;
}

static void
consider_defaults(struct choice *choice)
{
	for (const struct provider *p = choice->config->catalog.providers; p; p = p->next) {
		const struct model *m = p->models;
		while (m && !m->enabled)
			m = m->next;
		if (p->default_model)
			consider(choice, p, slice_of(p->default_model));
		else if (m)
			consider(choice, p, slice_of(m->id));
		else
			exclude(choice, p, "no default_model");
	}
}

enum error_code
router_resolve(const struct config *config, const struct keyring *keyring, struct slice model,
	int64_t now_ms, struct job_candidate **candidates, size_t *count, struct bytes *why)
{
	struct choice choice = {.config = config, .keyring = keyring, .now_ms = now_ms};
	enum error_code code = ERROR_NONE;
	if (model.len > 0)
		code = consider_named(&choice, model, why);
	else if (config->default_model)
		code = consider_list(&choice, config->default_model, why);
	else
		consider_defaults(&choice);

	if (code == ERROR_NONE && choice.count == 0) {
		code = choice.lacks_key ? ERROR_NO_KEY : ERROR_NO_PROVIDER;
		bytes_append_str(why, code == ERROR_NO_KEY ? "no provider with a usable key: "
							   : "no provider can be used: ");
		bytes_append(why, choice.excluded.data, choice.excluded.len);
	}
	if (code != ERROR_NONE) {
		free(choice.list);
		choice.list = NULL;
		choice.count = 0;
	}
	bytes_finish(&choice.excluded);
	*candidates = choice.list;
	*count = choice.count;
	return code;
}
