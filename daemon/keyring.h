/*
 * The keys. Secrets live in locked memory that is not in a core dump; nobody but http sees them.
 * What people see is the fingerprint.
 */
#ifndef FREELLMD_KEYRING_H
#define FREELLMD_KEYRING_H

#include <stdbool.h>
#include <stdint.h>

#include "bytes.h"
#include "catalog.h"

struct keyring;
struct config;

enum { FINGERPRINT_BYTES = 16 }; /* with its NUL */

/*
 * Reads every key the configuration names, and for a provider without one the environment variables
 * the catalogue names. Returns 0, or -EINVAL when a configured key cannot be read: each problem is
 * a line appended to `why`
 * (`[key openrouter/a]: OPENROUTER_KEY_A is not set in the environment`). The variables are removed
 * from the environment afterwards, so that no child sees them.
 */
int keyring_create(struct keyring **to, const struct config *config, struct bytes *why)
	__attribute__((warn_unused_result));
/* Wipes the secrets. NULL is fine. */
void keyring_destroy(struct keyring *k);

/* May this provider be used at this time (Unix ms): has it a key that its schedule allows, or needs
 * none? */
bool keyring_usable(const struct keyring *k, const struct provider *p, int64_t now_ms);

/*
 * The key to use now: a NUL-terminated secret, owned by the keyring and valid until the next call
 * that changes it; NULL when there is none (also for providers that need none). *fingerprint is set
 * to a string such as "k-1f3a9c2e".
 */
const char *keyring_secret(
	struct keyring *k, const struct provider *p, int64_t now_ms, const char **fingerprint);

/* The provider refused the key in use (401, 403): it is not offered again until restart. */
void keyring_quarantine(struct keyring *k, const struct provider *p, const char *fingerprint);

#endif
