/*
 * status and models: what the daemon is doing, and what it offers. Neither method takes parameters.
 */
#ifndef FREELLM_STATUS_H
#define FREELLM_STATUS_H

#include <stdbool.h>
#include <stdint.h>

#include <msgpack.h>

#include "bytes.h"

/* Counts since the daemon started, unless the comment says now. */
struct status {
	struct slice version;
	int64_t uptime_ms; /* milliseconds, suspend included */
	int64_t sessions;  /* connections now */
	struct {
		int64_t accepted, done, failed, cancelled;
		int64_t queued, running; /* now */
	} jobs;
	struct {
		int64_t hits, misses, stored;
		int64_t too_large;      /* answers that were not kept because of their size */
		int64_t entries, bytes; /* in the store now */
		int64_t evicted;        /* for the size cap */
		int64_t dropped;        /* writes that the writer could not keep up with */
		int64_t failed;         /* writes and reads that went wrong */
	} cache;
};

void status_encode(msgpack_packer *packer, const struct status *status);
/* Counts that a daemon does not send stay 0. False when it is no status. */
bool status_decode(const msgpack_object *result, struct status *to);

/* One element of what models answers. */
struct model_report {
	struct slice provider, model;
	bool usable;                    /* enabled, and there is a key that may be used now */
	int64_t context;                /* tokens; 0: not known */
	struct slice good_at;           /* "chat, code, vision"; may be empty */
	struct slice trains_on_prompts; /* "yes", "no" or "unknown" */
};

/* The result's map and its array's head; `count` model_report_encode must follow. */
void models_begin(msgpack_packer *packer, size_t count);
void model_report_encode(msgpack_packer *packer, const struct model_report *report);

/* The array of reports in the result of models, or NULL. */
const msgpack_object_array *models_decode(const msgpack_object *result);
bool model_report_decode(const msgpack_object *element, struct model_report *to);

#endif
