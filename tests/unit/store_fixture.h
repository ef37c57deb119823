/*
 * A store in a folder of its own, and entries that can be told from their number.
 */
#ifndef FREELLMD_STORE_FIXTURE_H
#define FREELLMD_STORE_FIXTURE_H

#include <stdbool.h>
#include <stdint.h>

#include "store.h"

enum { MIB = 1 << 20 };

struct store_fixture {
	char directory[64], file[96];
	struct store *store;
	struct bytes why;
};

/* Makes the folder and forgets what was logged. */
void fixture_begin(struct store_fixture *f);
/* Closes the store, and removes the folder with all that is in it. */
void fixture_end(struct store_fixture *f);

/* Opens, with room for 64 MiB of pending writes. Returns store_open's answer. */
int fixture_open(struct store_fixture *f, size_t max_bytes);
void fixture_close(struct store_fixture *f);

/* Unix time in milliseconds, and an hour from then. */
int64_t fixture_now(void);
int64_t fixture_later(void);

/* The value of entry `number`: `len` bytes that no other number gives. */
void fixture_put(struct store *s, unsigned number, size_t len, int64_t expires_at_ms);

enum found { ABSENT, RIGHT, WRONG };
enum found fixture_get(struct store *s, unsigned number, size_t len, int64_t now_ms);

/* The rows of a database of the closed file, read with LMDB itself. */
size_t fixture_rows(const struct store_fixture *f, const char *database);

#endif
