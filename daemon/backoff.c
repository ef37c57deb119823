#include "backoff.h"

int64_t
backoff_delay(unsigned failures, int64_t base_ms, int64_t max_ms, uint32_t random)
{
	int64_t ceiling = base_ms;
	for (unsigned i = 1; i < failures && ceiling < max_ms; i++)
		ceiling *= 2;
	if (ceiling > max_ms)
		ceiling = max_ms;
	return (int64_t)(((uint64_t)random * ((uint64_t)ceiling + 1)) >> 32);
}
