/*
 * hello, submit and cancel: what clients ask for.
 */
#ifndef FREELLM_SUBMIT_H
#define FREELLM_SUBMIT_H

#include <stdbool.h>
#include <stdint.h>

#include <msgpack.h>

#include "bytes.h"
#include "text.h"

struct hello {
	int64_t protocol; /* 0 when absent */
	struct slice client;
};

struct hello_result {
	struct slice server, version;
	int64_t protocol;
	int64_t frame_bytes, nesting,
		jobs; /* under `limits`: bytes in one message, containers, requests at once */
};

enum submit_class { CLASS_NORMAL, CLASS_INTERACTIVE, CLASS_BATCH };
enum submit_cache { CACHE_DEFAULT, CACHE_USE, CACHE_REFRESH, CACHE_ONLY, CACHE_OFF };

/* One member that freellmd passes on to the provider as it is. */
struct submit_param {
	struct slice name;
	const msgpack_object *value; /* decoded: borrowed from the message */
	struct slice json;           /* to encode: unused; packed: the value as MessagePack bytes */
};

enum {
	SUBMIT_MAX_PARAMS = 128,
	SUBMIT_MAX_MODEL = 256, /* bytes of `model` */
	SUBMIT_MAX_NAME = 64, /* bytes of `task`, `complexity`, `privacy`, of hello's `client`, and
				   of the name of any other parameter */
	SUBMIT_MAX_TTL_S = 315360000, /* ten years */
};
#define SUBMIT_MAX_DEADLINE_MS INT64_C(31536000000) /* a year */

/*
 * The parameters of submit. Slices and objects are borrowed from the decoded message. To encode,
 * `messages` and the params are given as ready MessagePack bytes (`messages_packed`, param.json
 * holds packed bytes); decoding fills the object pointers instead.
 */
struct submit {
	struct slice prompt; /* data is NULL when absent */
	struct slice system;
	struct slice model; /* "provider/model", a model id, or empty: the daemon chooses */
	struct slice task, complexity, privacy;
	const msgpack_object *messages;
	struct slice messages_packed;
	bool stream; /* default false */
	bool detach;
	enum submit_class class;
	enum submit_cache cache;
	int64_t ttl_s;                                 /* seconds; -1: the default */
	int64_t deadline_ms;                           /* milliseconds from now; 0: none */
	struct submit_param params[SUBMIT_MAX_PARAMS]; /* every member that is not one of ours */
	size_t param_count;
};

/*
 * Decodes and checks types and bounds (one prompt or messages, not both and not neither; no empty
 * prompt; text that is UTF-8 without NUL). A member that is nil counts as absent. Params that are
 * NULL, or no map, count as an empty one. Returns true, or false with a sentence for the client
 * appended to `why`.
 */
bool submit_decode(const msgpack_object *params, struct submit *to, struct bytes *why);
void submit_encode(msgpack_packer *packer, const struct submit *submit);

/*
 * The canonical JSON object (value.h) of everything the client asked for besides model, stream and
 * our own members: {"max_tokens":5,"messages":[...],"temperature":0.2}. prompt and system have
 * become messages; an empty system is none. `s` was filled by submit_decode and the message it was
 * decoded from is still there. Returns VALUE_OK, or the first problem with a sentence that names
 * the parameter appended to `why`; `out` then ends somewhere within the object. Running out of
 * memory shows in out->failed.
 */
enum value_problem submit_body_to_json(
	struct bytes *out, const struct submit *s, struct bytes *why);

/* Is this member of submit one of ours, or `stream_options`, which the daemon sets itself, and so
 * cannot be one of `params`? */
bool submit_owns(struct slice name);

bool hello_decode(const msgpack_object *params, struct hello *to, struct bytes *why);
void hello_encode(msgpack_packer *packer, const struct hello *hello);
bool hello_result_decode(const msgpack_object *result, struct hello_result *to);
void hello_result_encode(msgpack_packer *packer, const struct hello_result *result);

/* cancel {msgid} -> {cancelled}: whether there was such a request of this connection to cancel. */
bool cancel_decode(const msgpack_object *params, uint32_t *msgid, struct bytes *why);
void cancel_encode(msgpack_packer *packer, uint32_t msgid);
bool cancel_result_decode(const msgpack_object *result, bool *cancelled);
void cancel_result_encode(msgpack_packer *packer, bool cancelled);

/* "batch" for CLASS_BATCH, and back: false when the name is none. */
const char *submit_class_name(enum submit_class class);
bool submit_class_from_name(struct slice name, enum submit_class *to);

/* "use" for CACHE_USE ("" for CACHE_DEFAULT), and back: false when the name is none. */
const char *submit_cache_name(enum submit_cache mode);
bool submit_cache_from_name(struct slice name, enum submit_cache *to);

#endif
