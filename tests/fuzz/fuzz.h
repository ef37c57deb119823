/*
 * What every fuzz target begins with.
 */
#ifndef FREELLM_FUZZ_H
#define FREELLM_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

/* An assert that no build switches off. */
#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition))                                                                  \
			abort();                                                                   \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#endif
