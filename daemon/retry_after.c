#include "retry_after.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

/* Longer than this is no waiting time but a mistake; it also keeps every sum far from overflow. */
static const int64_t LONGEST_MS = INT64_C(10) * 366 * 86400 * 1000;

/* A decimal number: whole * 1,000,000 + millionth parts, the latter rounded up. */
struct decimal {
	int64_t millionths;
};

/* Reads digits with an optional fraction at *at and moves past them. False: no number there, or one
 * too big to mean a time. */
static bool
read_decimal(const char **at, const char *end, struct decimal *to)
{
	const char *p = *at;
	int64_t value = 0;
	if (p == end || !isdigit((unsigned char)*p))
		return false;
	for (; p < end && isdigit((unsigned char)*p); p++) {
		if (value > INT64_C(100000000000000) / 10)
			return false;
		value = value * 10 + (*p - '0');
	}
	if (value > INT64_C(9000000000000))
		return false;
	int64_t fraction = 0;
	if (end - p >= 2 && *p == '.' && isdigit((unsigned char)p[1])) {
		int64_t scale = 100000;
		bool more = false;
		for (p++; p < end && isdigit((unsigned char)*p); p++, scale /= 10) {
			fraction += (*p - '0') * scale;
			more = more || (scale == 0 && *p != '0');
		}
		fraction += more;
	}
	to->millionths = value * 1000000 + fraction;
	*at = p;
	return true;
}

/* In nanoseconds, so that "us" has a value. */
struct unit {
	const char *name;
	int64_t ns;
};

static const int64_t SECOND_NS = 1000000000;
/* Longest name first where one begins another. */
static const struct unit units[] = {
	{"milliseconds", 1000000},
	{"millisecond", 1000000},
	{"minutes", INT64_C(60000000000)},
	{"minute", INT64_C(60000000000)},
	{"mins", INT64_C(60000000000)},
	{"min", INT64_C(60000000000)},
	{"seconds", 1000000000},
	{"second", 1000000000},
	{"secs", 1000000000},
	{"sec", 1000000000},
	{"hours", INT64_C(3600000000000)},
	{"hour", INT64_C(3600000000000)},
	{"days", INT64_C(86400000000000)},
	{"day", INT64_C(86400000000000)},
	{"ms", 1000000},
	{"us", 1000},
	{"\xc2\xb5s", 1000}, /* U+00B5, as Go prints it */
	{"ns", 1},
	{"h", INT64_C(3600000000000)},
	{"m", INT64_C(60000000000)},
	{"s", 1000000000},
	{"d", INT64_C(86400000000000)},
};

static const struct unit *
read_unit(const char **at, const char *end)
{
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		size_t len = strlen(units[i].name);
		if ((size_t)(end - *at) >= len && strncasecmp(*at, units[i].name, len) == 0) {
			*at += len;
			return &units[i];
		}
	}
	return NULL;
}

/* Milliseconds, rounded up; -1 when it is beyond LONGEST_MS. */
static int64_t
to_ms(struct decimal d, int64_t unit_ns)
{
	int64_t whole = d.millionths / 1000000;
	int64_t part = d.millionths % 1000000;
	if (whole > LONGEST_MS / 1000 * SECOND_NS / unit_ns)
		return -1;
	/* part < 10^6 and unit_ns < 10^14, hence in two steps. */
	int64_t ns = whole * unit_ns + part * (unit_ns / 1000000) +
		     (part * (unit_ns % 1000000) + 999999) / 1000000;
	return (ns + 999999) / 1000000;
}

/* "2m59.56s": numbers with units and nothing else. */
static int64_t
parse_duration(struct slice text)
{
	const char *at = text.data;
	const char *end = at + text.len;
	int64_t total = 0;
	while (at < end) {
		struct decimal d;
		const struct unit *unit = NULL;
		if (read_decimal(&at, end, &d))
			unit = read_unit(&at, end);
		int64_t ms = unit != NULL ? to_ms(d, unit->ns) : -1;
		if (ms < 0 || total > LONGEST_MS - ms)
			return -1;
		total += ms;
	}
	return text.len > 0 ? total : -1;
}

static int64_t
until(int64_t at_ms, int64_t now_ms)
{
	if (at_ms <= now_ms)
		return 0;
	return at_ms - now_ms <= LONGEST_MS ? at_ms - now_ms : -1;
}

/* A number without a unit: above 10^12 Unix time in milliseconds, above 10^9 in seconds, else
 * seconds from now. */
static int64_t
parse_number(struct slice text, int64_t now_ms)
{
	const char *at = text.data;
	struct decimal d;
	if (!read_decimal(&at, text.data + text.len, &d) || at != text.data + text.len)
		return -1;
	int64_t whole = d.millionths / 1000000;
	if (whole > INT64_C(1000000000000))
		return until((d.millionths + 999999) / 1000000, now_ms);
	if (whole > 1000000000)
		return until((d.millionths + 999) / 1000, now_ms);
	return to_ms(d, SECOND_NS);
}

struct moment {
	int year, month, day, hour, minute, second;
};

/* Unix seconds of a moment in UTC, by the count of days in the proleptic Gregorian calendar; -1
 * when a part is out of range. */
static int64_t
moment_seconds(const struct moment *m)
{
	if (m->year < 1970 || m->year > 9999 || m->month < 1 || m->month > 12 || m->day < 1 ||
		m->day > 31 || m->hour < 0 || m->hour > 23 || m->minute < 0 || m->minute > 59 ||
		m->second < 0 || m->second > 60)
		return -1;
	/* Years begin in March here, so that the leap day is a year's last. */
	int64_t year = m->month <= 2 ? m->year - 1 : m->year;
	int64_t month = m->month <= 2 ? m->month + 9 : m->month - 3;
	int64_t days = year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 +
		       m->day - 1 - 719468;
	return ((days * 24 + m->hour) * 60 + m->minute) * 60 + m->second;
}

/* Two digits or four at *at; false when they are not there. */
static bool
read_digits(const char **at, int count, int *to)
{
	int value = 0;
	for (int i = 0; i < count; i++, (*at)++) {
		if (!isdigit((unsigned char)**at))
			return false;
		value = value * 10 + (**at - '0');
	}
	*to = value;
	return true;
}

static bool
read_month(const char **at, int *to)
{
	static const char months[] = "janfebmaraprmayjunjulaugsepoctnovdec";
	for (ptrdiff_t i = 0; i < 12; i++)
		if (strncasecmp(months + 3 * i, *at, 3) == 0) {
			*to = (int)i + 1;
			*at += 3;
			return true;
		}
	return false;
}

static bool
read_field(const char **at, char field, struct moment *m)
{
	bool good;
	switch (field) {
	case 'Y':
		return read_digits(at, 4, &m->year);
	case 'y': /* of this century until 69, as POSIX has it */
		good = read_digits(at, 2, &m->year);
		m->year += m->year < 70 ? 2000 : 1900;
		return good;
	case 'M':
		return read_digits(at, 2, &m->month);
	case 'N':
		return read_month(at, &m->month);
	case 'D':
		return read_digits(at, 2, &m->day);
	case 'd': /* with a space for its first digit */
		return **at == ' ' ? ++*at && read_digits(at, 1, &m->day)
				   : read_digits(at, 2, &m->day);
	case 'h':
		return read_digits(at, 2, &m->hour);
	case 'm':
		return read_digits(at, 2, &m->minute);
	case 's':
		return read_digits(at, 2, &m->second);
	case 'W':
		while (isalpha((unsigned char)**at))
			(*at)++;
		return true;
	case 'Z':
		good = strncasecmp(*at, "GMT", 3) == 0;
		*at += good ? 3 : 0;
		return good;
	default:
		return *(*at)++ == field;
	}
}

/* Reads text of the form that `fields` spells, up to its end at *rest. */
static bool
read_moment(const char *text, const char *fields, struct moment *m, const char **rest)
{
	*m = (struct moment){0};
	while (*fields != '\0')
		if (!read_field(&text, *fields++, m))
			return false;
	*rest = text;
	return true;
}

/* RFC 3339. The offset is Z, or +hh:mm. */
static int64_t
parse_rfc3339(const char *text, int64_t now_ms)
{
	static const char *const forms[] = {"Y-M-DTh:m:s", "Y-M-Dth:m:s", "Y-M-D h:m:s"};
	struct moment m, offset = {0};
	const char *rest = "";
	size_t form = 0;
	while (form < 3 && !read_moment(text, forms[form], &m, &rest))
		form++;
	int64_t seconds = form < 3 ? moment_seconds(&m) : -1;
	if (seconds < 0)
		return -1;
	bool fraction = false;
	if (*rest == '.')
		for (rest++; isdigit((unsigned char)*rest); rest++)
			fraction = fraction || *rest != '0';
	if (strcasecmp(rest, "Z") != 0) {
		char sign = *rest;
		if ((sign != '+' && sign != '-') || !read_moment(rest + 1, "h:m", &offset, &rest) ||
			*rest != '\0')
			return -1;
		seconds -=
			(sign == '+' ? 1 : -1) * (int64_t)(offset.hour * 60 + offset.minute) * 60;
	}
	return until((seconds + fraction) * 1000, now_ms);
}

/* The three forms of RFC 9110, section 5.6.7. */
static int64_t
parse_http_date(const char *text, int64_t now_ms)
{
	static const char *const forms[] = {
		"W, D N Y h:m:s Z", "W, D-N-y h:m:s Z", "W N d h:m:s Y"};
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		struct moment m;
		const char *rest;
		if (!read_moment(text, forms[i], &m, &rest) || *rest != '\0')
			continue;
		int64_t seconds = moment_seconds(&m);
		return seconds < 0 ? -1 : until(seconds * 1000, now_ms);
	}
	return -1;
}

int64_t
retry_after_parse(struct slice text, int64_t now_ms)
{
	char copy[64];
	while (text.len > 0 && strchr(" \t\r\n\"", text.data[0]) != NULL)
		text = (struct slice){text.data + 1, text.len - 1};
	while (text.len > 0 && strchr(" \t\r\n\"", text.data[text.len - 1]) != NULL)
		text.len--;
	if (text.len == 0 || text.len >= sizeof(copy) || memchr(text.data, '\0', text.len) != NULL)
		return -1;
	memcpy(copy, text.data, text.len);
	copy[text.len] = '\0';
	int64_t ms = parse_number(text, now_ms);
	if (ms < 0)
		ms = parse_duration(text);
	if (ms < 0)
		ms = parse_rfc3339(copy, now_ms);
	return ms >= 0 ? ms : parse_http_date(copy, now_ms);
}

static void
skip_words(const char **at, const char *end)
{
	static const char *const words[] = {
		" ", ",", "and ", "for ", "about ", "at least ", "another ", "after "};
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		size_t len = strlen(words[i]);
		if ((size_t)(end - *at) >= len && strncasecmp(*at, words[i], len) == 0) {
			*at += len;
			i = (size_t)-1;
		}
	}
}

/* May a number without a unit end here? Not in "2026-10-05", "3 tokens" or "4x". */
static bool
ends_number(const char *at, const char *end)
{
	if (at < end && *at == ' ')
		return at + 1 == end || !isalpha((unsigned char)at[1]);
	return at == end || strchr(".,;!)", *at) != NULL;
}

/* A waiting time at the beginning of `at`: "2m59.56s.", "48 seconds", "1 minute and 5 seconds",
 * "20." */
static int64_t
prose_duration(const char *at, const char *end)
{
	int64_t total = -1;
	for (;;) {
		skip_words(&at, end);
		struct decimal d;
		if (!read_decimal(&at, end, &d))
			return total;
		const char *word = at + (at < end && *at == ' ');
		const struct unit *unit = read_unit(&word, end);
		if (unit != NULL && (word == end || !isalpha((unsigned char)*word)))
			at = word;
		else if (total >= 0 || unit != NULL || !ends_number(at, end))
			return total;
		int64_t ms = to_ms(d, unit != NULL ? unit->ns : SECOND_NS);
		if (ms < 0)
			return -1;
		total = (total < 0 ? 0 : total) + ms;
		if (total > LONGEST_MS)
			return -1;
	}
}

int64_t
retry_after_in_prose(struct slice text)
{
	static const char *const marks[] = {"try again in", "retry in", "retry after", "wait",
		"try again after", "available in", "reset in", "resets in", "reset after"};
	const char *begin = text.len > 0 ? text.data : "";
	const char *end = begin + text.len;
	for (const char *at = begin; at < end; at++) {
		if (at > begin && isalpha((unsigned char)at[-1]))
			continue;
		for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
			size_t len = strlen(marks[i]);
			if ((size_t)(end - at) <= len || strncasecmp(at, marks[i], len) != 0)
				continue;
			int64_t ms = prose_duration(at + len, end);
			if (ms >= 0)
				return ms;
		}
	}
	return -1;
}
