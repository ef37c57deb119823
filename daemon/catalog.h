/*
 * Providers, models and keys: what the catalogue (providers.ini) and the user's configuration
 * together say. The two are one syntax; the user's file overrides the catalogue key by key.
 */
#ifndef FREELLMD_CATALOG_H
#define FREELLMD_CATALOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "limits.h"

enum tristate { UNKNOWN, NO, YES };

/* A [key PROVIDER/NAME] section, or the shorthand `key =` of a provider (then name is "default").
 */
struct key_source {
	char *name;
	char *source; /* env:NAME, dotenv:NAME, file:/path, credential:name; never the secret itself
		       */
	char *environment; /* development, staging, production; NULL: all */
	char *schedule;    /* "always", or days of the month "1-14, 20"; NULL: always */
	char *where;       /* "file:line" of its section */
	struct key_source *next;
};

struct model {
	struct provider *provider;
	char *id;           /* the provider's own; may hold slashes */
	int64_t context;    /* tokens; 0: not known */
	int64_t max_output; /* tokens; 0: not known */
	char *good_at;      /* "chat, code, reasoning, vision, tools" */
	double size;        /* billions of parameters; 0: not known */
	struct limits limits;
	char *weight; /* "neurons=31818/68182": units per million input/output tokens; NULL: none */
	bool enabled;
	char *updated, *source, *notes;
	char *where;        /* "file:line" of the section that was read last */
	struct model *next; /* in the order of the files */
};

struct provider {
	char *name;
	char *base_url; /* without a slash at its end; ${NAME} stands for an environment variable */
	char *env; /* "GEMINI_API_KEY, GOOGLE_API_KEY": tried in order when no key is configured */
	bool needs_key;       /* unless the files say, yes when it has a key or `env` */
	bool needs_key_given; /* ... and here they say */
	bool enabled;
	char *unusable;            /* NULL, or why it cannot be used although it is not switched off
			   ("CLOUDFLARE_ACCOUNT_ID is not set"); then enabled is false */
	bool stream_usage;         /* ask for usage in streams with stream_options */
	char *drop, *rename, *set; /* struct openai_quirks */
	char *headers;        /* more request headers, "Name: value" separated by | ; NULL: none */
	struct limits limits; /* of the provider as a whole */
	char *counts; /* what the provider counts: "input", "estimate", "failed": later modules read
			 it */
	enum tristate trains; /* does the free tier train on prompts? */
	char *region;
	int64_t first_byte_timeout_ms; /* 0: the daemon's default */
	int64_t max_connections;       /* to its host; 0: the daemon's default */
	char *default_model; /* the model for requests that name none; NULL: its first enabled model
			      */
	char *updated, *source, *notes;
	struct key_source *keys;
	struct model *models;
	bool from_catalog;     /* named in providers.ini */
	char *where;           /* "file:line" of the section that was read last */
	struct provider *next; /* the user's own providers first, then the catalogue's order */
};

struct catalog {
	struct provider *providers;
};

const struct provider *catalog_provider(const struct catalog *c, struct slice name);
/* The model `id` of a provider, or NULL. */
const struct model *catalog_model(const struct provider *p, struct slice id);
void catalog_destroy(struct catalog *c);

#endif
