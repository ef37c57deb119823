#include "submit.h"

#include <string.h>

#include "message.h"
#include "value.h"

enum kind {
	TEXT, /* of any size */
	NAME, /* text of at most `high` bytes, without control characters */
	FLAG,
	CLASS,
	CACHE,
	NUMBER, /* an integer from `low` to `high` */
	MESSAGES,
	IGNORED,
};

/* The parameters that are ours, in the order of PROTOCOL.md. All others are the provider's. */
static const struct parameter {
	const char *name;
	enum kind kind;
	size_t offset; /* in struct submit */
	int64_t low, high;
} parameters[] = {
	{"prompt", TEXT, offsetof(struct submit, prompt)},
	{"messages", MESSAGES, offsetof(struct submit, messages)},
	{"system", TEXT, offsetof(struct submit, system)},
	{"model", NAME, offsetof(struct submit, model), 0, SUBMIT_MAX_MODEL},
	{"task", NAME, offsetof(struct submit, task), 0, SUBMIT_MAX_NAME},
	{"complexity", NAME, offsetof(struct submit, complexity), 0, SUBMIT_MAX_NAME},
	{"stream", FLAG, offsetof(struct submit, stream)},
	{"detach", FLAG, offsetof(struct submit, detach)},
	{"class", CLASS, offsetof(struct submit, class)},
	{"cache", CACHE, offsetof(struct submit, cache)},
	{"ttl", NUMBER, offsetof(struct submit, ttl_s), 0, SUBMIT_MAX_TTL_S},
	{"deadline_ms", NUMBER, offsetof(struct submit, deadline_ms), 1, SUBMIT_MAX_DEADLINE_MS},
	{"privacy", NAME, offsetof(struct submit, privacy), 0, SUBMIT_MAX_NAME},
	{"stream_options", IGNORED, 0},
};
enum { PARAMETERS = sizeof(parameters) / sizeof(parameters[0]) };

static const char *const class_names[] = {
	[CLASS_NORMAL] = "normal", [CLASS_INTERACTIVE] = "interactive", [CLASS_BATCH] = "batch"};
static const char *const cache_names[] = {[CACHE_DEFAULT] = "",
	[CACHE_USE] = "use",
	[CACHE_REFRESH] = "refresh",
	[CACHE_ONLY] = "only",
	[CACHE_OFF] = "off"};

const char *submit_class_name(enum submit_class class)
{
	return class_names[class];
}

const char *
submit_cache_name(enum submit_cache mode)
{
	return cache_names[mode];
}

bool
submit_class_from_name(struct slice name, enum submit_class *to)
{
	for (int i = CLASS_NORMAL; i <= CLASS_BATCH; i++) {
		if (slice_is(name, class_names[i])) {
			*to = (enum submit_class)i;
			return true;
		}
	}
	return false;
}

bool
submit_cache_from_name(struct slice name, enum submit_cache *to)
{
	for (int i = CACHE_USE; i <= CACHE_OFF; i++) {
		if (slice_is(name, cache_names[i])) {
			*to = (enum submit_cache)i;
			return true;
		}
	}
	return false;
}

static const struct parameter *
find_parameter(struct slice name)
{
	for (int i = 0; i < PARAMETERS; i++) {
		if (name.len && name.data[0] == parameters[i].name[0] &&
			slice_is(name, parameters[i].name))
			return &parameters[i];
	}
	return NULL;
}

bool
submit_owns(struct slice name)
{
	return find_parameter(name) != NULL;
}

static bool
wrong_type(struct bytes *why, const char *name, const char *wanted, const msgpack_object *value)
{
	bytes_printf(why, "`%s` must be %s, not %s", name, wanted, value_type_text(value));
	return false;
}

static bool
read_text(const msgpack_object *value, const char *name, struct slice *to, struct bytes *why)
{
	if (!value_slice(value, to))
		return wrong_type(why, name, "a string", value);
	enum value_problem problem = value_check_text(*to);
	if (problem == VALUE_OK)
		return true;
	bytes_printf(why, "`%s`: %s", name, value_problem_text(problem));
	return false;
}

static bool
read_name(const msgpack_object *value, const char *name, int64_t most, struct slice *to,
	struct bytes *why)
{
	if (!read_text(value, name, to, why))
		return false;
	if (to->len > (uint64_t)most) {
		bytes_printf(why, "`%s` must be at most %lld bytes long", name, (long long)most);
		return false;
	}
	if (!value_is_plain(*to)) {
		bytes_printf(why, "`%s` must not hold control characters", name);
		return false;
	}
	return true;
}

static bool
read_number(const msgpack_object *value, const char *name, int64_t low, int64_t high, int64_t *to,
	struct bytes *why)
{
	if (value_int64(value, to) && *to >= low && *to <= high)
		return true;
	bool numeric = value->type == MSGPACK_OBJECT_POSITIVE_INTEGER ||
		       value->type == MSGPACK_OBJECT_NEGATIVE_INTEGER ||
		       value->type == MSGPACK_OBJECT_FLOAT32 ||
		       value->type == MSGPACK_OBJECT_FLOAT64;
	bytes_printf(why, "`%s` must be a whole number from %lld to %lld", name, (long long)low,
		(long long)high);
	if (!numeric)
		bytes_printf(why, ", not %s", value_type_text(value));
	return false;
}

static bool
read_messages(const msgpack_object *value, const msgpack_object **to, struct bytes *why)
{
	if (value->type != MSGPACK_OBJECT_ARRAY)
		return wrong_type(why, "messages", "an array of maps", value);
	if (value->via.array.size == 0) {
		bytes_append_str(why, "`messages` must hold at least one message");
		return false;
	}
	for (uint32_t i = 0; i < value->via.array.size; i++) {
		const msgpack_object *message = &value->via.array.ptr[i];
		if (message->type != MSGPACK_OBJECT_MAP) {
			bytes_printf(why, "`messages`[%u] must be a map, not %s", i,
				value_type_text(message));
			return false;
		}
		struct slice role = {0};
		if (!value_slice(value_member(message, "role"), &role) || role.len == 0) {
			bytes_printf(why, "`messages`[%u] must have a `role` that is a string", i);
			return false;
		}
	}
	*to = value;
	return true;
}

static bool
read_class(const msgpack_object *value, enum submit_class *to, struct bytes *why)
{
	struct slice name = {0};
	if (value_slice(value, &name) && submit_class_from_name(name, to))
		return true;
	bytes_append_str(why, "`class` must be one of `interactive`, `normal`, `batch`");
	return false;
}

static bool
read_cache(const msgpack_object *value, enum submit_cache *to, struct bytes *why)
{
	struct slice name = {0};
	if (value_slice(value, &name) && submit_cache_from_name(name, to))
		return true;
	bytes_append_str(why, "`cache` must be one of `use`, `refresh`, `only`, `off`");
	return false;
}

static bool
read_own(const struct parameter *p, const msgpack_object *value, struct submit *to,
	struct bytes *why)
{
	void *field = (char *)to + p->offset;
	switch (p->kind) {
	case TEXT:
		return read_text(value, p->name, field, why);
	case NAME:
		return read_name(value, p->name, p->high, field, why);
	case FLAG:
		return value_bool(value, field) || wrong_type(why, p->name, "true or false", value);
	case CLASS:
		return read_class(value, field, why);
	case CACHE:
		return read_cache(value, field, why);
	case NUMBER:
		return read_number(value, p->name, p->low, p->high, field, why);
	case MESSAGES:
		return read_messages(value, field, why);
	case IGNORED:
		break;
	}
	return true;
}

/* A member that is the provider's; what is within its value is checked when it becomes JSON. */
static bool
keep_param(struct slice name, const msgpack_object *value, struct submit *to, struct bytes *why)
{
	int64_t choices;
	if (name.len == 0 || name.len > SUBMIT_MAX_NAME || !value_is_plain(name)) {
		bytes_printf(why,
			"a parameter's name must be 1 to %d bytes of UTF-8 without control "
			"characters",
			SUBMIT_MAX_NAME);
		return false;
	}
	if (slice_is(name, "n") && value->type != MSGPACK_OBJECT_NIL &&
		!(value_int64(value, &choices) && choices == 1)) {
		bytes_append_str(why, "`n` must be 1: freellmd returns one choice");
		return false;
	}
	if (to->param_count == SUBMIT_MAX_PARAMS) {
		bytes_printf(why, "there are more than %d parameters", SUBMIT_MAX_PARAMS);
		return false;
	}
	to->params[to->param_count++] = (struct submit_param){.name = name, .value = value};
	return true;
}

static bool
is_blank(struct slice text)
{
	for (size_t i = 0; i < text.len; i++) {
		if (strchr(" \t\n\v\f\r", text.data[i]) == NULL)
			return false;
	}
	return true;
}

static bool
check_prompt(const struct submit *s, struct bytes *why)
{
	const char *problem = NULL;
	if (s->prompt.data == NULL && s->messages == NULL)
		problem = "one of `prompt` and `messages` is required";
	else if (s->prompt.data != NULL && s->messages != NULL)
		problem = "`prompt` and `messages` cannot go together; `system` and `messages` can";
	else if (s->prompt.data != NULL && is_blank(s->prompt))
		problem = "`prompt` is empty";
	if (problem != NULL)
		bytes_append_str(why, problem);
	return problem == NULL;
}

/* Without touching the params, which are 5 KB. */
static void
clear(struct submit *to)
{
	memset(to, 0, offsetof(struct submit, params));
	to->ttl_s = -1;
	to->param_count = 0;
}

bool
submit_decode(const msgpack_object *params, struct submit *to, struct bytes *why)
{
	uint32_t seen = 0;
	clear(to);
	uint32_t size = params && params->type == MSGPACK_OBJECT_MAP ? params->via.map.size : 0;
	for (uint32_t i = 0; i < size; i++) {
		const msgpack_object *value = &params->via.map.ptr[i].val;
		struct slice name;
		if (!value_slice(&params->via.map.ptr[i].key, &name)) {
			bytes_append_str(why, "a parameter's name must be a string");
			return false;
		}
		const struct parameter *own = find_parameter(name);
		if (own == NULL) {
			if (!keep_param(name, value, to, why))
				return false;
			continue;
		}
		if (seen & 1u << (own - parameters)) {
			bytes_printf(why, "`%s` is there twice", own->name);
			return false;
		}
		seen |= 1u << (own - parameters);
		if (value->type != MSGPACK_OBJECT_NIL && !read_own(own, value, to, why))
			return false;
	}
	return check_prompt(to, why);
}

static bool
is_present(const struct parameter *p, const struct submit *s)
{
	const void *field = (const char *)s + p->offset;
	switch (p->kind) {
	case TEXT:
		return ((const struct slice *)field)->data != NULL;
	case NAME:
		return ((const struct slice *)field)->len != 0;
	case FLAG:
		return *(const bool *)field;
	case CLASS:
		return s->class != CLASS_NORMAL;
	case CACHE:
		return s->cache != CACHE_DEFAULT;
	case NUMBER:
		return *(const int64_t *)field >= p->low;
	case MESSAGES:
		return s->messages_packed.len != 0;
	case IGNORED:
		break;
	}
	return false;
}

static void
pack_packed(msgpack_packer *packer, struct slice packed)
{
	packer->callback(packer->data, packed.data, packed.len);
}

static void
pack_own(msgpack_packer *packer, const struct parameter *p, const struct submit *s)
{
	const void *field = (const char *)s + p->offset;
	pack_name(packer, p->name);
	switch (p->kind) {
	case TEXT:
	case NAME:
		pack_text(packer, *(const struct slice *)field);
		break;
	case FLAG:
		msgpack_pack_true(packer);
		break;
	case CLASS:
		pack_name(packer, class_names[s->class]);
		break;
	case CACHE:
		pack_name(packer, cache_names[s->cache]);
		break;
	case NUMBER:
		msgpack_pack_int64(packer, *(const int64_t *)field);
		break;
	case MESSAGES:
		pack_packed(packer, s->messages_packed);
		break;
	case IGNORED:
		break;
	}
}

void
submit_encode(msgpack_packer *packer, const struct submit *submit)
{
	size_t count = submit->param_count;
	for (int i = 0; i < PARAMETERS; i++)
		count += is_present(&parameters[i], submit);
	msgpack_pack_map(packer, count);
	for (int i = 0; i < PARAMETERS; i++) {
		if (is_present(&parameters[i], submit))
			pack_own(packer, &parameters[i], submit);
	}
	for (size_t i = 0; i < submit->param_count; i++) {
		pack_text(packer, submit->params[i].name);
		pack_packed(packer, submit->params[i].json);
	}
}
