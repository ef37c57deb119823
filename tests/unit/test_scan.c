#include "unit.h"

#include <stdlib.h>
#include <string.h>

#include <msgpack.h>

#include "bytes.h"
#include "scan.h"

enum { CAP = 4096, MUTATIONS = 200000 };

static enum scan_result
scan_whole(const void *data, size_t len, size_t cap, size_t *used)
{
	struct scan s;
	scan_init(&s, cap);
	return scan_feed(&s, data, len, used);
}

/* A byte at a time; *used counts the bytes until the result was known. */
static enum scan_result
scan_bytewise(const char *data, size_t len, size_t cap, struct scan *s, size_t *used)
{
	enum scan_result result = SCAN_MORE;
	scan_init(s, cap);
	for (*used = 0; *used < len && result == SCAN_MORE; ++*used) {
		size_t one = 0;
		/* A copy of its own, so that a sanitizer sees a read beyond it. */
		char *byte = malloc(1);
		assert_non_null(byte);
		*byte = data[*used];
		result = scan_feed(s, byte, 1, &one);
		free(byte);
		if (result == SCAN_MORE || result == SCAN_DONE)
			assert_int_equal(one, 1);
	}
	return result;
}

static void
expect(const void *data, size_t len, size_t cap, enum scan_result wanted)
{
	size_t used = 0;
	struct scan s;
	assert_int_equal(scan_whole(data, len, cap, &used), wanted);
	if (wanted == SCAN_MORE || wanted == SCAN_DONE)
		assert_int_equal(used, len);
	assert_int_equal(scan_bytewise(data, len, cap, &s, &used), wanted);
	if (wanted == SCAN_MORE || wanted == SCAN_DONE)
		assert_int_equal(used, len);
	assert_true(s.length <= cap);
}

#define EXPECT(literal, cap, wanted) expect(literal, sizeof(literal) - 1, cap, wanted)

/* Each form of the specification with its smallest count and a larger one. */
static void
test_every_form(void **state)
{
	static const struct {
		const char *head;
		size_t len, rest;
	} forms[] = {
		{"\x00", 1, 0},
		{"\x7f", 1, 0},
		{"\xe0", 1, 0},
		{"\xff", 1, 0},
		{"\x80", 1, 0},
		{"\x81", 1, 2},
		{"\x8f", 1, 30},
		{"\x90", 1, 0},
		{"\x91", 1, 1},
		{"\x9f", 1, 15},
		{"\xa0", 1, 0},
		{"\xa1", 1, 1},
		{"\xbf", 1, 31},
		{"\xc0", 1, 0},
		{"\xc2", 1, 0},
		{"\xc3", 1, 0},
		{"\xc4\x00", 2, 0},
		{"\xc4\xff", 2, 255},
		{"\xc5\x01\x00", 3, 256},
		{"\xc6\x00\x00\x01\x02", 5, 258},
		{"\xc7\x00\x05", 3, 0},
		{"\xc7\x03\x05", 3, 3},
		{"\xc8\x01\x00\x05", 4, 256},
		{"\xc9\x00\x00\x01\x00\x05", 6, 256},
		{"\xca", 1, 4},
		{"\xcb", 1, 8},
		{"\xcc", 1, 1},
		{"\xcd", 1, 2},
		{"\xce", 1, 4},
		{"\xcf", 1, 8},
		{"\xd0", 1, 1},
		{"\xd1", 1, 2},
		{"\xd2", 1, 4},
		{"\xd3", 1, 8},
		{"\xd4", 1, 2},
		{"\xd5", 1, 3},
		{"\xd6", 1, 5},
		{"\xd7", 1, 9},
		{"\xd8", 1, 17},
		{"\xd9\x00", 2, 0},
		{"\xd9\xff", 2, 255},
		{"\xda\x01\x00", 3, 256},
		{"\xdb\x00\x00\x01\x00", 5, 256},
		{"\xdc\x00\x00", 3, 0},
		{"\xdc\x01\x01", 3, 257},
		{"\xdd\x00\x00\x01\x01", 5, 257},
		{"\xde\x00\x00", 3, 0},
		{"\xde\x01\x01", 3, 514},
		{"\xdf\x00\x00\x01\x01", 5, 514},
	};
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		char message[1024] = {0};
		memcpy(message, forms[i].head, forms[i].len);
		size_t len = forms[i].len + forms[i].rest;
		expect(message, len, CAP, SCAN_DONE);
		expect(message, len, len, SCAN_DONE);
		for (size_t cut = 0; cut < len; cut++)
			expect(message, cut, CAP, SCAN_MORE);
		size_t used = 0;
		assert_int_equal(scan_whole(message, len + 7, CAP, &used), SCAN_DONE);
		assert_int_equal(used, len);
		assert_int_equal(scan_whole(message, len, len - 1, &used), SCAN_TOO_LARGE);
	}
}

static void
test_counts_that_cannot_fit(void **state)
{
	EXPECT("\xdd\xff\x00\x00\x00", CAP, SCAN_TOO_LARGE);
	EXPECT("\xdd\xff\xff\xff\xff", CAP, SCAN_TOO_LARGE);
	EXPECT("\xdf\xff\xff\xff\xff", CAP, SCAN_TOO_LARGE);
	EXPECT("\xdf\x80\x00\x00\x00", CAP, SCAN_TOO_LARGE);
	EXPECT("\xdb\xff\xff\xff\xff", CAP, SCAN_TOO_LARGE);
	EXPECT("\xc6\xff\xff\xff\xff", CAP, SCAN_TOO_LARGE);
	EXPECT("\xc9\xff\xff\xff\xff\x01", CAP, SCAN_TOO_LARGE);
	/* A count below the cap, within a container that has promised the rest of it. */
	EXPECT("\xdc\x0f\x00\xda\x01\x00", CAP, SCAN_TOO_LARGE);
	EXPECT("\xdc\x0f\x00\xdc\x01\x00", CAP, SCAN_TOO_LARGE);
	EXPECT("\xdc\x0f\x00\xda\x00\x10", CAP, SCAN_MORE);
	/* The first byte of a header that has no room left. */
	EXPECT("\x92\xcf", 9, SCAN_TOO_LARGE);
	EXPECT("\x92\xcf", 11, SCAN_MORE);
	EXPECT("\x00", 0, SCAN_TOO_LARGE);
	EXPECT("\xdd\xff\xff\xff\xff", SIZE_MAX / 2, SCAN_TOO_LARGE); /* too many values */
}

static void
test_cap(void **state)
{
	enum { PAYLOAD = 1000 };
	char message[3 + PAYLOAD] = {'\xda', PAYLOAD >> 8, (char)(PAYLOAD & 0xff)};
	memset(message + 3, 'x', PAYLOAD);
	expect(message, sizeof(message), sizeof(message), SCAN_DONE);
	expect(message, 2, sizeof(message) - 1, SCAN_MORE);
	expect(message, 3, sizeof(message) - 1, SCAN_TOO_LARGE);
}

static void
test_number_of_values(void **state)
{
	size_t len = 5 + SCAN_MAX_VALUES, used;
	char *message = calloc(1, len);
	assert_non_null(message);
	memcpy(message, "\xdd\x00\x03\xff\xff", 5);
	assert_int_equal(scan_whole(message, len, len, &used), SCAN_DONE);
	assert_int_equal(used, 5 + SCAN_MAX_VALUES - 1);
	memcpy(message, "\xdd\x00\x04\x00\x00", 5);
	assert_int_equal(scan_whole(message, len, len, &used), SCAN_TOO_LARGE);
	free(message);
}

static void
test_nesting(void **state)
{
	char message[1001];
	memset(message, '\x91', 1000);
	message[1000] = '\xc0';
	expect(message, sizeof(message), CAP, SCAN_TOO_DEEP);
	expect(message, 17, CAP, SCAN_TOO_DEEP);
	expect(message, 16, CAP, SCAN_MORE);
	message[16] = '\xc0';
	expect(message, 17, CAP, SCAN_DONE);
	message[15] = '\x90';
	expect(message, 16, CAP, SCAN_DONE);
	message[15] = '\x91';
	message[16] = '\x90'; /* an empty container is a container */
	expect(message, 17, CAP, SCAN_TOO_DEEP);
	message[16] = '\x80';
	expect(message, 17, CAP, SCAN_TOO_DEEP);
	/* Depth is what is open, not what was ever opened. */
	memset(message, '\x90', sizeof(message));
	memcpy(message, "\xdc\x03\xe6", 3);
	expect(message, sizeof(message), CAP, SCAN_DONE);
}

static void
test_never_used_byte(void **state)
{
	EXPECT("\xc1", CAP, SCAN_INVALID);
	EXPECT("\x94\x00\x01\xc1", CAP, SCAN_INVALID);
	EXPECT("\xa1\xc1", CAP, SCAN_DONE); /* within a payload it is only a byte */
}

static void
test_nothing_fed(void **state)
{
	struct scan s;
	size_t used = 1;
	scan_init(&s, CAP);
	assert_int_equal(scan_feed(&s, NULL, 0, &used), SCAN_MORE);
	assert_int_equal(used, 0);
}

static void
check_msgid(const char *data, size_t len, bool request, bool has, uint32_t msgid)
{
	struct scan s;
	size_t used;
	for (int bytewise = 0; bytewise < 2; bytewise++) {
		if (bytewise) {
			scan_bytewise(data, len, CAP, &s, &used);
		} else {
			scan_init(&s, CAP);
			scan_feed(&s, data, len, &used);
		}
		assert_int_equal(s.is_request, request);
		assert_int_equal(s.has_msgid, has);
		assert_int_equal(s.msgid, msgid);
	}
}
#define CHECK_MSGID(literal, ...) check_msgid(literal, sizeof(literal) - 1, __VA_ARGS__)

static void
test_msgid_of_refused(void **state)
{
	CHECK_MSGID("\x94\x00\x07\xdb\xff\xff\xff\xff", true, true, 7);
	CHECK_MSGID("\x94\x00\xcd\x01\x02\xc1", true, true, 0x102);
	CHECK_MSGID("\x94\x00\xce\xff\xff\xff\xff\xc1", true, true, UINT32_MAX);
	CHECK_MSGID("\x94\xcc\x00\xd2\x00\x00\x00\x05\xc1", true, true, 5);
	CHECK_MSGID("\xdc\x00\x04\x00\x05\xc1", true, true, 5);
	CHECK_MSGID("\x94\x00\xcf\x00\x00\x00\x01\x00\x00\x00\x00\xc1", true, false, 0);
	CHECK_MSGID("\x94\x00\xff\xc1", true, false, 0);
	CHECK_MSGID("\x94\x00\xd0\xff\xc1", true, false, 0);
	CHECK_MSGID("\x94\x00\xa1\x35\xc1", true, false, 0);
	CHECK_MSGID("\x94\x00\x91\x05\xc1", true, false, 0);
	CHECK_MSGID("\x94\x01\x07\xc1", false, false, 0);
	CHECK_MSGID("\x93\x02\x07\xc1", false, false, 0);
	CHECK_MSGID("\x82\x00\x07\xc1", false, false, 0);
	CHECK_MSGID("\x91\x91\x00\x07\xc1", false, false, 0);
	CHECK_MSGID("\x00", false, false, 0);
}

/* A random message as msgpack-c packs it: `budget` bounds its size. */
static void
pack_random(msgpack_packer *packer, unsigned depth, unsigned *budget)
{
	static const char filler[400] = "filler";
	unsigned kind = (unsigned)random() % (depth < 17 ? 11 : 7);
	uint32_t count = (uint32_t)random() % (random() % 8 ? 5 : 300);
	count = count > *budget ? *budget : count;
	*budget -= count;
	switch (kind) {
	case 0:
		msgpack_pack_nil(packer);
		break;
	case 1:
		msgpack_pack_int64(packer, (int64_t)random() << (random() % 32));
		break;
	case 2:
		msgpack_pack_int64(packer, -((int64_t)random() << (random() % 32)));
		break;
	case 3:
		msgpack_pack_double(packer, (double)random());
		break;
	case 4:
		msgpack_pack_str_with_body(packer, filler, count);
		break;
	case 5:
		msgpack_pack_bin_with_body(packer, filler, count);
		break;
	case 6:
		msgpack_pack_ext_with_body(packer, filler, count, 3);
		break;
	case 7:
	case 8:
		msgpack_pack_array(packer, count);
		for (uint32_t i = 0; i < count; i++)
			pack_random(packer, depth + 1, budget);
		break;
	default:
		msgpack_pack_map(packer, count);
		for (uint32_t i = 0; i < 2 * count; i++)
			pack_random(packer, depth + 1, budget);
		break;
	}
}

static unsigned
nesting(const msgpack_object *o)
{
	unsigned deepest = 0, here;
	if (o->type == MSGPACK_OBJECT_ARRAY) {
		for (uint32_t i = 0; i < o->via.array.size; i++) {
			here = nesting(&o->via.array.ptr[i]);
			deepest = here > deepest ? here : deepest;
		}
	} else if (o->type == MSGPACK_OBJECT_MAP) {
		for (uint32_t i = 0; i < o->via.map.size; i++) {
			here = nesting(&o->via.map.ptr[i].key);
			deepest = here > deepest ? here : deepest;
			here = nesting(&o->via.map.ptr[i].val);
			deepest = here > deepest ? here : deepest;
		}
	} else {
		return 0;
	}
	return deepest + 1;
}

/* A second, plain reading of the specification, for what msgpack-c cannot be shown: does a whole
 * value lie in these bytes? */
static bool
walk(const unsigned char *p, size_t len, size_t *at)
{
	static const unsigned char count_size[] = {
		['\xc4' & 31] = 1, 2, 4, 1, 2, 4, ['\xd9' & 31] = 1, 2, 4, 2, 4, 2, 4};
	static const unsigned char payload[] = {
		['\xca' & 31] = 4, 8, 1, 2, 4, 8, 1, 2, 4, 8, 2, 3, 5, 9, 17};
	if (*at >= len)
		return false;
	unsigned char first = p[(*at)++];
	uint64_t count = 0, values = 0, bytes = 0;
	if (first >= 0xc0 && first < 0xe0) {
		unsigned which = first & 31;
		for (int i = 0; i < count_size[which]; i++) {
			if (*at >= len)
				return false;
			count = count << 8 | p[(*at)++];
		}
		bytes = which < sizeof(payload) ? payload[which] : 0;
		bytes += first < 0xdc ? count + (first >= 0xc7 && first <= 0xc9) : 0;
		values = first >= 0xde ? 2 * count : first >= 0xdc ? count : 0;
	} else if (first >= 0x80 && first < 0xc0) {
		bytes = first >= 0xa0 ? first & 31 : 0;
		values = first < 0x90 ? 2 * (first & 15) : first < 0xa0 ? first & 15 : 0;
	}
	if (bytes > len - *at)
		return false;
	*at += bytes;
	while (values-- > 0) {
		if (!walk(p, len, at))
			return false;
	}
	return true;
}

/* Where the scanner stopped a container was opened that is too deep. With nils for all that is
 * missing it must be a message that is nested too deeply. */
static void
check_too_deep(const char *data, size_t used)
{
	msgpack_unpacked unpacked;
	size_t off = 0;
	struct bytes whole = {0};
	bytes_append(&whole, data, used);
	char *nils = bytes_reserve(&whole, CAP);
	assert_non_null(nils);
	memset(nils, '\xc0', CAP);
	msgpack_unpacked_init(&unpacked);
	assert_int_equal(msgpack_unpack_next(&unpacked, whole.data, used + CAP, &off),
		MSGPACK_UNPACK_SUCCESS);
	assert_int_equal(nesting(&unpacked.data), SCAN_MAX_NESTING + 1);
	msgpack_unpacked_destroy(&unpacked);
	bytes_finish(&whole);
}

/* The scanner and msgpack-c must agree on every input that msgpack-c can be shown at all: for the
 * others it would reserve memory without bound. */
static enum scan_result
compare_with_msgpack(const char *data, size_t len)
{
	struct scan s;
	size_t used = 0, used_bytewise = 0, off = 0;
	enum scan_result result = scan_whole(data, len, CAP, &used);
	assert_int_equal(scan_bytewise(data, len, CAP, &s, &used_bytewise), result);
	if (result == SCAN_DONE || result == SCAN_MORE)
		assert_int_equal(used_bytewise, used);
	if (result == SCAN_TOO_DEEP) {
		check_too_deep(data, used);
		return result;
	}
	if (result == SCAN_TOO_LARGE) {
		assert_false(walk((const unsigned char *)data, len < CAP ? len : CAP, &off));
		return result;
	}

	msgpack_unpacked unpacked;
	msgpack_unpacked_init(&unpacked);
	msgpack_unpack_return got = msgpack_unpack_next(&unpacked, data, len, &off);
	if (result == SCAN_DONE) {
		assert_int_equal(got, MSGPACK_UNPACK_SUCCESS);
		assert_int_equal(off, used);
		off = 0;
		assert_true(walk((const unsigned char *)data, len, &off));
		assert_int_equal(off, used);
		assert_true(nesting(&unpacked.data) <= SCAN_MAX_NESTING);
	} else if (result == SCAN_MORE) {
		assert_int_equal(got, MSGPACK_UNPACK_CONTINUE);
	} else {
		assert_int_equal(got, MSGPACK_UNPACK_PARSE_ERROR);
	}
	msgpack_unpacked_destroy(&unpacked);
	return result;
}

static void
mutate(struct bytes *b)
{
	static const unsigned char interesting[] = {0x00, 0x7f, 0x80, 0x8f, 0x90, 0x91, 0x9f, 0xbf,
		0xc0, 0xc1, 0xc4, 0xc7, 0xcb, 0xd8, 0xd9, 0xda, 0xdb, 0xdc, 0xdd, 0xde, 0xdf, 0xff};
	for (int times = (int)(random() % 4); times > 0 && b->len > 0; times--) {
		size_t at = (size_t)random() % b->len;
		switch (random() % 4) {
		case 0:
			b->data[at] = (char)random();
			break;
		case 1:
			b->data[at] = (char)interesting[(size_t)random() % sizeof(interesting)];
			break;
		case 2:
			b->len = at;
			break;
		default:
			memmove(b->data + at, b->data + at + 1, b->len - at - 1);
			b->len--;
			break;
		}
	}
}

static void
test_agrees_with_msgpack(void **state)
{
	struct bytes b = {0};
	unsigned results[SCAN_INVALID + 1] = {0};
	srandom(20240817);
	for (int i = 0; i < MUTATIONS; i++) {
		unsigned budget = 1 + (unsigned)random() % (random() % 16 ? 40 : 2000);
		msgpack_packer packer;
		bytes_clear(&b);
		msgpack_packer_init(&packer, &b, bytes_msgpack_write);
		for (long wrap = random() % 20; wrap > 0; wrap -= 1 + random() % 4)
			msgpack_pack_array(&packer, 1);
		pack_random(&packer, 0, &budget);
		mutate(&b);
		results[compare_with_msgpack(b.data, b.len)]++;
	}
	bytes_finish(&b);
	/* The loop must have been to every place. */
	for (int r = SCAN_MORE; r <= SCAN_INVALID; r++)
		assert_true(results[r] > MUTATIONS / 1000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_form),
		cmocka_unit_test(test_counts_that_cannot_fit),
		cmocka_unit_test(test_cap),
		cmocka_unit_test(test_number_of_values),
		cmocka_unit_test(test_nesting),
		cmocka_unit_test(test_never_used_byte),
		cmocka_unit_test(test_nothing_fed),
		cmocka_unit_test(test_msgid_of_refused),
		cmocka_unit_test(test_agrees_with_msgpack),
	};
	return cmocka_run_group_tests_name("scan", tests, NULL, NULL);
}
