#include "problems.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Names and model ids have short runs between their dashes; keys have long ones. */
enum { QUOTE_MAX = 80, PREFIXED_MIN = 12, MIXED_RUN = 20, LETTER_RUN = 30 };

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

static bool
has_key_prefix(const char *word)
{
	/* How providers' keys begin. */
	static const char *const prefixes[] = {"sk-", "gsk_", "csk-", "hf_", "nvapi-", "AIza",
		"ghp_", "github_pat_", "xai-", "fw_", "pplx-", "r8_"};
	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++)
		if (strncmp(word, prefixes[i], strlen(prefixes[i])) == 0)
			return true;
	return false;
}

static bool
is_key_character(unsigned char c)
{
	return isalnum(c) || c == '_' || c == '-';
}

bool
problems_looks_secret(const char *text)
{
	for (const char *p = text; *p != '\0';) {
		size_t word = 0;
		size_t run = 0;
		bool digit = false;
		bool prefixed = has_key_prefix(p);
		for (; is_key_character((unsigned char)p[word]); word++) {
			bool plain = isalnum((unsigned char)p[word]);
			run = plain ? run + 1 : 0;
			digit = plain && (digit || isdigit((unsigned char)p[word]));
			if ((run >= MIXED_RUN && digit) || run >= LETTER_RUN)
				return true;
		}
		if (prefixed && word >= PREFIXED_MIN)
			return true;
		p += word > 0 ? word : 1;
	}
	return false;
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
	for (; len < QUOTE_MAX && text[len] != '\0'; len++) {
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
