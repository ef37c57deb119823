#include "unit.h"

#include "settings_files.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/freellmd-settings-XXXXXX";

int
settings_files_setup(void **state)
{
	static const char *const variables[] = {"XDG_CONFIG_HOME", "XDG_STATE_HOME",
		"STATE_DIRECTORY", "FREELLMD_CATALOG", "CREDENTIALS_DIRECTORY", NULL};
	for (size_t i = 0; variables[i] != NULL; i++)
		unsetenv(variables[i]);
	if (mkdtemp(folder) == NULL)
		return -1;
	setenv("HOME", folder, 1);
	setenv("XDG_RUNTIME_DIR", folder, 1);
	return 0;
}

static int
remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
	return remove(path);
}

int
settings_files_teardown(void **state)
{
	return nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

const char *
settings_path(const char *name)
{
	static char paths[4][512];
	static size_t next;
	char *path = paths[next++ % 4];
	snprintf(path, sizeof(paths[0]), "%s%s%s", folder, name[0] != '\0' ? "/" : "", name);
	return path;
}

const char *
settings_write_bytes(const char *name, const void *data, size_t len)
{
	const char *path = settings_path(name);
	unlink(path);
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	for (size_t done = 0; done < len;) {
		ssize_t n = write(fd, (const char *)data + done, len - done);
		assert_true(n > 0);
		done += (size_t)n;
	}
	close(fd);
	return path;
}

const char *
settings_write(const char *name, const char *text)
{
	return settings_write_bytes(name, text, strlen(text));
}

char *
settings_read_source(const char *name)
{
	enum { LARGEST = 1 << 20 };
	char path[1024];
	const char *root = getenv("FREELLMD_SOURCE_ROOT");
	snprintf(path, sizeof(path), "%s/%s", root != NULL ? root : ".", name);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char *text = calloc(1, LARGEST);
	ssize_t len = fd >= 0 && text != NULL ? read(fd, text, LARGEST - 1) : -1;
	if (len <= 0)
		fail_msg("%s cannot be read", path);
	close(fd);
	return text;
}

void
settings_seen(void *context, const char *sentence)
{
	struct seen_problems *seen = context;
	if (seen->count < PROBLEMS_MAX)
		seen->sentence[seen->count] = strdup(sentence);
	seen->count++;
}

void
settings_seen_free(struct seen_problems *seen)
{
	for (size_t i = 0; i < seen->count && i < PROBLEMS_MAX; i++)
		free(seen->sentence[i]);
	*seen = (struct seen_problems){0};
}

void
settings_expect(const char *title, const struct seen_problems *seen, const char *const *expected)
{
	size_t i = 0;
	for (; expected[i] != NULL; i++) {
		if (i >= seen->count)
			fail_msg("%s: nothing said '%s'", title, expected[i]);
		if (strstr(seen->sentence[i], expected[i]) == NULL)
			fail_msg("%s: expected '%s', got '%s'", title, expected[i],
				seen->sentence[i]);
	}
	if (seen->count > i)
		fail_msg("%s: did not expect '%s'", title, seen->sentence[i]);
}
