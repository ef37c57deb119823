#include "keyring.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <sodium.h>

#include "config.h"
#include "key_variables.h"
#include "schedule.h"
#include "secret.h"

/* NAME_1 to NAME_99. */
enum { SUFFIX_MAX = 99, VARIABLE_MAX = 256 };

struct key {
	char *provider;
	char *name;
	char *secret; /* of sodium_malloc, read-only */
	char fingerprint[FINGERPRINT_BYTES];
	uint32_t days; /* of the month, in local time */
	bool quarantined;
	struct key *next;
};

struct keyring {
	struct key *keys; /* in the order they are tried */
	struct key **end;
	struct key_variables *variables; /* to remove from the environment */
	const char *dotenv;
	struct bytes *why;
	bool failed;
	bool dotenv_used;
	bool unlocked; /* some memory could not be locked */
};

static void *
must(void *memory)
{
	if (memory == NULL)
		abort();
	return memory;
}

static void
set_fingerprint(struct key *key)
{
	unsigned char hash[crypto_hash_sha256_BYTES];
	crypto_hash_sha256(hash, (const unsigned char *)key->secret, strlen(key->secret));
	memcpy(key->fingerprint, "k-", 2);
	sodium_bin2hex(key->fingerprint + 2, 9, hash, 4);
	sodium_memzero(hash, sizeof(hash));
}

static bool
is_known(const struct keyring *k, const struct key *key)
{
	for (const struct key *o = k->keys; o != NULL; o = o->next)
		if (strcmp(o->provider, key->provider) == 0 &&
			strcmp(o->fingerprint, key->fingerprint) == 0)
			return true;
	return false;
}

static void
destroy_key(struct key *key)
{
	sodium_free(key->secret);
	free(key->provider);
	free(key->name);
	free(key);
}

/* Takes the secret over. The same key named twice is one key. */
static void
add_key(struct keyring *k, const struct provider *p, const char *name, char *secret, uint32_t days)
{
	struct key *key = must(calloc(1, sizeof(*key)));
	key->provider = must(strdup(p->name));
	key->name = must(strdup(name));
	key->secret = secret;
	key->days = days;
	set_fingerprint(key);
	/* sodium_malloc goes on without the lock when RLIMIT_MEMLOCK is spent: asking again tells.
	 */
	if (sodium_mlock(secret, strlen(secret) + 1) != 0)
		k->unlocked = true;
	if (sodium_mprotect_readonly(secret) != 0 || is_known(k, key)) {
		destroy_key(key);
		return;
	}
	*k->end = key;
	k->end = &key->next;
}

static void
read_configured(struct keyring *k, const struct provider *p, const struct key_source *source)
{
	struct bytes why = {0};
	uint32_t days = SCHEDULE_ALWAYS;
	char *secret = NULL;
	if (schedule_parse(source->schedule, &days, &why))
		secret = secret_read(source->source, k->dotenv, &why);
	if (secret != NULL) {
		add_key(k, p, source->name, secret, days);
		if (strncmp(source->source, "env:", 4) == 0)
			key_variables_add(&k->variables, source->source + 4);
		if (strncmp(source->source, "dotenv:", 7) == 0)
			k->dotenv_used = true;
	} else {
		k->failed = true;
		bytes_printf(k->why, "%s: [key %s/%s]: %s\n", source->where, p->name, source->name,
			bytes_cstr(&why));
	}
	bytes_finish(&why);
}

/* A key that nobody named: a variable that is not set or empty is no key, but a broken one is said.
 */
static bool
read_found(struct keyring *k, const struct provider *p, const char *prefix, const char *variable)
{
	const char *value = getenv(variable);
	bool from_environment = strcmp(prefix, "env:") == 0;
	if (from_environment && (value == NULL || value[0] == '\0'))
		return false;
	struct bytes source = {0};
	struct bytes why = {0};
	bytes_printf(&source, "%s%s", prefix, variable);
	char *secret = secret_read(bytes_cstr(&source), k->dotenv, &why);
	if (secret != NULL)
		add_key(k, p, variable, secret, SCHEDULE_ALWAYS);
	else if (errno != ENOENT)
		log_warning("provider %s: %s: %s", p->name, variable, bytes_cstr(&why));
	k->dotenv_used = k->dotenv_used || (secret != NULL && !from_environment);
	bytes_finish(&source);
	bytes_finish(&why);
	return secret != NULL;
}

/* NAME, then NAME_1, NAME_2, ... until one is missing. */
static bool
read_numbered(struct keyring *k, const struct provider *p, const char *prefix, const char *name)
{
	bool found = read_found(k, p, prefix, name);
	char variable[VARIABLE_MAX + 8];
	for (int i = 1; i <= SUFFIX_MAX; i++) {
		snprintf(variable, sizeof(variable), "%s_%d", name, i);
		if (!read_found(k, p, prefix, variable))
			break;
		found = true;
	}
	return found;
}

/* Calls read_numbered for each name of the provider's list until one has a key. */
static bool
search(struct keyring *k, const struct provider *p, const char *prefix)
{
	for (const char *at = p->env; at != NULL && *at != '\0';) {
		char name[VARIABLE_MAX];
		size_t len = strcspn(at, ", ");
		if (len < sizeof(name)) {
			memcpy(name, at, len);
			name[len] = '\0';
			if (read_numbered(k, p, prefix, name))
				return true;
		}
		at += len;
		at += strspn(at, ", ");
	}
	return false;
}

static bool
is_for(const struct key_source *source, const struct config *c)
{
	return source->environment == NULL || strcmp(source->environment, c->environment) == 0;
}

static void
read_provider(struct keyring *k, const struct provider *p, const struct config *c)
{
	for (const struct key_source *s = p->keys; s != NULL; s = s->next)
		if (is_for(s, c))
			read_configured(k, p, s);
	if (p->keys != NULL || search(k, p, "env:"))
		return;
	if (k->dotenv != NULL && access(k->dotenv, R_OK) == 0)
		search(k, p, "dotenv:");
}

static void
warn_if_readable(const struct keyring *k)
{
	struct stat st;
	if (k->dotenv_used && stat(k->dotenv, &st) == 0 && (st.st_mode & (S_IRWXG | S_IRWXO)) != 0)
		log_warning("%s: it holds keys, and others can read it: chmod 600", k->dotenv);
}

int
keyring_create(struct keyring **to, const struct config *config, struct bytes *why)
{
	if (sodium_init() < 0)
		abort();
	struct keyring *k = must(calloc(1, sizeof(*k)));
	k->end = &k->keys;
	k->why = why;
	k->dotenv = config->dotenv;
	for (const struct provider *p = config->catalog.providers; p != NULL; p = p->next)
		if (p->enabled)
			read_provider(k, p, config);
	key_variables_add_listed(&k->variables, &config->catalog);
	if (!k->failed)
		key_variables_wipe(k->variables);
	key_variables_free(&k->variables);
	warn_if_readable(k);
	if (k->unlocked)
		log_warning("keys: their memory could not be locked and may be swapped out: raise "
			    "RLIMIT_MEMLOCK (ulimit -l)");
	if (k->failed) {
		keyring_destroy(k);
		k = NULL;
	}
	*to = k;
	return k == NULL ? -EINVAL : 0;
}

void
keyring_destroy(struct keyring *k)
{
	if (k == NULL)
		return;
	while (k->keys != NULL) {
		struct key *key = k->keys;
		k->keys = key->next;
		destroy_key(key);
	}
	free(k);
}

static bool
is_usable(const struct key *key, int64_t now_ms)
{
	if (key->quarantined || key->days == SCHEDULE_ALWAYS)
		return !key->quarantined;
	time_t now = (time_t)(now_ms / 1000);
	struct tm day;
	return localtime_r(&now, &day) != NULL && (key->days >> day.tm_mday & 1) != 0;
}

static const struct key *
find_key(const struct keyring *k, const struct provider *p, int64_t now_ms)
{
	for (const struct key *key = k->keys; key != NULL; key = key->next)
		if (strcmp(key->provider, p->name) == 0 && is_usable(key, now_ms))
			return key;
	return NULL;
}

bool
keyring_usable(const struct keyring *k, const struct provider *p, int64_t now_ms)
{
	return !p->needs_key || find_key(k, p, now_ms) != NULL;
}

const char *
keyring_secret(
	struct keyring *k, const struct provider *p, int64_t now_ms, const char **fingerprint)
{
	const struct key *key = find_key(k, p, now_ms);
	*fingerprint = key != NULL ? key->fingerprint : NULL;
	return key != NULL ? key->secret : NULL;
}

void
keyring_each(const struct keyring *k, int64_t now_ms, keyring_each_cb *callback, void *context)
{
	for (const struct key *key = k->keys; key != NULL; key = key->next) {
		const struct keyring_entry entry = {
			.provider = key->provider,
			.name = key->name,
			.fingerprint = key->fingerprint,
			.usable = is_usable(key, now_ms),
			.quarantined = key->quarantined,
		};
		callback(context, &entry);
	}
}

void
keyring_quarantine(struct keyring *k, const struct provider *p, const char *fingerprint)
{
	for (struct key *key = k->keys; key != NULL; key = key->next)
		if (strcmp(key->provider, p->name) == 0 &&
			strcmp(key->fingerprint, fingerprint) == 0)
			key->quarantined = true;
}
