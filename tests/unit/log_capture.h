/*
 * Stands in for the log in a unit test: what the unit logs is kept, so that a test can look at it.
 */
#ifndef FREELLMD_LOG_CAPTURE_H
#define FREELLMD_LOG_CAPTURE_H

#include <stdbool.h>

/* Forgets what was logged. */
void log_capture_clear(void);

/* Does a line of the log hold this text? */
bool log_capture_has(const char *text);

/* How often the log holds this text. */
unsigned log_capture_count(const char *text);

#endif
