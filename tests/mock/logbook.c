#include "logbook.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

void
logbook_init(struct logbook *log, size_t limit, size_t body_limit)
{
	*log = (struct logbook){.limit = limit, .body_limit = body_limit, .next_sequence = 1};
	if (limit > 0) {
		log->ring = calloc(limit, sizeof(struct record *));
		if (!log->ring)
			abort();
	}
}

static void
forget(struct logbook *log)
{
	for (size_t i = 0; i < log->count; i++)
		record_release(log->ring[(log->first + i) % log->limit]);
	log->first = 0;
	log->count = 0;
}

void
logbook_finish(struct logbook *log)
{
	forget(log);
	free(log->ring);
	log->ring = NULL;
}

void
logbook_reset(struct logbook *log)
{
	struct counters old = log->counters;

	forget(log);
	log->dropped = 0;
	log->next_sequence = 1;
	log->last_order = 0;
	log->counters = (struct counters){
		.in_flight = old.in_flight,
		.peak_in_flight = old.in_flight,
		.open = old.open,
		.peak_open = old.open,
	};
}

struct record *
logbook_begin(struct logbook *log, int64_t now_us)
{
	struct counters *counters = &log->counters;
	struct record *record = calloc(1, sizeof(*record));

	if (!record)
		abort();
	counters->requests++;
	if (++counters->in_flight > counters->peak_in_flight)
		counters->peak_in_flight = counters->in_flight;
	record->references = 1;
	record->sequence = log->next_sequence++;
	record->started_us = now_us;
	record->ended_us = -1;
	record->first_byte_us = -1;
	record->disconnected_us = -1;
	record->concurrent = counters->in_flight;
	if (log->limit == 0)
		return record;
	if (log->count == log->limit) {
		record_release(log->ring[log->first]);
		log->first = (log->first + 1) % log->limit;
		log->count--;
		log->dropped++;
	}
	record->references++;
	log->ring[(log->first + log->count++) % log->limit] = record;
	return record;
}

void
logbook_end(struct logbook *log, struct record *record)
{
	struct counters *counters = &log->counters;

	counters->in_flight--;
	counters->bytes += record->bytes;
	if (record->status >= 0 && record->status < LOGBOOK_STATUSES)
		counters->statuses[record->status]++;
	if (record->disconnected_us >= 0)
		counters->disconnects++;
	if (record->limited)
		counters->limited++;
}

void
record_release(struct record *record)
{
	if (!record || --record->references > 0)
		return;
	free(record->method);
	free(record->path);
	json_decref(record->headers);
	buf_free(&record->body);
	free(record);
}

/* A body as text, or in hexadecimal when it is not UTF-8. */
static void
put_body(const struct record *record, json_t *out)
{
	const char *data = record->body.data ? record->body.data : "";
	json_t *text = json_stringn(data, record->body.len);
	struct buf hex = {0};

	if (text) {
		json_object_set_new(out, "body", text);
		return;
	}
	for (size_t i = 0; i < record->body.len; i++)
		buf_printf(&hex, "%02x", (unsigned char)data[i]);
	json_object_set_new(out, "body_hex", json_stringn(hex.data, hex.len));
	buf_free(&hex);
}

static json_t *
describe(const struct record *r, bool bodies)
{
	json_t *out = json_pack(
		"{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:i, s:I}",
		"sequence", (json_int_t)r->sequence, "connection", (json_int_t)r->connection,
		"started_us", (json_int_t)r->started_us, "judged_us", (json_int_t)r->judged_us,
		"virtual_us", (json_int_t)r->virtual_us, "first_byte_us",
		(json_int_t)r->first_byte_us, "ended_us", (json_int_t)r->ended_us,
		"disconnected_us", (json_int_t)r->disconnected_us, "concurrent",
		(json_int_t)r->concurrent, "bytes", (json_int_t)r->bytes, "tokens",
		(json_int_t)r->tokens, "input_tokens", (json_int_t)r->input_tokens, "status",
		r->status, "order", (json_int_t)r->order);

	json_object_set_new(out, "disconnected", json_boolean(r->disconnected_us >= 0));
	json_object_set_new(out, "limited", json_boolean(r->limited));
	json_object_set_new(out, "charged", json_boolean(r->charged));
	json_object_set_new(out, "method", json_string(r->method ? r->method : ""));
	json_object_set_new(out, "path", json_string(r->path ? r->path : ""));
	json_object_set_new(out, "body_bytes", json_integer((json_int_t)r->body_bytes));
	if (r->headers)
		json_object_set(out, "headers", r->headers);
	if (bodies)
		put_body(r, out);
	return out;
}

json_t *
logbook_list(const struct logbook *log, int64_t since, bool bodies)
{
	json_t *list = json_array();

	for (size_t i = 0; i < log->count; i++) {
		const struct record *record = log->ring[(log->first + i) % log->limit];

		if (record->sequence >= since)
			json_array_append_new(list, describe(record, bodies));
	}
	return list;
}

json_t *
logbook_counters(const struct logbook *log)
{
	const struct counters *c = &log->counters;
	json_t *out, *statuses = json_object();

	for (int i = 0; i < LOGBOOK_STATUSES; i++) {
		char name[16];

		if (c->statuses[i] == 0)
			continue;
		snprintf(name, sizeof(name), "%d", i);
		json_object_set_new(statuses, name, json_integer((json_int_t)c->statuses[i]));
	}
	out = json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o}",
		"requests", (json_int_t)c->requests, "in_flight", (json_int_t)c->in_flight,
		"peak_in_flight", (json_int_t)c->peak_in_flight, "connections_accepted",
		(json_int_t)c->accepted, "connections_used", (json_int_t)c->used,
		"connections_refused", (json_int_t)c->refused, "connections_open",
		(json_int_t)c->open, "peak_connections_open", (json_int_t)c->peak_open,
		"disconnects", (json_int_t)c->disconnects, "limited", (json_int_t)c->limited,
		"bytes", (json_int_t)c->bytes, "log_dropped", (json_int_t)log->dropped, "statuses",
		statuses);
	return out;
}
