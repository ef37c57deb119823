/*
 * The value of one option: from text into the field its row names, and back.
 */
#ifndef FREELLMD_OPTION_VALUE_H
#define FREELLMD_OPTION_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bytes.h"

struct option;

struct option_context {
	const char *folder; /* where relative paths begin; NULL: they are refused */
	const char *dotenv; /* looked into for ${NAME} after the environment; NULL: none */
};

/*
 * Sets the field in `object`. On failure the field is unchanged, and a clause that says what is
 * wrong is appended to `why`; a value that could be a secret is never in it. An empty text unsets
 * what is a string, a list or limits.
 */
bool option_value_set(const struct option *o, void *object, const char *text,
	const struct option_context *context, struct bytes *why);

/* Appends the value as option_value_set reads it; nothing for what is unset. */
void option_value_print(const struct option *o, const void *object, struct bytes *out);

void option_value_free(const struct option *o, void *object);

/* A number in the unit of the row's type, as it is written: "16 MiB", "30 s", "0600". */
void option_value_print_number(const struct option *o, int64_t number, struct bytes *out);

#endif
