#include "catalog.h"

#include <stdlib.h>

#include "options.h"

const struct provider *
catalog_provider(const struct catalog *c, struct slice name)
{
	for (const struct provider *p = c->providers; p != NULL; p = p->next)
		if (slice_is(name, p->name))
			return p;
	return NULL;
}

const struct model *
catalog_model(const struct provider *p, struct slice id)
{
	for (const struct model *m = p->models; m != NULL; m = m->next)
		if (slice_is(id, m->id))
			return m;
	return NULL;
}

static void
destroy_keys(struct key_source *k)
{
	while (k != NULL) {
		struct key_source *next = k->next;
		options_free(SECTION_KEY, k);
		free(k->name);
		free(k->where);
		free(k);
		k = next;
	}
}

static void
destroy_models(struct model *m)
{
	while (m != NULL) {
		struct model *next = m->next;
		options_free(SECTION_MODEL, m);
		free(m->id);
		free(m->where);
		free(m);
		m = next;
	}
}

void
catalog_destroy(struct catalog *c)
{
	while (c->providers != NULL) {
		struct provider *p = c->providers;
		c->providers = p->next;
		destroy_keys(p->keys);
		destroy_models(p->models);
		options_free(SECTION_PROVIDER, p);
		free(p->name);
		free(p->unusable);
		free(p->where);
		free(p);
	}
}
