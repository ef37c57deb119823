#include <linux/sockios.h>
#include <microhttpd.h>
#include <sys/ioctl.h>

#include "clock.h"
#include "random.h"
#include "reply_internal.h"
#include "squeeze.h"

#define GARBAGE_BYTES 700

static bool step_head(struct reply *);
static bool step_body(struct reply *);
static bool step_over(struct reply *);

/* Puts DATA, which is body, into OUT with its framing. */
static void
frame(struct reply *reply, const char *data, size_t len)
{
	if (len == 0)
		return;
	if (reply->plan->framing == FRAMING_CHUNKED)
		buf_printf(&reply->out, "%zx\r\n", len);
	buf_put(&reply->out, data, len);
	if (reply->plan->framing == FRAMING_CHUNKED)
		buf_puts(&reply->out, "\r\n");
}

void
reply_put_segment(struct reply *reply, bool last)
{
	if (reply->squeeze) {
		buf_clear(&reply->squeezed);
		squeeze_put(reply->squeeze, reply->segment.data, reply->segment.len, last,
			&reply->squeezed);
		frame(reply, reply->squeezed.data, reply->squeezed.len);
	} else {
		frame(reply, reply->segment.data, reply->segment.len);
	}
	buf_clear(&reply->segment);
}

/* Hangs until released, once. Returns whether it does. */
static bool
hang(struct reply *reply)
{
	if (reply->held)
		return false;
	reply->held = true;
	reply->due_us = REPLY_NEVER;
	return true;
}

static void
finish_with(struct reply *reply, enum ending ending)
{
	reply->ending = ending;
	reply->due_us = 0;
	reply->step = step_over;
}

static void
put_garbage(struct reply *reply)
{
	uint64_t state = (uint64_t)reply->plan->behaviour.seed;

	for (int i = 0; i < GARBAGE_BYTES; i++) {
		char byte = (char)random_next(&state);

		/* Never the beginning of a status line. */
		if (i == 0)
			byte = (char)0x80;
		buf_put(&reply->out, &byte, 1);
	}
}

bool
reply_first_step(struct reply *reply)
{
	switch (reply->plan->behaviour.fault) {
	case FAULT_REFUSE:
		reply_end(reply, END_RST);
		return false;
	case FAULT_CLOSE_BEFORE_HEADERS:
		reply_end(reply, END_FIN);
		return false;
	case FAULT_HANG_BEFORE_HEADERS:
		if (hang(reply))
			return true;
		break;
	case FAULT_GARBAGE:
		put_garbage(reply);
		finish_with(reply, END_FIN);
		return true;
	default:
		break;
	}
	reply->due_us = 0;
	reply->step = step_head;
	return true;
}

static void
put_framing_header(struct reply *reply)
{
	const struct plan *plan = reply->plan;

	if (plan->behaviour.gzip)
		buf_puts(&reply->out, "Content-Encoding: gzip\r\n");
	if (plan->framing == FRAMING_CHUNKED)
		buf_puts(&reply->out, "Transfer-Encoding: chunked\r\n");
	else if (plan->framing == FRAMING_LENGTH)
		buf_printf(&reply->out, "Content-Length: %lld\r\n",
			(long long)source_length(&plan->source));
	else
		buf_puts(&reply->out, "Connection: close\r\n");
}

static bool
step_head(struct reply *reply)
{
	const struct plan *plan = reply->plan;
	const struct behaviour *b = &plan->behaviour;

	if (!plan->whole_head)
		buf_printf(&reply->out, "HTTP/1.1 %d %s\r\n", plan->status,
			MHD_get_reason_phrase_for((unsigned int)plan->status));
	buf_put(&reply->out, plan->head.data, plan->head.len);
	if (b->fault == FAULT_CLOSE_IN_HEADERS || b->fault == FAULT_RESET_IN_HEADERS) {
		reply->out.len -= reply->out.len / 4;
		finish_with(reply, b->fault == FAULT_CLOSE_IN_HEADERS ? END_FIN : END_RST);
		return true;
	}
	put_framing_header(reply);
	if (b->huge_header > 0) {
		buf_puts(&reply->out, "X-Mock-Huge: ");
		buf_fill(&reply->out, 'h', (size_t)b->huge_header);
		buf_puts(&reply->out, "\r\n");
	}
	buf_puts(&reply->out, "\r\n");
	reply->in_body = true;
	reply->step = step_body;
	if (b->first_content_ms > 0)
		reply->due_us = clock_monotonic_us() + b->first_content_ms * 1000;
	reply->comment_us = clock_monotonic_us() + b->keepalive_ms * 1000;
	if (b->fault == FAULT_HANG_AFTER_HEADERS)
		hang(reply);
	return true;
}

/* A fault in the middle of the body. Returns whether the body goes on. */
static bool
body_goes_on(struct reply *reply)
{
	const struct behaviour *b = &reply->plan->behaviour;

	if (reply->plan->source.content < b->after)
		return true;
	switch (b->fault) {
	case FAULT_RESET_MID_STREAM:
		finish_with(reply, END_RST);
		return false;
	case FAULT_CLOSE_MID_STREAM:
		finish_with(reply, END_FIN);
		return false;
	case FAULT_BAD_CHUNK:
		buf_puts(&reply->out, "no size\r\n");
		finish_with(reply, END_FIN);
		return false;
	case FAULT_HANG_MID_STREAM:
		return !hang(reply);
	default:
		return true;
	}
}

static void
end_body(struct reply *reply)
{
	enum framing framing = reply->plan->framing;

	if (reply->squeeze)
		reply_put_segment(reply, true);
	if (framing == FRAMING_CHUNKED)
		buf_puts(&reply->out, "0\r\n\r\n");
	finish_with(reply, framing == FRAMING_CLOSE ? END_FIN : END_KEEP);
}

static bool
step_body(struct reply *reply)
{
	struct plan *plan = reply->plan;
	const struct behaviour *b = &plan->behaviour;
	int64_t pace_us = b->pace_ms * 1000 + b->pace_us, due_us;

	if (!body_goes_on(reply))
		return true;
	if (!plan->source.next(&plan->source, &reply->segment)) {
		end_body(reply);
		return true;
	}
	reply_put_segment(reply, false);
	due_us = reply->due_us;
	reply->due_us = 0;
	/* The last chunk goes out together with the last segment. */
	if (b->fault == FAULT_NONE && source_ended(&plan->source)) {
		end_body(reply);
		return true;
	}
	if (pace_us > 0 && !source_ended(&plan->source)) {
		int64_t now_us = clock_monotonic_us();

		/* From when this one was due: paced from when it was sent, streams that were late
		 * together would stay together. */
		reply->due_us = (due_us + pace_us > now_us ? due_us : now_us) + pace_us;
		if (b->keepalive_ms > 0)
			reply->comment_us = now_us + b->keepalive_ms * 1000;
	}
	return true;
}

/* All is handed to the kernel. A reset would throw away what it has not sent yet. */
static bool
step_over(struct reply *reply)
{
	int unsent = 0;

	if (reply->ending == END_RST && ioctl(reply->fd, SIOCOUTQNSD, &unsent) == 0 && unsent > 0) {
		reply->due_us = clock_monotonic_us() + 1000;
		return true;
	}
	reply_end(reply, reply->ending);
	return false;
}
