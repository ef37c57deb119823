#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "listener.h"

struct fixture {
	char folder[64];
	char path[96];
	struct bytes why;
	struct listener listener;
};

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);
	strcpy(f->folder, "/tmp/freellm-listener-XXXXXX");
	assert_non_null(mkdtemp(f->folder));
	snprintf(f->path, sizeof f->path, "%s/s", f->folder);
	f->listener.fd = -1;
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;
	close(f->listener.fd);
	unlink(f->path);
	rmdir(f->folder);
	bytes_finish(&f->why);
	free(f);
	return 0;
}

static int
open_it(struct fixture *f)
{
	bytes_clear(&f->why);
	return listener_open(&f->listener, f->path, 0640, NULL, &f->why);
}

static bool
says(struct fixture *f, const char *part)
{
	return strstr(bytes_cstr(&f->why), part) != NULL;
}

static int
connect_to(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	int result = connect(fd, (struct sockaddr *)&address, sizeof address) == 0 ? 0 : -errno;
	close(fd);
	return result;
}

static void
test_listens_with_the_mode(void **state)
{
	struct fixture *f = *state;
	struct stat st;
	assert_int_equal(open_it(f), 0);
	assert_false(f->listener.activated);
	assert_int_equal(stat(f->path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
	assert_int_equal(connect_to(f->path), 0);
	assert_true(fcntl(f->listener.fd, F_GETFD) & FD_CLOEXEC);
	listener_unlink(&f->listener, f->path);
	assert_int_equal(access(f->path, F_OK), -1);
}

static void
test_replaces_a_stale_socket(void **state)
{
	struct fixture *f = *state;
	assert_int_equal(open_it(f), 0);
	close(f->listener.fd); /* as after kill -9: the file stays */
	assert_int_equal(connect_to(f->path), -ECONNREFUSED);
	assert_int_equal(open_it(f), 0);
	assert_int_equal(connect_to(f->path), 0);
}

static void
test_leaves_a_live_socket(void **state)
{
	struct fixture *f = *state;
	assert_int_equal(open_it(f), 0);
	struct listener second;
	assert_int_equal(listener_open(&second, f->path, 0600, NULL, &f->why), -EADDRINUSE);
	assert_true(says(f, "another freellmd listens on"));
	assert_int_equal(connect_to(f->path), 0);
}

static void
test_leaves_a_file(void **state)
{
	struct fixture *f = *state;
	int fd = open(f->path, O_CREAT | O_WRONLY, 0600);
	assert_int_equal(write(fd, "mine", 4), 4);
	close(fd);
	assert_int_equal(open_it(f), -EEXIST);
	assert_true(says(f, "not a socket"));
	assert_int_equal(access(f->path, F_OK), 0);
}

static void
test_missing_folder(void **state)
{
	struct fixture *f = *state;
	strncat(f->folder, "/none", sizeof f->folder - strlen(f->folder) - 1);
	snprintf(f->path, sizeof f->path, "%s/s", f->folder);
	assert_int_equal(open_it(f), -ENOENT);
	assert_true(says(f, "create it"));
	*strrchr(f->folder, '/') = '\0';
}

static void
test_folder_not_writable(void **state)
{
	struct fixture *f = *state;
	/* Root may write anywhere but here. */
	rmdir(f->folder);
	strcpy(f->folder, "/proc/self");
	strcpy(f->path, "/proc/self/freellm.sock");
	int result = open_it(f);
	assert_true(result < 0);
	assert_true(says(f, "/proc/self"));
}

static void
test_path_too_long(void **state)
{
	struct fixture *f = *state;
	char path[200];
	memset(path, 'x', sizeof path - 1);
	path[0] = '/';
	path[sizeof path - 1] = '\0';
	assert_int_equal(listener_open(&f->listener, path, 0600, NULL, &f->why), -ENAMETOOLONG);
	assert_true(says(f, "longer than 107 bytes"));
}

static void
test_unknown_group(void **state)
{
	struct fixture *f = *state;
	assert_int_equal(
		listener_open(&f->listener, f->path, 0600, "no-such-group-here", &f->why), -EINVAL);
	assert_true(says(f, "no-such-group-here"));
	assert_int_equal(access(f->path, F_OK), -1);
}

static void
test_unlinks_only_its_own(void **state)
{
	struct fixture *f = *state;
	assert_int_equal(open_it(f), 0);
	struct listener first = f->listener;
	close(first.fd);
	/* The successor's inode differs: the first file still exists when it is made. */
	char aside[112];
	snprintf(aside, sizeof aside, "%s.old", f->path);
	assert_int_equal(rename(f->path, aside), 0);
	assert_int_equal(open_it(f), 0);
	listener_unlink(&first, f->path);
	assert_int_equal(connect_to(f->path), 0);
	unlink(aside);
}

/* In a child: descriptor 3 is what systemd hands over. Exits 0 when listener_open does as expected.
 */
static void
activated_child(const char *path, bool good)
{
	char pid[16];
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
	if (bind(fd, (struct sockaddr *)&address, sizeof address) != 0 ||
		(good && listen(fd, 5) != 0))
		_exit(10);
	dup2(fd, 3);
	snprintf(pid, sizeof pid, "%d", (int)getpid());
	setenv("LISTEN_PID", pid, 1);
	setenv("LISTEN_FDS", "1", 1);
	struct listener l;
	struct bytes why = {0};
	int result = listener_open(&l, "/nowhere/at/all", 0600, NULL, &why);
	if (getenv("LISTEN_FDS"))
		_exit(11);
	if (good)
		_exit(result == 0 && l.activated && l.fd == 3 ? 0 : 12);
	_exit(result == -EINVAL && strstr(bytes_cstr(&why), "LISTEN_FDS") ? 0 : 13);
}

static void
test_socket_activation(void **state)
{
	struct fixture *f = *state;
	for (int good = 0; good < 2; good++) {
		unlink(f->path);
		pid_t pid = fork();
		if (pid == 0)
			activated_child(f->path, good);
		int status;
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(status, 0);
	}
}

static void
test_activation_of_another_process(void **state)
{
	struct fixture *f = *state;
	setenv("LISTEN_PID", "1", 1);
	setenv("LISTEN_FDS", "1", 1);
	assert_int_equal(open_it(f), 0);
	assert_false(f->listener.activated);
}

int
main(void)
{
#define UNIT(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		UNIT(test_listens_with_the_mode),
		UNIT(test_replaces_a_stale_socket),
		UNIT(test_leaves_a_live_socket),
		UNIT(test_leaves_a_file),
		UNIT(test_missing_folder),
		UNIT(test_folder_not_writable),
		UNIT(test_path_too_long),
		UNIT(test_unknown_group),
		UNIT(test_unlinks_only_its_own),
		UNIT(test_socket_activation),
		UNIT(test_activation_of_another_process),
	};
	return cmocka_run_group_tests_name("listener", tests, NULL, NULL);
}
