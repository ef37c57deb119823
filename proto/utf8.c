#include "utf8.h"

#include <stdint.h>
#include <string.h>

/* The length of the character at p, or 0 when none is there: table 3-7 of the Unicode standard. */
static size_t
character(const unsigned char *p, size_t len)
{
	unsigned char first = p[0], low = 0x80, high = 0xbf;
	size_t size;
	if (first < 0x80)
		return first != 0;
	if (first >= 0xc2 && first <= 0xdf)
		size = 2;
	else if (first >= 0xe0 && first <= 0xef)
		size = 3;
	else if (first >= 0xf0 && first <= 0xf4)
		size = 4;
	else
		return 0;
	if (first == 0xe0)
		low = 0xa0; /* below: overlong */
	else if (first == 0xed)
		high = 0x9f; /* above: surrogates */
	else if (first == 0xf0)
		low = 0x90; /* below: overlong */
	else if (first == 0xf4)
		high = 0x8f; /* above: beyond U+10FFFF */
	if (len < size || p[1] < low || p[1] > high)
		return 0;
	for (size_t i = 2; i < size; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	}
	return size;
}

size_t
utf8_good_prefix(const char *text, size_t len)
{
	const uint64_t ones = UINT64_C(0x0101010101010101), tops = ones << 7;
	const unsigned char *p = (const unsigned char *)text;
	size_t i = 0;
	while (i < len) {
		uint64_t word;
		/* Eight ASCII characters at a time: no top bit set, and none that a one borrows
		 * from. */
		if (len - i >= 8) {
			memcpy(&word, p + i, 8);
			if (((word | (word - ones)) & tops) == 0) {
				i += 8;
				continue;
			}
		}
		size_t size = character(p + i, len - i);
		if (size == 0)
			break;
		i += size;
	}
	return i;
}
