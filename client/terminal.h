/*
 * What freellm-submit writes: the answer on standard output, everything else on standard error.
 */
#ifndef FREELLM_TERMINAL_H
#define FREELLM_TERMINAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* `quiet`: no status line. `json`: the first complaint is an object on standard output, too, unless
 * something has been written there. */
void terminal_init(bool quiet, bool json);

/*
 * Writes a part of the answer at once. On a terminal control characters and escape sequences are
 * left out. Returns 0 or a negative errno, -EINTR when a signal is to end the program.
 */
int terminal_write(const char *text, size_t len) __attribute__((warn_unused_result));

/* The answer is over: ends its line on a terminal. */
int terminal_end(void) __attribute__((warn_unused_result));

/* A part of the reasoning, on standard error. */
void terminal_reason(const char *text, size_t len);

/* Shows one line that the next output replaces; only on a terminal, and only before the answer. */
void terminal_status(const char *format, ...) __attribute__((format(printf, 1, 2)));
bool terminal_has_status(void);
const char *terminal_ellipsis(void);

/* One line "freellm-submit: ..." on standard error, without control characters. */
void terminal_say(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The same with "CODE: " in front. */
void terminal_complain(const char *code, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Calls `interrupted` on the first SIGINT, SIGTERM or SIGHUP; the second ends the program. */
void terminal_catch_signals(void interrupted(void));

/* Waits until `fd` can be read without blocking: 0, or -EINTR when a signal is to end the program,
 * also one that came before. */
int terminal_wait_input(int fd) __attribute__((warn_unused_result));

/* The signal that came, or 0. */
int terminal_interrupted(void);

#endif
