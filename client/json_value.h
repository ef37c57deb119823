/*
 * JSON from and to MessagePack.
 */
#ifndef FREELLM_JSON_VALUE_H
#define FREELLM_JSON_VALUE_H

#include <stdbool.h>

#include <jansson.h>
#include <msgpack.h>

#include "bytes.h"

/*
 * Reads one JSON value of any kind. Returns NULL with a sentence that says where it is wrong
 * appended to `why`; a name that comes twice is wrong.
 */
json_t *json_value_parse(struct slice text, struct bytes *why);

void json_value_pack(msgpack_packer *packer, const json_t *value);

/* A new reference, or NULL when the value has no JSON form, holds text that is not UTF-8, or memory
 * has run out. */
json_t *json_value_from(const msgpack_object *value);

/* A string, or NULL when it is not UTF-8. */
json_t *json_value_text(struct slice text);

#endif
