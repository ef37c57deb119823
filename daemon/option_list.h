/*
 * Comma-separated lists, and the grammar of their elements.
 */
#ifndef FREELLMD_OPTION_LIST_H
#define FREELLMD_OPTION_LIST_H

#include <stdbool.h>

#include "bytes.h"

struct option;

/* The list with one ", " between its elements, owned by the caller; or NULL with a clause appended
 * to `why` when an element is missing or is not what the row's type or choices want. */
char *option_list_normal(const struct option *o, const char *text, struct bytes *why);

/* Is `word` one of the comma-separated choices? */
bool option_list_has(const char *choices, const char *word);

/* Is it the name of an environment variable? */
bool option_list_is_variable(const char *name);

#endif
