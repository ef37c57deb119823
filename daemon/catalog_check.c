#include "catalog_load.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "catalog.h"
#include "nearest.h"
#include "option_text.h"
#include "problems.h"

void
catalog_suggest(const struct catalog *c, struct slice name, struct bytes *out)
{
	char *word = strndup(name.data, name.len);
	if (word == NULL)
		abort();
	struct nearest near = {.word = word};
	for (const struct provider *p = c->providers; p != NULL; p = p->next)
		if (p->base_url != NULL)
			nearest_offer(&near, p->name);
	if (near.found != NULL)
		bytes_printf(out, "; did you mean '%s'?", near.found);
	free(word);
}

/* Completes a provider, and switches it off with a reason when it cannot work. */
static void
check_provider(const struct catalog *c, struct provider *p, struct problems *problems)
{
	if (!p->needs_key_given)
		p->needs_key = p->keys != NULL || p->env != NULL;
	if (p->base_url == NULL && p->unusable != NULL)
		return;
	if (p->base_url == NULL) {
		struct bytes near = {0};
		catalog_suggest(c, slice_of(p->name), &near);
		problems_add(problems, p->where, 0,
			"the provider '%s' is not in the catalogue, and needs base_url%s", p->name,
			near.len > 0 ? bytes_cstr(&near) : "");
		bytes_finish(&near);
		return;
	}
	char *variable = option_text_unset_variable(p->base_url);
	if (variable == NULL || !p->enabled) {
		free(variable);
		return;
	}
	if (!p->from_catalog)
		problems_add(problems, p->where, 0,
			"the provider '%s': base_url names ${%s}, which is not set in the "
			"environment",
			p->name, variable);
	if (asprintf(&p->unusable, "%s is not set in the environment", variable) < 0)
		abort();
	p->enabled = false;
	free(variable);
}

/* Keys of one service share one budget, so one service has one provider (two sections would count
 * its limits twice). */
static void
check_services(const struct catalog *c, struct problems *problems)
{
	struct bytes mine = {0};
	struct bytes other = {0};
	for (const struct provider *p = c->providers; p != NULL; p = p->next) {
		if (!p->enabled || p->base_url == NULL)
			continue;
		bytes_clear(&mine);
		option_text_service(p->base_url, &mine);
		for (const struct provider *q = p->next; q != NULL; q = q->next) {
			if (!q->enabled || q->base_url == NULL)
				continue;
			bytes_clear(&other);
			option_text_service(q->base_url, &other);
			if (mine.len == 0 || strcmp(bytes_cstr(&mine), bytes_cstr(&other)) != 0)
				continue;
			/* The user's own stand first: that is where something can be changed. */
			problems_add(problems, p->where, 0,
				"the providers '%s' and '%s' (%s) reach the same service, %s: keys "
				"of one service share one budget, so disable one with enabled = "
				"no, and give the other several keys",
				p->name, q->name, q->where, bytes_cstr(&mine));
		}
	}
	bytes_finish(&mine);
	bytes_finish(&other);
}

void
catalog_check(struct catalog *c, struct problems *problems)
{
	for (struct provider *p = c->providers; p != NULL; p = p->next)
		check_provider(c, p, problems);
	check_services(c, problems);
}
