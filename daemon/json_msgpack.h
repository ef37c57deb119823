/*
 * JSON text, as providers send it, as MessagePack.
 */
#ifndef FREELLMD_JSON_MSGPACK_H
#define FREELLMD_JSON_MSGPACK_H

#include <stdbool.h>

#include <msgpack.h>

#include "bytes.h"

/*
 * Packs one JSON value into `out`. Returns false, with `out` as it was, when the text is no JSON or
 * nested deeper than `max_nesting` containers: the clients' scanner would refuse it.
 */
bool json_to_msgpack(struct bytes *out, struct slice json, unsigned max_nesting);

#endif
