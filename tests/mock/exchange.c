#include "exchange.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "mock.h"

struct exchange *
exchange_create(struct mock *mock)
{
	struct exchange *exchange = calloc(1, sizeof(*exchange));

	if (!exchange)
		abort();
	exchange->mock = mock;
	return exchange;
}

void
exchange_enter(struct exchange *exchange, const char *key, const char *model)
{
	exchange->key = strdup(key);
	exchange->model = strdup(model);
	limits_enter(exchange->mock->limits, key, model);
}

static void
end_record(struct exchange *exchange, int status, int64_t bytes, int64_t gone_us)
{
	struct mock *mock = exchange->mock;
	struct record *record = exchange->record;

	record->status = status;
	record->bytes = bytes;
	record->disconnected_us = gone_us;
	record->ended_us = clock_monotonic_us();
	if (mock->verbose)
		fprintf(stderr, "%s %s -> %d, %lld bytes%s\n", record->method, record->path, status,
			(long long)bytes, gone_us >= 0 ? ", client left" : "");
	logbook_end(&mock->log, record);
	record_release(record);
}

void
exchange_end(struct exchange *exchange, int status, int64_t bytes, int64_t gone_us)
{
	struct mock *mock = exchange->mock;

	pthread_mutex_lock(&mock->lock);
	if (exchange->key) {
		limits_leave(mock->limits, exchange->key, exchange->model);
		limits_charge(mock->limits, exchange->key, exchange->model, &exchange->late,
			virtual_clock_us(&mock->clock));
	}
	if (exchange->record)
		end_record(exchange, status, bytes, gone_us);
	pthread_mutex_unlock(&mock->lock);
	free(exchange->key);
	free(exchange->model);
	buf_free(&exchange->body);
	free(exchange);
}

void
exchange_first_byte(struct exchange *exchange)
{
	if (!exchange->record || exchange->record->first_byte_us >= 0)
		return;
	pthread_mutex_lock(&exchange->mock->lock);
	exchange->record->first_byte_us = clock_monotonic_us();
	pthread_mutex_unlock(&exchange->mock->lock);
}
