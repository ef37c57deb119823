/*
 * The environment variables that hold keys, and how they leave the environment.
 */
#ifndef FREELLMD_KEY_VARIABLES_H
#define FREELLMD_KEY_VARIABLES_H

struct catalog;

/* A list of names; NULL is the empty one. */
struct key_variables {
	char *name;
	struct key_variables *next;
};

void key_variables_add(struct key_variables **list, const char *name);

/* Adds every variable of the environment that the catalogue says is a key, used or not: the names
 * of `env`, and those with _1, _2, ... appended. */
void key_variables_add_listed(struct key_variables **list, const struct catalog *c);

/* Wipes and removes them from the environment of the process. No other thread may look at it. */
void key_variables_wipe(const struct key_variables *list);

void key_variables_free(struct key_variables **list);

#endif
