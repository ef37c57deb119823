/*
 * What can go wrong around a store: kill -9, damaged files, folders that cannot be used, a full
 * disk. What may kill its process is done in a child.
 */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <lmdb.h>

#include "log_capture.h"
#include "store_fixture.h"

static int
begin(void **state)
{
	struct store_fixture *f = malloc(sizeof *f);
	fixture_begin(f);
	*state = f;
	return 0;
}

static int
end(void **state)
{
	fixture_end(*state);
	free(*state);
	return 0;
}

static uint32_t random_state = 20240229;

static uint32_t
any(uint32_t below)
{
	random_state = random_state * 1664525U + 1013904223U;
	return (uint32_t)((uint64_t)random_state * below >> 32);
}

/* In a child, where cmocka's own cannot be used. */
#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);            \
			_exit(1);                                                                  \
		}                                                                                  \
	} while (0)

/* Runs `body` in a child and expects it to end well. */
static void
in_child(void (*body)(struct store_fixture *f), struct store_fixture *f)
{
	int status;
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		body(f);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		fail_msg("the child ended with status 0x%x", (unsigned)status);
}

static size_t
size_of(unsigned i)
{
	return i * 2654435761U % 9000;
}

/* Tells the parent after each flush how many are safe, and never ends by itself. */
static void
write_without_end(struct store_fixture *f, size_t map, int told)
{
	if (fixture_open(f, map) != 0)
		_exit(1);
	for (unsigned i = 0;; i++) {
		fixture_put(f->store, i, size_of(i), fixture_later() + i);
		if (i % 97 != 0)
			continue;
		store_flush(f->store);
		if (write(told, &i, sizeof i) != sizeof i)
			_exit(1);
	}
}

static void
test_killed_while_writing(void **state)
{
	enum { ROUNDS = 14 };
	struct store_fixture *f = *state;
	for (int round = 0; round < ROUNDS; round++) {
		/* Every other one is small, so that entries are evicted all the time. */
		bool small = round % 2 == 1;
		size_t map = small ? 2 * MIB : 512 * MIB;
		int told[2];
		unsigned safe = 0, found = 0;
		unlink(f->file);
		assert_int_equal(pipe(told), 0);
		pid_t pid = fork();
		assert_true(pid >= 0);
		if (pid == 0)
			write_without_end(f, map, told[1]);
		close(told[1]);
		assert_int_equal(read(told[0], &safe, sizeof safe), sizeof safe);
		usleep(any(200000));
		kill(pid, SIGKILL);
		assert_int_equal(waitpid(pid, NULL, 0), pid);
		while (read(told[0], &safe, sizeof safe) == sizeof safe)
			;
		close(told[0]);

		assert_int_equal(fixture_open(f, map), 0);
		assert_false(log_capture_has("damaged"));
		for (unsigned i = 0; i <= safe; i++) {
			enum found one = fixture_get(f->store, i, size_of(i), 0);
			assert_int_not_equal(one, WRONG);
			if (!small)
				assert_int_equal(one, RIGHT);
			found += one == RIGHT;
		}
		assert_true(found > 0);
		fixture_put(f->store, safe, size_of(safe), fixture_later());
		store_flush(f->store);
		assert_int_equal(fixture_get(f->store, safe, size_of(safe), 0), RIGHT);
		fixture_close(f);
	}
}

enum { GOOD_ENTRIES = 300, GOOD_MAP = 8 * MIB };

/* A file with entries, and pages that were set free. Returns its size. */
static size_t
make_good_file(struct store_fixture *f)
{
	struct stat st;
	assert_int_equal(fixture_open(f, GOOD_MAP), 0);
	for (unsigned i = 0; i < GOOD_ENTRIES; i++) {
		fixture_put(f->store, i, 5000, fixture_later());
		if (i % 50 == 0)
			store_flush(f->store);
	}
	for (unsigned i = 0; i < GOOD_ENTRIES; i++) {
		fixture_put(f->store, i, size_of(i), fixture_later() + i);
		if (i % 50 == 0)
			store_flush(f->store);
	}
	fixture_close(f);
	assert_int_equal(stat(f->file, &st), 0);
	return (size_t)st.st_size;
}

/* Opens, reads all, writes, and reads that: whatever lies there, all of it must work. */
static void
use_it(struct store_fixture *f)
{
	CHECK(fixture_open(f, GOOD_MAP) == 0);
	for (unsigned i = 0; i < GOOD_ENTRIES; i++)
		(void)fixture_get(f->store, i, size_of(i), 0);
	for (unsigned i = 0; i < 2 * GOOD_ENTRIES; i++)
		fixture_put(f->store, 10000 + i, size_of(i), fixture_later());
	store_flush(f->store);
	for (unsigned i = 0; i < 2 * GOOD_ENTRIES; i++)
		CHECK(fixture_get(f->store, 10000 + i, size_of(i), 0) == RIGHT);
	fixture_close(f);
}

static bool
exists(const struct store_fixture *f, const char *name)
{
	char path[160];
	struct stat st;
	snprintf(path, sizeof path, "%s/%s", f->directory, name);
	return lstat(path, &st) == 0;
}

static void
forget_all(struct store_fixture *f)
{
	fixture_end(f);
	fixture_begin(f);
}

static void
test_truncated(void **state)
{
	struct store_fixture *f = *state;
	size_t size = make_good_file(f);
	const size_t cuts[] = {0, 1, 100, 4095, 4096, 5000, 8192, 12288, size / 4, size / 2,
		size / 4 * 3, size - 4096 * 3, size - 4096, size - 1};
	for (size_t i = 0; i < sizeof cuts / sizeof cuts[0]; i++) {
		forget_all(f);
		size = make_good_file(f);
		assert_int_equal(truncate(f->file, (off_t)cuts[i]), 0);
		in_child(use_it, f);
		/* Nothing at all is no damage, and the last pages may be free. */
		if (cuts[i] > 0 && cuts[i] <= size / 4 * 3)
			assert_true(exists(f, "cache.mdb.damaged"));
		if (cuts[i] == 0)
			assert_false(exists(f, "cache.mdb.damaged"));
	}
}

static void
scribble(const struct store_fixture *f, size_t at, size_t len)
{
	int fd = open(f->file, O_WRONLY);
	unsigned char garbage[8192];
	assert_true(len <= sizeof garbage);
	for (size_t i = 0; i < len; i++)
		garbage[i] = (unsigned char)any(256);
	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, garbage, len, (off_t)at), (ssize_t)len);
	close(fd);
}

static void
test_garbage_at_the_start(void **state)
{
	struct store_fixture *f = *state;
	static const size_t lens[] = {64, 4096, 8192};
	for (size_t i = 0; i < sizeof lens / sizeof lens[0]; i++) {
		make_good_file(f);
		scribble(f, 0, lens[i]);
		in_child(use_it, f);
		assert_true(exists(f, "cache.mdb.damaged"));
		forget_all(f);
	}
}

static void
test_garbage_in_the_middle(void **state)
{
	struct store_fixture *f = *state;
	for (int round = 0; round < 40; round++) {
		size_t size = make_good_file(f);
		size_t len = round % 2 ? 4096 : 1 + any(512);
		size_t at = 8192 + any((uint32_t)(size - 8192 - len));
		scribble(f, round % 2 ? at - at % 4096 : at, len);
		in_child(use_it, f);
		forget_all(f);
	}
}

static void
test_garbage_at_the_end_harms_nothing(void **state)
{
	struct store_fixture *f = *state;
	size_t size = make_good_file(f);
	scribble(f, size, 5000);
	assert_int_equal(fixture_open(f, GOOD_MAP), 0);
	for (unsigned i = 0; i < GOOD_ENTRIES; i++)
		assert_int_equal(fixture_get(f->store, i, size_of(i), 0), RIGHT);
	fixture_close(f);
	in_child(use_it, f);
	assert_false(exists(f, "cache.mdb.damaged"));
}

static void
test_not_ours(void **state)
{
	struct store_fixture *f = *state;
	static const char text[] = "this is a letter\n";
	FILE *file = fopen(f->file, "w");
	assert_non_null(file);
	for (int i = 0; i < 10000; i++)
		fputs(text, file);
	fclose(file);
	assert_int_equal(fixture_open(f, MIB), 0);
	assert_int_equal(log_capture_count("is damaged"), 1);
	fixture_close(f);

	forget_all(f);
	assert_int_equal(mkdir(f->file, 0700), 0);
	assert_int_equal(fixture_open(f, MIB), 0);
	assert_int_equal(log_capture_count("is not a file"), 1);
	fixture_put(f->store, 1, 10, fixture_later());
	fixture_close(f);

	/* What was moved aside before is in the way, and is not thrown away. */
	forget_all(f);
	char aside[160];
	snprintf(aside, sizeof aside, "%s.damaged", f->file);
	assert_int_equal(mkdir(aside, 0700), 0);
	file = fopen(f->file, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
	assert_int_equal(fixture_open(f, MIB), -EISDIR);
	assert_non_null(strstr(f->why.data, "cannot be moved"));
	assert_true(exists(f, "cache.mdb"));
}

/* The whole file, for the caller to free. */
static char *
read_all(const char *path, size_t *len)
{
	struct stat st;
	int fd = open(path, O_RDONLY);
	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	char *data = malloc((size_t)st.st_size + 1);
	assert_non_null(data);
	*len = (size_t)st.st_size;
	assert_int_equal(read(fd, data, *len), st.st_size);
	close(fd);
	return data;
}

static void
set_format(const struct store_fixture *f, unsigned char format)
{
	MDB_env *env;
	MDB_txn *txn;
	MDB_dbi meta;
	MDB_val name = {6, (void *)"format"}, value = {1, &format};
	assert_int_equal(mdb_env_create(&env), 0);
	assert_int_equal(mdb_env_set_maxdbs(env, 3), 0);
	assert_int_equal(mdb_env_open(env, f->file, MDB_NOSUBDIR, 0600), 0);
	assert_int_equal(mdb_txn_begin(env, NULL, 0, &txn), 0);
	assert_int_equal(mdb_dbi_open(txn, "meta", 0, &meta), 0);
	assert_int_equal(mdb_put(txn, meta, &name, &value, 0), 0);
	assert_int_equal(mdb_txn_commit(txn), 0);
	mdb_env_close(env);
}

static void
test_unknown_format_is_left_alone(void **state)
{
	struct store_fixture *f = *state;
	size_t before_len, after_len;
	make_good_file(f);
	set_format(f, 77);
	char *before = read_all(f->file, &before_len);
	assert_int_equal(fixture_open(f, GOOD_MAP), -EPROTONOSUPPORT);
	assert_null(f->store);
	assert_non_null(strstr(f->why.data, f->file));
	assert_non_null(strstr(f->why.data, "another version"));
	char *after = read_all(f->file, &after_len);
	assert_int_equal(before_len, after_len);
	assert_memory_equal(before, after, after_len);
	assert_false(exists(f, "cache.mdb.damaged"));
	free(before);
	free(after);

	set_format(f, 1);
	assert_int_equal(fixture_open(f, GOOD_MAP), 0);
	assert_int_equal(fixture_get(f->store, 5, size_of(5), 0), RIGHT);
}

static void
test_second_open_is_refused(void **state)
{
	struct store_fixture *f = *state;
	struct store *second;
	struct store_options options = {f->directory, MIB, MIB};
	char pid[32];
	assert_int_equal(fixture_open(f, MIB), 0);
	assert_int_equal(store_open(&second, &options, &f->why), -EBUSY);
	assert_null(second);
	snprintf(pid, sizeof pid, "(process %d)", (int)getpid());
	assert_non_null(strstr(bytes_cstr(&f->why), pid));
	assert_non_null(strstr(f->why.data, f->directory));
	fixture_put(f->store, 1, 10, fixture_later());
	fixture_close(f);
	assert_int_equal(fixture_open(f, MIB), 0);
	assert_int_equal(fixture_get(f->store, 1, 10, 0), RIGHT);
}

static int
open_at(struct store_fixture *f, const char *directory)
{
	struct store_options options = {directory, MIB, MIB};
	bytes_clear(&f->why);
	int result = store_open(&f->store, &options, &f->why);
	bytes_cstr(&f->why);
	return result;
}

static void
test_folders(void **state)
{
	struct store_fixture *f = *state;
	char path[160];
	struct stat st;
	snprintf(path, sizeof path, "%s/a//b/c/", f->directory);
	assert_int_equal(open_at(f, path), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
	fixture_close(f);

	assert_int_equal(open_at(f, ""), -ENOENT);
	snprintf(path, sizeof path, "%s/a/b/c/lock", f->directory);
	assert_int_equal(open_at(f, path), -ENOTDIR);
	assert_non_null(strstr(f->why.data, path));
	snprintf(path, sizeof path, "%s/a/b/c/lock/d", f->directory);
	assert_int_equal(open_at(f, path), -ENOTDIR);
	assert_int_equal(open_at(f, "/proc/freellm"), -ENOENT);
	assert_non_null(strstr(f->why.data, "/proc/freellm"));
}

static void
open_without_rights(struct store_fixture *f)
{
	enum { NOBODY = 65534 };
	char path[160];
	if (getuid() == 0)
		CHECK(setgid(NOBODY) == 0 && setuid(NOBODY) == 0);
	CHECK(open_at(f, f->directory) == -EACCES);
	CHECK(f->store == NULL && strstr(f->why.data, f->directory));
	snprintf(path, sizeof path, "%s/more", f->directory);
	CHECK(open_at(f, path) == -EACCES);
	CHECK(strstr(f->why.data, path));
	bytes_finish(&f->why);
}

static void
test_not_writable(void **state)
{
	struct store_fixture *f = *state;
	assert_int_equal(chmod(f->directory, 0500), 0);
	in_child(open_without_rights, f);
	assert_int_equal(chmod(f->directory, 0700), 0);
}

enum { SMALL = 4000, LARGE = 40000, LARGE_ONES = 100 };

/* A large one never fits into the pages that the small ones left free, however the writer divides
 * them. */
static void
fill_disk(struct store_fixture *f, void (*full)(struct store_fixture *f),
	void (*room)(struct store_fixture *f))
{
	struct store_stats stats;
	CHECK(fixture_open(f, 64 * MIB) == 0);
	for (unsigned i = 0; i < 50; i++)
		fixture_put(f->store, i, SMALL, fixture_later());
	store_flush(f->store);
	full(f);
	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < LARGE_ONES; i++)
			fixture_put(f->store, 1000 + i, LARGE, fixture_later());
		store_flush(f->store);
	}
	store_get_stats(f->store, &stats);
	CHECK(stats.failed > 0 && stats.dropped == 0);
	CHECK(log_capture_count("answers are not kept until this is over") == 1);
	CHECK(!log_capture_has("kept again"));
	for (unsigned i = 0; i < 50; i++)
		CHECK(fixture_get(f->store, i, SMALL, 0) == RIGHT);

	room(f);
	for (unsigned i = 0; i < LARGE_ONES; i++)
		fixture_put(f->store, 3000 + i, LARGE, fixture_later());
	store_flush(f->store);
	CHECK(log_capture_count("answers are kept again") == 1);
	uint64_t failed = stats.failed;
	store_get_stats(f->store, &stats);
	CHECK(stats.failed == failed);
	for (unsigned i = 0; i < LARGE_ONES; i++)
		CHECK(fixture_get(f->store, 3000 + i, LARGE, 0) == RIGHT);
	fixture_close(f);
	CHECK(fixture_open(f, 64 * MIB) == 0);
	CHECK(!log_capture_has("damaged"));
	for (unsigned i = 0; i < 50; i++)
		CHECK(fixture_get(f->store, i, SMALL, 0) == RIGHT);
	for (unsigned i = 0; i < LARGE_ONES; i++)
		CHECK(fixture_get(f->store, 3000 + i, LARGE, 0) == RIGHT);
	fixture_close(f);
}

static void
limit_files(struct store_fixture *f)
{
	struct stat st;
	struct rlimit limit;
	CHECK(stat(f->file, &st) == 0 && getrlimit(RLIMIT_FSIZE, &limit) == 0);
	limit.rlim_cur = (rlim_t)st.st_size;
	CHECK(setrlimit(RLIMIT_FSIZE, &limit) == 0);
}

static void
unlimit_files(struct store_fixture *f)
{
	struct rlimit limit;
	CHECK(getrlimit(RLIMIT_FSIZE, &limit) == 0);
	limit.rlim_cur = limit.rlim_max;
	CHECK(setrlimit(RLIMIT_FSIZE, &limit) == 0);
}

static void
fill_limited(struct store_fixture *f)
{
	signal(SIGXFSZ, SIG_IGN);
	fill_disk(f, limit_files, unlimit_files);
}

static void
test_file_size_limit(void **state)
{
	in_child(fill_limited, *state);
}

static void
fill_up(struct store_fixture *f)
{
	char path[160], block[4096] = {1};
	snprintf(path, sizeof path, "%s/filler", f->directory);
	int fd = open(path, O_WRONLY | O_CREAT, 0600);
	CHECK(fd >= 0);
	while (write(fd, block, sizeof block) == sizeof block)
		;
	CHECK(errno == ENOSPC);
	close(fd);
}

static void
make_room(struct store_fixture *f)
{
	char path[160];
	snprintf(path, sizeof path, "%s/filler", f->directory);
	CHECK(unlink(path) == 0);
}

/* In a mount namespace of its own, so that nothing stays behind. */
static void
fill_mount(struct store_fixture *f)
{
	if (unshare(CLONE_NEWNS) != 0 ||
		mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) != 0 ||
		mount("freellm", f->directory, "tmpfs", 0, "size=32m") != 0) {
		printf("# left out, a small disk that is full: mounting one is not permitted "
		       "(%s)\n",
			strerror(errno));
		fflush(stdout);
		return;
	}
	fill_disk(f, fill_up, make_room);
}

static void
test_full_disk(void **state)
{
	in_child(fill_mount, *state);
}

#define FAULT_TEST(test) cmocka_unit_test_setup_teardown(test, begin, end)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		FAULT_TEST(test_killed_while_writing),
		FAULT_TEST(test_truncated),
		FAULT_TEST(test_garbage_at_the_start),
		FAULT_TEST(test_garbage_in_the_middle),
		FAULT_TEST(test_garbage_at_the_end_harms_nothing),
		FAULT_TEST(test_not_ours),
		FAULT_TEST(test_unknown_format_is_left_alone),
		FAULT_TEST(test_second_open_is_refused),
		FAULT_TEST(test_folders),
		FAULT_TEST(test_not_writable),
		FAULT_TEST(test_file_size_limit),
		FAULT_TEST(test_full_disk),
	};
	return cmocka_run_group_tests_name("store_faults", tests, NULL, NULL);
}
