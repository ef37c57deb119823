#include "problems.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { QUOTE_MAX = 80, SECRET_RUN = 20 };

void
problems_add(struct problems *p, const char *file, int line, const char *format, ...)
{
	struct bytes sentence = {0};
	if (file != NULL && line > 0)
		bytes_printf(&sentence, "%s:%d: ", file, line);
	else if (file != NULL)
		bytes_printf(&sentence, "%s: ", file);
	char *text = NULL;
	va_list ap;
	va_start(ap, format);
	if (vasprintf(&text, format, ap) < 0)
		abort();
	va_end(ap);
	bytes_append_str(&sentence, text);
	free(text);
	const char *whole = bytes_cstr(&sentence);
	if (whole == NULL)
		abort();
	p->count++;
	if (p->report != NULL)
		p->report(p->context, whole);
	bytes_finish(&sentence);
}

bool
problems_looks_secret(const char *text)
{
	size_t run = 0;
	bool digit = false;
	bool letter = false;
	for (;; text++) {
		unsigned char c = (unsigned char)*text;
		if (isalnum(c) || c == '_' || c == '-' || c == '+') {
			run++;
			digit = digit || isdigit(c);
			letter = letter || isalpha(c);
			if (run >= SECRET_RUN && digit && letter)
				return true;
			continue;
		}
		run = 0;
		digit = false;
		letter = false;
		if (c == '\0')
			return false;
	}
}

void
problems_quote(struct bytes *to, const char *text)
{
	if (problems_looks_secret(text)) {
		bytes_append_str(to, "(not shown: it looks like a key)");
		return;
	}
	bytes_append_char(to, '\'');
	size_t len = 0;
	for (; text[len] != '\0' && len < QUOTE_MAX; len++) {
		unsigned char c = (unsigned char)text[len];
		bytes_append_char(to, c < 0x20 || c == 0x7f ? '?' : text[len]);
	}
	/* Never end in the middle of a character. */
	while (text[len] != '\0' && len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80) {
		len--;
		to->len--;
	}
	bytes_append_str(to, text[len] != '\0' ? "...'" : "'");
}
