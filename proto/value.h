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
#include "text.h"

/*
 * Appends `value` to `out` as canonical JSON. A double whose value is an integer below 2^53 is
 * written as one (1.0 and 1 are the same JSON number, and so are -0.0 and 0); others in the
 * shortest of 15, 16 or 17 digits that reads back the same, a float of 32 bits in the shortest of 6
 * to 9. Returns VALUE_OK, or the first problem; `out` then ends somewhere within the value. Running
 * out of memory shows in out->failed.
 */
enum value_problem value_to_json(struct bytes *out, const msgpack_object *value);

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
