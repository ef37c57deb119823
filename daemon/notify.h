/*
 * Telling systemd how it goes (sd_notify(3)), without its library.
 */
#ifndef FREELLMD_NOTIFY_H
#define FREELLMD_NOTIFY_H

/* Sends e.g. "READY=1" to $NOTIFY_SOCKET; does nothing without it. */
void notify_systemd(const char *state);

#endif
