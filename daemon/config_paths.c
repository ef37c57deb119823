#include "config_paths.h"

#include <libgen.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config.h"

static const char system_file[] = "/etc/freellmd/freellmd.ini";
static const char system_socket_dir[] = "/run/freellmd";
static const char socket_name[] = "freellmd.sock";

static char *
join(const char *folder, const char *name)
{
	char *path = NULL;
	if (asprintf(&path, "%s/%s", folder, name) < 0)
		abort();
	return path;
}

static char *
copy(const char *text)
{
	char *s = strdup(text);
	if (s == NULL)
		abort();
	return s;
}

/* An absolute path from the environment, or NULL: XDG says that a relative one is to be ignored. */
static const char *
absolute(const char *variable)
{
	const char *value = getenv(variable);
	return value != NULL && value[0] == '/' ? value : NULL;
}

/* $VARIABLE/freellmd, else ~/FALLBACK/freellmd; NULL without a home. */
static char *
xdg_folder(const char *variable, const char *fallback)
{
	const char *base = absolute(variable);
	if (base != NULL)
		return join(base, "freellmd");
	const char *home = absolute("HOME");
	const struct passwd *user = home == NULL ? getpwuid(geteuid()) : NULL;
	if (user != NULL && user->pw_dir[0] == '/')
		home = user->pw_dir;
	char *path = NULL;
	if (home != NULL && asprintf(&path, "%s/%s/freellmd", home, fallback) < 0)
		abort();
	return path;
}

char *
config_paths_find_file(void)
{
	char *folder = xdg_folder("XDG_CONFIG_HOME", ".config");
	if (folder != NULL) {
		char *path = join(folder, "freellmd.ini");
		free(folder);
		/* A file that is there and cannot be read is an error, not a missing one. */
		if (access(path, F_OK) == 0)
			return path;
		free(path);
	}
	return access(system_file, F_OK) == 0 ? copy(system_file) : NULL;
}

char *
config_paths_folder(const char *file)
{
	if (file == NULL)
		return xdg_folder("XDG_CONFIG_HOME", ".config");
	char *text = copy(file);
	char *folder = realpath(dirname(text), NULL);
	free(text);
	return folder;
}

char *
config_paths_catalog(void)
{
	const char *named = getenv("FREELLMD_CATALOG");
	if (named != NULL && named[0] != '\0')
		return copy(named);
	char *program = realpath("/proc/self/exe", NULL);
	char *beside = program != NULL ? join(dirname(program), "providers.ini") : NULL;
	free(program);
	if (beside != NULL && access(beside, R_OK) == 0)
		return beside;
	free(beside);
	return copy(CATALOG_PATH);
}

/* systemd may give several folders, with ':' between them; the first is ours. */
static char *
default_state_dir(void)
{
	const char *given = absolute("STATE_DIRECTORY");
	if (given == NULL)
		return xdg_folder("XDG_STATE_HOME", ".local/state");
	char *folder = strndup(given, strcspn(given, ":"));
	if (folder == NULL)
		abort();
	return folder;
}

/*
 * A shared folder such as /tmp is no place for the socket: anyone could put one there first.
 * Without a runtime folder the state folder is ours alone.
 */
static char *
default_socket(const char *state_dir)
{
	const char *runtime = absolute("XDG_RUNTIME_DIR");
	if (runtime != NULL)
		return join(runtime, socket_name);
	if (geteuid() == 0 || access(system_socket_dir, W_OK | X_OK) == 0)
		return join(system_socket_dir, socket_name);
	return state_dir != NULL ? join(state_dir, socket_name) : NULL;
}

const char *
config_paths_complete(struct config *c, const char *folder)
{
	if (c->state_dir == NULL)
		c->state_dir = default_state_dir();
	if (c->socket == NULL)
		c->socket = default_socket(c->state_dir);
	if (c->dotenv == NULL && folder != NULL)
		c->dotenv = join(folder, ".env");
	if (c->state_dir == NULL)
		return "there is no home folder: set state_dir in [daemon]";
	return NULL;
}
