/*
 * Refusals of every shape, and the ways to say when.
 */
#include "fuzz.h"

#include <string.h>

#include "openai_internal.h"
#include "retry_after.h"

static const int statuses[] = {0, 301, 400, 401, 402, 403, 404, 413, 429, 500, 503};

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const int64_t now_ms = INT64_C(1774047120000);
	if (len < 1)
		return 0;
	struct slice body = {(const char *)data + 1, len - 1};
	int status = statuses[data[0] % (sizeof(statuses) / sizeof(statuses[0]))];
	struct error_store e;
	error_store_init(&e);
	openai_error_from_body(&e, status, body, now_ms);
	CHECK(e.error.kind != OPENAI_ERROR_NONE);
	size_t message = strlen(e.error.message);
	CHECK(message > 0 && message <= 1000);
	for (size_t at = 0, n; at < message; at += n) {
		n = utf8_sequence((const unsigned char *)e.error.message + at, message - at);
		CHECK(n > 0 && (unsigned char)e.error.message[at] >= 0x20);
	}
	CHECK(e.error.retry_after_ms >= -1);
	error_store_finish(&e);
	CHECK(retry_after_parse(body, now_ms) >= -1);
	CHECK(retry_after_in_prose(body) >= -1);
	return 0;
}
