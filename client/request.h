/*
 * A request, as the parts of the library see it.
 */
#ifndef FREELLM_REQUEST_H
#define FREELLM_REQUEST_H

#include "bytes.h"
#include "freellm.h"
#include "submit.h"

/*
 * Appends the request for submit to `out`. Returns 0, or -EINVAL with a sentence in *why (static)
 * when it has neither prompt nor messages, or both. Running out of memory shows in out->failed.
 */
int request_encode(const struct freellm_request *r, struct bytes *out, uint32_t msgid,
	const char **why) __attribute__((warn_unused_result));

#endif
