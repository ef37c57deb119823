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

static void
pack_count(msgpack_packer *packer, const char *name, uint64_t value)
{
	pack_name(packer, name);
	msgpack_pack_uint64(packer, value);
}

static void
pack_jobs(msgpack_packer *packer, const struct sched *sched)
{
	struct sched_stats stats;
	sched_get_stats(sched, &stats);
	pack_name(packer, "jobs");
	msgpack_pack_map(packer, 6);
	pack_count(packer, "accepted", stats.accepted);
	pack_count(packer, "done", stats.done);
	pack_count(packer, "failed", stats.failed);
	pack_count(packer, "cancelled", stats.cancelled);
	pack_count(packer, "queued", stats.queued);
	pack_count(packer, "running", stats.running);
}

static void
pack_cache(msgpack_packer *packer, const struct cache *cache)
{
	struct cache_stats stats;
	cache_get_stats(cache, &stats);
	pack_name(packer, "cache");
	msgpack_pack_map(packer, 9);
	pack_count(packer, "hits", stats.hits);
	pack_count(packer, "misses", stats.misses);
	pack_count(packer, "stored", stats.stored);
	pack_count(packer, "too_large", stats.too_large);
	pack_count(packer, "entries", stats.store.entries);
	pack_count(packer, "bytes", stats.store.bytes);
	pack_count(packer, "evicted", stats.store.evicted);
	pack_count(packer, "dropped", stats.store.dropped);
	pack_count(packer, "failed", stats.store.failed);
}

void
dispatch_status(struct session *s, const struct message *message)
{
	struct session_shared *shared = session_shared(s);
	const struct session_parts *parts = &shared->parts;
	msgpack_packer packer;
	bytes_clear(&shared->scratch);
	message_begin_result(&shared->scratch, &packer, message->msgid);
	msgpack_pack_map(&packer, 5);
	pack_name(&packer, "version");
	pack_name(&packer, FREELLM_VERSION);
	pack_count(&packer, "uptime_ms", (uint64_t)(clock_boottime_ms() - shared->started_ms));
	pack_count(&packer, "sessions", shared->session_count);
	pack_jobs(&packer, parts->sched);
	pack_cache(&packer, parts->cache);
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
	msgpack_pack_map(packer, 6);
	pack_name(packer, "provider");
	pack_name(packer, p->name);
	pack_name(packer, "model");
	pack_name(packer, m->id);
	pack_name(packer, "usable");
	usable ? msgpack_pack_true(packer) : msgpack_pack_false(packer);
	pack_count(packer, "context", (uint64_t)m->context);
	pack_name(packer, "good_at");
	pack_text(packer, slice_of(m->good_at));
	pack_name(packer, "trains_on_prompts");
	pack_name(packer, trains_name(p->trains));
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
	msgpack_pack_map(&packer, 1);
	pack_name(&packer, "models");
	msgpack_pack_array(&packer, count);
	for (const struct provider *p = parts->config->catalog.providers; p; p = p->next) {
		bool usable = p->enabled && keyring_usable(parts->keyring, p, now);
		for (const struct model *m = p->models; m; m = m->next)
			pack_model(&packer, m, usable && m->enabled);
	}
	session_send(s, shared->scratch.data, shared->scratch.len);
}
