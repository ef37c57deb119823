/*
 * Builds the catalogue: the sections of providers.ini, then those of the user's file on top, then
 * what must hold between them.
 */
#ifndef FREELLMD_CATALOG_LOAD_H
#define FREELLMD_CATALOG_LOAD_H

#include <stdbool.h>

#include "bytes.h"

struct catalog;
struct problems;
struct section_reader;

/*
 * Applies the [provider], [model] and [key] sections of a file, in whatever order they stand. The
 * first file is the catalogue itself. Problems are reported, and what they touch is left out.
 */
void catalog_load(struct catalog *c, const struct section_reader *r, bool is_catalogue);

/* Appends "; did you mean 'groq'?" when a provider's name is near to this one. */
void catalog_suggest(const struct catalog *c, struct slice name, struct bytes *out);

/* After the last file: completes and checks the providers against each other. */
void catalog_check(struct catalog *c, struct problems *problems);

#endif
