#include "option_text.h"

#include <ctype.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "option_list.h"
#include "option_value.h"
#include "problems.h"
#include "schedule.h"

static char *
finish(struct bytes *text)
{
	if (bytes_cstr(text) == NULL)
		abort();
	return text->data;
}

static char *
copy(const char *text)
{
	char *s = strdup(text);
	if (s == NULL)
		abort();
	return s;
}

static const char *
home_folder(void)
{
	const char *home = getenv("HOME");
	if (home != NULL && home[0] == '/')
		return home;
	const struct passwd *user = getpwuid(geteuid());
	return user != NULL && user->pw_dir[0] == '/' ? user->pw_dir : NULL;
}

char *
option_text_path(const char *text, const struct option_context *context, struct bytes *why)
{
	if (text[0] == '/')
		return copy(text);
	struct bytes path = {0};
	if (text[0] == '~' && (text[1] == '/' || text[1] == '\0')) {
		const char *home = home_folder();
		if (home == NULL) {
			bytes_append_str(why, "there is no home folder for '~'");
			return NULL;
		}
		bytes_printf(&path, "%s%s", home, text + 1);
		return finish(&path);
	}
	if (context->folder == NULL || text[0] == '~') {
		problems_quote(why, text);
		bytes_append_str(why, " is not an absolute path");
		return NULL;
	}
	bytes_printf(&path, "%s/%s", context->folder, text);
	return finish(&path);
}

char *
option_text_proxy(const char *text, struct bytes *why)
{
	static const char *const schemes[] = {
		"http://", "https://", "socks4://", "socks4a://", "socks5://", "socks5h://"};
	size_t scheme = 0;
	for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++)
		if (strncasecmp(text, schemes[i], strlen(schemes[i])) == 0)
			scheme = strlen(schemes[i]);
	if (scheme > 0 && text[scheme] != '\0' && strpbrk(text, " \t") == NULL)
		return copy(text);
	bytes_append_str(
		why, "not a proxy: write http://, https://, socks5:// or socks5h:// and HOST:PORT");
	return NULL;
}

/* A header that names one of these carries a credential, or is the daemon's own to set. */
static const struct refused_header {
	const char *part;
	bool whole;
	const char *reason;
} refused_headers[] = {
	{"authorization", false, "a header with a credential: give the key with key = env:NAME"},
	{"api-key", false, "a header with a credential: give the key with key = env:NAME"},
	{"apikey", false, "a header with a credential: give the key with key = env:NAME"},
	{"api_key", false, "a header with a credential: give the key with key = env:NAME"},
	{"token", false, "a header with a credential: give the key with key = env:NAME"},
	{"secret", false, "a header with a credential: give the key with key = env:NAME"},
	{"password", false, "a header with a credential: give the key with key = env:NAME"},
	{"cookie", false, "a header with a credential: give the key with key = env:NAME"},
	{"x-auth", false, "a header with a credential: give the key with key = env:NAME"},
	{"host", true, "a header that the daemon sets itself"},
	{"content-length", true, "a header that the daemon sets itself"},
	{"content-type", true, "a header that the daemon sets itself"},
	{"transfer-encoding", true, "a header that the daemon sets itself"},
	{"accept-encoding", true, "a header that the daemon sets itself"},
	{"connection", true, "a header that the daemon sets itself"},
	{"expect", true, "a header that the daemon sets itself"},
	{"user-agent", true, "set with user_agent in [http]"},
};

static const char *
check_header_name(struct slice name)
{
	char lower[64];
	if (name.len == 0 || name.len >= sizeof(lower))
		return "expected NAME: VALUE | NAME: VALUE";
	for (size_t i = 0; i < name.len; i++) {
		if (!isalnum((unsigned char)name.data[i]) && strchr("-_", name.data[i]) == NULL)
			return "the name of a header has letters, digits and '-' only";
		lower[i] = (char)tolower((unsigned char)name.data[i]);
	}
	lower[name.len] = '\0';
	for (size_t i = 0; i < sizeof(refused_headers) / sizeof(refused_headers[0]); i++) {
		const struct refused_header *r = &refused_headers[i];
		if (r->whole ? strcmp(lower, r->part) == 0 : strstr(lower, r->part) != NULL)
			return r->reason;
	}
	return NULL;
}

static const char *
check_header(const char *text, size_t len)
{
	const char *colon = memchr(text, ':', len);
	if (colon == NULL)
		return "expected NAME: VALUE | NAME: VALUE";
	while (text < colon && *text == ' ') {
		text++;
		len--;
	}
	const char *wrong = check_header_name((struct slice){text, (size_t)(colon - text)});
	if (wrong != NULL)
		return wrong;
	char *value = strndup(colon + 1, len - (size_t)(colon + 1 - text));
	if (value == NULL)
		abort();
	bool secret = problems_looks_secret(value) || strcasestr(value, "bearer ") != NULL;
	bool control = false;
	for (const char *p = value; *p != '\0'; p++)
		control = control || (unsigned char)*p < 0x20 || *p == 0x7f;
	free(value);
	if (secret)
		return "a value that looks like a credential: give the key with key = env:NAME";
	return control ? "a control character in a header" : NULL;
}

char *
option_text_headers(const char *text, struct bytes *why)
{
	for (const char *p = text;;) {
		size_t len = strcspn(p, "|");
		const char *wrong = check_header(p, len);
		if (wrong != NULL) {
			bytes_append_str(why, wrong);
			return NULL;
		}
		if (p[len] == '\0')
			return copy(text);
		p += len + 1;
	}
}

/* A file's name in systemd's credential folder: nothing that leads out of it. */
static bool
is_credential_name(const char *name)
{
	if (name[0] == '\0' || name[0] == '.' || problems_looks_secret(name))
		return false;
	for (; *name != '\0'; name++)
		if (!isalnum((unsigned char)*name) && strchr("._-@:", *name) == NULL)
			return false;
	return true;
}

char *
option_text_source(const char *text, const struct option_context *context, struct bytes *why)
{
	if (strncmp(text, "file:", 5) == 0 && text[5] != '\0') {
		char *path = option_text_path(text + 5, context, why);
		if (path == NULL)
			return NULL;
		struct bytes source = {0};
		bytes_printf(&source, "file:%s", path);
		free(path);
		return finish(&source);
	}
	bool variable = strncmp(text, "env:", 4) == 0 || strncmp(text, "dotenv:", 7) == 0;
	bool credential = strncmp(text, "credential:", 11) == 0;
	if (variable && option_list_is_variable(strchr(text, ':') + 1))
		return copy(text);
	if (credential && is_credential_name(text + 11))
		return copy(text);
	if (variable || credential)
		bytes_printf(why, "what follows %s is not the name of %s",
			credential ? "credential:" : "env:",
			credential ? "a credential" : "an environment variable");
	else
		bytes_append_str(why, "a key itself is never written here; put it into an "
				      "environment variable or a file that only you can read, and "
				      "write env:NAME, dotenv:NAME, file:PATH or credential:NAME");
	return NULL;
}

char *
option_text_schedule(const char *text, struct bytes *why)
{
	uint32_t days;
	return schedule_parse(text, &days, why) ? copy(text) : NULL;
}
