/*
 * A result, as the parts of the library make it.
 */
#ifndef FREELLM_RESULT_H
#define FREELLM_RESULT_H

#include <jansson.h>

#include "completion.h"
#include "freellm.h"
#include "trouble.h"

enum { RESULT_TEXTS = FREELLM_ERROR_MESSAGE + 1, RESULT_NUMBERS = FREELLM_ATTEMPTS + 1 };

struct result_text {
	char *data; /* NULL: "" */
	size_t len;
};

struct freellm_result {
	struct result_text texts[RESULT_TEXTS];
	int64_t numbers[RESULT_NUMBERS];
	struct freellm_attempt *attempts;
	size_t attempt_count;
};

/* Both return 0, -ENOMEM, or -EPROTO when the daemon's text is no text. *to is NULL on failure. */
int result_of_completion(const struct completion *completion, struct freellm_result **to)
	__attribute__((warn_unused_result));
int result_of_trouble(const struct trouble *trouble, const struct attempt_report *attempts,
	size_t attempt_count, struct freellm_result **to) __attribute__((warn_unused_result));

/* The object of FREELLM_RESULT_JSON, from all that the result has; NULL when memory has run out or
 * a text is not UTF-8. `message`: the OpenAI message, borrowed; NULL for a failure. */
json_t *result_json(const struct freellm_result *r, json_t *message);

#endif
