/*
 * status and models: what the daemon is doing, and what it offers.
 */
#include "dispatch_internal.h"

#include "cache.h"
#include "catalog.h"
#include "clock.h"
#include "config.h"
#include "keyring.h"
#include "sched.h"
#include "status.h"

void
dispatch_status(struct session *s, const struct message *message)
{
	struct session_shared *shared = session_shared(s);
	struct sched_stats jobs;
	struct cache_stats cache;
	msgpack_packer packer;
	sched_get_stats(shared->parts.sched, &jobs);
	cache_get_stats(shared->parts.cache, &cache);
	const struct status status = {
		.version = slice_of(FREELLM_VERSION),
		.uptime_ms = clock_boottime_ms() - shared->started_ms,
		.sessions = (int64_t)shared->session_count,
		.jobs.accepted = (int64_t)jobs.accepted,
		.jobs.done = (int64_t)jobs.done,
		.jobs.failed = (int64_t)jobs.failed,
		.jobs.cancelled = (int64_t)jobs.cancelled,
		.jobs.queued = (int64_t)jobs.queued,
		.jobs.running = (int64_t)jobs.running,
		.cache.hits = (int64_t)cache.hits,
		.cache.misses = (int64_t)cache.misses,
		.cache.stored = (int64_t)cache.stored,
		.cache.too_large = (int64_t)cache.too_large,
		.cache.entries = (int64_t)cache.store.entries,
		.cache.bytes = (int64_t)cache.store.bytes,
		.cache.evicted = (int64_t)cache.store.evicted,
		.cache.dropped = (int64_t)cache.store.dropped,
		.cache.failed = (int64_t)cache.store.failed,
	};
	bytes_clear(&shared->scratch);
	message_begin_result(&shared->scratch, &packer, message->msgid);
	status_encode(&packer, &status);
	session_send(s, shared->scratch.data, shared->scratch.len);
}

static const char *
trains_name(enum tristate trains)
{
	return trains == YES ? "yes" : trains == NO ? "no" : "unknown";
}

static void
pack_model(msgpack_packer *packer, const struct model *m, bool usable)
{
	const struct provider *p = m->provider;
	const struct model_report report = {
		.provider = slice_of(p->name),
		.model = slice_of(m->id),
		.usable = usable,
		.context = m->context,
		.good_at = slice_of(m->good_at),
		.trains_on_prompts = slice_of(trains_name(p->trains)),
	};
	model_report_encode(packer, &report);
}

void
dispatch_models(struct session *s, const struct message *message)
{
	struct session_shared *shared = session_shared(s);
	const struct session_parts *parts = &shared->parts;
	int64_t now = clock_realtime_ms();
	size_t count = 0;
	for (const struct provider *p = parts->config->catalog.providers; p; p = p->next) {
		for (const struct model *m = p->models; m; m = m->next)
			count++;
	}
	msgpack_packer packer;
	bytes_clear(&shared->scratch);
	message_begin_result(&shared->scratch, &packer, message->msgid);
	models_begin(&packer, count);
	for (const struct provider *p = parts->config->catalog.providers; p; p = p->next) {
		bool usable = p->enabled && keyring_usable(parts->keyring, p, now);
		for (const struct model *m = p->models; m; m = m->next)
			pack_model(&packer, m, usable && m->enabled);
	}
	session_send(s, shared->scratch.data, shared->scratch.len);
}
