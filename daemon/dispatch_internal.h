/*
 * Shared by dispatch.c (frames to methods), dispatch_submit.c (requests in flight) and
 * dispatch_report.c (what the tools show), and by nobody else.
 */
#ifndef FREELLMD_DISPATCH_INTERNAL_H
#define FREELLMD_DISPATCH_INTERNAL_H

#include "completion.h"
#include "dispatch.h"
#include "message.h"
#include "session.h"

/* A method's handler: answers `message`, now or later. */
typedef void dispatch_method(struct session *s, const struct message *message);

dispatch_method dispatch_submit, dispatch_cancel, dispatch_status, dispatch_models;

void dispatch_send_error(struct session *s, uint32_t msgid, enum error_code code, const char *text);

#endif
