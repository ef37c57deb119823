#include "schedule.h"

#include <ctype.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

#include "problems.h"

static const char *
skip_blanks(const char *p)
{
	while (*p == ' ' || *p == '\t')
		p++;
	return p;
}

/* A day from 1 to 31, or 0. */
static int
parse_day(const char **p)
{
	int day = 0;
	size_t digits = 0;
	const char *at = skip_blanks(*p);
	for (; isdigit((unsigned char)*at) && digits < 3; at++, digits++)
		day = day * 10 + (*at - '0');
	*p = skip_blanks(at);
	return day >= SCHEDULE_FIRST_DAY && day <= SCHEDULE_LAST_DAY ? day : 0;
}

static bool
parse_days(const char *p, uint32_t *days)
{
	*days = 0;
	for (;;) {
		int first = parse_day(&p);
		int last = first;
		if (*p == '-') {
			p++;
			last = parse_day(&p);
		}
		if (first == 0 || last < first)
			return false;
		for (int day = first; day <= last; day++)
			*days |= UINT32_C(1) << day;
		if (*p == '\0')
			return true;
		if (*p++ != ',')
			return false;
	}
}

bool
schedule_parse(const char *text, uint32_t *days, struct bytes *why)
{
	*days = SCHEDULE_ALWAYS;
	if (text == NULL || strcasecmp(text, "always") == 0)
		return true;
	if (strcasecmp(text, "weekly") == 0 || strcasecmp(text, "monthly") == 0) {
		bytes_append_str(why, "rotation through a set of keys is not there yet: write "
				      "always, or the days of the month, such as 1-14, 20");
		return false;
	}
	if (parse_days(text, days))
		return true;
	problems_quote(why, text);
	bytes_append_str(why, " is not a schedule: write always, or days of the month from 1 to "
			      "31, such as 1-14, 20");
	return false;
}
