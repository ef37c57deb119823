/*
 * freellm-mock: an OpenAI-compatible provider to test against. See README.md beside this file.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sysexits.h>

#include "control.h"
#include "mock.h"
#include "profile.h"
#include "worker.h"

#define MAX_DESCRIPTORS ((rlim_t)1 << 20)
#define MAX_THREADS 64

enum option_id {
	OPTION_PORT = 1000,
	OPTION_BIND,
	OPTION_THREADS,
	OPTION_PACE,
	OPTION_CHUNKS,
	OPTION_PROFILE,
	OPTION_LIMIT,
	OPTION_ACCOUNT,
	OPTION_KEY,
	OPTION_MODEL,
	OPTION_RECORDINGS,
	OPTION_CONFIG,
	OPTION_LOG_LIMIT,
	OPTION_BODY_LIMIT,
	OPTION_NO_LOG,
	OPTION_MAX_BODY,
	OPTION_VERBOSE,
	OPTION_HELP,
	OPTION_VERSION,
};

static const struct option long_options[] = {
	{"port", required_argument, NULL, OPTION_PORT},
	{"bind", required_argument, NULL, OPTION_BIND},
	{"threads", required_argument, NULL, OPTION_THREADS},
	{"pace", required_argument, NULL, OPTION_PACE},
	{"chunks", required_argument, NULL, OPTION_CHUNKS},
	{"profile", required_argument, NULL, OPTION_PROFILE},
	{"limit", required_argument, NULL, OPTION_LIMIT},
	{"account", no_argument, NULL, OPTION_ACCOUNT},
	{"key", required_argument, NULL, OPTION_KEY},
	{"model", required_argument, NULL, OPTION_MODEL},
	{"recordings", required_argument, NULL, OPTION_RECORDINGS},
	{"config", required_argument, NULL, OPTION_CONFIG},
	{"log-limit", required_argument, NULL, OPTION_LOG_LIMIT},
	{"body-limit", required_argument, NULL, OPTION_BODY_LIMIT},
	{"no-log", no_argument, NULL, OPTION_NO_LOG},
	{"max-body", required_argument, NULL, OPTION_MAX_BODY},
	{"verbose", no_argument, NULL, OPTION_VERBOSE},
	{"help", no_argument, NULL, OPTION_HELP},
	{"version", no_argument, NULL, OPTION_VERSION},
	{0},
};

static const char help_text[] =
	"usage: freellm-mock [options]\n"
	"An OpenAI-compatible provider to test against, controlled under /_mock.\n"
	"\n"
	"  --port N          listen on this port (0: any, the default)\n"
	"  --bind ADDRESS    listen on this IPv4 address (127.0.0.1)\n"
	"  --threads N       threads that serve (1)\n"
	"  --pace MS         time between two chunks of a stream (0)\n"
	"  --chunks N        content chunks of an answer (as many as its text has words)\n"
	"  --profile NAME    whose errors, headers and counting to show (plain)\n"
	"  --limit LIMIT     enforce a limit: '30 requests per minute'; may be repeated\n"
	"  --account         all keys share the limits (each key has its own)\n"
	"  --key KEY         accept this key; may be repeated (any key, or none)\n"
	"  --model NAME      serve this model; may be repeated (any model)\n"
	"  --recordings DIR  where recorded answers are\n"
	"  --config JSON     what POST /_mock/config takes\n"
	"  --log-limit N     requests that the log keeps (10000)\n"
	"  --body-limit N    bytes of each body that the log keeps (1048576)\n"
	"  --no-log          keep counters only\n"
	"  --max-body N      bytes that a request's body may have (268435456)\n"
	"  --verbose         one line on standard error for each request\n"
	"  --help, --version\n";

struct arguments {
	int64_t port, threads, log_limit, body_limit, max_body;
	const char *bind;
	const char *recordings;
	bool verbose;
	json_t *defaults; /* behaviour */
	json_t *limits, *keys, *models;
	json_t *settings;
};

static int64_t
number(const char *option, const char *text, int64_t max)
{
	char *end;
	long long value;

	errno = 0;
	value = strtoll(text, &end, 10);
	if (errno != 0 || end == text || *end != '\0' || value < 0 || value > max) {
		fprintf(stderr, "freellm-mock: --%s: '%s' is no number from 0 to %lld\n", option,
			text, (long long)max);
		exit(EX_USAGE);
	}
	return value;
}

static void
read_config(struct arguments *a, const char *text)
{
	json_error_t error;
	json_t *object = json_loads(text, 0, &error);

	if (!json_is_object(object)) {
		fprintf(stderr, "freellm-mock: --config is no JSON object: %s\n", error.text);
		exit(EX_USAGE);
	}
	json_object_update(a->settings, object);
	json_decref(object);
}

static void
read_option(struct arguments *a, int id)
{
	switch (id) {
	case OPTION_PORT:
		a->port = number("port", optarg, 65535);
		break;
	case OPTION_BIND:
		a->bind = optarg;
		break;
	case OPTION_THREADS:
		a->threads = number("threads", optarg, MAX_THREADS);
		break;
	case OPTION_PACE:
		json_object_set_new(
			a->defaults, "pace_ms", json_integer(number("pace", optarg, 86400000)));
		break;
	case OPTION_CHUNKS:
		json_object_set_new(
			a->defaults, "chunks", json_integer(number("chunks", optarg, 100000000)));
		break;
	case OPTION_PROFILE:
		json_object_set_new(a->settings, "profile", json_string(optarg));
		break;
	case OPTION_LIMIT:
		json_array_append_new(a->limits, json_string(optarg));
		break;
	case OPTION_ACCOUNT:
		json_object_set_new(a->settings, "account", json_true());
		break;
	case OPTION_KEY:
		json_array_append_new(a->keys, json_string(optarg));
		break;
	case OPTION_MODEL:
		json_array_append_new(a->models, json_string(optarg));
		break;
	case OPTION_RECORDINGS:
		a->recordings = optarg;
		break;
	case OPTION_CONFIG:
		read_config(a, optarg);
		break;
	case OPTION_LOG_LIMIT:
		a->log_limit = number("log-limit", optarg, 100000000);
		break;
	case OPTION_BODY_LIMIT:
		a->body_limit = number("body-limit", optarg, INT64_C(1) << 40);
		break;
	case OPTION_NO_LOG:
		a->log_limit = 0;
		break;
	case OPTION_MAX_BODY:
		a->max_body = number("max-body", optarg, INT64_C(1) << 40);
		break;
	case OPTION_VERBOSE:
		a->verbose = true;
		break;
	case OPTION_HELP:
		fputs(help_text, stdout);
		printf("Profiles: %s\n", profile_names());
		exit(0);
	case OPTION_VERSION:
		puts("freellm-mock " MOCK_VERSION);
		exit(0);
	default:
		fputs("freellm-mock: see --help\n", stderr);
		exit(EX_USAGE);
	}
}

static void
read_arguments(struct arguments *a, int argc, char **argv)
{
	int id;

	*a = (struct arguments){
		.threads = 1,
		.bind = "127.0.0.1",
		.log_limit = 10000,
		.body_limit = 1 << 20,
		.max_body = 1 << 28,
		.defaults = json_object(),
		.limits = json_array(),
		.keys = json_array(),
		.models = json_array(),
		.settings = json_object(),
	};
	while ((id = getopt_long(argc, argv, "", long_options, NULL)) != -1)
		read_option(a, id);
	if (optind < argc || a->threads == 0) {
		fputs("freellm-mock: see --help\n", stderr);
		exit(EX_USAGE);
	}
	if (!json_object_get(a->settings, "defaults"))
		json_object_set(a->settings, "defaults", a->defaults);
	if (json_array_size(a->limits) > 0)
		json_object_set(a->settings, "limits", a->limits);
	if (json_array_size(a->keys) > 0)
		json_object_set(a->settings, "keys", a->keys);
	if (json_array_size(a->models) > 0)
		json_object_set(a->settings, "models", a->models);
}

static void
free_arguments(struct arguments *a)
{
	json_decref(a->defaults);
	json_decref(a->limits);
	json_decref(a->keys);
	json_decref(a->models);
	json_decref(a->settings);
}

static void
init_mock(struct mock *mock, const struct arguments *a)
{
	struct rlimit files;
	const char *error;
	json_t *plain = json_object();

	*mock = (struct mock){.bind = a->bind, .recordings = a->recordings, .count_failed = -1};
	mock->max_body = (size_t)a->max_body;
	mock->verbose = a->verbose;
	mock->profile = profile_find("plain");
	mock->keys = json_array();
	mock->models = json_array();
	mock->script = json_array();
	mock->limits = limits_create();
	(void)behaviour_parse(&mock->defaults, plain);
	json_decref(plain);
	pthread_mutex_init(&mock->lock, NULL);
	logbook_init(&mock->log, (size_t)a->log_limit, (size_t)a->body_limit);
	error = control_configure(mock, a->settings);
	if (error) {
		fprintf(stderr, "freellm-mock: %s\n", error);
		exit(EX_USAGE);
	}
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur =
			files.rlim_max < MAX_DESCRIPTORS ? files.rlim_max : MAX_DESCRIPTORS;
		setrlimit(RLIMIT_NOFILE, &files);
		mock->descriptors = files.rlim_cur;
	}
	mock->connections = calloc(mock->descriptors, sizeof(struct connection));
	if (!mock->connections)
		abort();
}

static void
finish_mock(struct mock *mock)
{
	free(mock->connections);
	free(mock->workers);
	json_decref(mock->keys);
	json_decref(mock->models);
	json_decref(mock->script);
	limits_destroy(mock->limits);
	behaviour_finish(&mock->defaults);
	logbook_finish(&mock->log);
	pthread_mutex_destroy(&mock->lock);
}

/* All threads share one port; the kernel spreads connections over them. */
static void
create_workers(struct mock *mock, const struct arguments *a)
{
	mock->port = (uint16_t)a->port;
	mock->workers = calloc((size_t)a->threads, sizeof(struct worker *));
	if (!mock->workers)
		abort();
	for (int64_t i = 0; i < a->threads; i++) {
		struct worker *worker = worker_create(mock, a->bind, mock->port);

		if (!worker) {
			fprintf(stderr, "freellm-mock: %s port %d: %s\n", a->bind, mock->port,
				strerror(errno));
			exit(EX_OSERR);
		}
		mock->port = worker_port(worker);
		mock->workers[mock->worker_count++] = worker;
	}
}

int
main(int argc, char **argv)
{
	struct arguments arguments;
	struct mock mock;
	sigset_t stops;
	int signal_number;

	read_arguments(&arguments, argc, argv);
	init_mock(&mock, &arguments);
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&stops);
	sigaddset(&stops, SIGTERM);
	sigaddset(&stops, SIGINT);
	pthread_sigmask(SIG_BLOCK, &stops, NULL);
	create_workers(&mock, &arguments);
	for (size_t i = 0; i < mock.worker_count; i++) {
		if (worker_start(mock.workers[i]) < 0)
			abort();
	}
	printf("listening on http://%s:%d\n", mock.bind, mock.port);
	fflush(stdout);
	sigwait(&stops, &signal_number);
	for (size_t i = 0; i < mock.worker_count; i++)
		worker_destroy(mock.workers[i]);
	finish_mock(&mock);
	free_arguments(&arguments);
	return 0;
}
