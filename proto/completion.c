#include "completion.h"

#include <string.h>

#include "message.h"
#include "value.h"

static void
pack_number(msgpack_packer *packer, const char *name, int64_t number)
{
	pack_name(packer, name);
	msgpack_pack_int64(packer, number);
}

static void
pack_member(msgpack_packer *packer, const char *name, struct slice text)
{
	pack_name(packer, name);
	pack_text(packer, text);
}

static void
pack_flag(msgpack_packer *packer, const char *name, bool flag)
{
	pack_name(packer, name);
	pack_bool(packer, flag);
}

static void
pack_packed(msgpack_packer *packer, const char *name, struct slice packed)
{
	pack_name(packer, name);
	packer->callback(packer->data, packed.data, packed.len);
}

static void
pack_attempts(msgpack_packer *packer, const struct attempt_report *attempts, size_t count)
{
	pack_name(packer, "attempts");
	msgpack_pack_array(packer, count);
	for (size_t i = 0; i < count; i++) {
		const struct attempt_report *a = &attempts[i];
		msgpack_pack_map(packer, 5);
		pack_member(packer, "provider", a->provider);
		pack_member(packer, "model", a->model);
		pack_number(packer, "status", a->status);
		pack_name(packer, "error");
		if (a->error.len > 0)
			pack_text(packer, a->error);
		else
			msgpack_pack_nil(packer);
		pack_number(packer, "ms", a->ms);
	}
}

/* These read a member that may be absent, or nil: *to then keeps its value. False for another type.
 */
static const msgpack_object *
optional(const msgpack_object *map, const char *name)
{
	const msgpack_object *value = value_member(map, name);
	return value && value->type != MSGPACK_OBJECT_NIL ? value : NULL;
}

static bool
read_text(const msgpack_object *map, const char *name, struct slice *to)
{
	const msgpack_object *value = optional(map, name);
	return value == NULL || value_slice(value, to);
}

static bool
read_number(const msgpack_object *map, const char *name, int64_t *to)
{
	const msgpack_object *value = optional(map, name);
	return value == NULL || value_int64(value, to);
}

static bool
read_flag(const msgpack_object *map, const char *name, bool *to)
{
	const msgpack_object *value = optional(map, name);
	return value == NULL || value_bool(value, to);
}

static bool
read_map(const msgpack_object *map, const char *name, const msgpack_object **to)
{
	*to = optional(map, name);
	return *to == NULL || (*to)->type == MSGPACK_OBJECT_MAP;
}

static bool
read_attempts(const msgpack_object *map, struct attempt_report *to, size_t *count)
{
	const msgpack_object *attempts = optional(map, "attempts");
	*count = 0;
	if (attempts == NULL)
		return true;
	if (attempts->type != MSGPACK_OBJECT_ARRAY)
		return false;
	for (uint32_t i = 0; i < attempts->via.array.size && *count < ATTEMPTS_MAX; i++) {
		const msgpack_object *from = &attempts->via.array.ptr[i];
		struct attempt_report *a = &to[(*count)++];
		*a = (struct attempt_report){0};
		if (from->type != MSGPACK_OBJECT_MAP ||
			!read_text(from, "provider", &a->provider) ||
			!read_text(from, "model", &a->model) ||
			!read_number(from, "status", &a->status) ||
			!read_text(from, "error", &a->error) || !read_number(from, "ms", &a->ms))
			return false;
	}
	return true;
}

static void
pack_usage(msgpack_packer *packer, const struct completion_usage *usage)
{
	const struct {
		const char *name;
		int64_t tokens;
	} counts[] = {
		{"prompt_tokens", usage->prompt_tokens},
		{"completion_tokens", usage->completion_tokens},
		{"total_tokens", usage->total_tokens},
	};
	size_t known = 0;
	for (int i = 0; i < 3; i++)
		known += counts[i].tokens >= 0;
	pack_name(packer, "usage");
	msgpack_pack_map(packer, known);
	for (int i = 0; i < 3; i++) {
		if (counts[i].tokens >= 0)
			pack_number(packer, counts[i].name, counts[i].tokens);
	}
}

static void
pack_timing(msgpack_packer *packer, const struct completion *c)
{
	bool has_first = c->first_token_ms >= 0;
	pack_name(packer, "timing");
	msgpack_pack_map(packer, 2 + has_first);
	pack_number(packer, "queued_ms", c->queued_ms);
	if (has_first)
		pack_number(packer, "first_token_ms", c->first_token_ms);
	pack_number(packer, "total_ms", c->total_ms);
}

/* "provider/model"; a provider's name holds no slash, a model's may. */
static void
pack_target(msgpack_packer *packer, struct slice provider, struct slice model)
{
	pack_name(packer, "target");
	msgpack_pack_str(packer, provider.len + 1 + model.len);
	msgpack_pack_str_body(packer, provider.data ? provider.data : "", provider.len);
	msgpack_pack_str_body(packer, "/", 1);
	msgpack_pack_str_body(packer, model.data ? model.data : "", model.len);
}

static bool
read_target(const msgpack_object *map, struct slice *provider, struct slice *model)
{
	struct slice target = {0};
	if (!value_slice(value_member(map, "target"), &target))
		return false;
	const char *slash = target.len ? memchr(target.data, '/', target.len) : NULL;
	if (slash == NULL)
		return false;
	*provider = (struct slice){target.data, (size_t)(slash - target.data)};
	*model = (struct slice){slash + 1, target.len - provider->len - 1};
	return true;
}

static void
pack_message(msgpack_packer *packer, const struct completion *c)
{
	if (c->message_packed.len > 0) {
		pack_packed(packer, "message", c->message_packed);
		return;
	}
	pack_name(packer, "message");
	msgpack_pack_map(packer, 2);
	pack_member(packer, "role", slice_of("assistant"));
	pack_member(packer, "content", c->text);
}

void
completion_encode(msgpack_packer *packer, const struct completion *completion)
{
	const struct completion *c = completion;
	bool has_finish = c->finish_reason.len > 0;
	msgpack_pack_map(packer, 8 + has_finish);
	pack_member(packer, "text", c->text);
	pack_message(packer, c);
	if (has_finish)
		pack_member(packer, "finish_reason", c->finish_reason);
	pack_usage(packer, &c->usage);
	pack_target(packer, c->provider, c->model);
	pack_flag(packer, "cached", c->cached);
	pack_flag(packer, "coalesced", c->coalesced);
	pack_attempts(packer, c->attempts, c->attempt_count);
	pack_timing(packer, c);
}

bool
completion_decode(const msgpack_object *result, struct completion *to)
{
	const msgpack_object *usage, *timing;
	memset(to, 0, sizeof(*to));
	to->usage = (struct completion_usage){-1, -1, -1};
	to->first_token_ms = -1;
	return value_slice(value_member(result, "text"), &to->text) &&
	       read_map(result, "message", &to->message) &&
	       read_text(result, "finish_reason", &to->finish_reason) &&
	       read_map(result, "usage", &usage) &&
	       read_number(usage, "prompt_tokens", &to->usage.prompt_tokens) &&
	       read_number(usage, "completion_tokens", &to->usage.completion_tokens) &&
	       read_number(usage, "total_tokens", &to->usage.total_tokens) &&
	       read_target(result, &to->provider, &to->model) &&
	       read_flag(result, "cached", &to->cached) &&
	       read_flag(result, "coalesced", &to->coalesced) &&
	       read_attempts(result, to->attempts, &to->attempt_count) &&
	       read_map(result, "timing", &timing) &&
	       read_number(timing, "queued_ms", &to->queued_ms) &&
	       read_number(timing, "first_token_ms", &to->first_token_ms) &&
	       read_number(timing, "total_ms", &to->total_ms);
}

void
failure_encode(msgpack_packer *packer, const struct failure *failure)
{
	bool has_retry = failure->retry_at_ms != 0, has_attempts = failure->attempt_count > 0;
	msgpack_pack_map(packer, 2 + has_retry + has_attempts);
	pack_member(packer, "code", slice_of(error_name(failure->code)));
	pack_member(packer, "message", failure->message);
	if (has_retry)
		pack_number(packer, "retry_at_ms", failure->retry_at_ms);
	if (has_attempts)
		pack_attempts(packer, failure->attempts, failure->attempt_count);
}

bool
failure_decode(const msgpack_object *error, struct failure *to)
{
	struct slice code = {0};
	memset(to, 0, sizeof(*to));
	if (!value_slice(value_member(error, "code"), &code))
		return false;
	to->code = error_from_name(code);
	return read_text(error, "message", &to->message) &&
	       read_number(error, "retry_at_ms", &to->retry_at_ms) &&
	       read_attempts(error, to->attempts, &to->attempt_count);
}

static const char *const event_names[] = {
	[EVENT_QUEUED] = "queued",
	[EVENT_STARTED] = "started",
	[EVENT_CHUNK] = "chunk",
	[EVENT_RETRYING] = "retrying",
};

const char *
event_name(enum event_kind kind)
{
	return event_names[kind];
}

void
event_encode(msgpack_packer *packer, const struct event *event)
{
	bool has_eta = event->eta_ms >= 0, has_reason = event->reason.len > 0;
	switch (event->kind) {
	case EVENT_QUEUED:
		msgpack_pack_map(packer, 2 + has_eta + has_reason);
		pack_number(packer, "msgid", event->msgid);
		pack_number(packer, "position", event->position);
		if (has_eta)
			pack_number(packer, "eta_ms", event->eta_ms);
		if (has_reason)
			pack_member(packer, "reason", event->reason);
		break;
	case EVENT_STARTED:
		msgpack_pack_map(packer, 2);
		pack_number(packer, "msgid", event->msgid);
		pack_member(packer, "target", event->target);
		break;
	case EVENT_CHUNK:
		msgpack_pack_map(packer, 2);
		pack_number(packer, "msgid", event->msgid);
		if (event->delta_packed.len > 0)
			pack_packed(packer, "delta", event->delta_packed);
		else
			pack_member(packer, "text", event->text);
		break;
	case EVENT_RETRYING:
		msgpack_pack_map(packer, 2 + has_reason);
		pack_number(packer, "msgid", event->msgid);
		pack_member(packer, "target", event->target);
		if (has_reason)
			pack_member(packer, "reason", event->reason);
		break;
	}
}

static bool
kind_from_name(struct slice method, enum event_kind *to)
{
	for (int kind = EVENT_QUEUED; kind <= EVENT_RETRYING; kind++) {
		if (slice_is(method, event_names[kind])) {
			*to = (enum event_kind)kind;
			return true;
		}
	}
	return false;
}

bool
event_decode(struct slice method, const msgpack_object *params, struct event *to)
{
	int64_t msgid = -1;
	memset(to, 0, sizeof(*to));
	to->eta_ms = -1;
	if (!kind_from_name(method, &to->kind) ||
		!value_int64(value_member(params, "msgid"), &msgid) || msgid < 0 ||
		msgid > UINT32_MAX)
		return false;
	to->msgid = (uint32_t)msgid;
	switch (to->kind) {
	case EVENT_QUEUED:
		return read_number(params, "position", &to->position) &&
		       read_number(params, "eta_ms", &to->eta_ms) &&
		       read_text(params, "reason", &to->reason);
	case EVENT_STARTED:
		return value_slice(value_member(params, "target"), &to->target);
	case EVENT_CHUNK:
		return read_map(params, "delta", &to->delta) &&
		       read_text(params, "text", &to->text) &&
		       (to->delta == NULL) != (to->text.data == NULL);
	case EVENT_RETRYING:
		return value_slice(value_member(params, "target"), &to->target) &&
		       read_text(params, "reason", &to->reason);
	}
	return false;
}
