/*
 * The options whose text has a grammar of its own: URLs, extra headers, sources of keys, schedules,
 * paths. Each check takes the text and gives the text to keep (owned by the caller), or NULL with a
 * clause appended to `why`. What could be or hold a secret is never repeated in it.
 */
#ifndef FREELLMD_OPTION_TEXT_H
#define FREELLMD_OPTION_TEXT_H

#include <stdbool.h>
#include <stdint.h>

#include "bytes.h"

struct option_context;

/* Absolute, "~/..." or relative to the context's folder; the result is absolute. */
char *option_text_path(const char *text, const struct option_context *context, struct bytes *why);

/*
 * The base URL of an API: https, or http to loopback, without credentials, query or slash at its
 * end. ${NAME} is replaced from the environment, else from the context's dotenv file; with a NAME
 * that is not set the text is kept as it is, and option_text_unset_variable tells.
 */
char *option_text_url(const char *text, const struct option_context *context, struct bytes *why);

/* The first NAME of a ${NAME} left in the text (owned by the caller), or NULL. */
char *option_text_unset_variable(const char *text);

/* "host:port" of a URL that option_text_url let pass, in lower case, with the names of loopback
 * made one. Appended to `to`. */
void option_text_service(const char *url, struct bytes *to);

/* http, https or socks URL of a proxy. */
char *option_text_proxy(const char *text, struct bytes *why);

/* "Name: value | Name: value"; what the daemon sets itself and what carries a credential is
 * refused. */
char *option_text_headers(const char *text, struct bytes *why);

/* env:NAME, dotenv:NAME, file:PATH (made absolute) or credential:NAME. */
char *option_text_source(const char *text, const struct option_context *context, struct bytes *why);

char *option_text_schedule(const char *text, struct bytes *why);

#endif
