/*
 * From what a request asks for to the ordered list of targets that may serve it, with the reason
 * for each exclusion. Pure but for the keyring's word on which provider may be used.
 */
#ifndef FREELLMD_ROUTER_H
#define FREELLMD_ROUTER_H

#include <stdint.h>

#include "bytes.h"
#include "error.h"
#include "job.h"

struct config;
struct keyring;

/*
 * Resolves `model`: "provider/model", or a model's own id at whichever providers list it, or empty
 * for the configured or the built-in default. Fills job candidates (allocated; slices point into
 * the catalogue or into `model`, which must stay) and returns ERROR_NONE, or an error code with a
 * sentence in `why` that names every exclusion.
 */
enum error_code router_resolve(const struct config *config, const struct keyring *keyring,
	struct slice model, int64_t now_ms, struct job_candidate **candidates, size_t *count,
	struct bytes *why);

#endif
