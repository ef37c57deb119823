#include "event.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "handle.h"
#include "json_value.h"
#include "text.h"

static const int kinds[] = {
	[EVENT_QUEUED] = FREELLM_QUEUED,
	[EVENT_STARTED] = FREELLM_STARTED,
	[EVENT_CHUNK] = FREELLM_CHUNK,
	[EVENT_RETRYING] = FREELLM_RETRYING,
};

static int
set(struct bytes *to, struct slice text)
{
	if (value_check_text(text) == VALUE_NOT_UTF8)
		return -EPROTO;
	bytes_clear(to);
	bytes_append(to, text.data, text.len);
	return bytes_cstr(to) ? 0 : -ENOMEM;
}

static void
call(struct event_sink *sink, struct freellm_event *event)
{
	event->text = sink->text.data;
	event->text_len = sink->text.len;
	event->target = sink->target.data;
	event->elapsed_ms = handle_now() - sink->started;
	if (!sink->stopped && sink->callback(sink->context, event) != 0)
		sink->stopped = true;
}

static int
tell_reasoning(struct event_sink *sink, const json_t *delta)
{
	const json_t *text = json_object_get(delta, "reasoning");
	if (!json_is_string(text))
		text = json_object_get(delta, "reasoning_content");
	if (!json_is_string(text) || json_string_length(text) == 0)
		return 0;
	struct freellm_event event = {.kind = FREELLM_REASONING, .position = -1, .eta_ms = -1};
	int error =
		set(&sink->text, (struct slice){json_string_value(text), json_string_length(text)});
	if (error == 0)
		call(sink, &event);
	return error;
}

static int
tell_delta(struct event_sink *sink, const msgpack_object *object)
{
	json_t *delta = json_value_from(object);
	char *json = delta ? json_dumps(delta, JSON_COMPACT) : NULL;
	struct freellm_event event = {.kind = FREELLM_DELTA, .position = -1, .eta_ms = -1};
	int error = delta == NULL ? -EPROTO : json == NULL ? -ENOMEM : 0;
	if (error == 0)
		error = tell_reasoning(sink, delta);
	if (error == 0)
		error = set(&sink->text, slice_of(json));
	if (error == 0)
		call(sink, &event);
	free(json);
	json_decref(delta);
	return error;
}

int
event_sink_tell(struct event_sink *sink, const struct event *event)
{
	struct freellm_event told = {
		.kind = kinds[event->kind],
		.position = event->position > 0 ? event->position : -1,
		.eta_ms = event->eta_ms,
	};
	if (sink->callback == NULL)
		return 0;
	int error = set(&sink->target, event->target);
	if (error == 0 && event->kind == EVENT_CHUNK && event->delta != NULL)
		return tell_delta(sink, event->delta);
	if (error == 0)
		error = set(&sink->text, event->kind == EVENT_CHUNK ? event->text : event->reason);
	if (error == 0)
		call(sink, &told);
	return error;
}

void
event_sink_tick(struct event_sink *sink)
{
	struct freellm_event event = {.kind = FREELLM_TICK, .position = -1, .eta_ms = -1};
	if (sink->callback != NULL && set(&sink->text, (struct slice){0}) == 0 &&
		set(&sink->target, (struct slice){0}) == 0)
		call(sink, &event);
}

void
event_sink_finish(struct event_sink *sink)
{
	bytes_finish(&sink->text);
	bytes_finish(&sink->target);
}
