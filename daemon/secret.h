/*
 * Reads one secret from where the configuration says it is, into memory that is locked and guarded.
 */
#ifndef FREELLMD_SECRET_H
#define FREELLMD_SECRET_H

#include "bytes.h"

enum { SECRET_MAX = 4096 };

/*
 * The secret that `source` names (env:NAME, dotenv:NAME, file:PATH, credential:NAME), in memory of
 * sodium_malloc that the caller gives to sodium_free. On failure NULL, with a clause appended to
 * `why` in which nothing of the secret is, and errno ENOENT when there is nothing of that name,
 * else EINVAL. `dotenv` is the file of dotenv:NAME; NULL: there is none. One newline at its end is
 * dropped.
 */
char *secret_read(const char *source, const char *dotenv, struct bytes *why);

#endif
