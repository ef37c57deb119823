/*
 * The configuration: one option table that parses, prints and is tested against
 * freellmd.ini.example. Without any file the defaults stand, and providers whose
 * environment variable is set are used.
 */
#ifndef FREELLMD_CONFIG_H
#define FREELLMD_CONFIG_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "catalog.h"
#include "log.h"

/* Times are in milliseconds, sizes in bytes. Strings are owned by the configuration. */
struct config {
	/* [daemon] */
	char *socket; /* default: $XDG_RUNTIME_DIR/freellmd.sock, else /run/freellmd/freellmd.sock
		       */
	int64_t socket_mode; /* default 0600 */
	char *socket_group;  /* NULL: the daemon's own */
	char *state_dir;     /* default: $STATE_DIRECTORY, $XDG_STATE_HOME/freellmd,
				$HOME/.local/state/freellmd */
	char *environment;   /* development, staging, production; default development */
	char *log_level;     /* error, warning, info, debug; default info */
	char *catalog_file;  /* default: the installed providers.ini */
	char *dotenv;      /* the file that dotenv:NAME reads; default: .env in the configuration's
			      folder */
	char *allow_users; /* names or uids that may submit besides the daemon's own and root; NULL:
			      none */
	char *allow_groups;
	char *default_model; /* comma-separated targets for requests that name no model; NULL: the
				first that is usable */
	int64_t stop_timeout_ms; /* how long a stop waits for what is in flight; default 10 s */

	/* [limits] */
	int64_t max_frame;        /* one message of a client; default 16 MiB */
	int64_t max_sessions;     /* default 1100 */
	int64_t max_session_jobs; /* requests in flight on one connection; default 256 */
	int64_t max_queue;        /* jobs that wait; default 10000 */
	int64_t max_transfers;    /* requests to providers at once; default 1024 */
	int64_t max_answer;       /* default 16 MiB */
	int64_t max_header;       /* all response headers of one answer; default 64 KiB */
	int64_t session_buffer;   /* bytes waiting for a client before it is paused; default 256 KiB
				   */
	int64_t session_stall_ms; /* a paused client that reads nothing for so long is dropped;
				     default 30 s */
	int64_t session_idle_ms;  /* half a message and then silence: closed after; default 60 s */
	int64_t stream_hold; /* bytes of a stream held back before its first content; default 64 KiB
			      */

	/* [http] */
	int64_t connect_timeout_ms;    /* default 10 s */
	int64_t first_byte_timeout_ms; /* until the first byte of the body; default 180 s */
	int64_t stall_timeout_ms;      /* silence within a body; default 60 s */
	int64_t total_timeout_ms;      /* default 15 min */
	int64_t max_connections;       /* to one host; default 32 */
	char *proxy;      /* NULL: HTTPS_PROXY, ALL_PROXY and NO_PROXY of the environment */
	char *ca_file;    /* NULL: the system's */
	char *user_agent; /* default freellmd/VERSION */

	/* [retry] */
	int64_t max_attempts;    /* of one job, over all its targets; default 4 */
	int64_t backoff_base_ms; /* default 500 ms */
	int64_t backoff_max_ms;  /* default 30 s */
	int64_t max_wait_ms; /* a provider's Retry-After beyond this ends the job with that time;
				default 2 min */

	/* [cache] */
	bool cache_enabled;       /* default yes */
	int64_t cache_ttl_ms;     /* default 1 h */
	int64_t cache_max_ttl_ms; /* what a request may ask for; default 30 days */
	int64_t cache_max_bytes;  /* default 256 MiB */
	int64_t cache_max_entry;  /* default 1 MiB */
	bool cache_shared;        /* one cache for all uids; default no */

	struct catalog catalog;
	char *file; /* the user's file that was read; NULL: none */
};

/* One thing that is wrong: "freellmd.ini:12: unknown key 'sokcet' in [daemon]; did you mean
 * 'socket'?" */
typedef void config_problem_cb(void *context, const char *sentence);

/*
 * Reads the catalogue and then the user's file. `file` is the --config argument or NULL for the
 * usual places. Every problem is reported, not the first; returns 0, or -EINVAL when there were
 * any, or a negative errno when a file could not be read (also reported). On failure *to is NULL.
 */
int config_load(struct config **to, const char *file, config_problem_cb *problem, void *context)
	__attribute__((warn_unused_result));
void config_destroy(struct config *c);

/* Writes every option with its value and its default, as --check-config --verbose shows it. No
 * secret is in it. */
void config_print(const struct config *c, FILE *to);

enum log_level config_log_level(const struct config *c);

#endif
