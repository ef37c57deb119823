#include "option_value.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "catalog.h"
#include "option_list.h"
#include "option_text.h"
#include "options.h"
#include "problems.h"

/* A unit of sizes or durations. Of several words for one factor the first is printed. */
struct unit {
	const char *word;
	int64_t factor;
};

#define DAY INT64_C(86400000)

static const struct unit sizes[] = {
	{"GiB", INT64_C(1) << 30},
	{"G", INT64_C(1) << 30},
	{"MiB", INT64_C(1) << 20},
	{"M", INT64_C(1) << 20},
	{"KiB", INT64_C(1) << 10},
	{"k", INT64_C(1) << 10},
	{"K", INT64_C(1) << 10},
	{"bytes", 1},
	{"B", 1},
	{"", 1},
	{NULL, 0},
};

static const struct unit durations[] = {
	{"days", DAY},
	{"day", DAY},
	{"d", DAY},
	{"h", 3600000},
	{"hour", 3600000},
	{"hours", 3600000},
	{"min", 60000},
	{"m", 60000},
	{"minute", 60000},
	{"minutes", 60000},
	{"s", 1000},
	{"sec", 1000},
	{"second", 1000},
	{"seconds", 1000},
	{"ms", 1},
	{NULL, 0},
};

static const struct flag {
	const char *word;
	bool value;
} flags[] = {
	{"yes", true},
	{"no", false},
	{"true", true},
	{"false", false},
	{"on", true},
	{"off", false},
};

static const char *const tristates[] = {[UNKNOWN] = "unknown", [NO] = "no", [YES] = "yes"};

/* Digits at the front of the text, in base 8 or 10; NULL when there are none, or too many. */
static const char *
take_digits(const char *text, int base, int64_t *to)
{
	int64_t number = 0;
	const char *p = text;
	for (; *p >= '0' && *p < '0' + base; p++)
		if (__builtin_mul_overflow(number, base, &number) ||
			__builtin_add_overflow(number, *p - '0', &number))
			return NULL;
	*to = number;
	return p == text ? NULL : p;
}

static bool
take_unit(const struct unit *units, const char *word, int64_t *number)
{
	while (*word == ' ' || *word == '\t')
		word++;
	if (*word == '\0' && *number == 0)
		return true;
	for (; units->word != NULL; units++)
		if (strcmp(word, units->word) == 0)
			return !__builtin_mul_overflow(*number, units->factor, number);
	return false;
}

static bool
parse_number(const struct option *o, const char *text, int64_t *to)
{
	const char *rest = take_digits(text, o->type == OPTION_MODE ? 8 : 10, to);
	if (rest == NULL)
		return false;
	if (o->type == OPTION_SIZE)
		return take_unit(sizes, rest, to);
	if (o->type == OPTION_DURATION)
		return take_unit(durations, rest, to);
	return *rest == '\0';
}

/* strtod would follow the locale. */
static bool
parse_decimal(const char *text, double *to)
{
	double number = 0;
	double place = 1;
	bool point = false;
	size_t digits = 0;
	for (const char *p = text; *p != '\0'; p++) {
		if (*p == '.' && !point) {
			point = true;
			continue;
		}
		if (!isdigit((unsigned char)*p) || ++digits > 15)
			return false;
		number = number * 10 + (*p - '0');
		if (point)
			place *= 10;
	}
	*to = number / place;
	return digits > 0;
}

static bool
refuse(const struct option *o, const char *text, struct bytes *why)
{
	problems_quote(why, text);
	bytes_append_str(why, " is not ");
	options_describe(o, why);
	if (strstr(text, " #") != NULL)
		bytes_append_str(why, "; a comment within a line begins with ' ;'");
	return false;
}

static bool
set_number(const struct option *o, int64_t *field, const char *text, struct bytes *why)
{
	int64_t number = 0;
	if (!parse_number(o, text, &number) || number < o->min || (o->max > 0 && number > o->max))
		return refuse(o, text, why);
	*field = number;
	return true;
}

static bool
set_bool(const struct option *o, bool *field, const char *text, struct bytes *why)
{
	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		if (strcasecmp(text, flags[i].word) == 0) {
			*field = flags[i].value;
			return true;
		}
	}
	return refuse(o, text, why);
}

static bool
set_tristate(const struct option *o, enum tristate *field, const char *text, struct bytes *why)
{
	for (size_t i = 0; i < sizeof(tristates) / sizeof(tristates[0]); i++) {
		if (strcasecmp(text, tristates[i]) == 0) {
			*field = (enum tristate)i;
			return true;
		}
	}
	return refuse(o, text, why);
}

static bool
set_decimal(const struct option *o, double *field, const char *text, struct bytes *why)
{
	double number = 0;
	if (!parse_decimal(text, &number) || number < (double)o->min ||
		(o->max > 0 && number > (double)o->max))
		return refuse(o, text, why);
	*field = number;
	return true;
}

static char *
copy(const char *text)
{
	char *s = strdup(text);
	if (s == NULL)
		abort();
	return s;
}

/* The text to keep, or NULL. */
static char *
normal_text(const struct option *o, const char *text, const struct option_context *context,
	struct bytes *why)
{
	switch (o->type) {
	case OPTION_CHOICE:
		if (option_list_has(o->choices, text))
			return copy(text);
		refuse(o, text, why);
		return NULL;
	case OPTION_LIST:
	case OPTION_VARIABLES:
	case OPTION_RENAMES:
	case OPTION_WEIGHTS:
		return option_list_normal(o, text, why);
	case OPTION_PATH:
		return option_text_path(text, context, why);
	case OPTION_URL:
		return option_text_url(text, context, why);
	case OPTION_PROXY:
		return option_text_proxy(text, why);
	case OPTION_HEADERS:
		return option_text_headers(text, why);
	case OPTION_KEY:
	case OPTION_SOURCE:
		return option_text_source(text, context, why);
	case OPTION_SCHEDULE:
		return option_text_schedule(text, why);
	default:
		if (problems_looks_secret(text) && strchr(text, ' ') == NULL &&
			o->section != SECTION_MODEL && o->section != SECTION_PROVIDER) {
			bytes_append_str(
				why, "the value looks like a key; keys are not written here");
			return NULL;
		}
		return copy(text);
	}
}

/* The shorthand for one key is a key named "default", ahead of those with a section of their own.
 */
static void
set_key(struct key_source **keys, char *source)
{
	struct key_source *key = *keys;
	if (key == NULL || strcmp(key->name, "default") != 0) {
		key = calloc(1, sizeof(*key));
		if (key == NULL)
			abort();
		key->name = copy("default");
		key->next = *keys;
		*keys = key;
	}
	free(key->source);
	key->source = source;
}

static bool
set_text(const struct option *o, void *field, const char *text,
	const struct option_context *context, struct bytes *why)
{
	bool required =
		o->type == OPTION_CHOICE || o->type == OPTION_SOURCE || o->type == OPTION_KEY;
	char *keep = NULL;
	if (text[0] != '\0' || required) {
		keep = normal_text(o, text, context, why);
		if (keep == NULL)
			return false;
	}
	if (o->type == OPTION_KEY) {
		set_key(field, keep);
		return true;
	}
	char **string = field;
	free(*string);
	*string = keep;
	return true;
}

bool
option_value_set(const struct option *o, void *object, const char *text,
	const struct option_context *context, struct bytes *why)
{
	void *field = (char *)object + o->offset;
	switch (o->type) {
	case OPTION_BOOL:
		return set_bool(o, field, text, why);
	case OPTION_INTEGER:
	case OPTION_SIZE:
	case OPTION_DURATION:
	case OPTION_MODE:
		return set_number(o, field, text, why);
	case OPTION_DECIMAL:
		return set_decimal(o, field, text, why);
	case OPTION_TRISTATE:
		return set_tristate(o, field, text, why);
	case OPTION_LIMITS:
		return limits_parse(text, field, why);
	default:
		return set_text(o, field, text, context, why);
	}
}

void
option_value_print_number(const struct option *o, int64_t number, struct bytes *out)
{
	const struct unit *units = o->type == OPTION_SIZE       ? sizes
				   : o->type == OPTION_DURATION ? durations
								: NULL;
	if (o->type == OPTION_MODE)
		bytes_printf(out, "%04llo", (unsigned long long)number);
	if (units == NULL && o->type != OPTION_MODE)
		bytes_printf(out, "%lld", (long long)number);
	for (; units != NULL && units->word != NULL; units++) {
		if (number % units->factor != 0 || (number == 0 && units[1].word != NULL))
			continue;
		int64_t count = number / units->factor;
		if (number == 0)
			bytes_append_str(out, "0");
		else if (count == 1 && units->factor == DAY)
			bytes_append_str(out, "1 day");
		else
			bytes_printf(out, "%lld %s", (long long)count, units->word);
		return;
	}
}

static void
print_decimal(double number, struct bytes *out)
{
	/* Six places are more than any model's size has; printf's point would follow the locale. */
	int64_t millionths = (int64_t)(number * 1000000 + 0.5);
	bytes_printf(out, "%lld", (long long)(millionths / 1000000));
	int64_t rest = millionths % 1000000;
	if (rest == 0)
		return;
	bytes_printf(out, ".%06lld", (long long)rest);
	while (out->len > 0 && out->data[out->len - 1] == '0')
		out->len--;
}

/* A proxy's password is not for the screen. */
static void
print_proxy(const char *url, struct bytes *out)
{
	const char *host = strrchr(url, '@');
	const char *scheme = strstr(url, "://");
	if (host == NULL || scheme == NULL) {
		bytes_append_str(out, url);
		return;
	}
	bytes_append(out, url, (size_t)(scheme + 3 - url));
	bytes_append_str(out, "***");
	bytes_append_str(out, host);
}

void
option_value_print(const struct option *o, const void *object, struct bytes *out)
{
	const void *field = (const char *)object + o->offset;
	const char *string = NULL;
	switch (o->type) {
	case OPTION_BOOL:
		bytes_append_str(out, *(const bool *)field ? "yes" : "no");
		return;
	case OPTION_INTEGER:
	case OPTION_SIZE:
	case OPTION_DURATION:
	case OPTION_MODE:
		option_value_print_number(o, *(const int64_t *)field, out);
		return;
	case OPTION_DECIMAL:
		print_decimal(*(const double *)field, out);
		return;
	case OPTION_TRISTATE:
		bytes_append_str(out, tristates[*(const enum tristate *)field]);
		return;
	case OPTION_LIMITS:
		limits_print(field, out);
		return;
	case OPTION_KEY: {
		const struct key_source *key = *(struct key_source *const *)field;
		if (key != NULL && strcmp(key->name, "default") == 0)
			string = key->source;
		break;
	}
	default:
		string = *(char *const *)field;
	}
	if (string != NULL && o->type == OPTION_PROXY)
		print_proxy(string, out);
	else if (string != NULL)
		bytes_append_str(out, string);
}

void
option_value_free(const struct option *o, void *object)
{
	void *field = (char *)object + o->offset;
	/* Keys have sections of their own, and are freed with those. */
	if (o->type < OPTION_STRING || o->type == OPTION_KEY || o->type == OPTION_LIMITS)
		return;
	free(*(char **)field);
	*(char **)field = NULL;
}
