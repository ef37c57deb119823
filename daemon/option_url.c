#include "option_text.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "dotenv.h"
#include "option_value.h"

enum { URL_MAX = 4096 };

static char *
copy(const char *text)
{
	char *s = strdup(text);
	if (s == NULL)
		abort();
	return s;
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
	enum dotenv_failure failure;
	if (context->dotenv == NULL ||
		dotenv_read(context->dotenv, name, found, sizeof(found), &failure) <= 0)
		return false;
	bytes_append_str(to, found);
	return true;
}

/* A key in a URL ends up in logs and error messages. */
static bool
names_secret(const char *text)
{
	static const char *const words[] = {"KEY", "TOKEN", "SECRET", "PASSWORD"};
	for (; (text = strstr(text, "${")) != NULL; text++) {
		char *name = option_text_unset_variable(text);
		bool secret = false;
		for (size_t i = 0; name != NULL && i < sizeof(words) / sizeof(words[0]); i++)
			secret = secret || strcasestr(name, words[i]) != NULL;
		free(name);
		if (secret)
			return true;
	}
	return false;
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
	if (colon == NULL)
		colon = text;
	u->scheme = (struct slice){text, (size_t)(colon - text)};
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
	struct bytes url = {.max = URL_MAX};
	struct url parts = {0};
	const char *wrong = NULL;
	if (names_secret(text)) {
		bytes_append_str(why, "not a base URL: it has a key in it: write key = env:NAME");
		return NULL;
	}
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
