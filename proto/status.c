#include "status.h"

#include <stddef.h>

#include "message.h"
#include "value.h"

/* A count's name on the wire and its place in struct status. */
struct count {
	const char *name;
	size_t offset;
};

static const struct count job_counts[] = {
	{"accepted", offsetof(struct status, jobs.accepted)},
	{"done", offsetof(struct status, jobs.done)},
	{"failed", offsetof(struct status, jobs.failed)},
	{"cancelled", offsetof(struct status, jobs.cancelled)},
	{"queued", offsetof(struct status, jobs.queued)},
	{"running", offsetof(struct status, jobs.running)},
};

static const struct count cache_counts[] = {
	{"hits", offsetof(struct status, cache.hits)},
	{"misses", offsetof(struct status, cache.misses)},
	{"stored", offsetof(struct status, cache.stored)},
	{"too_large", offsetof(struct status, cache.too_large)},
	{"entries", offsetof(struct status, cache.entries)},
	{"bytes", offsetof(struct status, cache.bytes)},
	{"evicted", offsetof(struct status, cache.evicted)},
	{"dropped", offsetof(struct status, cache.dropped)},
	{"failed", offsetof(struct status, cache.failed)},
};

enum {
	JOB_COUNTS = sizeof(job_counts) / sizeof(job_counts[0]),
	CACHE_COUNTS = sizeof(cache_counts) / sizeof(cache_counts[0]),
};

static void
pack_number(msgpack_packer *packer, const char *name, int64_t number)
{
	pack_name(packer, name);
	msgpack_pack_int64(packer, number);
}

static void
pack_counts(msgpack_packer *packer, const char *group, const struct count *counts, size_t n,
	const struct status *status)
{
	pack_name(packer, group);
	msgpack_pack_map(packer, n);
	for (size_t i = 0; i < n; i++)
		pack_number(packer, counts[i].name,
			*(const int64_t *)((const char *)status + counts[i].offset));
}

/* False when a count is there and no integer. */
static bool
read_counts(const msgpack_object *result, const char *group, const struct count *counts, size_t n,
	struct status *to)
{
	const msgpack_object *map = value_member(result, group);
	for (size_t i = 0; i < n; i++) {
		const msgpack_object *value = value_member(map, counts[i].name);
		if (value != NULL &&
			!value_int64(value, (int64_t *)((char *)to + counts[i].offset)))
			return false;
	}
	return true;
}

void
status_encode(msgpack_packer *packer, const struct status *status)
{
	msgpack_pack_map(packer, 5);
	pack_name(packer, "version");
	pack_text(packer, status->version);
	pack_number(packer, "uptime_ms", status->uptime_ms);
	pack_number(packer, "sessions", status->sessions);
	pack_counts(packer, "jobs", job_counts, JOB_COUNTS, status);
	pack_counts(packer, "cache", cache_counts, CACHE_COUNTS, status);
}

bool
status_decode(const msgpack_object *result, struct status *to)
{
	*to = (struct status){0};
	return value_slice(value_member(result, "version"), &to->version) &&
	       value_int64(value_member(result, "uptime_ms"), &to->uptime_ms) &&
	       value_int64(value_member(result, "sessions"), &to->sessions) &&
	       read_counts(result, "jobs", job_counts, JOB_COUNTS, to) &&
	       read_counts(result, "cache", cache_counts, CACHE_COUNTS, to);
}

void
models_begin(msgpack_packer *packer, size_t count)
{
	msgpack_pack_map(packer, 1);
	pack_name(packer, "models");
	msgpack_pack_array(packer, count);
}

void
model_report_encode(msgpack_packer *packer, const struct model_report *report)
{
	msgpack_pack_map(packer, 6);
	pack_name(packer, "provider");
	pack_text(packer, report->provider);
	pack_name(packer, "model");
	pack_text(packer, report->model);
	pack_name(packer, "usable");
	pack_bool(packer, report->usable);
	pack_number(packer, "context", report->context);
	pack_name(packer, "good_at");
	pack_text(packer, report->good_at);
	pack_name(packer, "trains_on_prompts");
	pack_text(packer, report->trains_on_prompts);
}

const msgpack_object_array *
models_decode(const msgpack_object *result)
{
	const msgpack_object *models = value_member(result, "models");
	if (models == NULL || models->type != MSGPACK_OBJECT_ARRAY)
		return NULL;
	return &models->via.array;
}

bool
model_report_decode(const msgpack_object *element, struct model_report *to)
{
	*to = (struct model_report){0};
	return value_slice(value_member(element, "provider"), &to->provider) &&
	       value_slice(value_member(element, "model"), &to->model) &&
	       value_bool(value_member(element, "usable"), &to->usable) &&
	       value_int64(value_member(element, "context"), &to->context) &&
	       value_slice(value_member(element, "good_at"), &to->good_at) &&
	       value_slice(value_member(element, "trains_on_prompts"), &to->trains_on_prompts);
}
