/*
 * The state that all workers share. Everything below LOCK in the struct is guarded by it.
 */
#ifndef MOCK_MOCK_H
#define MOCK_MOCK_H

#include <jansson.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "behaviour.h"
#include "clock.h"
#include "limits.h"
#include "logbook.h"

struct profile;
struct worker;

/* One accepted connection. */
struct connection {
	int64_t number;
	bool used; /* a request came that was none for the control interface */
};

struct mock {
	/* Set before the workers start, and not changed. */
	const char *bind;
	const char *recordings; /* NULL: none */
	size_t max_body;
	bool verbose;
	uint16_t port;
	struct connection *connections; /* by file descriptor; number 0: none of ours */
	size_t descriptors;
	struct worker **workers;
	size_t worker_count;

	pthread_mutex_t lock;
	const struct profile *profile;
	json_t *keys;        /* array; empty: any key does */
	json_t *models;      /* array; empty: any model does */
	bool account;        /* all keys share the limits */
	bool gate_asked;     /* judge by the prompt and the tokens asked for, as Cerebras does */
	bool charge_end;     /* tokens are counted when the answer ends */
	bool count_rejected; /* a 429 counts as a request */
	int count_failed;    /* -1: as the profile does */
	struct behaviour defaults;
	json_t *script; /* array of behaviours for the next requests */
	struct limits *limits;
	struct virtual_clock clock;
	struct logbook log;
	int64_t refuse_connections; /* how many more are reset when they are accepted; -1: all */
	int64_t deaf_until_us;      /* CLOCK_MONOTONIC until which nothing listens */
	int64_t next_connection;
};

#endif
