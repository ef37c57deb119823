#include "control.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "clock.h"
#include "mock.h"
#include "profile.h"
#include "worker.h"

#define MAX_SCRIPT 1000000

/* Configuration: one function per member. */

static const char *
set_strings(json_t **list, json_t *value)
{
	json_t *item;
	size_t i;

	if (!json_is_array(value))
		return "keys and models are arrays of strings";
	json_array_foreach(value, i, item)
	{
		if (!json_is_string(item))
			return "keys and models are arrays of strings";
	}
	json_decref(*list);
	*list = json_incref(value);
	return NULL;
}

static const char *
set_flag(bool *flag, json_t *value)
{
	if (!json_is_boolean(value))
		return "a flag is true or false";
	*flag = json_is_true(value);
	return NULL;
}

static const char *
set_keys(struct mock *mock, json_t *value)
{
	return set_strings(&mock->keys, value);
}

static const char *
set_models(struct mock *mock, json_t *value)
{
	return set_strings(&mock->models, value);
}

static const char *
set_profile(struct mock *mock, json_t *value)
{
	const struct profile *profile =
		json_is_string(value) ? profile_find(json_string_value(value)) : NULL;

	if (!profile)
		return "there is no such profile";
	mock->profile = profile;
	return NULL;
}

static const char *
set_limits(struct mock *mock, json_t *value)
{
	const char *error;
	json_t *item;
	size_t i;

	if (!json_is_array(value))
		return "limits are an array of strings";
	limits_reset(mock->limits, true);
	json_array_foreach(value, i, item)
	{
		if (!json_is_string(item))
			return "limits are an array of strings";
		error = limits_add(mock->limits, json_string_value(item));
		if (error)
			return error;
	}
	return NULL;
}

static const char *
set_defaults(struct mock *mock, json_t *value)
{
	struct behaviour behaviour;
	const char *error = behaviour_parse(&behaviour, value);

	if (error)
		return error;
	behaviour_finish(&mock->defaults);
	mock->defaults = behaviour;
	return NULL;
}

static const char *
set_account(struct mock *mock, json_t *value)
{
	return set_flag(&mock->account, value);
}

static const char *
set_gate(struct mock *mock, json_t *value)
{
	return set_flag(&mock->gate_asked, value);
}

static const char *
set_charge(struct mock *mock, json_t *value)
{
	return set_flag(&mock->charge_end, value);
}

static const char *
set_count_failed(struct mock *mock, json_t *value)
{
	if (!json_is_boolean(value) && !json_is_null(value))
		return "count_failed is true, false or null";
	mock->count_failed = json_is_null(value) ? -1 : json_is_true(value);
	return NULL;
}

static const char *
set_count_rejected(struct mock *mock, json_t *value)
{
	return set_flag(&mock->count_rejected, value);
}

static const char *
set_refuse(struct mock *mock, json_t *value)
{
	if (!json_is_integer(value))
		return "refuse_connections is a number";
	mock->refuse_connections = json_integer_value(value);
	return NULL;
}

static const char *
set_deaf(struct mock *mock, json_t *value)
{
	if (!json_is_integer(value) || json_integer_value(value) < 0)
		return "deaf_ms is a number of milliseconds";
	mock->deaf_until_us = clock_monotonic_us() + json_integer_value(value) * 1000;
	for (size_t i = 0; i < mock->worker_count; i++) {
		/* At once, for the answer to this call says that it is so; the worker closes it. */
		if (mock->workers[i]->listener >= 0 && json_integer_value(value) > 0) {
			shutdown(mock->workers[i]->listener, SHUT_RDWR);
			mock->workers[i]->deafened = true;
		}
		atomic_store(&mock->workers[i]->listening_changed, true);
		worker_wake(mock->workers[i]);
	}
	return NULL;
}

static const struct {
	const char *name;
	const char *(*set)(struct mock *, json_t *);
} settings[] = {
	{"keys", set_keys},
	{"models", set_models},
	{"profile", set_profile},
	{"limits", set_limits},
	{"defaults", set_defaults},
	{"account", set_account},
	{"gate_asked", set_gate},
	{"charge_end", set_charge},
	{"count_failed", set_count_failed},
	{"count_rejected", set_count_rejected},
	{"refuse_connections", set_refuse},
	{"deaf_ms", set_deaf},
};

const char *
control_configure(struct mock *mock, json_t *object)
{
	const char *name, *error;
	json_t *value;

	if (!json_is_object(object))
		return "a configuration is an object";
	json_object_foreach(object, name, value)
	{
		size_t i;

		for (i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
			if (strcmp(settings[i].name, name) == 0)
				break;
		}
		if (i == sizeof(settings) / sizeof(settings[0]))
			return "a configuration has a member that is not known";
		error = settings[i].set(mock, value);
		if (error)
			return error;
	}
	return NULL;
}

/* The endpoints. Each is called with the lock held, and returns NULL or what is wrong. */

struct call {
	struct mock *mock;
	json_t *input; /* NULL: no body, or none that is JSON */
	control_query *query;
	void *context;
	json_t *output; /* NULL: an empty object */
};

static const char *
post_config(struct call *call)
{
	return control_configure(call->mock, call->input);
}

static const char *
add_script_entry(struct mock *mock, json_t *entry)
{
	json_t *copy = json_copy(entry);
	json_t *times = json_object_get(copy, "times");
	json_int_t count = json_is_integer(times) ? json_integer_value(times) : 1;
	struct behaviour behaviour;
	const char *error;

	json_object_del(copy, "times");
	error = behaviour_parse(&behaviour, copy);
	if (!error) {
		behaviour_finish(&behaviour);
		while (count-- > 0 && json_array_size(mock->script) < MAX_SCRIPT)
			json_array_append(mock->script, copy);
	}
	json_decref(copy);
	return error;
}

static const char *
post_script(struct call *call)
{
	const char *error;
	json_t *entry;
	size_t i;

	if (!json_is_array(call->input))
		return "a script is an array of behaviours";
	json_array_foreach(call->input, i, entry)
	{
		error = add_script_entry(call->mock, entry);
		if (error)
			return error;
	}
	return NULL;
}

static const char *
get_script(struct call *call)
{
	call->output = json_pack("{s:O}", "script", call->mock->script);
	return NULL;
}

static const char *
post_clock(struct call *call)
{
	struct virtual_clock *clock = &call->mock->clock;
	json_t *freeze = json_object_get(call->input, "freeze");
	json_t *set = json_object_get(call->input, "set_ms");
	json_t *advance = json_object_get(call->input, "advance_ms");
	json_t *advance_us = json_object_get(call->input, "advance_us");

	if (json_is_boolean(freeze))
		virtual_clock_freeze(clock, json_is_true(freeze));
	if (json_is_integer(set))
		virtual_clock_set(clock, json_integer_value(set) * 1000);
	if (json_is_integer(advance))
		virtual_clock_advance(clock, json_integer_value(advance) * 1000);
	if (json_is_integer(advance_us))
		virtual_clock_advance(clock, json_integer_value(advance_us));
	call->output = json_pack("{s:I, s:b}", "now_us", (json_int_t)virtual_clock_us(clock),
		"frozen", clock->frozen);
	return NULL;
}

static const char *
post_release(struct call *call)
{
	for (size_t i = 0; i < call->mock->worker_count; i++) {
		atomic_store(&call->mock->workers[i]->release, true);
		worker_wake(call->mock->workers[i]);
	}
	return NULL;
}

static const char *
post_reset(struct call *call)
{
	struct mock *mock = call->mock;

	json_array_clear(mock->script);
	limits_reset(mock->limits, false);
	logbook_reset(&mock->log);
	mock->refuse_connections = 0;
	mock->clock = (struct virtual_clock){0};
	return NULL;
}

static const char *
get_log(struct call *call)
{
	const char *since = call->query(call->context, "since");
	const char *bodies = call->query(call->context, "bodies");

	call->output = logbook_list(&call->mock->log, since ? strtoll(since, NULL, 10) : 0,
		!bodies || strcmp(bodies, "0") != 0);
	return NULL;
}

static const char *
get_stats(struct call *call)
{
	struct mock *mock = call->mock;
	int64_t now_us = virtual_clock_us(&mock->clock);

	call->output = logbook_counters(&mock->log);
	json_object_set_new(call->output, "virtual_us", json_integer((json_int_t)now_us));
	json_object_set_new(
		call->output, "monotonic_us", json_integer((json_int_t)clock_monotonic_us()));
	json_object_set_new(call->output, "script_left",
		json_integer((json_int_t)json_array_size(mock->script)));
	json_object_set_new(call->output, "limits", limits_report(mock->limits, now_us));
	return NULL;
}

static const struct {
	const char *method;
	const char *url;
	bool takes_json;
	const char *(*answer)(struct call *);
} endpoints[] = {
	{"POST", "/_mock/config", true, post_config},
	{"POST", "/_mock/script", true, post_script},
	{"GET", "/_mock/script", false, get_script},
	{"POST", "/_mock/clock", true, post_clock},
	{"GET", "/_mock/clock", false, post_clock},
	{"POST", "/_mock/release", false, post_release},
	{"POST", "/_mock/reset", false, post_reset},
	{"GET", "/_mock/log", false, get_log},
	{"GET", "/_mock/stats", false, get_stats},
};

static const size_t endpoint_count = sizeof(endpoints) / sizeof(endpoints[0]);

int
control_answer(struct mock *mock, const char *method, const char *url, const struct buf *body,
	control_query *query, void *context, struct buf *out)
{
	struct call call = {.mock = mock, .query = query, .context = context};
	const char *error = "there is no such control";
	int status = 404;
	char *text;

	for (size_t i = 0; i < endpoint_count; i++) {
		if (strcmp(endpoints[i].method, method) != 0 || strcmp(endpoints[i].url, url) != 0)
			continue;
		if (endpoints[i].takes_json)
			call.input = json_loadb(body->data ? body->data : "", body->len, 0, NULL);
		pthread_mutex_lock(&mock->lock);
		error = endpoints[i].answer(&call);
		pthread_mutex_unlock(&mock->lock);
		status = error ? 400 : 200;
		break;
	}
	if (error) {
		json_decref(call.output);
		call.output = json_pack("{s:s}", "error", error);
	}
	text = call.output ? json_dumps(call.output, JSON_COMPACT) : strdup("{}");
	buf_puts(out, text);
	free(text);
	json_decref(call.input);
	json_decref(call.output);
	return status;
}
