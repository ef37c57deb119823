/*
 * A .env file: KEY=value lines as shells and python-dotenv read them. "export " in front is passed
 * over; 'single' quotes are literal, "double" quotes know \n \r \t \" \\ and \$; without quotes a
 * blank and # begin a comment; of several lines for one KEY the last counts. Nothing is expanded.
 */
#ifndef FREELLMD_DOTENV_H
#define FREELLMD_DOTENV_H

#include <stddef.h>
#include <sys/types.h>

#include "bytes.h"

enum { DOTENV_FILE_MAX = 64 << 10, DOTENV_VALUE_MAX = 4096 };

/*
 * Finds the value of `name` and writes it with a NUL to `to`. Returns its length, -ENOENT when it
 * is not there, -EINVAL when a quote is not closed, -E2BIG when it does not fit.
 */
ssize_t dotenv_find(struct slice text, const char *name, char *to, size_t size)
	__attribute__((warn_unused_result));

/* Which of the two a negative errno is about. */
enum dotenv_failure { DOTENV_FILE, DOTENV_NAME };

/* The same from a file; also a negative errno of reading it (-EFBIG over DOTENV_FILE_MAX), as
 * *failure tells. What was read is wiped. */
ssize_t dotenv_read(const char *path, const char *name, char *to, size_t size,
	enum dotenv_failure *failure) __attribute__((warn_unused_result));

#endif
