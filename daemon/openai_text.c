#include "openai_internal.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

static bool
is_key_char(char c)
{
	return isalnum((unsigned char)c) || c == '-' || c == '_' || c == '*';
}

/* How the keys of providers begin, and words after which a long run is taken for one. */
static const char *const key_prefixes[] = {"sk-", "sk_", "gsk_", "csk-", "csk_", "nvapi-", "AIza",
	"AQ.", "hf_", "xai-", "ghp_", "gho_", "github_pat_", "fw_", "r8_", "pplx-", "up_", "vck_",
	"eyJ"};
static const char *const key_words[] = {"key", "token", "bearer", "secret", "authorization"};
enum { MIN_PREFIXED = 8, MIN_UNPREFIXED = 20, WORD_REACH = 48 };

static bool
has_prefix(struct slice run)
{
	for (size_t i = 0; i < sizeof(key_prefixes) / sizeof(key_prefixes[0]); i++) {
		size_t len = strlen(key_prefixes[i]);
		if (run.len >= len && memcmp(run.data, key_prefixes[i], len) == 0)
			return true;
	}
	return false;
}

static bool
ends_with_key_word(struct slice run)
{
	for (size_t i = 0; i < sizeof(key_words) / sizeof(key_words[0]); i++) {
		size_t len = strlen(key_words[i]);
		if (run.len >= len && strncasecmp(run.data + run.len - len, key_words[i], len) == 0)
			return true;
	}
	return false;
}

/* The run of key characters at `at`; a dot goes on with it only inside a key of a known form. */
static struct slice
run_at(const char *at, const char *end)
{
	const char *p = at;
	while (p < end && is_key_char(*p))
		p++;
	struct slice run = {at, (size_t)(p - at)};
	bool dotted = has_prefix(run) ||
		      (p < end && *p == '.' && has_prefix((struct slice){at, run.len + 1}));
	while (dotted && end - p >= 2 && *p == '.' && is_key_char(p[1]))
		for (p++; p < end && is_key_char(*p); p++)
			;
	run.len = (size_t)(p - at);
	return run;
}

/* Appends one character or more, cleaned; returns how many bytes of the input that took. */
static size_t
append_clean(struct bytes *out, const char *at, const char *end)
{
	unsigned char c = (unsigned char)*at;
	size_t len = utf8_sequence((const unsigned char *)at, (size_t)(end - at));
	if (len == 0) {
		bytes_append_str(out, "\xef\xbf\xbd");
		return 1;
	}
	/* C1 controls are two bytes, c2 80 to c2 9f. */
	bool control = c < 0x20 || c == 0x7f || (c == 0xc2 && (unsigned char)at[1] < 0xa0);
	if (!control)
		bytes_append(out, at, len);
	else if (out->len > 0 && out->data[out->len - 1] != ' ')
		bytes_append_char(out, ' ');
	return len;
}

void
openai_clean_text(struct bytes *out, struct slice text, size_t max)
{
	const char *at = text.len > 0 ? text.data : "";
	const char *end = at + text.len;
	const char *word_end = NULL; /* of the last key word */
	size_t start = out->len;
	while (at < end && out->len - start < max) {
		struct slice run = run_at(at, end);
		if (run.len == 0) {
			at += append_clean(out, at, end);
			continue;
		}
		bool after_word = word_end != NULL && at - word_end <= WORD_REACH;
		if ((run.len >= MIN_PREFIXED && has_prefix(run)) ||
			(run.len >= MIN_UNPREFIXED && after_word))
			bytes_append_str(out, "[redacted]");
		else
			bytes_append(out, run.data, run.len);
		if (ends_with_key_word(run))
			word_end = run.data + run.len;
		at += run.len;
	}
	size_t len = out->len - start < max ? out->len - start : max;
	while (len > 0 && len < out->len - start &&
		((unsigned char)out->data[start + len] & 0xc0) == 0x80)
		len--;
	while (len > 0 && out->data[start + len - 1] == ' ')
		len--;
	out->len = start + len;
}
