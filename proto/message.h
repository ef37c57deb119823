/*
 * The MessagePack-RPC envelope: request [0, msgid, method, [params]], response [1, msgid, error,
 * result], notification [2, method, [params]]. params, error and result are maps; error is nil on
 * success, result on failure.
 */
#ifndef FREELLM_MESSAGE_H
#define FREELLM_MESSAGE_H

#include <stdbool.h>
#include <stdint.h>

#include <msgpack.h>

#include "bytes.h"

enum message_kind { MESSAGE_REQUEST = 0, MESSAGE_RESPONSE = 1, MESSAGE_NOTIFICATION = 2 };

enum { PROTOCOL_VERSION = 1 };

/* The method of the notification that tells of a message that could not be read, not even its
 * msgid; its params are a failure (completion.h). */
#define MESSAGE_ERROR "error"

/* Views into the object it was decoded from. */
struct message {
	enum message_kind kind;
	uint32_t msgid;               /* requests and responses */
	struct slice method;          /* requests and notifications */
	const msgpack_object *params; /* requests and notifications: a map, or NULL for `[]` */
	const char *params_problem;  /* NULL, or what is wrong with the params, which are then NULL:
					 a request is to be refused with this sentence */
	const msgpack_object *error; /* responses: NULL on success */
	const msgpack_object *result; /* responses: NULL on failure */
};

/*
 * Returns NULL, or a sentence that says what is wrong: then nothing that follows from this peer can
 * be trusted. What is wrong with the params alone is only params_problem, and of a notification it
 * is nobody's concern: a client in another language may send those of another protocol, as pynvim
 * does, which also sends a method as binary. *has_msgid says whether to->msgid could be read.
 */
const char *message_decode(const msgpack_object *object, struct message *to, bool *has_msgid);

/*
 * Each begins a message in `out`; what follows must be exactly one value, packed by the encode
 * function of its message with the packer that the call leaves in *packer (it writes to `out`,
 * which must stay where it is).
 */
void message_begin_request(
	struct bytes *out, msgpack_packer *packer, uint32_t msgid, const char *method);
void message_begin_notification(struct bytes *out, msgpack_packer *packer, const char *method);
void message_begin_result(struct bytes *out, msgpack_packer *packer, uint32_t msgid);
void message_begin_error(struct bytes *out, msgpack_packer *packer, uint32_t msgid);
/* message_begin_error leaves the packer where the error map belongs; this packs the nil result
 * after it. */
void message_end_error(msgpack_packer *packer);

/* Packing, for all encode functions. */
void pack_text(msgpack_packer *packer, struct slice text);
void pack_name(msgpack_packer *packer, const char *name);
void pack_bool(msgpack_packer *packer, bool value);

#endif
