#include "key_variables.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sodium.h>

#include "bytes.h"
#include "catalog.h"

void
key_variables_add(struct key_variables **list, const char *name)
{
	struct key_variables *v = calloc(1, sizeof(*v));
	char *copy = strdup(name);
	if (v == NULL || copy == NULL)
		abort();
	v->name = copy;
	v->next = *list;
	*list = v;
}

static bool
list_has(const char *list, struct slice word)
{
	for (const char *at = list; at != NULL && *at != '\0'; at += strspn(at, ", ")) {
		size_t len = strcspn(at, ", ");
		if (len == word.len && memcmp(at, word.data, len) == 0)
			return true;
		at += len;
	}
	return false;
}

/* Is it "NAME" or "NAME_1", ... for a NAME in the list? */
static bool
is_listed(const char *list, struct slice variable)
{
	if (list_has(list, variable))
		return true;
	size_t digits = 0;
	while (digits < variable.len &&
		isdigit((unsigned char)variable.data[variable.len - 1 - digits]))
		digits++;
	variable.len -= digits;
	if (digits == 0 || variable.len == 0 || variable.data[variable.len - 1] != '_')
		return false;
	variable.len--;
	return list_has(list, variable);
}

void
key_variables_add_listed(struct key_variables **list, const struct catalog *c)
{
	for (char **entry = environ; entry != NULL && *entry != NULL; entry++) {
		struct slice variable = {*entry, strcspn(*entry, "=")};
		bool listed = false;
		for (const struct provider *p = c->providers; p != NULL; p = p->next)
			listed = listed || is_listed(p->env, variable);
		if (!listed)
			continue;
		char *name = strndup(variable.data, variable.len);
		if (name == NULL)
			abort();
		key_variables_add(list, name);
		free(name);
	}
}

/* unsetenv only drops the pointer: the kernel shows the bytes in /proc/PID/environ until they are
 * overwritten where they are. */
static void
wipe_variable(const char *name)
{
	char *value = getenv(name);
	if (value == NULL)
		return;
	sodium_memzero(value, strlen(value));
	unsetenv(name);
}

void
key_variables_wipe(const struct key_variables *list)
{
	for (; list != NULL; list = list->next)
		wipe_variable(list->name);
}

void
key_variables_free(struct key_variables **list)
{
	while (*list != NULL) {
		struct key_variables *v = *list;
		*list = v->next;
		free(v->name);
		free(v);
	}
}
