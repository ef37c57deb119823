#include "log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { LINE_MAX_BYTES = 4096 };

static enum log_level current_level = LOG_LEVEL_INFO;
static bool to_journal;

/* The priorities are those of syslog(3). */
static const struct {
	const char *name, *journal_prefix;
} levels[] = {
	[LOG_LEVEL_ERROR] = {"error", "<3>"},
	[LOG_LEVEL_WARNING] = {"warning", "<4>"},
	[LOG_LEVEL_INFO] = {"info", "<6>"},
	[LOG_LEVEL_DEBUG] = {"debug", "<7>"},
};

/* $JOURNAL_STREAM holds the device and inode of the journal's stream (systemd.exec(5)); stderr may
 * be another. */
static bool
stderr_is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	struct stat st;
	if (stream == NULL)
		return false;
	char *end;
	uintmax_t device = strtoumax(stream, &end, 10);
	if (*end != ':')
		return false;
	uintmax_t inode = strtoumax(end + 1, &end, 10);
	return fstat(STDERR_FILENO, &st) == 0 && st.st_dev == device && st.st_ino == inode;
}

void
log_init(enum log_level level)
{
	current_level = level;
	to_journal = stderr_is_journal();
}

void
log_set_level(enum log_level level)
{
	current_level = level;
}

enum log_level
log_get_level(void)
{
	return current_level;
}

static size_t
write_prefix(char *line, size_t size, enum log_level level)
{
	if (to_journal)
		return (size_t)snprintf(line, size, "%s", levels[level].journal_prefix);
	struct timespec now;
	struct tm local;
	clock_gettime(CLOCK_REALTIME, &now);
	localtime_r(&now.tv_sec, &local);
	size_t len = strftime(line, size, "%Y-%m-%dT%H:%M:%S", &local);
	return len + (size_t)snprintf(line + len, size - len, ".%03ld %s: ", now.tv_nsec / 1000000,
			     levels[level].name);
}

void
log_write(enum log_level level, const char *format, ...)
{
	if (level > current_level)
		return;
	int saved = errno;
	char text[LINE_MAX_BYTES], line[LINE_MAX_BYTES];
	va_list ap;
	va_start(ap, format);
	vsnprintf(text, sizeof text, format, ap);
	va_end(ap);

	size_t len = write_prefix(line, sizeof line, level);
	for (const unsigned char *p = (const unsigned char *)text; *p && len < sizeof line - 8;
		p++) {
		if (*p < 0x20 || *p == 0x7f)
			len += (size_t)snprintf(line + len, sizeof line - len, "\\x%02x", *p);
		else
			line[len++] = (char)*p;
	}
	line[len++] = '\n';
	/* One write, so that lines of several threads do not mix; what cannot be logged is lost. */
	ssize_t written = write(STDERR_FILENO, line, len);
	(void)written;
	errno = saved;
}
