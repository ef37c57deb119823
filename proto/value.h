/*
 * MessagePack values as JSON text, and small helpers to read maps.
 *
 * The JSON is canonical: members sorted by the bytes of their names, no white space, numbers in one
 * spelling, strings with only the escapes JSON demands. Two maps that differ only in order or in
 * the width of a number give the same text, which is what the cache's key is made from (DESIGN
 * section 8).
 */
#ifndef FREELLM_VALUE_H
#define FREELLM_VALUE_H

#include <stdint.h>

#include <msgpack.h>

#include "bytes.h"

enum value_problem {
	VALUE_OK = 0,
	VALUE_NOT_UTF8, /* a string that is not UTF-8 */
	VALUE_HAS_NUL,  /* a string that holds U+0000, which providers and C programs cut at */
	VALUE_NOT_JSON, /* binary, an extension type, NaN or infinity, or a map whose name is not a
			   string */
	VALUE_DUPLICATE_KEY, /* the same name twice in one map */
};

/*
 * Appends `value` to `out` as canonical JSON. A double whose value is an integer below 2^53 is
 * written as one (1.0 and 1 are the same JSON number, and so are -0.0 and 0); others in the shortest
 * of 15, 16 or 17 digits that reads back the same, a float of 32 bits in the shortest of 6 to 9. Returns 0, or the first problem; `out` then ends somewhere
 * within the value. Running out of memory shows in out->failed.
 */
enum value_problem value_to_json(struct bytes *out, const msgpack_object *value);

/* Is it UTF-8 without U+0000? VALUE_OK, VALUE_NOT_UTF8 or VALUE_HAS_NUL. */
enum value_problem value_check_text(struct slice text);

/* Is it text that may stand in a log line or an error: good text without control characters? */
bool value_is_plain(struct slice text);

/* Appends `text` as a JSON string with its quotes. The text must have passed value_check_text, or
 * be ours. */
void value_json_string(struct bytes *out, struct slice text);

/* The order of names in canonical JSON: by their bytes, the shorter first. As memcmp. */
int value_compare_names(struct slice a, struct slice b);

/* A sentence for a person: "text is not valid UTF-8". Static. */
const char *value_problem_text(enum value_problem problem);

/* The value of a member of a map, or NULL. Of duplicates the last counts. */
const msgpack_object *value_member(const msgpack_object *map, const char *name);

/* What a person calls this type: "a string", "a map". Static. */
const char *value_type_text(const msgpack_object *value);

/* These read one value into *to and return true, or return false and leave *to alone when the type
 * is another or `value` is NULL. */
bool value_slice(const msgpack_object *value, struct slice *to); /* str; borrowed */
bool value_int64(
	const msgpack_object *value, int64_t *to); /* an integer, or a double without fraction */
bool value_bool(const msgpack_object *value, bool *to);

#endif
