/*
 * The option table: one row for each option of the configuration and the catalogue. It is what
 * parses, prints and checks them, and what freellmd.ini.example is tested against.
 */
#ifndef FREELLMD_OPTIONS_H
#define FREELLMD_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bytes.h"

/* The kinds of section; the object that a row's offset is into stands beside each. */
enum section_kind {
	SECTION_DAEMON, /* struct config, as the next four */
	SECTION_LIMITS,
	SECTION_HTTP,
	SECTION_RETRY,
	SECTION_CACHE,
	SECTION_PROVIDER, /* struct provider */
	SECTION_MODEL,    /* struct model */
	SECTION_KEY,      /* struct key_source */
	SECTION_UNKNOWN,
};

enum option_type {
	OPTION_BOOL,      /* bool */
	OPTION_INTEGER,   /* int64_t, as the next three */
	OPTION_SIZE,      /* bytes */
	OPTION_DURATION,  /* milliseconds */
	OPTION_MODE,      /* octal file mode */
	OPTION_DECIMAL,   /* double */
	OPTION_TRISTATE,  /* enum tristate */
	OPTION_STRING,    /* char *, as all that follow */
	OPTION_CHOICE,    /* one of the row's choices */
	OPTION_LIST,      /* comma-separated words */
	OPTION_VARIABLES, /* ... of names of environment variables */
	OPTION_RENAMES,   /* ... of OURS=THEIRS */
	OPTION_WEIGHTS,   /* ... of UNIT=INPUT/OUTPUT */
	OPTION_PATH,      /* made absolute */
	OPTION_URL,       /* the base of an API */
	OPTION_PROXY,
	OPTION_HEADERS,
	OPTION_SOURCE, /* where a key comes from */
	OPTION_SCHEDULE,
	OPTION_KEY,    /* struct key_source *: the shorthand for one key */
	OPTION_LIMITS, /* struct limits */
};

struct option {
	enum section_kind section;
	enum option_type type;
	const char *name;
	size_t offset;
	const char *value;   /* the default, as it is written in a file; NULL: unset */
	const char *unset;   /* when there is no default: what then happens */
	const char *example; /* when there is no default: what the example file shows */
	int64_t min, max;    /* of the numeric types, in the type's unit; max 0: no bounds */
	const char *choices; /* of OPTION_CHOICE, and of a list's elements: "error, warning" */
	const char *help;
	bool reloadable; /* a reload applies it; else it needs a restart */
};

/* The whole table, by section in the order of enum section_kind. */
const struct option *options_table(size_t *count);

/* The row, or NULL. */
const struct option *options_find(enum section_kind section, const char *name);

/* What kind of section has this header ("daemon", "provider groq"), by its first word. */
enum section_kind options_section(const char *header);

/* "daemon", "provider"; for SECTION_UNKNOWN "". */
const char *options_section_name(enum section_kind section);

/* Appends "; did you mean 'socket'?" or where the option belongs, or nothing. */
void options_suggest(enum section_kind section, const char *name, struct bytes *out);
void options_suggest_section(const char *header, struct bytes *out);

/* Sets every option of that section to its default in a zeroed object. */
void options_set_defaults(enum section_kind section, void *object);

/* Frees what the options of that section own in the object. */
void options_free(enum section_kind section, void *object);

/* Appends "name = value ; default ..." lines; a value longer than a line goes on in the next. What
 * is unset is shown as a comment, and not at all in the many sections that have names. */
void options_print(enum section_kind section, const void *object, struct bytes *out);

/* Appends what the option takes: "a size from 4 KiB to 1 GiB". */
void options_describe(const struct option *o, struct bytes *out);

/* Appends the option as the example file shows it: help, type, bounds and default as comments, and
 * the default itself as an assignment that is commented out. */
void options_document(const struct option *o, struct bytes *out);

#endif
