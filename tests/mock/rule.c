#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "limits_internal.h"

#define SECOND_US INT64_C(1000000)
#define DAY_US (86400 * SECOND_US)
#define MAX_WORDS 10

static const struct {
	const char *name;
	int64_t span_us;
	char calendar;
} units[] = {
	{"s", SECOND_US, 0},
	{"second", SECOND_US, 0},
	{"minute", 60 * SECOND_US, 0},
	{"hour", 3600 * SECOND_US, 0},
	{"day", DAY_US, 'd'},
	{"week", 7 * DAY_US, 'w'},
	{"month", 30 * DAY_US, 'm'},
};

static const struct {
	const char *name;
	enum metric metric;
} metrics[] = {
	{"requests", METRIC_REQUESTS},
	{"request", METRIC_REQUESTS},
	{"tokens", METRIC_TOKENS},
	{"input_tokens", METRIC_INPUT_TOKENS},
};

static bool
read_number(const char *text, int64_t *out)
{
	char *end;

	errno = 0;
	*out = strtoll(text, &end, 10);
	return errno == 0 && end != text && *end == '\0' && *out >= 0;
}

/* "60s" is "60 s", and "minutes" is "minute". */
static bool
read_unit(struct rule *rule, int64_t n, const char *name)
{
	size_t len = strlen(name);

	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		size_t unit_len = strlen(units[i].name);
		bool plural = len == unit_len + 1 && name[unit_len] == 's' && unit_len > 1;

		if (strncmp(name, units[i].name, unit_len) != 0 || (len != unit_len && !plural))
			continue;
		if (n < 1 || n > 10000)
			return false;
		rule->span_us = n * units[i].span_us;
		rule->unit = units[i].calendar;
		return true;
	}
	return false;
}

/* Reads HH:MM as minutes. */
static bool
read_time(const char *text, int *minutes)
{
	static const char shape[] = "dd:dd";
	int hour, minute;

	if (strlen(text) != sizeof(shape) - 1)
		return false;
	for (size_t i = 0; text[i]; i++) {
		if (shape[i] == ':' ? text[i] != ':' : !isdigit((unsigned char)text[i]))
			return false;
	}
	hour = (text[0] - '0') * 10 + text[1] - '0';
	minute = (text[3] - '0') * 10 + text[4] - '0';
	*minutes = hour * 60 + minute;
	return hour <= 23 && minute <= 59;
}

static const char *
read_kind(struct rule *rule, char **words, size_t count, int64_t n)
{
	if (count == 0)
		return NULL;
	if (count == 1 && strcmp(words[0], "aligned") == 0) {
		rule->window = WINDOW_ALIGNED;
		return NULL;
	}
	if (count == 1 && strcmp(words[0], "refill") == 0) {
		rule->window = WINDOW_REFILL;
		return NULL;
	}
	if (count != 3 || strcmp(words[0], "resets") != 0)
		return "after the unit comes nothing, aligned, refill, or resets HH:MM ZONE";
	if (!read_time(words[1], &rule->minute))
		return "a time of day is HH:MM";
	if (!rule->unit || n != 1)
		return "only a day, a week or a month resets at a time";
	rule->window = WINDOW_CALENDAR;
	rule->zone = strdup(words[2]);
	return NULL;
}

static const char *
read_words(struct rule *rule, char **words, size_t count)
{
	int64_t n = 1;
	size_t at = 3;
	char *rest;

	if (count < 2 || !read_number(words[0], &rule->amount))
		return "a limit begins with an amount and a metric";
	if (count == 2 && strcmp(words[1], "concurrent") == 0) {
		rule->metric = METRIC_CONCURRENT;
		rule->window = WINDOW_NONE;
		return NULL;
	}
	for (size_t i = 0;; i++) {
		if (i == sizeof(metrics) / sizeof(metrics[0]))
			return "a metric is requests, tokens or input_tokens";
		if (strcmp(words[1], metrics[i].name) == 0) {
			rule->metric = metrics[i].metric;
			break;
		}
	}
	if (count < 4 || strcmp(words[2], "per") != 0)
		return "after the metric comes 'per' and a unit";
	if (isdigit((unsigned char)words[3][0])) {
		n = strtoll(words[3], &rest, 10);
		if (*rest == '\0')
			at = 4;
		else
			memmove(words[3], rest, strlen(rest) + 1);
	}
	if (at >= count || !read_unit(rule, n, words[at]))
		return "a unit is s, second, minute, hour, day, week or month";
	return read_kind(rule, words + at + 1, count - at - 1, n);
}

const char *
rule_parse(struct rule *out, const char *text)
{
	struct rule rule = {.window = WINDOW_SLIDING};
	char *copy = strdup(text), *save = NULL, *words[MAX_WORDS];
	char *colon = strstr(copy, ": ");
	const char *error = "a limit has too many words";
	size_t count = 0;

	if (colon) {
		*colon = '\0';
		rule.model = strdup(copy);
	}
	for (char *word = strtok_r(colon ? colon + 1 : copy, " \t", &save);
		word && count < MAX_WORDS; word = strtok_r(NULL, " \t", &save))
		words[count++] = word;
	if (count < MAX_WORDS)
		error = read_words(&rule, words, count);
	free(copy);
	rule.text = strdup(text);
	if (error)
		rule_finish(&rule);
	else
		*out = rule;
	return error;
}

void
rule_finish(struct rule *rule)
{
	free(rule->text);
	free(rule->model);
	free(rule->zone);
	*rule = (struct rule){0};
}

/* The instant when the day, week or month of DAY begins, moved by STEP periods. */
static int64_t
period_start(const struct rule *rule, const struct tm *day, int step)
{
	struct tm tm = {.tm_year = day->tm_year, .tm_mon = day->tm_mon, .tm_mday = day->tm_mday};

	tm.tm_hour = rule->minute / 60;
	tm.tm_min = rule->minute % 60;
	tm.tm_isdst = -1;
	if (rule->unit == 'd') {
		tm.tm_mday += step;
	} else if (rule->unit == 'w') {
		/* Weeks begin on Monday. */
		tm.tm_mday += 7 * step - (day->tm_wday + 6) % 7;
	} else {
		tm.tm_mday = 1;
		tm.tm_mon += step;
	}
	return (int64_t)mktime(&tm) * SECOND_US;
}

void
rule_period(const struct rule *rule, int64_t at_us, int64_t *start_us, int64_t *end_us)
{
	const char *old = getenv("TZ");
	char *saved = old ? strdup(old) : NULL;
	time_t seconds = (time_t)(at_us / SECOND_US);
	struct tm day;
	int step = 0;

	setenv("TZ", rule->zone, 1);
	tzset();
	localtime_r(&seconds, &day);
	if (period_start(rule, &day, 0) > at_us)
		step = -1;
	*start_us = period_start(rule, &day, step);
	*end_us = period_start(rule, &day, step + 1);
	if (saved)
		setenv("TZ", saved, 1);
	else
		unsetenv("TZ");
	tzset();
	free(saved);
}
