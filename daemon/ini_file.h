/*
 * An INI file as a tree, read with inih. What inih would lose is kept: line numbers, empty
 * sections, section names of any length; and what inih would silently do (cut a line at its buffer,
 * take an indented option for more of the value above it) is a problem instead.
 *
 * The syntax: "[section]", "name = value" or "name: value", whole-line comments with ; or #, and "
 * ;" begins a comment within a line. An indented line continues the value above it, joined with one
 * space.
 */
#ifndef FREELLMD_INI_FILE_H
#define FREELLMD_INI_FILE_H

#include <stdbool.h>

#include "bytes.h"

struct problems;

struct ini_entry {
	char *name;
	char *value; /* trimmed, may be empty */
	int line;
	struct ini_entry *next;
};

struct ini_section {
	char *name; /* runs of blanks are one space; NULL: the header could not be read, and was
		       reported */
	int line;
	struct ini_entry *entries; /* in order; a name occurs once */
	struct ini_section *next;
};

struct ini_file {
	char *path;
	struct ini_section *sections; /* in order */
};

/* Is `name` an option of a section with this header? Tells an indented option from a value that
 * goes on. */
typedef bool ini_is_option(const char *section, const char *name);

enum { INI_FILE_MAX = 4 << 20 };

/*
 * Reads a regular file of at most INI_FILE_MAX bytes. What is wrong with single lines is reported
 * and left out of the tree, and the result is still 0. A file that cannot be read at all is
 * reported and gives a negative errno; *to is then NULL.
 */
int ini_file_read(struct ini_file **to, const char *path, ini_is_option *is_option,
	struct problems *problems) __attribute__((warn_unused_result));

/* The same for text that is in memory; `path` only names it. */
struct ini_file *ini_file_parse(
	const char *path, struct slice text, ini_is_option *is_option, struct problems *problems);

void ini_file_destroy(struct ini_file *f);

/* The entry of that name, or NULL. */
const struct ini_entry *ini_section_entry(const struct ini_section *s, const char *name);

#endif
