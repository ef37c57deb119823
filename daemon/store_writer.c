/*
 * The writer thread: every LMDB write of the daemon.
 *
 * It sleeps until something is queued, waits a moment for more, and writes all of it in one durable
 * commit: a commit costs its 0.5 to 3 ms of disk however much is in it, so a busy cache commits ten
 * times a second and an idle one never. What is lost to kill -9 or to the power is that moment's
 * answers; the file stays whole.
 */
#include "store_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "log.h"

/*
 * LMDB copies each page that it changes, and the pages that a commit sets free serve only the
 * commit after the next. So a part of the map stays empty, and a transaction may ask for no more
 * than a share of the map: a small value can cost the copies of three pages (its own, its expiry's,
 * and that of what is evicted for it).
 */
enum {
	GATHER_MS = 100,
	FULL_PERCENT = 80,
	RELIEVED_PERCENT = 40,
	PAGE = 4096,
	PAGES_PER_PUT = 3,
	BATCH_SHARE = 16, /* a batch asks for 1/16 of the map */
	EXPIRED_PER_BATCH = 64,
};

static size_t
cost_of(const struct put *put)
{
	return put->len + (size_t)PAGES_PER_PUT * PAGE;
}

static int64_t
realtime_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int
delete_row(struct store *s, MDB_txn *txn, const unsigned char row[EXPIRY_ROW_BYTES])
{
	MDB_val expiry = {EXPIRY_ROW_BYTES, (void *)row};
	MDB_val key = {STORE_KEY_BYTES, (void *)(row + EXPIRY_BYTES)};
	int result = mdb_del(txn, s->expiry, &expiry, NULL);
	if (result == 0 || result == MDB_NOTFOUND)
		result = mdb_del(txn, s->entries, &key, NULL);
	return result == MDB_NOTFOUND ? 0 : result;
}

/* Copies the row with the oldest expiry. Returns MDB_NOTFOUND when there is none. */
static int
oldest_row(struct store *s, MDB_txn *txn, unsigned char row[EXPIRY_ROW_BYTES])
{
	MDB_cursor *cursor;
	MDB_val key, value;
	int result = mdb_cursor_open(txn, s->expiry, &cursor);
	if (result != 0)
		return result;
	result = mdb_cursor_get(cursor, &key, &value, MDB_FIRST);
	if (result == 0 && key.mv_size != EXPIRY_ROW_BYTES)
		result = MDB_CORRUPTED;
	if (result == 0)
		memcpy(row, key.mv_data, EXPIRY_ROW_BYTES);
	mdb_cursor_close(cursor);
	return result;
}

static int
remove_expired(struct store *s, MDB_txn *txn, int64_t now_ms)
{
	unsigned char row[EXPIRY_ROW_BYTES];
	size_t most = s->map_bytes / PAGE / 64; /* each may cost the copy of a page */
	for (size_t i = 0; i < most && i < EXPIRED_PER_BATCH; i++) {
		int result = oldest_row(s, txn, row);
		if (result != 0)
			return result == MDB_NOTFOUND ? 0 : result;
		if (store_expiry_decode(row) > now_ms)
			return 0;
		if ((result = delete_row(s, txn, row)) != 0)
			return result;
	}
	return 0;
}

size_t
store_bytes_of(MDB_txn *txn, MDB_dbi dbi)
{
	MDB_stat stat;
	if (mdb_stat(txn, dbi, &stat) != 0)
		return 0;
	return (stat.ms_branch_pages + stat.ms_leaf_pages + stat.ms_overflow_pages) * stat.ms_psize;
}

/* Makes the entries and `needed` more bytes fit into a part of the map, oldest expiry out first. */
static int
evict(struct store *s, MDB_txn *txn, size_t needed, unsigned percent, uint64_t *evicted)
{
	unsigned char row[EXPIRY_ROW_BYTES];
	size_t allowed = s->map_bytes / 100 * percent;
	while (store_bytes_of(txn, s->entries) + store_bytes_of(txn, s->expiry) + needed >
		allowed) {
		int result = oldest_row(s, txn, row);
		if (result != 0)
			return result == MDB_NOTFOUND ? 0 : result;
		if ((result = delete_row(s, txn, row)) != 0)
			return result;
		++*evicted;
	}
	return 0;
}

static int
write_one(struct store *s, MDB_txn *txn, const struct put *put, uint64_t *evicted)
{
	unsigned char row[EXPIRY_ROW_BYTES];
	MDB_val key = {STORE_KEY_BYTES, (void *)put->key}, value;
	int result = mdb_get(txn, s->entries, &key, &value);
	if (result == 0 && value.mv_size >= EXPIRY_BYTES) {
		memcpy(row, value.mv_data, EXPIRY_BYTES);
		memcpy(row + EXPIRY_BYTES, put->key, STORE_KEY_BYTES);
		result = delete_row(s, txn, row);
	}
	if (result != 0 && result != MDB_NOTFOUND)
		return result;
	if ((result = evict(s, txn, cost_of(put), FULL_PERCENT, evicted)) != 0)
		return result;

	value = (MDB_val){EXPIRY_BYTES + put->len, NULL};
	if ((result = mdb_put(txn, s->entries, &key, &value, MDB_RESERVE)) != 0)
		return result;
	store_expiry_encode(value.mv_data, put->expires_at_ms);
	memcpy((char *)value.mv_data + EXPIRY_BYTES, put->value, put->len);

	store_expiry_encode(row, put->expires_at_ms);
	memcpy(row + EXPIRY_BYTES, put->key, STORE_KEY_BYTES);
	MDB_val expiry = {EXPIRY_ROW_BYTES, row}, nothing = {0, NULL};
	return mdb_put(txn, s->expiry, &expiry, &nothing, 0);
}

struct batch_result {
	uint64_t evicted, entries, bytes;
};

/* Writes puts from *at on, as many as fit a transaction, and moves *at behind them. */
static int
write_batch(struct store *s, const struct put **at, struct batch_result *done)
{
	MDB_txn *txn;
	MDB_stat stat;
	const struct put *put = *at;
	size_t cost = 0;
	uint64_t evicted = 0;
	int result = mdb_txn_begin(s->env, NULL, 0, &txn);
	if (result != 0)
		return result;
	result = remove_expired(s, txn, realtime_ms());
	while (result == 0 && put &&
		(cost == 0 || cost + cost_of(put) < s->map_bytes / BATCH_SHARE)) {
		cost += cost_of(put);
		result = write_one(s, txn, put, &evicted);
		put = put->next;
	}
	if (result == 0)
		result = mdb_stat(txn, s->entries, &stat);
	if (result != 0) {
		mdb_txn_abort(txn);
		return result;
	}
	size_t bytes = store_bytes_of(txn, s->entries) + store_bytes_of(txn, s->expiry);
	if ((result = mdb_txn_commit(txn)) != 0)
		return result;
	done->entries = stat.ms_entries;
	done->bytes = bytes;
	done->evicted += evicted;
	*at = put;
	return 0;
}

/* A commit that changes nothing: behind it, what the commit before it set free can be used. */
static int
commit_again(struct store *s)
{
	MDB_txn *txn;
	unsigned char format = STORE_FORMAT;
	MDB_val name = {sizeof STORE_FORMAT_NAME - 1, (void *)STORE_FORMAT_NAME};
	MDB_val value = {1, &format};
	int result = mdb_txn_begin(s->env, NULL, 0, &txn);
	if (result != 0)
		return result;
	if ((result = mdb_put(txn, s->meta, &name, &value, 0)) != 0) {
		mdb_txn_abort(txn);
		return result;
	}
	return mdb_txn_commit(txn);
}

/*
 * The map is full although it should not be: a large value needs pages that lie side by side, and
 * what is free is scattered. Half of the entries go first, and if that does not help, all of them.
 */
static int
relieve(struct store *s, bool all, struct batch_result *done)
{
	MDB_txn *txn;
	MDB_stat stat;
	uint64_t evicted = 0;
	int result = mdb_txn_begin(s->env, NULL, 0, &txn);
	if (result != 0)
		return result;
	if (!all) {
		result = evict(s, txn, 0, RELIEVED_PERCENT, &evicted);
	} else if ((result = mdb_stat(txn, s->entries, &stat)) == 0) {
		evicted = stat.ms_entries;
		result = mdb_drop(txn, s->entries, 0);
		if (result == 0)
			result = mdb_drop(txn, s->expiry, 0);
	}
	if (result != 0) {
		mdb_txn_abort(txn);
		return result;
	}
	if ((result = mdb_txn_commit(txn)) != 0)
		return result;
	done->evicted += evicted;
	return commit_again(s);
}

static void
complain(struct store *s, int result)
{
	if (!s->complained)
		log_warning(
			"cache: %s; answers are not kept until this is over", mdb_strerror(result));
	s->complained = true;
}

static void
write_all(struct store *s, const struct put *queue)
{
	struct batch_result done = {0};
	uint64_t failed = 0;
	int result = 0;
	const struct put *at = queue;
	while (at && result == 0) {
		result = write_batch(s, &at, &done);
		for (int all = 0; result == MDB_MAP_FULL && all <= 1; all++) {
			if ((result = relieve(s, all, &done)) == 0)
				result = write_batch(s, &at, &done);
		}
	}
	for (; at; at = at->next)
		failed++;
	if (result != 0) {
		complain(s, result);
	} else if (s->complained) {
		log_info("cache: answers are kept again");
		s->complained = false;
	}
	pthread_mutex_lock(&s->lock);
	s->stats.evicted += done.evicted;
	s->stats.failed += failed;
	if (result == 0) {
		s->stats.entries = done.entries;
		s->stats.bytes = done.bytes;
	}
	pthread_mutex_unlock(&s->lock);
}

/* Waits for the first put and then for the moment to be over, with the lock held. */
static void
gather(struct store *s)
{
	struct timespec until;
	s->asleep = true;
	while (s->queue == NULL && !s->stop)
		pthread_cond_wait(&s->wake, &s->lock);
	s->asleep = false;
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += GATHER_MS * 1000000L;
	if (until.tv_nsec >= 1000000000L) {
		until.tv_nsec -= 1000000000L;
		until.tv_sec++;
	}
	while (!s->stop && !s->hurry &&
		pthread_cond_timedwait(&s->wake, &s->lock, &until) != ETIMEDOUT)
		;
}

void *
store_writer_main(void *store)
{
	struct store *s = store;
	pthread_mutex_lock(&s->lock);
	for (;;) {
		gather(s);
		struct put *queue = s->queue;
		struct put **end = s->queue_end;
		uint64_t count = s->queued_count - s->written_count;
		if (queue == NULL)
			break;
		s->queue = NULL;
		s->queue_end = &s->queue;
		pthread_mutex_unlock(&s->lock);

		write_all(s, queue);

		pthread_mutex_lock(&s->lock);
		*end = s->written;
		s->written = queue;
		s->written_count += count;
		atomic_store_explicit(&s->has_written, true, memory_order_release);
		pthread_cond_broadcast(&s->written_more);
	}
	pthread_mutex_unlock(&s->lock);
	return NULL;
}
