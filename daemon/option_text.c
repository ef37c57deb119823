#include "option_text.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "dotenv.h"
#include "option_value.h"
#include "problems.h"
#include "schedule.h"

enum { TEXT_MAX = 4096 };

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

/* The length of a "${NAME}" at the front of the text, or 0. */
static size_t
variable_length(const char *text)
{
	if (text[0] != '$' || text[1] != '{')
		return 0;
	size_t len = 2;
	while (isalnum((unsigned char)text[len]) || text[len] == '_')
		len++;
	return len > 2 && text[len] == '}' && !isdigit((unsigned char)text[2]) ? len + 1 : 0;
}

char *
option_text_unset_variable(const char *text)
{
	for (; *text != '\0'; text++) {
		size_t len = variable_length(text);
		if (len == 0)
			continue;
		char *name = strndup(text + 2, len - 3);
		if (name == NULL)
			abort();
		return name;
	}
	return NULL;
}

static bool
append_variable(const char *name, const struct option_context *context, struct bytes *to)
{
	const char *value = getenv(name);
	if (value != NULL && value[0] != '\0') {
		bytes_append_str(to, value);
		return true;
	}
	char found[DOTENV_VALUE_MAX + 1];
	if (context->dotenv == NULL ||
		dotenv_read(context->dotenv, name, found, sizeof(found)) <= 0)
		return false;
	bytes_append_str(to, found);
	return true;
}

/* Returns false when a variable is not set. */
static bool
expand(const char *text, const struct option_context *context, struct bytes *to)
{
	while (*text != '\0') {
		size_t len = variable_length(text);
		if (len == 0) {
			bytes_append_char(to, *text++);
			continue;
		}
		char *name = option_text_unset_variable(text);
		bool set = append_variable(name, context, to);
		free(name);
		if (!set)
			return false;
		text += len;
	}
	return true;
}

/* The parts of a URL, borrowed from its text. */
struct url {
	struct slice scheme;
	struct slice host; /* without the brackets of an IPv6 address */
	int port;          /* the scheme's own when none is given */
};

static int
parse_port(const char *p, const char *end)
{
	int port = 0;
	if (p == end)
		return -1;
	for (; p < end; p++) {
		if (!isdigit((unsigned char)*p) || port > 65535)
			return -1;
		port = port * 10 + (*p - '0');
	}
	return port >= 1 && port <= 65535 ? port : -1;
}

static const char *
split_host(const char *authority, const char *end, struct url *u)
{
	const char *port = NULL;
	if (*authority == '[') {
		const char *close = memchr(authority, ']', (size_t)(end - authority));
		if (close == NULL)
			return "the '[' of its address is not closed";
		u->host = (struct slice){authority + 1, (size_t)(close - authority) - 1};
		if (close + 1 < end && close[1] != ':')
			return "there is something between the address and the path";
		port = close + 1 < end ? close + 2 : NULL;
	} else {
		const char *colon = memchr(authority, ':', (size_t)(end - authority));
		u->host = (struct slice){authority, (size_t)((colon ? colon : end) - authority)};
		port = colon ? colon + 1 : NULL;
	}
	if (u->host.len == 0)
		return "it has no host";
	if (port != NULL)
		u->port = parse_port(port, end);
	return u->port < 0 ? "its port is not a number from 1 to 65535" : NULL;
}

/* Returns NULL, or what is wrong. */
static const char *
split_url(const char *text, struct url *u)
{
	for (const char *p = text; *p != '\0'; p++)
		if ((unsigned char)*p <= 0x20 || *p == 0x7f || strchr("\"<>\\^`{|}", *p) != NULL)
			return "there is a character in it that no URL has";
	const char *colon = strstr(text, "://");
	u->scheme = (struct slice){text, colon ? (size_t)(colon - text) : 0};
	bool tls = slice_is(u->scheme, "https");
	if (!tls && !slice_is(u->scheme, "http"))
		return "it must begin with https:// (or http:// for this machine)";
	u->port = tls ? 443 : 80;
	const char *authority = colon + 3;
	const char *end = authority + strcspn(authority, "/?#");
	if (memchr(authority, '@', (size_t)(end - authority)) != NULL)
		return "it holds a user name or password: give the key with key = env:NAME";
	if (strpbrk(end, "?#") != NULL)
		return "it has a query: write the base only, and give the key with key = env:NAME";
	const char *wrong = split_host(authority, end, u);
	if (wrong != NULL)
		return wrong;
	for (size_t i = 0; u->host.data[-1] != '[' && i < u->host.len; i++)
		if (!isalnum((unsigned char)u->host.data[i]) &&
			strchr("-._", u->host.data[i]) == NULL)
			return "its host is not a name or an address";
	return NULL;
}

static bool
is_loopback(struct slice host)
{
	char name[64];
	if (host.len >= sizeof(name))
		return false;
	memcpy(name, host.data, host.len);
	name[host.len] = '\0';
	struct in_addr four;
	struct in6_addr six;
	if (inet_pton(AF_INET, name, &four) == 1)
		return ntohl(four.s_addr) >> 24 == 127;
	if (inet_pton(AF_INET6, name, &six) == 1)
		return IN6_IS_ADDR_LOOPBACK(&six);
	return strcasecmp(name, "localhost") == 0;
}

char *
option_text_url(const char *text, const struct option_context *context, struct bytes *why)
{
	struct bytes url = {.max = TEXT_MAX};
	struct url parts = {0};
	const char *wrong = NULL;
	if (!expand(text, context, &url)) {
		bytes_finish(&url);
		return copy(text);
	}
	while (url.len > 0 && url.data[url.len - 1] == '/')
		url.len--;
	const char *whole = bytes_cstr(&url);
	if (whole == NULL)
		wrong = "it is too long";
	else
		wrong = split_url(whole, &parts);
	if (wrong == NULL && slice_is(parts.scheme, "http") && !is_loopback(parts.host))
		wrong = "plain http:// would show the key and the prompts to the network: it is "
			"allowed to localhost, 127.0.0.0/8 and [::1] only; use https://";
	if (wrong == NULL)
		return url.data;
	bytes_printf(why, "not a base URL: %s", wrong);
	bytes_finish(&url);
	return NULL;
}

void
option_text_service(const char *url, struct bytes *to)
{
	struct url parts = {0};
	if (split_url(url, &parts) != NULL)
		return;
	if (is_loopback(parts.host)) {
		bytes_printf(to, "localhost:%d", parts.port);
		return;
	}
	if (parts.host.data[parts.host.len - 1] == '.')
		parts.host.len--;
	for (size_t i = 0; i < parts.host.len; i++)
		bytes_append_char(to, (char)tolower((unsigned char)parts.host.data[i]));
	bytes_printf(to, ":%d", parts.port);
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

static bool
is_variable_name(const char *name)
{
	if (!isalpha((unsigned char)name[0]) && name[0] != '_')
		return false;
	for (; *name != '\0'; name++)
		if (!isalnum((unsigned char)*name) && *name != '_')
			return false;
	return true;
}

/* A file's name in systemd's credential folder: nothing that leads out of it. */
static bool
is_credential_name(const char *name)
{
	if (name[0] == '\0' || name[0] == '.')
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
	const char *name = strchr(text, ':');
	if (variable && is_variable_name(name + 1))
		return copy(text);
	if (strncmp(text, "credential:", 11) == 0 && is_credential_name(text + 11))
		return copy(text);
	if (variable)
		bytes_append_str(why, "what follows is not the name of an environment variable");
	else
		bytes_append_str(why, "a key itself is never written here. Put it into an "
				      "environment variable or a "
				      "file that only you can read, and write env:NAME, "
				      "dotenv:NAME, file:/path or "
				      "credential:NAME");
	return NULL;
}

char *
option_text_schedule(const char *text, struct bytes *why)
{
	uint32_t days;
	return schedule_parse(text, &days, why) ? copy(text) : NULL;
}
