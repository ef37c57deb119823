/*
 * The keys. Secrets live in locked memory that is not in a core dump; nobody but http sees them.
 * What people see is the fingerprint: "k-" and the first 8 hex digits of the secret's SHA-256,
 * without a salt, so that a key is the same one in every log and on every machine
 * (printf %s "$KEY" | sha256sum). 32 bits say nothing useful about a random key.
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
 * Reads every key the configuration names for its environment, and for a provider without one the
 * environment variables the catalogue names: the first name of `env` that is set, alone or with _1,
 * _2, ... appended; then the same in the .env file. Disabled providers are passed over. Returns 0,
 * or -EINVAL when a configured key cannot be read: each problem is a line appended to `why`
 * (`[key openrouter/a]: OPENROUTER_KEY_A is not set in the environment`), and no secret is in it.
 *
 * On success the variables are wiped and removed from the environment, so that neither a child nor
 * /proc/PID/environ shows them; on failure it is left as it was. The environment is the process's:
 * call this before a thread starts.
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

/* One key, as status shows it; the strings are the keyring's. */
struct keyring_entry {
	const char *provider;
	const char *name; /* "default", "a", or the variable it was found in */
	const char *fingerprint;
	bool usable; /* at the time that was given: its schedule allows it, and it is not refused */
	bool quarantined;
};

typedef void keyring_each_cb(void *context, const struct keyring_entry *entry);

/* Calls back for each key, by provider in the order of the catalogue, in the order they are tried.
 */
void keyring_each(
	const struct keyring *k, int64_t now_ms, keyring_each_cb *callback, void *context);

/* The provider refused the key in use (401, 403): it is not offered again until restart. */
void keyring_quarantine(struct keyring *k, const struct provider *p, const char *fingerprint);

#endif
