/*
 * freellm-mock: an OpenAI-compatible provider to test against. See README.md beside this file.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stddef.h>
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

struct arguments {
	int64_t port, threads, log_limit, body_limit, max_body;
	int64_t pace, chunks; /* -1: not given */
	bool no_log, account, verbose, help, version;
	const char *bind, *recordings, *profile, *config;
	json_t *limits, *keys, *models;
	json_t *settings; /* for control_configure */
};

enum kind { NUMBER, FLAG, TEXT, LIST };

static const struct argument {
	const char *name;
	enum kind kind;
	size_t offset;
	int64_t max;
} table[] = {
#define AT(field) offsetof(struct arguments, field)
	{"port", NUMBER, AT(port), 65535},
	{"bind", TEXT, AT(bind), 0},
	{"threads", NUMBER, AT(threads), 64},
	{"pace", NUMBER, AT(pace), 86400000},
	{"chunks", NUMBER, AT(chunks), 100000000},
	{"profile", TEXT, AT(profile), 0},
	{"limit", LIST, AT(limits), 0},
	{"account", FLAG, AT(account), 0},
	{"key", LIST, AT(keys), 0},
	{"model", LIST, AT(models), 0},
	{"recordings", TEXT, AT(recordings), 0},
	{"config", TEXT, AT(config), 0},
	{"log-limit", NUMBER, AT(log_limit), 100000000},
	{"body-limit", NUMBER, AT(body_limit), INT64_C(1) << 40},
	{"no-log", FLAG, AT(no_log), 0},
	{"max-body", NUMBER, AT(max_body), INT64_C(1) << 40},
	{"verbose", FLAG, AT(verbose), 0},
	{"help", FLAG, AT(help), 0},
	{"version", FLAG, AT(version), 0},
#undef AT
};

#define ARGUMENTS (sizeof(table) / sizeof(table[0]))

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
read_argument(struct arguments *a, const struct argument *argument)
{
	void *at = (char *)a + argument->offset;

	switch (argument->kind) {
	case NUMBER:
		*(int64_t *)at = number(argument->name, optarg, argument->max);
		break;
	case FLAG:
		*(bool *)at = true;
		break;
	case TEXT:
		*(const char **)at = optarg;
		break;
	case LIST:
		json_array_append_new(*(json_t **)at, json_string(optarg));
		break;
	}
}

/* Makes a configuration of the arguments; --config has the last word. */
static void
make_settings(struct arguments *a)
{
	json_t *defaults = json_object(), *object = NULL;
	json_error_t error;

	if (a->pace >= 0)
		json_object_set_new(defaults, "pace_ms", json_integer(a->pace));
	if (a->chunks >= 0)
		json_object_set_new(defaults, "chunks", json_integer(a->chunks));
	json_object_set_new(a->settings, "defaults", defaults);
	json_object_set_new(a->settings, "account", json_boolean(a->account));
	json_object_set(a->settings, "limits", a->limits);
	json_object_set(a->settings, "keys", a->keys);
	json_object_set(a->settings, "models", a->models);
	if (a->profile)
		json_object_set_new(a->settings, "profile", json_string(a->profile));
	if (!a->config)
		return;
	object = json_loads(a->config, 0, &error);
	if (!json_is_object(object)) {
		fprintf(stderr, "freellm-mock: --config is no JSON object: %s\n", error.text);
		exit(EX_USAGE);
	}
	json_object_update(a->settings, object);
	json_decref(object);
}

static void
read_arguments(struct arguments *a, int argc, char **argv)
{
	struct option options[ARGUMENTS + 1] = {0};
	int id;

	*a = (struct arguments){
		.threads = 1,
		.pace = -1,
		.chunks = -1,
		.bind = "127.0.0.1",
		.log_limit = 10000,
		.body_limit = 1 << 20,
		.max_body = 1 << 28,
		.limits = json_array(),
		.keys = json_array(),
		.models = json_array(),
		.settings = json_object(),
	};
	for (size_t i = 0; i < ARGUMENTS; i++) {
		options[i].name = table[i].name;
		options[i].has_arg = table[i].kind == FLAG ? no_argument : required_argument;
		options[i].val = (int)i;
	}
	while ((id = getopt_long(argc, argv, "", options, NULL)) != -1 && id != '?')
		read_argument(a, &table[id]);
	if (id == '?' || optind < argc || a->threads == 0) {
		fputs("freellm-mock: see --help\n", stderr);
		exit(EX_USAGE);
	}
	make_settings(a);
}

static void
free_arguments(struct arguments *a)
{
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
	logbook_init(&mock->log, a->no_log ? 0 : (size_t)a->log_limit, (size_t)a->body_limit);
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
	if (arguments.help || arguments.version) {
		if (arguments.help)
			printf("%sProfiles: %s\n", help_text, profile_names());
		else
			puts("freellm-mock " MOCK_VERSION);
		free_arguments(&arguments);
		return 0;
	}
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
