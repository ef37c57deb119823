/*
 * The loop's side: reads, and the queue of writes.
 *
 * A put is queued for the writer and kept in a small table until it has been written, so that a
 * question asked again at once finds its answer. Only the loop touches the table; the writer hands
 * written puts back, and the loop frees them.
 */
#include "store_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

void
store_expiry_encode(unsigned char to[EXPIRY_BYTES], int64_t expires_at_ms)
{
	for (int i = 0; i < EXPIRY_BYTES; i++)
		to[i] = (unsigned char)((uint64_t)expires_at_ms >> (8 * (EXPIRY_BYTES - 1 - i)));
}

int64_t
store_expiry_decode(const unsigned char from[EXPIRY_BYTES])
{
	uint64_t value = 0;
	for (int i = 0; i < EXPIRY_BYTES; i++)
		value = value << 8 | from[i];
	return (int64_t)value;
}

/* Frees what the writer has written. Not between store_get and store_release. */
static void
reap(struct store *s)
{
	if (!atomic_load_explicit(&s->has_written, memory_order_acquire))
		return;
	pthread_mutex_lock(&s->lock);
	struct put *put = s->written;
	s->written = NULL;
	atomic_store(&s->has_written, false);
	pthread_mutex_unlock(&s->lock);
	while (put) {
		struct put *next = put->next;
		struct put **at = &s->buckets[put->key[0] % BUCKETS];
		while (*at != put)
			at = &(*at)->chain;
		*at = put->chain;
		s->pending_bytes -= sizeof *put + put->len;
		free(put);
		put = next;
	}
}

static const struct put *
find_pending(const struct store *s, const unsigned char key[STORE_KEY_BYTES])
{
	const struct put *put = s->buckets[key[0] % BUCKETS];
	while (put && memcmp(put->key, key, STORE_KEY_BYTES) != 0)
		put = put->chain;
	return put;
}

bool
store_get(struct store *s, const unsigned char key[STORE_KEY_BYTES], int64_t now_ms,
	struct slice *value)
{
	reap(s);
	const struct put *put = find_pending(s, key);
	if (put) {
		*value = (struct slice){put->value, put->len};
		return put->expires_at_ms > now_ms;
	}
	MDB_val name = {STORE_KEY_BYTES, (void *)key}, found;
	if (s->read == NULL || mdb_txn_renew(s->read) != 0)
		return false;
	s->read_active = true;
	if (mdb_get(s->read, s->entries, &name, &found) == 0 && found.mv_size >= EXPIRY_BYTES &&
		store_expiry_decode(found.mv_data) > now_ms) {
		value->data = (const char *)found.mv_data + EXPIRY_BYTES;
		value->len = found.mv_size - EXPIRY_BYTES;
		return true;
	}
	store_release(s);
	return false;
}

void
store_release(struct store *s)
{
	if (s->read_active)
		mdb_txn_reset(s->read);
	s->read_active = false;
}

void
store_put(struct store *s, const unsigned char key[STORE_KEY_BYTES], struct slice value,
	int64_t expires_at_ms)
{
	size_t bytes = sizeof(struct put) + value.len;
	reap(s);
	struct put *put = NULL;
	if (value.len <= s->map_bytes / LARGEST_SHARE && s->pending_bytes + bytes <= s->max_pending)
		put = malloc(bytes);
	if (put == NULL) {
		s->dropped++;
		return;
	}
	memcpy(put->key, key, STORE_KEY_BYTES);
	put->expires_at_ms = expires_at_ms;
	put->len = value.len;
	if (value.len > 0)
		memcpy(put->value, value.data, value.len);
	put->next = NULL;
	put->chain = s->buckets[key[0] % BUCKETS];
	s->buckets[key[0] % BUCKETS] = put;
	s->pending_bytes += bytes;

	pthread_mutex_lock(&s->lock);
	*s->queue_end = put;
	s->queue_end = &put->next;
	s->queued_count++;
	if (s->asleep)
		pthread_cond_signal(&s->wake);
	pthread_mutex_unlock(&s->lock);
}

void
store_flush(struct store *s)
{
	pthread_mutex_lock(&s->lock);
	uint64_t until = s->queued_count;
	s->hurry = true;
	pthread_cond_signal(&s->wake);
	while (s->written_count < until)
		pthread_cond_wait(&s->written_more, &s->lock);
	s->hurry = false;
	pthread_mutex_unlock(&s->lock);
	reap(s);
}

void
store_get_stats(struct store *s, struct store_stats *to)
{
	pthread_mutex_lock(&s->lock);
	*to = s->stats;
	pthread_mutex_unlock(&s->lock);
	to->dropped = s->dropped;
}

/* Like mkdir -p, each part with mode 0700. */
static int
make_folders(const char *directory)
{
	char *path = strdup(directory);
	int result = 0;
	if (path == NULL)
		abort();
	for (char *p = path + (*path == '/'); result == 0; p++) {
		char c = *p;
		if (c != '/' && c != '\0')
			continue;
		*p = '\0';
		if (mkdir(path, 0700) != 0 && errno != EEXIST)
			result = -errno;
		*p = c;
		if (c == '\0')
			break;
	}
	free(path);
	return result;
}

/* LMDB would let a second daemon in; one writer thread is our own rule. */
static int
lock_folder(struct store *s, const char *directory, struct bytes *why)
{
	struct bytes path = {0};
	char pid[32] = "";
	bytes_printf(&path, "%s/lock", directory);
	int fd = open(bytes_cstr(&path), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	bytes_finish(&path);
	if (fd < 0) {
		int error = errno;
		bytes_printf(why, "%s/lock: %s", directory, strerror(error));
		return -error;
	}
	if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
		ssize_t len = read(fd, pid, sizeof pid - 1);
		pid[len > 0 ? len : 0] = '\0';
		pid[strcspn(pid, "\n")] = '\0';
		bytes_printf(why,
			"%s is in use by another freellmd (process %s); stop it, or set another "
			"state_dir",
			directory, pid);
		close(fd);
		return -EBUSY;
	}
	int len = snprintf(pid, sizeof pid, "%d\n", (int)getpid());
	if (ftruncate(fd, 0) != 0 || write(fd, pid, (size_t)len) != len) {
		/* The lock holds all the same; only the name of its owner is missing: the disk is
		 * full. */
	}
	s->lock_fd = fd;
	return 0;
}

static int
start_writer(struct store *s)
{
	sigset_t all, before;
	pthread_condattr_t attributes;
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->wake, &attributes);
	pthread_cond_init(&s->written_more, NULL);
	pthread_condattr_destroy(&attributes);
	sigfillset(&all); /* signals are the loop's */
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int result = pthread_create(&s->writer, NULL, store_writer_main, s);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return -result;
}

int
store_open(struct store **to, const struct store_options *options, struct bytes *why)
{
	struct store *s = calloc(1, sizeof *s);
	long page = sysconf(_SC_PAGESIZE);
	if (s == NULL)
		abort();
	*to = NULL;
	s->lock_fd = -1;
	s->queue_end = &s->queue;
	s->max_pending = options->max_pending;
	s->map_bytes = options->max_bytes - options->max_bytes % (size_t)page;

	int result = make_folders(options->directory);
	if (result != 0)
		bytes_printf(why, "%s: %s", options->directory, strerror(-result));
	if (result == 0)
		result = lock_folder(s, options->directory, why);
	if (result == 0)
		result = store_open_environment(s, options->directory, why);
	if (result == 0 && (result = start_writer(s)) != 0)
		bytes_printf(why, "the writer thread: %s", strerror(-result));
	if (result != 0) {
		if (s->read)
			mdb_txn_abort(s->read);
		if (s->env)
			mdb_env_close(s->env);
		if (s->lock_fd >= 0)
			close(s->lock_fd);
		free(s);
		return result;
	}
	*to = s;
	return 0;
}

void
store_close(struct store *s)
{
	if (s == NULL)
		return;
	pthread_mutex_lock(&s->lock);
	s->stop = true;
	pthread_cond_signal(&s->wake);
	pthread_mutex_unlock(&s->lock);
	pthread_join(s->writer, NULL);
	reap(s);
	mdb_txn_abort(s->read);
	mdb_env_close(s->env);
	pthread_mutex_destroy(&s->lock);
	pthread_cond_destroy(&s->wake);
	pthread_cond_destroy(&s->written_more);
	close(s->lock_fd);
	free(s);
}
