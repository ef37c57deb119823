/*
 * Opening the environment. A file that a crash of the machine or a stray hand has damaged must cost
 * the cache and nothing else; LMDB itself trusts its pages and would follow a bad one into a crash.
 * So a child walks every page first: whatever happens to it, the daemon only sees its exit status.
 */
#include "store_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "log.h"

enum { DATABASES = 3, FILE_MODE = 0600 };

static int
to_errno(int result)
{
	return result > 0 ? -result : -EIO;
}

/* Opens s->env and the databases, made when missing. The environment is closed again on failure. */
static int
open_file(struct store *s, const char *path, bool *unknown_format)
{
	MDB_txn *txn = NULL;
	MDB_val name = {sizeof STORE_FORMAT_NAME - 1, (void *)STORE_FORMAT_NAME}, value;
	unsigned char format = STORE_FORMAT;
	int result = mdb_env_create(&s->env);
	if (result != 0)
		return result;
	if ((result = mdb_env_set_mapsize(s->env, s->map_bytes)) != 0 ||
		(result = mdb_env_set_maxdbs(s->env, DATABASES)) != 0 ||
		(result = mdb_env_open(s->env, path, MDB_NOSUBDIR | MDB_NORDAHEAD, FILE_MODE)) !=
			0 ||
		(result = mdb_txn_begin(s->env, NULL, 0, &txn)) != 0 ||
		(result = mdb_dbi_open(txn, "meta", MDB_CREATE, &s->meta)) != 0 ||
		(result = mdb_dbi_open(txn, "entries", MDB_CREATE, &s->entries)) != 0 ||
		(result = mdb_dbi_open(txn, "expiry", MDB_CREATE, &s->expiry)) != 0)
		goto fail;
	result = mdb_get(txn, s->meta, &name, &value);
	if (result == MDB_NOTFOUND) {
		value = (MDB_val){1, &format};
		result = mdb_put(txn, s->meta, &name, &value, 0);
	} else if (result == 0 &&
		   (value.mv_size != 1 || *(unsigned char *)value.mv_data != STORE_FORMAT)) {
		*unknown_format = true;
		result = EPROTONOSUPPORT;
	}
	if (result != 0)
		goto fail;
	result = mdb_txn_commit(txn);
	txn = NULL;
	if (result == 0)
		return 0;
fail:
	if (txn)
		mdb_txn_abort(txn);
	mdb_env_close(s->env);
	s->env = NULL;
	return result;
}

/* Reads every page of a database, and so finds those that lie beyond the end of the file. */
static int
walk(MDB_txn *txn, MDB_dbi dbi, size_t key_bytes)
{
	MDB_cursor *cursor;
	MDB_val key, value;
	MDB_stat stat;
	size_t rows = 0;
	volatile unsigned char sum = 0; /* so that the reads are not optimised away */
	unsigned char before[EXPIRY_ROW_BYTES];
	int result = mdb_cursor_open(txn, dbi, &cursor);
	if (result != 0)
		return result;
	while ((result = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == 0) {
		if (key.mv_size != key_bytes ||
			(rows > 0 && memcmp(before, key.mv_data, key_bytes) >= 0)) {
			result = MDB_CORRUPTED;
			break;
		}
		memcpy(before, key.mv_data, key_bytes);
		for (size_t i = 0; i < value.mv_size; i += 512)
			sum ^= ((const unsigned char *)value.mv_data)[i];
		if (value.mv_size > 0)
			sum ^= ((const unsigned char *)value.mv_data)[value.mv_size - 1];
		rows++;
	}
	(void)sum;
	mdb_cursor_close(cursor);
	if (result != MDB_NOTFOUND)
		return result;
	if ((result = mdb_stat(txn, dbi, &stat)) != 0)
		return result;
	return stat.ms_entries == rows ? 0 : MDB_CORRUPTED;
}

/* LMDB's own list of free pages: a wrong number there would have a page in use written over. */
static int
walk_free(MDB_env *env, MDB_txn *txn)
{
	enum { FREE_DBI = 0 };
	MDB_cursor *cursor;
	MDB_val key, value;
	MDB_envinfo info;
	int result = mdb_cursor_open(txn, FREE_DBI, &cursor);
	if (result != 0)
		return result;
	mdb_env_info(env, &info);
	while ((result = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == 0) {
		/* A count, and as many page numbers, the largest first; pages 0 and 1 are never
		 * free. */
		const size_t *list = value.mv_data;
		bool good = key.mv_size == sizeof *list && value.mv_size >= sizeof *list &&
			    list[0] <= value.mv_size / sizeof *list - 1;
		for (size_t i = 1, before = info.me_last_pgno + 1; good && i <= list[0]; i++) {
			good = list[i] < before && list[i] >= 2;
			before = list[i];
		}
		if (!good) {
			result = MDB_CORRUPTED;
			break;
		}
	}
	mdb_cursor_close(cursor);
	return result == MDB_NOTFOUND ? 0 : result;
}

enum { WALK_GOOD = 0, WALK_DAMAGED = 1, WALK_UNKNOWN = 2, WALK_FAILED = 3 };

/* Whether a failure to open says nothing about the file. LMDB's own codes are negative. */
static bool
is_circumstance(int result)
{
	static const int circumstances[] = {
		ENOSPC, EFBIG, EDQUOT, EACCES, EPERM, EROFS, EMFILE, ENFILE, EISDIR, EAGAIN, EBUSY};
	for (size_t i = 0; i < sizeof circumstances / sizeof circumstances[0]; i++) {
		if (result == circumstances[i])
			return true;
	}
	return false;
}

static int
walk_file(const char *path, size_t map_bytes)
{
	struct store s = {.map_bytes = map_bytes};
	MDB_txn *txn;
	bool unknown = false;
	int result = open_file(&s, path, &unknown);
	if (unknown || result == MDB_VERSION_MISMATCH)
		return WALK_UNKNOWN;
	if (result != 0)
		return is_circumstance(result) ? WALK_FAILED : WALK_DAMAGED;
	if (mdb_txn_begin(s.env, NULL, MDB_RDONLY, &txn) != 0)
		return WALK_DAMAGED;
	if (walk(txn, s.entries, STORE_KEY_BYTES) != 0 ||
		walk(txn, s.expiry, EXPIRY_ROW_BYTES) != 0 || walk_free(s.env, txn) != 0)
		return WALK_DAMAGED;
	mdb_txn_abort(txn);
	mdb_env_close(s.env);
	return WALK_GOOD;
}

/* In a child, whose death is the worst that a damaged file can bring about. */
static int
examine(const char *path, size_t map_bytes)
{
	int status;
	pid_t pid = fork();
	if (pid < 0)
		return WALK_FAILED;
	if (pid == 0) {
		static const int deadly[] = {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL};
		for (size_t i = 0; i < sizeof deadly / sizeof deadly[0]; i++)
			signal(deadly[i], SIG_DFL);
		setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
		/* LMDB prints its failed assertions. */
		int null = open("/dev/null", O_WRONLY);
		if (null >= 0)
			dup2(null, STDERR_FILENO);
		_exit(walk_file(path, map_bytes));
	}
	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR)
			return WALK_FAILED;
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : WALK_DAMAGED;
}

static int
set_aside(const char *path, const char *reason, struct bytes *why)
{
	struct bytes aside = {0};
	int result = 0;
	bytes_printf(&aside, "%s.damaged", path);
	if (bytes_cstr(&aside) == NULL)
		abort();
	if (rename(path, aside.data) == 0) {
		log_warning("cache: %s %s; it is kept as %s, and an empty cache begun", path,
			reason, aside.data);
	} else {
		result = -errno;
		bytes_printf(why, "%s %s and cannot be moved to %s: %s", path, reason, aside.data,
			strerror(-result));
	}
	bytes_finish(&aside);
	return result;
}

/* Looks at what is there, before LMDB maps it. Returns 0 when the file may be opened, or made. */
static int
prepare(const char *path, size_t map_bytes, struct bytes *why)
{
	struct stat st;
	if (lstat(path, &st) != 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISREG(st.st_mode))
		return set_aside(path, "is not a file", why);
	if (st.st_size == 0)
		return 0;
	if ((size_t)st.st_size > map_bytes) {
		log_info("cache: %s is larger than max_size; an empty cache is begun", path);
		return unlink(path) == 0 ? 0 : -errno;
	}
	switch (examine(path, map_bytes)) {
	case WALK_DAMAGED:
		return set_aside(path, "is damaged", why);
	case WALK_UNKNOWN:
		bytes_printf(why,
			"%s was written by another version of freellmd or LMDB; move it away, or "
			"set another state_dir",
			path);
		return -EPROTONOSUPPORT;
	default:
		break;
	}
	return 0;
}

static void
read_stats(struct store *s)
{
	MDB_stat stat;
	if (mdb_stat(s->read, s->entries, &stat) == 0)
		s->stats.entries = stat.ms_entries;
	s->stats.bytes = store_bytes_of(s->read, s->entries) + store_bytes_of(s->read, s->expiry);
}

int
store_open_environment(struct store *s, const char *directory, struct bytes *why)
{
	struct bytes path = {0};
	bool unknown = false;
	bytes_printf(&path, "%s/cache.mdb", directory);
	if (bytes_cstr(&path) == NULL)
		abort();
	int result = prepare(path.data, s->map_bytes, why);
	if (result == 0) {
		int opened = open_file(s, path.data, &unknown);
		if (opened == 0)
			opened = mdb_txn_begin(s->env, NULL, MDB_RDONLY, &s->read);
		if (opened != 0) {
			result = to_errno(opened);
			bytes_printf(why, "%s: %s", path.data, mdb_strerror(opened));
		} else {
			read_stats(s);
			mdb_txn_reset(s->read);
		}
	} else if (why->len == 0) {
		bytes_printf(why, "%s: %s", path.data, strerror(-result));
	}
	bytes_finish(&path);
	return result;
}
