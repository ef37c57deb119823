#include "request.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "json_value.h"
#include "message.h"
#include "utf8.h"

enum { TEXTS = FREELLM_CACHE + 1 };

struct param {
	char *name;
	struct bytes packed;
};

struct freellm_request {
	struct bytes texts[TEXTS]; /* data is NULL when unset, and else ends in NUL */
	bool stream;
	int64_t ttl_s, deadline_ms;
	struct bytes messages; /* MessagePack */
	struct param params[SUBMIT_MAX_PARAMS];
	size_t param_count;
	struct bytes why;
};

struct freellm_request *
freellm_request_create(void)
{
	struct freellm_request *r = calloc(1, sizeof(*r));
	if (r != NULL)
		r->ttl_s = -1;
	return r;
}

static void
param_finish(struct param *p)
{
	free(p->name);
	bytes_finish(&p->packed);
}

void
freellm_request_destroy(struct freellm_request *r)
{
	if (r == NULL)
		return;
	for (int i = 0; i < TEXTS; i++)
		bytes_finish(&r->texts[i]);
	for (size_t i = 0; i < r->param_count; i++)
		param_finish(&r->params[i]);
	bytes_finish(&r->messages);
	bytes_finish(&r->why);
	free(r);
}

const char *
freellm_request_message(const struct freellm_request *r)
{
	return r->why.len > 0 ? r->why.data : "";
}

/* Every setter ends so: with the sentence as a C string, or none. */
static int
done(struct freellm_request *r, int error)
{
	if (error == 0)
		bytes_clear(&r->why);
	if (bytes_cstr(&r->why) == NULL)
		bytes_clear(&r->why);
	return error;
}

int
freellm_check_text(const char *text, size_t len, size_t *offset)
{
	size_t good = utf8_good_prefix(text, len);
	if (good == len)
		return 0;
	*offset = good;
	return -EILSEQ;
}

static int
check(struct freellm_request *r, struct slice text)
{
	size_t offset;
	if (freellm_check_text(text.data, text.len, &offset) == 0)
		return 0;
	bytes_printf(&r->why,
		text.data[offset] == '\0' ? "there is a NUL at byte %zu"
					  : "the text is not UTF-8 at byte %zu",
		offset);
	return -EILSEQ;
}

static int
check_word(struct freellm_request *r, enum freellm_text field, struct slice text)
{
	enum submit_class class;
	enum submit_cache cache;
	if (field == FREELLM_CLASS && !submit_class_from_name(text, &class))
		bytes_append_str(&r->why, "the class must be interactive, normal or batch");
	else if (field == FREELLM_CACHE && !submit_cache_from_name(text, &cache))
		bytes_append_str(&r->why, "the cache mode must be use, refresh, only or off");
	else
		return 0;
	return -EINVAL;
}

int
freellm_request_set_text(
	struct freellm_request *r, enum freellm_text field, const char *text, size_t len)
{
	struct bytes copy = {0};
	bytes_clear(&r->why);
	if ((int)field < FREELLM_PROMPT || field > FREELLM_CACHE) {
		bytes_append_str(&r->why, "there is no such field");
		return done(r, -EINVAL);
	}
	if (text != NULL) {
		int error = check(r, (struct slice){text, len});
		if (error == 0)
			error = check_word(r, field, (struct slice){text, len});
		if (error)
			return done(r, error);
		bytes_append(&copy, text, len);
		if (bytes_cstr(&copy) == NULL) {
			bytes_finish(&copy);
			return done(r, -ENOMEM);
		}
	}
	bytes_finish(&r->texts[field]);
	r->texts[field] = copy;
	return done(r, 0);
}

int
freellm_request_set_number(struct freellm_request *r, enum freellm_number field, int64_t value)
{
	bytes_clear(&r->why);
	switch (field) {
	case FREELLM_STREAM:
		if (value != 0 && value != 1)
			break;
		r->stream = value != 0;
		return done(r, 0);
	case FREELLM_TTL_S:
		if (value < -1 || value > SUBMIT_MAX_TTL_S)
			break;
		r->ttl_s = value;
		return done(r, 0);
	case FREELLM_DEADLINE_MS:
		if (value < 0 || value > SUBMIT_MAX_DEADLINE_MS)
			break;
		r->deadline_ms = value;
		return done(r, 0);
	}
	bytes_append_str(&r->why, "the number is out of range");
	return done(r, -EINVAL);
}

static bool
are_messages(const json_t *value, struct bytes *why)
{
	size_t i;
	json_t *message;
	if (!json_is_array(value) || json_array_size(value) == 0) {
		bytes_append_str(why, "it must be an array with at least one message");
		return false;
	}
	json_array_foreach(value, i, message)
	{
		const char *role = json_string_value(json_object_get(message, "role"));
		if (role == NULL || role[0] == '\0') {
			bytes_printf(why,
				"message %zu must be an object with a `role` that is a string",
				i + 1);
			return false;
		}
	}
	return true;
}

/* Parses, checks and packs; *packed is made anew. */
static int
pack_json(struct freellm_request *r, struct slice json,
	bool accept(const json_t *value, struct bytes *why), struct bytes *packed)
{
	msgpack_packer packer;
	int error = check(r, json);
	if (error)
		return error;
	json_t *value = json_value_parse(json, &r->why);
	if (value == NULL || (accept != NULL && !accept(value, &r->why))) {
		json_decref(value);
		return -EBADMSG;
	}
	msgpack_packer_init(&packer, packed, bytes_msgpack_write);
	json_value_pack(&packer, value);
	json_decref(value);
	if (!packed->failed)
		return 0;
	bytes_finish(packed);
	return -ENOMEM;
}

int
freellm_request_set_messages(struct freellm_request *r, const char *json, size_t len)
{
	struct bytes packed = {0};
	bytes_clear(&r->why);
	if (json != NULL) {
		int error = pack_json(r, (struct slice){json, len}, are_messages, &packed);
		if (error)
			return done(r, error);
	}
	bytes_finish(&r->messages);
	r->messages = packed;
	return done(r, 0);
}

static int
check_name(struct freellm_request *r, struct slice name)
{
	if (name.len == 0 || name.len > SUBMIT_MAX_NAME || !value_is_plain(name))
		bytes_printf(&r->why,
			"a parameter's name must be 1 to %d bytes of UTF-8 without control "
			"characters",
			SUBMIT_MAX_NAME);
	else if (submit_owns(name))
		bytes_printf(&r->why, "%s is not a parameter of the provider but freellmd's own",
			name.data);
	else
		return 0;
	return -EINVAL;
}

static int
keep_param(struct freellm_request *r, struct param *old, const char *name, struct bytes packed)
{
	if (old == NULL) {
		char *copy = strdup(name);
		if (copy == NULL) {
			bytes_finish(&packed);
			return -ENOMEM;
		}
		old = &r->params[r->param_count++];
		old->name = copy;
	} else {
		bytes_finish(&old->packed);
	}
	old->packed = packed;
	return 0;
}

int
freellm_request_set_param(struct freellm_request *r, const char *name, const char *json, size_t len)
{
	struct param *old = NULL;
	struct bytes packed = {0};
	bytes_clear(&r->why);
	int error = check_name(r, slice_of(name));
	if (error)
		return done(r, error);
	for (size_t i = 0; i < r->param_count; i++) {
		if (strcmp(r->params[i].name, name) == 0)
			old = &r->params[i];
	}
	if (json == NULL) {
		if (old != NULL) {
			param_finish(old);
			*old = r->params[--r->param_count];
		}
		return done(r, 0);
	}
	if (old == NULL && r->param_count == SUBMIT_MAX_PARAMS) {
		bytes_printf(&r->why, "there are more than %d parameters", SUBMIT_MAX_PARAMS);
		return done(r, -E2BIG);
	}
	error = pack_json(r, (struct slice){json, len}, NULL, &packed);
	if (error == 0)
		error = keep_param(r, old, name, packed);
	return done(r, error);
}

static struct slice
view(const struct bytes *b)
{
	return (struct slice){b->data, b->len};
}

static void
fill(const struct freellm_request *r, struct submit *s)
{
	s->prompt = view(&r->texts[FREELLM_PROMPT]);
	s->system = view(&r->texts[FREELLM_SYSTEM]);
	s->model = view(&r->texts[FREELLM_MODEL]);
	s->task = view(&r->texts[FREELLM_TASK]);
	s->complexity = view(&r->texts[FREELLM_COMPLEXITY]);
	s->privacy = view(&r->texts[FREELLM_PRIVACY]);
	/* Unset ones stay as they are: the words were checked when they were set. */
	(void)submit_class_from_name(view(&r->texts[FREELLM_CLASS]), &s->class);
	(void)submit_cache_from_name(view(&r->texts[FREELLM_CACHE]), &s->cache);
	s->messages_packed = view(&r->messages);
	s->stream = r->stream;
	s->ttl_s = r->ttl_s;
	s->deadline_ms = r->deadline_ms;
	s->param_count = r->param_count;
	for (size_t i = 0; i < r->param_count; i++) {
		s->params[i].name = slice_of(r->params[i].name);
		s->params[i].json = view(&r->params[i].packed);
	}
}

int
request_encode(const struct freellm_request *r, struct bytes *out, uint32_t msgid, const char **why)
{
	struct submit submit = {.class = CLASS_NORMAL, .cache = CACHE_DEFAULT};
	msgpack_packer packer;
	bool has_prompt = r->texts[FREELLM_PROMPT].data != NULL, has_messages = r->messages.len > 0;
	if (has_prompt == has_messages) {
		*why = has_prompt ? "a prompt and messages cannot go together"
				  : "there is neither a prompt nor messages";
		return -EINVAL;
	}
	fill(r, &submit);
	message_begin_request(out, &packer, msgid, "submit");
	submit_encode(&packer, &submit);
	return 0;
}
