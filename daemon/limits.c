#include "limits.h"

#include <ctype.h>
#include <string.h>

#include "problems.h"

static const struct unit_name {
	const char *name;
	enum limit_unit unit;
} unit_names[] = {
	/* The first of a unit is what is printed. */
	{"second", UNIT_SECOND},
	{"s", UNIT_SECOND},
	{"sec", UNIT_SECOND},
	{"seconds", UNIT_SECOND},
	{"minute", UNIT_MINUTE},
	{"min", UNIT_MINUTE},
	{"minutes", UNIT_MINUTE},
	{"hour", UNIT_HOUR},
	{"h", UNIT_HOUR},
	{"hours", UNIT_HOUR},
	{"day", UNIT_DAY},
	{"d", UNIT_DAY},
	{"days", UNIT_DAY},
	{"week", UNIT_WEEK},
	{"weeks", UNIT_WEEK},
	{"month", UNIT_MONTH},
	{"months", UNIT_MONTH},
};

enum { UNIT_NAMES = sizeof(unit_names) / sizeof(unit_names[0]), WORDS_MAX = 10 };

/* Amounts stay far from overflow when later arithmetic scales them; no quota is near. */
#define AMOUNT_MAX INT64_C(1000000000000000)
enum { COUNT_MAX = 100000, WORD_MAX = 64 };

/* The words of one limit. "60s" is two: a number and a unit. */
struct words {
	char word[WORDS_MAX][WORD_MAX];
	size_t count;
	size_t at;
};

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static bool
refuse(struct bytes *why, struct slice part, const char *reason)
{
	char text[200];
	while (part.len > 0 && is_blank(part.data[0])) {
		part.data++;
		part.len--;
	}
	size_t len = part.len < sizeof(text) - 1 ? part.len : sizeof(text) - 1;
	if (len > 0)
		memcpy(text, part.data, len);
	text[len] = '\0';
	problems_quote(why, text);
	bytes_printf(why, ": %s", reason);
	return false;
}

/* Does a new word begin here, although there is no blank: the unit in "60s"? */
static bool
ends_number(const struct slice *part, size_t start, size_t i)
{
	return i > start && isdigit((unsigned char)part->data[i - 1]) &&
	       isalpha((unsigned char)part->data[i]) && isdigit((unsigned char)part->data[start]);
}

static bool
split_words(struct slice part, struct words *w)
{
	size_t i = 0;
	for (;;) {
		while (i < part.len && is_blank(part.data[i]))
			i++;
		if (i == part.len)
			return true;
		size_t start = i;
		/* Not the amount: "1e3" and "100k" are mistakes, not units of that name. */
		while (i < part.len && !is_blank(part.data[i]) &&
			(w->count == 0 || !ends_number(&part, start, i)))
			i++;
		if (w->count == WORDS_MAX || i - start >= WORD_MAX)
			return false;
		memcpy(w->word[w->count], part.data + start, i - start);
		w->word[w->count][i - start] = '\0';
		w->count++;
	}
}

static const char *
peek(const struct words *w)
{
	return w->at < w->count ? w->word[w->at] : "";
}

static bool
take(struct words *w, const char *word)
{
	if (strcmp(peek(w), word) != 0)
		return false;
	w->at++;
	return true;
}

/* Digits only: no sign, no fraction. */
static bool
take_number(struct words *w, int64_t max, int64_t *to)
{
	const char *p = peek(w);
	int64_t number = 0;
	if (*p == '\0')
		return false;
	for (; *p != '\0'; p++) {
		if (!isdigit((unsigned char)*p))
			return false;
		number = number * 10 + (*p - '0');
		if (number > max)
			return false;
	}
	*to = number;
	w->at++;
	return true;
}

static bool
take_unit(struct words *w, enum limit_unit *to)
{
	for (size_t i = 0; i < UNIT_NAMES; i++) {
		if (take(w, unit_names[i].name)) {
			*to = unit_names[i].unit;
			return true;
		}
	}
	return false;
}

static bool
is_name(const char *word)
{
	if (!isalpha((unsigned char)word[0]) || strlen(word) >= LIMIT_NAME_MAX)
		return false;
	for (; *word != '\0'; word++)
		if (!isalnum((unsigned char)*word) && *word != '_' && *word != '-')
			return false;
	return true;
}

/* "UTC", "America/Los_Angeles", "Etc/GMT+8"; nothing that could walk out of the zone folder. */
static bool
is_zone(const char *word)
{
	if (!isalpha((unsigned char)word[0]) || strlen(word) >= LIMIT_NAME_MAX)
		return false;
	for (; *word != '\0'; word++)
		if (!isalnum((unsigned char)*word) && strchr("_-+/", *word) == NULL)
			return false;
	return true;
}

/* "HH:MM" as minutes after midnight, or -1. */
static int
clock_minutes(const char *word)
{
	static const char shape[] = "00:00";
	for (size_t i = 0; i < sizeof(shape); i++)
		if (shape[i] == '0' ? !isdigit((unsigned char)word[i]) : word[i] != shape[i])
			return -1;
	int hour = (word[0] - '0') * 10 + word[1] - '0';
	int minute = (word[3] - '0') * 10 + word[4] - '0';
	return hour < 24 && minute < 60 ? hour * 60 + minute : -1;
}

/* Takes a word that is known to fit. */
static void
copy_word(struct words *w, char to[LIMIT_NAME_MAX])
{
	const char *word = peek(w);
	memcpy(to, word, strlen(word) + 1);
	w->at++;
}

static const char *
take_window(struct words *w, struct limit *l)
{
	if (take(w, "aligned")) {
		l->window = WINDOW_ALIGNED;
	} else if (take(w, "refill")) {
		l->window = WINDOW_REFILL;
	} else if (take(w, "resets")) {
		l->window = WINDOW_CALENDAR;
		if (l->unit < UNIT_DAY)
			return "only a day, a week or a month resets at a time of day";
		l->reset_minute = clock_minutes(peek(w));
		if (l->reset_minute < 0)
			return "after 'resets' comes a time from 00:00 to 23:59 and a time zone";
		w->at++;
		if (!is_zone(peek(w)))
			return "after the time comes a time zone, such as UTC or "
			       "America/Los_Angeles";
		copy_word(w, l->zone);
	}
	return NULL;
}

static const char *
parse_rate(struct words *w, struct limit *l)
{
	static const char *const singular[] = {"request", "token", "input_token"};
	if (!is_name(peek(w)) || strcmp(peek(w), "per") == 0)
		return "after the amount comes what is counted (requests, tokens, input_tokens, or "
		       "a provider's own unit), or 'concurrent'";
	copy_word(w, l->metric);
	/* "1 request per minute" reads better, and means the same. */
	for (size_t i = 0; i < sizeof(singular) / sizeof(singular[0]); i++) {
		size_t len = strlen(singular[i]);
		if (strcmp(l->metric, singular[i]) == 0)
			memcpy(l->metric + len, "s", 2);
	}
	if (!take(w, "per"))
		return "expected 'per' and a span of time";
	l->count = 1;
	if (isdigit((unsigned char)peek(w)[0]) &&
		(!take_number(w, COUNT_MAX, &l->count) || l->count == 0))
		return "the number of the span is from 1 to 100000";
	if (!take_unit(w, &l->unit))
		return "the span is in s, second, minute, hour, day, week or month";
	return take_window(w, l);
}

static bool
parse_one(struct slice part, struct limit *l, struct bytes *why)
{
	struct words w = {0};
	*l = (struct limit){0};
	if (!split_words(part, &w))
		return refuse(why, part, "too long for a limit");
	if (w.count == 0)
		return refuse(why, part, "a limit is missing between the commas");
	if (!take_number(&w, AMOUNT_MAX, &l->amount))
		return refuse(why, part,
			"a limit begins with a whole number, such as 60 requests per minute");
	const char *reason = NULL;
	if (take(&w, "concurrent")) {
		l->window = WINDOW_CONCURRENT;
		l->count = 1;
	} else {
		reason = parse_rate(&w, l);
	}
	if (reason == NULL && w.at < w.count)
		reason = l->window == WINDOW_SLIDING
				 ? "after the span comes nothing, aligned, refill, or resets HH:MM "
				   "ZONE"
				 : "there is something after the end of the limit";
	return reason == NULL || refuse(why, part, reason);
}

/* Two limits that could only contradict each other. */
static bool
same_window(const struct limit *a, const struct limit *b)
{
	return strcmp(a->metric, b->metric) == 0 && a->count == b->count && a->unit == b->unit &&
	       (a->window == WINDOW_CONCURRENT) == (b->window == WINDOW_CONCURRENT);
}

bool
limits_parse(const char *text, struct limits *to, struct bytes *why)
{
	struct limits limits = {0};
	size_t len = strlen(text);
	if (strspn(text, " \t") == len) {
		*to = limits;
		return true;
	}
	for (const char *p = text;;) {
		const char *comma = memchr(p, ',', len - (size_t)(p - text));
		struct slice part = {p, comma ? (size_t)(comma - p) : len - (size_t)(p - text)};
		struct limit l;
		if (!parse_one(part, &l, why))
			return false;
		for (size_t i = 0; i < limits.count; i++)
			if (same_window(&limits.list[i], &l))
				return refuse(
					why, part, "the same metric and span is there already");
		if (limits.count == LIMITS_MAX)
			return refuse(why, part, "more than 16 limits");
		limits.list[limits.count++] = l;
		if (comma == NULL)
			break;
		p = comma + 1;
	}
	*to = limits;
	return true;
}

static const char *
unit_name(enum limit_unit unit)
{
	for (size_t i = 0; i < UNIT_NAMES; i++)
		if (unit_names[i].unit == unit)
			return unit_names[i].name;
	return "";
}

static void
print_one(const struct limit *l, struct bytes *out)
{
	bytes_printf(out, "%lld ", (long long)l->amount);
	if (l->window == WINDOW_CONCURRENT) {
		bytes_append_str(out, "concurrent");
		return;
	}
	bytes_printf(out, "%s per ", l->metric);
	if (l->count != 1)
		bytes_printf(out, "%lld %ss", (long long)l->count, unit_name(l->unit));
	else
		bytes_append_str(out, unit_name(l->unit));
	if (l->window == WINDOW_ALIGNED)
		bytes_append_str(out, " aligned");
	else if (l->window == WINDOW_REFILL)
		bytes_append_str(out, " refill");
	else if (l->window == WINDOW_CALENDAR)
		bytes_printf(out, " resets %02d:%02d %s", l->reset_minute / 60,
			l->reset_minute % 60, l->zone);
}

void
limits_print(const struct limits *limits, struct bytes *out)
{
	for (size_t i = 0; i < limits->count; i++) {
		if (i > 0)
			bytes_append_str(out, ", ");
		print_one(&limits->list[i], out);
	}
}
