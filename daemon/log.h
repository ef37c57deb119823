/*
 * The log: one line an event on stderr, with a level; under journald each line carries the level as
 * its prefix, as sd-daemon(3) says. errno is kept. Pure modules do not log.
 */
#ifndef FREELLMD_LOG_H
#define FREELLMD_LOG_H

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/* Looks at $JOURNAL_STREAM to see whether stderr is the journal. Before it, lines go to stderr at
 * level info. */
void log_init(enum log_level level);
void log_set_level(enum log_level level);
enum log_level log_get_level(void);

/*
 * Writes a line, cut at 4,096 bytes; control characters are escaped, so that what a stranger sent
 * cannot forge a line. Call the macros. The message begins in lower case and names its subject
 * first: "session 7: ...", "groq/llama: ...".
 */
void log_write(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...) log_write(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_write(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...) log_write(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...)                                                                             \
	do {                                                                                       \
		if (log_get_level() >= LOG_LEVEL_DEBUG)                                            \
			log_write(LOG_LEVEL_DEBUG, __VA_ARGS__);                                   \
	} while (0)

#endif
