/*
 * Applies a section of an INI file to the object that holds its options, row by row of the option
 * table.
 */
#ifndef FREELLMD_SECTION_H
#define FREELLMD_SECTION_H

#include <stdbool.h>

#include "options.h"

struct ini_file;
struct ini_section;
struct option_context;
struct problems;

/* Everything that reading a file needs besides the object. */
struct section_reader {
	const struct ini_file *file;
	const struct option_context *context;
	struct problems *problems;
};

/* Sets each option that is named; unknown names and bad values are reported and left out. */
void section_apply(const struct section_reader *r, const struct ini_section *s,
	enum section_kind kind, void *object);

/* Reports a header that is of no known kind. */
void section_refuse(const struct section_reader *r, const struct ini_section *s);

/* For ini_file: is `name` an option of the section with this header? */
bool section_has_option(const char *header, const char *name);

#endif
