#include "log_capture.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "log.h"

static char lines[65536];

void
log_capture_clear(void)
{
	lines[0] = '\0';
}

bool
log_capture_has(const char *text)
{
	return strstr(lines, text) != NULL;
}

unsigned
log_capture_count(const char *text)
{
	unsigned count = 0;
	for (const char *at = lines; (at = strstr(at, text)) != NULL; at += strlen(text))
		count++;
	return count;
}

void
log_write(enum log_level level, const char *format, ...)
{
	size_t len = strlen(lines);
	va_list ap;
	va_start(ap, format);
	vsnprintf(lines + len, sizeof(lines) - len, format, ap);
	va_end(ap);
	strncat(lines, "\n", sizeof(lines) - strlen(lines) - 1);
}
