#include "scan.h"

#include <string.h>

enum kind { SCALAR, PAYLOAD, ARRAY, MAP };

/*
 * The values that begin with 0xc0 to 0xdf; all other first bytes stand alone. From the MessagePack
 * specification, section "Formats". Numbers are all header.
 */
static const struct form {
	unsigned char size;       /* of the header, with the type's byte of an ext; 0: no value */
	unsigned char count_size; /* bytes of the count, right after the first */
	unsigned char kind;
	unsigned char fixed; /* the count where there is none to read */
} forms[0x20] = {
	{1, 0, SCALAR}, {0, 0, SCALAR}, {1, 0, SCALAR}, {1, 0, SCALAR}, /* nil, 0xc1, false, true */
	{2, 1, PAYLOAD}, {3, 2, PAYLOAD}, {5, 4, PAYLOAD},              /* bin 8, 16, 32 */
	{3, 1, PAYLOAD}, {4, 2, PAYLOAD}, {6, 4, PAYLOAD},              /* ext 8, 16, 32 */
	{5, 0, SCALAR}, {9, 0, SCALAR},                                 /* float 32, 64 */
	{2, 0, SCALAR}, {3, 0, SCALAR}, {5, 0, SCALAR}, {9, 0, SCALAR}, /* uint 8 to 64 */
	{2, 0, SCALAR}, {3, 0, SCALAR}, {5, 0, SCALAR}, {9, 0, SCALAR}, /* int 8 to 64 */
	{2, 0, PAYLOAD, 1}, {2, 0, PAYLOAD, 2}, {2, 0, PAYLOAD, 4},     /* fixext 1, 2, 4 */
	{2, 0, PAYLOAD, 8}, {2, 0, PAYLOAD, 16},                        /* fixext 8, 16 */
	{2, 1, PAYLOAD}, {3, 2, PAYLOAD}, {5, 4, PAYLOAD},              /* str 8, 16, 32 */
	{3, 2, ARRAY}, {5, 4, ARRAY},                                   /* array 16, 32 */
	{3, 2, MAP}, {5, 4, MAP},                                       /* map 16, 32 */
};

void
scan_init(struct scan *s, size_t cap)
{
	s->cap = cap;
	s->length = 0;
	s->skip = 0;
	s->depth = 0;
	s->left[0] = 1;
	s->promised = 1;
	s->values = 1;
	s->header_have = 0;
	s->is_request = false;
	s->has_msgid = false;
	s->msgid = 0;
	s->top_index = 0;
}

static inline unsigned
header_size(unsigned char first)
{
	return (first & 0xe0) == 0xc0 ? forms[first & 0x1f].size : 1;
}

static inline uint64_t
big_endian(const unsigned char *p, unsigned size)
{
	uint64_t n = 0;
	while (size-- > 0)
		n = n << 8 | *p++;
	return n;
}

/* What a complete header declares: payload bytes, or values of a container. */
struct declared {
	bool container;
	uint64_t count;
};

static inline struct declared
read_header(const unsigned char *h)
{
	if (h[0] < 0x80 || h[0] >= 0xe0)
		return (struct declared){false, 0};
	if (h[0] < 0x90)
		return (struct declared){true, 2 * (uint64_t)(h[0] & 0x0f)};
	if (h[0] < 0xa0)
		return (struct declared){true, h[0] & 0x0f};
	if (h[0] < 0xc0)
		return (struct declared){false, h[0] & 0x1f};
	const struct form *form = &forms[h[0] & 0x1f];
	uint64_t count = form->fixed + big_endian(h + 1, form->count_size);
	return (struct declared){form->kind >= ARRAY, form->kind == MAP ? 2 * count : count};
}

/* The values at the front of the envelope: the message itself, its kind, its msgid. */
static void
note_envelope(struct scan *s, const unsigned char *h, unsigned size)
{
	unsigned index = s->top_index++;
	if (index == 0) {
		bool is_array = (h[0] & 0xf0) == 0x90 || h[0] == 0xdc || h[0] == 0xdd;
		if (!is_array)
			s->top_index = SCAN_ENVELOPE;
		return;
	}
	bool is_unsigned = h[0] < 0x80 || (h[0] >= 0xcc && h[0] <= 0xcf) ||
			   (h[0] >= 0xd0 && h[0] <= 0xd3 && h[1] < 0x80);
	uint64_t number = h[0] < 0x80 ? h[0] : big_endian(h + 1, size - 1);
	if (index == 1 && is_unsigned && number == 0) {
		s->is_request = true;
	} else if (index == 2 && is_unsigned && number <= UINT32_MAX) {
		s->has_msgid = true;
		s->msgid = (uint32_t)number;
	} else {
		s->top_index = SCAN_ENVELOPE;
	}
}

/* Takes a complete header into account; s->length is where it ends. */
static inline enum scan_result
take_header(struct scan *s, const unsigned char *h, unsigned size)
{
	if (s->top_index < SCAN_ENVELOPE)
		note_envelope(s, h, size);
	struct declared d = read_header(h);
	s->promised--;
	s->left[s->depth]--;
	if (d.count > s->cap - s->length || d.count + s->promised > s->cap - s->length)
		return SCAN_TOO_LARGE;
	if (!d.container) {
		s->skip = d.count;
	} else {
		if (s->depth == SCAN_MAX_NESTING)
			return SCAN_TOO_DEEP;
		s->values += d.count;
		if (s->values > SCAN_MAX_VALUES)
			return SCAN_TOO_LARGE;
		s->promised += d.count;
		s->left[++s->depth] = d.count;
	}
	while (s->left[s->depth] == 0 && s->depth > 0)
		s->depth--;
	return SCAN_MORE;
}

/* Looks at the bytes of one header, of which some may have come before and some may be still to
 * come. */
static inline enum scan_result
feed_header(struct scan *s, const unsigned char *data, size_t len, size_t *at)
{
	unsigned size = header_size(s->header_have ? s->header[0] : data[*at]);
	if (size == 0)
		return SCAN_INVALID;
	/* The rest of this header, and a byte for each value promised after it. */
	size_t rest = size - s->header_have;
	if (rest > s->cap - s->length || s->promised - 1 > s->cap - s->length - rest)
		return SCAN_TOO_LARGE;
	size_t here = len - *at < rest ? len - *at : rest;
	const unsigned char *h = data + *at;
	if (here < size) {
		memcpy(s->header + s->header_have, h, here);
		s->header_have += (unsigned)here;
		h = s->header;
	}
	s->length += here;
	*at += here;
	if (here < rest)
		return SCAN_MORE;
	s->header_have = 0;
	return take_header(s, h, size);
}

enum scan_result
scan_feed(struct scan *s, const void *data, size_t len, size_t *used)
{
	size_t at = 0;
	enum scan_result result = SCAN_MORE;
	while (result == SCAN_MORE && at < len) {
		if (s->skip > 0) {
			size_t here = len - at < s->skip ? len - at : (size_t)s->skip;
			s->skip -= here;
			s->length += here;
			at += here;
		} else {
			result = feed_header(s, data, len, &at);
		}
		if (result == SCAN_MORE && s->promised == 0 && s->skip == 0)
			result = SCAN_DONE;
	}
	*used = at;
	return result;
}
