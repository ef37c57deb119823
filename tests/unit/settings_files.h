/*
 * Files in a temporary folder, for the tests of the configuration, and the problems that loading
 * them gives.
 */
#ifndef FREELLMD_SETTINGS_FILES_H
#define FREELLMD_SETTINGS_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum { PROBLEMS_MAX = 32 };

struct seen_problems {
	char *sentence[PROBLEMS_MAX];
	size_t count; /* may be more than are kept */
};

/* Makes the folder, and forgets the variables of the environment that the configuration looks at;
 * XDG_RUNTIME_DIR and HOME are then the folder. For cmocka's group setup and teardown. */
int settings_files_setup(void **state);
int settings_files_teardown(void **state);

/* The path of a file in the folder, good for the next four calls. */
const char *settings_path(const char *name);

/* Writes a file with mode 0600 and gives its path. */
const char *settings_write(const char *name, const char *text);
const char *settings_write_bytes(const char *name, const void *data, size_t len);

/* The text of a file of the source tree, for the caller to free. */
char *settings_read_source(const char *name);

/* A config_problem_cb whose context is a struct seen_problems. */
void settings_seen(void *context, const char *sentence);
void settings_seen_free(struct seen_problems *seen);

/* Fails the test unless the problems are these: each of `expected` (NULL at the end) must be in the
 * sentence at its place. */
void settings_expect(
	const char *title, const struct seen_problems *seen, const char *const *expected);

#endif
