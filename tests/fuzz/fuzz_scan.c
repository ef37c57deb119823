#include "fuzz.h"

#include <string.h>

#include <msgpack.h>

#include "scan.h"

enum { CAP = 4096 };

/* The first byte of the input says how the rest is cut. */
static enum scan_result
scan_cut(const uint8_t *data, size_t len, size_t piece, size_t *total)
{
	struct scan s;
	enum scan_result result = SCAN_MORE;
	scan_init(&s, CAP);
	*total = 0;
	while (result == SCAN_MORE && *total < len) {
		size_t here = len - *total < piece ? len - *total : piece, used = 0;
		result = scan_feed(&s, data + *total, here, &used);
		CHECK(used <= here);
		CHECK(result != SCAN_MORE || used == here);
		*total += used;
	}
	CHECK(s.length <= CAP);
	return result;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	if (len < 1)
		return 0;
	size_t piece = data[0] ? data[0] : 1, whole, cut, off = 0;
	data++;
	len--;
	enum scan_result result = scan_cut(data, len, len + 1, &whole);
	CHECK(scan_cut(data, len, piece, &cut) == result);
	if (result == SCAN_TOO_LARGE || result == SCAN_TOO_DEEP)
		return 0; /* not to be shown to msgpack-c, which would reserve what they declare */
	CHECK(cut == whole);
	msgpack_unpacked unpacked;
	msgpack_unpacked_init(&unpacked);
	msgpack_unpack_return got = msgpack_unpack_next(&unpacked, (const char *)data, len, &off);
	if (result == SCAN_DONE)
		CHECK(got == MSGPACK_UNPACK_SUCCESS && off == whole);
	else if (result == SCAN_MORE)
		CHECK(got == MSGPACK_UNPACK_CONTINUE);
	else
		CHECK(got == MSGPACK_UNPACK_PARSE_ERROR);
	msgpack_unpacked_destroy(&unpacked);
	return 0;
}
