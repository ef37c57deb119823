#include "catalog_load.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "catalog.h"
#include "ini_file.h"
#include "openai.h"
#include "problems.h"
#include "section.h"

enum { NAME_MAX_LEN = 32, MODEL_ID_MAX = 200 };

static void *
must(void *memory)
{
	if (memory == NULL)
		abort();
	return memory;
}

/* Replaces "file:line". */
static void
set_where(char **where, const struct section_reader *r, int line)
{
	free(*where);
	if (asprintf(where, "%s:%d", r->file->path, line) < 0)
		abort();
}

/* Names of providers and keys go into targets, messages and files. */
static bool
is_name(struct slice name)
{
	for (size_t i = 0; i < name.len; i++)
		if (!isalnum((unsigned char)name.data[i]) && strchr("._-", name.data[i]) == NULL)
			return false;
	return name.len > 0 && name.len <= NAME_MAX_LEN;
}

static bool
is_model_id(struct slice id)
{
	for (size_t i = 0; i < id.len; i++)
		if (id.data[i] == ' ' || id.data[i] == ',')
			return false;
	return id.len > 0 && id.len <= MODEL_ID_MAX;
}

static void
refuse_header(const struct section_reader *r, const struct ini_section *s, const char *reason)
{
	struct bytes text = {0};
	problems_quote(&text, s->name);
	problems_add(
		r->problems, r->file->path, s->line, "section %s: %s", bytes_cstr(&text), reason);
	bytes_finish(&text);
}

static struct provider *
find_provider(struct catalog *c, struct slice name)
{
	for (struct provider *p = c->providers; p != NULL; p = p->next)
		if (slice_is(name, p->name))
			return p;
	return NULL;
}

static struct provider *
add_provider(struct catalog *c, struct slice name, bool is_catalogue)
{
	struct provider *p = must(calloc(1, sizeof(*p)));
	p->name = must(strndup(name.data, name.len));
	p->from_catalog = is_catalogue;
	options_set_defaults(SECTION_PROVIDER, p);
	/* The user's own stand before the catalogue's, each in the order of its file. */
	struct provider **at = &c->providers;
	while (*at != NULL && (is_catalogue || !(*at)->from_catalog))
		at = &(*at)->next;
	p->next = *at;
	*at = p;
	return p;
}

/* drop, rename and set are a language of their own, which is the request builder's. Each is checked
 * alone, so that a mistake in one does not hide one in the next. */
static void
check_quirks(const struct section_reader *r, const struct ini_section *s, const struct provider *p)
{
	const struct {
		const char *option;
		struct openai_quirks quirks;
	} checks[] = {
		{"drop", {.drop = p->drop}},
		{"rename", {.rename = p->rename}},
		{"set", {.set = p->set}},
	};
	struct bytes why = {0};
	for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++) {
		const struct ini_entry *e = ini_section_entry(s, checks[i].option);
		bytes_clear(&why);
		if (e != NULL && !openai_quirks_check(&checks[i].quirks, &why))
			problems_add(r->problems, r->file->path, e->line, "%s", bytes_cstr(&why));
	}
	bytes_finish(&why);
}

static void
load_provider(struct catalog *c, const struct section_reader *r, const struct ini_section *s,
	bool is_catalogue)
{
	struct slice name = slice_of(strchr(s->name, ' ') + 1);
	if (!is_name(name)) {
		refuse_header(r, s,
			"the name of a provider has 1 to 32 letters, digits, '.', '_' and '-'");
		return;
	}
	struct provider *p = find_provider(c, name);
	if (p == NULL)
		p = add_provider(c, name, is_catalogue);
	set_where(&p->where, r, s->line);
	section_apply(r, s, SECTION_PROVIDER, p);
	check_quirks(r, s, p);
	p->needs_key_given = p->needs_key_given || ini_section_entry(s, "needs_key") != NULL;
	/* It was refused, and that was said. */
	if (p->base_url == NULL && p->unusable == NULL && ini_section_entry(s, "base_url") != NULL)
		p->unusable = must(strdup("its base_url is not valid"));
	if (ini_section_entry(s, "key") != NULL && p->keys != NULL)
		set_where(&p->keys->where, r, ini_section_entry(s, "key")->line);
}

static void
refuse_provider(const struct catalog *c, const struct section_reader *r,
	const struct ini_section *s, struct slice name)
{
	struct bytes reason = {0};
	bytes_append_str(&reason, "there is no such provider");
	catalog_suggest(c, name, &reason);
	bytes_append_str(&reason, "; one that is not in the catalogue needs a section [provider "
				  "NAME] with its base_url");
	refuse_header(r, s, bytes_cstr(&reason));
	bytes_finish(&reason);
}

/* Splits "model PROVIDER/REST"; NULL when there is no such provider, which is reported. */
static struct provider *
named_provider(struct catalog *c, const struct section_reader *r, const struct ini_section *s,
	struct slice *rest)
{
	const char *target = strchr(s->name, ' ') + 1;
	const char *slash = strchr(target, '/');
	if (slash == NULL) {
		refuse_header(r, s, "expected PROVIDER/NAME");
		return NULL;
	}
	*rest = slice_of(slash + 1);
	struct slice name = {target, (size_t)(slash - target)};
	struct provider *p = find_provider(c, name);
	if (p == NULL)
		refuse_provider(c, r, s, name);
	return p;
}

static void
load_model(struct catalog *c, const struct section_reader *r, const struct ini_section *s)
{
	struct slice id;
	struct provider *p = named_provider(c, r, s, &id);
	if (p == NULL)
		return;
	if (!is_model_id(id)) {
		refuse_header(
			r, s, "the id of a model has 1 to 200 bytes, and no blank or comma in it");
		return;
	}
	struct model **at = &p->models;
	while (*at != NULL && !slice_is(id, (*at)->id))
		at = &(*at)->next;
	if (*at == NULL) {
		struct model *m = must(calloc(1, sizeof(*m)));
		m->provider = p;
		m->id = must(strndup(id.data, id.len));
		options_set_defaults(SECTION_MODEL, m);
		*at = m;
	}
	set_where(&(*at)->where, r, s->line);
	section_apply(r, s, SECTION_MODEL, *at);
}

static void
load_key(struct catalog *c, const struct section_reader *r, const struct ini_section *s)
{
	struct slice name;
	struct provider *p = named_provider(c, r, s, &name);
	if (p == NULL)
		return;
	if (!is_name(name) || problems_looks_secret(name.data)) {
		refuse_header(r, s,
			"the name of a key has 1 to 32 letters, digits, '.', '_' and '-' (and is "
			"not the key)");
		return;
	}
	struct key_source **at = &p->keys;
	while (*at != NULL && !slice_is(name, (*at)->name))
		at = &(*at)->next;
	if (*at == NULL) {
		struct key_source *k = must(calloc(1, sizeof(*k)));
		k->name = must(strndup(name.data, name.len));
		options_set_defaults(SECTION_KEY, k);
		*at = k;
	} else if (strcmp((*at)->name, "default") == 0) {
		refuse_header(r, s, "key = in the section of the provider is this key already");
		return;
	}
	set_where(&(*at)->where, r, s->line);
	section_apply(r, s, SECTION_KEY, *at);
	if ((*at)->source == NULL && ini_section_entry(s, "source") == NULL)
		refuse_header(r, s, "source = is missing: where is the key?");
}

void
catalog_load(struct catalog *c, const struct section_reader *r, bool is_catalogue)
{
	for (const struct ini_section *s = r->file->sections; s != NULL; s = s->next) {
		if (s->name == NULL)
			continue;
		if (options_section(s->name) == SECTION_PROVIDER)
			load_provider(c, r, s, is_catalogue);
		else if (is_catalogue && options_section(s->name) < SECTION_PROVIDER)
			refuse_header(
				r, s, "this belongs into the configuration, not the catalogue");
		else if (options_section(s->name) == SECTION_UNKNOWN)
			section_refuse(r, s);
	}
	for (const struct ini_section *s = r->file->sections; s != NULL; s = s->next)
		if (s->name != NULL && options_section(s->name) == SECTION_MODEL)
			load_model(c, r, s);
	for (const struct ini_section *s = r->file->sections; s != NULL; s = s->next)
		if (s->name != NULL && options_section(s->name) == SECTION_KEY)
			load_key(c, r, s);
}
