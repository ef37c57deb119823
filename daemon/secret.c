#include "secret.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <sodium.h>

#include "dotenv.h"
#include "problems.h"
#include "secret_file.h"

/* Room for a newline and CR at the end, a NUL, and one more byte that shows what is too long. */
enum { ROOM = SECRET_MAX + 4 };

/* Each reads into `to` and returns the length or a negative errno, then described by `why`. */
typedef ssize_t read_fn(const char *name, const char *dotenv, char *to, struct bytes *why);

static ssize_t
read_env(const char *name, const char *dotenv, char *to, struct bytes *why)
{
	const char *value = getenv(name);
	if (value == NULL) {
		bytes_printf(why, "%s is not set in the environment", name);
		return -ENOENT;
	}
	size_t len = strnlen(value, ROOM - 1);
	memcpy(to, value, len);
	to[len] = '\0';
	return (ssize_t)len;
}

/* What is wrong with a file. Its name is quoted, for someone may have written the key there. */
static void
explain(const char *path, ssize_t error, struct bytes *why)
{
	problems_quote(why, path);
	if (error == -EPERM)
		bytes_append_str(why, " can be read by others: chmod 600");
	else if (error == -EKEYREJECTED)
		bytes_append_str(why, " belongs to another user");
	else if (error == -EFBIG)
		bytes_append_str(why, " is too large");
	else if (error == -EINVAL)
		bytes_append_str(why, " is not a regular file");
	else
		bytes_printf(why, ": %s", strerror((int)-error));
}

static ssize_t
read_dotenv(const char *name, const char *dotenv, char *to, struct bytes *why)
{
	if (dotenv == NULL) {
		bytes_append_str(why, "there is no .env file: set dotenv in [daemon]");
		return -ENOENT;
	}
	enum dotenv_failure failure;
	ssize_t len = dotenv_read(dotenv, name, to, ROOM, &failure);
	if (len < 0 && failure == DOTENV_FILE)
		explain(dotenv, len, why);
	else if (len == -ENOENT)
		bytes_printf(why, "%s is not set in %s", name, dotenv);
	else if (len == -EINVAL)
		bytes_printf(why, "the quotes around %s in %s are not closed", name, dotenv);
	else if (len < 0)
		bytes_printf(why, "%s in %s is longer than %d bytes", name, dotenv, SECRET_MAX);
	return len;
}

static ssize_t
read_path(const char *path, mode_t forbidden, char *to, struct bytes *why)
{
	ssize_t len = secret_file_read(path, forbidden, to, ROOM);
	if (len < 0)
		explain(path, len, why);
	return len;
}

static ssize_t
read_file(const char *path, const char *dotenv, char *to, struct bytes *why)
{
	return read_path(path, S_IRWXG | S_IRWXO, to, why);
}

/* systemd guards the folder itself; the files in it have modes of its choosing. */
static ssize_t
read_credential(const char *name, const char *dotenv, char *to, struct bytes *why)
{
	const char *folder = getenv("CREDENTIALS_DIRECTORY");
	if (folder == NULL || folder[0] != '/') {
		bytes_printf(why,
			"there is no credential '%s': $CREDENTIALS_DIRECTORY is not set "
			"(LoadCredential= of systemd does that)",
			name);
		return -ENOENT;
	}
	struct bytes path = {0};
	bytes_printf(&path, "%s/%s", folder, name);
	const char *whole = bytes_cstr(&path);
	ssize_t len = whole ? read_path(whole, 0, to, why) : -ENOMEM;
	bytes_finish(&path);
	return len;
}

static const struct {
	const char *prefix;
	read_fn *read;
} readers[] = {
	{"env:", read_env},
	{"dotenv:", read_dotenv},
	{"file:", read_file},
	{"credential:", read_credential},
};

/* A key goes into a header: one visible ASCII word. Returns NULL, or what is wrong. */
static const char *
check_secret(char *secret, size_t len)
{
	if (len > 0 && secret[len - 1] == '\n')
		len--;
	if (len > 0 && secret[len - 1] == '\r')
		len--;
	if (strlen(secret) < len)
		return "the key has a NUL byte in it";
	secret[len] = '\0';
	if (len == 0)
		return "the key is empty";
	if (len > SECRET_MAX)
		return "the key is longer than 4096 bytes";
	for (size_t i = 0; i < len; i++)
		if (secret[i] <= 0x20 || secret[i] >= 0x7f)
			return "the key has a blank, a control character or something that is not "
			       "ASCII in it";
	return NULL;
}

char *
secret_read(const char *source, const char *dotenv, struct bytes *why)
{
	if (sodium_init() < 0)
		abort();
	char *secret = sodium_malloc(ROOM);
	if (secret == NULL)
		abort();
	ssize_t len = -EINVAL;
	for (size_t i = 0; i < sizeof(readers) / sizeof(readers[0]); i++) {
		size_t prefix = strlen(readers[i].prefix);
		if (strncmp(source, readers[i].prefix, prefix) == 0)
			len = readers[i].read(source + prefix, dotenv, secret, why);
	}
	const char *wrong = len < 0 ? NULL : check_secret(secret, (size_t)len);
	if (len >= 0 && wrong == NULL)
		return secret;
	if (wrong != NULL)
		bytes_append_str(why, wrong);
	sodium_free(secret);
	errno = len == -ENOENT ? ENOENT : EINVAL;
	return NULL;
}
