#include "answer.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

/*
 * A delta is recorded as a LEB128 number, (length << 1 | is it DELTA_OTHER), and its bytes: one
 * byte of overhead for the usual word.
 *
 * The stored record, all numbers little-endian:
 *   u8 version, 7 bytes 0, u64 checksum of all that follows,
 *   i64 prompt, completion, total tokens, i64 stored_at_ms,
 *   u32 length of each part, then the parts in the order of enum part.
 * To change it, take the next version: a record of another version is not read, which for a cache
 * is a miss.
 */
enum { RECORD_VERSION = 2 };
enum part { PART_TEXT, PART_MESSAGE, PART_FINISH, PART_DELTAS, PART_PROVIDER, PART_MODEL, PARTS };
enum {
	AT_CHECKSUM = 8,
	AT_NUMBERS = 16,
	NUMBERS = 4,
	AT_LENGTHS = AT_NUMBERS + NUMBERS * 8,
	AT_PARTS = AT_LENGTHS + PARTS * 4
};

void
answer_init(struct answer *a, size_t max)
{
	*a = (struct answer){
		.text.max = max,
		.message.max = max,
		.deltas.max = max,
		.usage = {-1, -1, -1},
	};
}

void
answer_finish(struct answer *a)
{
	bytes_finish(&a->text);
	bytes_finish(&a->message);
	bytes_finish(&a->finish_reason);
	bytes_finish(&a->deltas);
}

int
answer_add_delta(struct answer *a, const struct delta *delta)
{
	enum { MOST_PREFIX = 10 };
	bool is_text = delta->kind == DELTA_TEXT;
	size_t max = a->text.max;
	size_t have = a->text.len + a->message.len + a->deltas.len;
	size_t more = delta->data.len + (is_text ? delta->data.len : 0) + MOST_PREFIX;
	if (max != 0 && (more > max || have > max - more))
		return -E2BIG;
	char *to = bytes_reserve(&a->deltas, delta->data.len + MOST_PREFIX);
	if (to == NULL)
		return -ENOMEM;
	size_t n = 0;
	for (uint64_t rest = (uint64_t)delta->data.len << 1 | !is_text;; rest >>= 7) {
		to[n++] = (char)((rest & 0x7f) | (rest > 0x7f ? 0x80 : 0));
		if (rest <= 0x7f)
			break;
	}
	if (delta->data.len > 0)
		memcpy(to + n, delta->data.data, delta->data.len);
	a->deltas.len += n + delta->data.len;
	if (is_text)
		bytes_append(&a->text, delta->data.data, delta->data.len);
	return a->text.failed ? -ENOMEM : 0;
}

bool
answer_next_delta(struct slice deltas, size_t *at, struct delta *to)
{
	uint64_t prefix = 0;
	size_t i = *at;
	unsigned shift = 0;
	for (;;) {
		if (i >= deltas.len || shift > 56)
			return false;
		unsigned char c = (unsigned char)deltas.data[i++];
		prefix |= (uint64_t)(c & 0x7f) << shift;
		shift += 7;
		if (!(c & 0x80))
			break;
	}
	uint64_t len = prefix >> 1;
	if (len > deltas.len - i)
		return false;
	to->kind = prefix & 1 ? DELTA_OTHER : DELTA_TEXT;
	to->data = (struct slice){deltas.data + i, (size_t)len};
	*at = i + (size_t)len;
	return true;
}

static uint64_t
mix(uint64_t sum, const char *data, size_t len)
{
	uint64_t word = 0;
	memcpy(&word, data, len);
	sum = (sum ^ le64toh(word)) * UINT64_C(0x9e3779b97f4a7c15);
	return sum ^ sum >> 32;
}

/* Four sums side by side, because a cache hit pays for it and each step waits for the one before
 * it. It finds damage, not tampering. */
static uint64_t
checksum(const char *data, size_t len)
{
	enum { LANES = 4, WORD = sizeof(uint64_t), BLOCK = LANES * WORD };
	uint64_t sums[LANES] = {len, 1, 2, 3};
	for (; len >= BLOCK; data += BLOCK, len -= BLOCK)
		for (size_t i = 0; i < LANES; i++)
			sums[i] = mix(sums[i], data + i * WORD, WORD);
	for (; len > 0;) {
		size_t n = len < WORD ? len : WORD;
		sums[0] = mix(sums[0], data, n);
		data += n;
		len -= n;
	}
	for (size_t i = 1; i < LANES; i++) {
		sums[0] = (sums[0] ^ sums[i]) * UINT64_C(0x9e3779b97f4a7c15);
		sums[0] ^= sums[0] >> 32;
	}
	return sums[0];
}

static void
put64(char *to, uint64_t value)
{
	value = htole64(value);
	memcpy(to, &value, sizeof(value));
}

static uint64_t
get64(const char *from)
{
	uint64_t value;
	memcpy(&value, from, sizeof(value));
	return le64toh(value);
}

void
answer_encode(struct bytes *out, const struct answer *a, struct slice provider, struct slice model,
	int64_t stored_at_ms)
{
	const struct slice parts[PARTS] = {
		[PART_TEXT] = {a->text.data, a->text.len},
		[PART_MESSAGE] = {a->message.data, a->message.len},
		[PART_FINISH] = {a->finish_reason.data, a->finish_reason.len},
		[PART_DELTAS] = {a->deltas.data, a->deltas.len},
		[PART_PROVIDER] = provider,
		[PART_MODEL] = model,
	};
	const int64_t numbers[NUMBERS] = {a->usage.prompt_tokens, a->usage.completion_tokens,
		a->usage.total_tokens, stored_at_ms};
	size_t total = AT_PARTS;
	for (size_t i = 0; i < PARTS; i++) {
		if (parts[i].len > UINT32_MAX) {
			out->failed = true;
			return;
		}
		total += parts[i].len;
	}
	char *record = bytes_reserve(out, total);
	if (record == NULL)
		return;
	memset(record, 0, AT_NUMBERS);
	record[0] = RECORD_VERSION;
	for (size_t i = 0; i < NUMBERS; i++)
		put64(record + AT_NUMBERS + 8 * i, (uint64_t)numbers[i]);
	char *to = record + AT_PARTS;
	for (size_t i = 0; i < PARTS; i++) {
		uint32_t len = htole32((uint32_t)parts[i].len);
		memcpy(record + AT_LENGTHS + 4 * i, &len, sizeof(len));
		if (parts[i].len > 0)
			memcpy(to, parts[i].data, parts[i].len);
		to += parts[i].len;
	}
	put64(record + AT_CHECKSUM, checksum(record + AT_NUMBERS, total - AT_NUMBERS));
	out->len += total;
}

bool
answer_view(struct slice record, struct answer_view *to)
{
	if (record.len < AT_PARTS || record.data[0] != RECORD_VERSION)
		return false;
	struct slice parts[PARTS];
	size_t at = AT_PARTS;
	for (size_t i = 0; i < PARTS; i++) {
		uint32_t len;
		memcpy(&len, record.data + AT_LENGTHS + 4 * i, sizeof(len));
		len = le32toh(len);
		if (len > record.len - at)
			return false;
		parts[i] = (struct slice){record.data + at, len};
		at += len;
	}
	if (at != record.len || get64(record.data + AT_CHECKSUM) !=
					checksum(record.data + AT_NUMBERS, record.len - AT_NUMBERS))
		return false;
	int64_t numbers[NUMBERS];
	for (size_t i = 0; i < NUMBERS; i++)
		numbers[i] = (int64_t)get64(record.data + AT_NUMBERS + 8 * i);
	*to = (struct answer_view){
		.text = parts[PART_TEXT],
		.message = parts[PART_MESSAGE],
		.finish_reason = parts[PART_FINISH],
		.deltas = parts[PART_DELTAS],
		.provider = parts[PART_PROVIDER],
		.model = parts[PART_MODEL],
		.usage = {numbers[0], numbers[1], numbers[2]},
		.stored_at_ms = numbers[3],
	};
	return true;
}
