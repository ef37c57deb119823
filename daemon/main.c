/*
 * The order of start and of stop, and nothing else.
 *
 *   start:  config, keys, store, cache, http, scheduler, socket, READY
 *   stop:   no new clients; jobs finish or are given up; sessions; http, scheduler; store
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sysexits.h>
#include <unistd.h>

#include <uv.h>

#include "cache.h"
#include "config.h"
#include "http.h"
#include "keyring.h"
#include "listener.h"
#include "log.h"
#include "notify.h"
#include "peer.h"
#include "sched.h"
#include "server.h"
#include "session.h"
#include "store.h"

struct arguments {
	const char *config_file;
	bool check, verbose;
};

struct daemon {
	uv_loop_t loop;
	uv_signal_t signals[2];
	uv_timer_t
		stop_timer; /* bounds the stop; then carries its steps out of other modules' calls */
	struct config *config;
	struct keyring *keyring;
	struct store *store;
	struct cache *cache;
	struct http *http;
	struct sched *sched;
	struct peer_policy *policy;
	struct listener listener;
	struct server *server;
	bool stopping;
};

static const char usage[] =
	"Usage: freellmd [--config FILE] [--check-config] [--version] [--help]\n"
	"Answer prompts of local programs with the free tiers of LLM providers.\n"
	"\n"
	"  -c, --config FILE   read FILE; without it $XDG_CONFIG_HOME/freellmd/freellmd.ini,\n"
	"                      then /etc/freellmd/freellmd.ini, then none\n"
	"      --check-config  report every problem of the configuration, and exit\n"
	"  -v, --verbose       log at level debug; with --check-config print every option\n"
	"  -V, --version       print the version, and exit\n"
	"  -h, --help          print this, and exit\n"
	"\n"
	"It runs in the foreground and stops on SIGTERM or SIGINT. See freellmd(8).\n";

/* Returns -1 to go on, or an exit status. */
static int
parse_arguments(int argc, char **argv, struct arguments *to)
{
	static const struct option options[] = {
		{"config", required_argument, NULL, 'c'},
		{"check-config", no_argument, NULL, 'C'},
		{"verbose", no_argument, NULL, 'v'},
		{"version", no_argument, NULL, 'V'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	int option;
	while ((option = getopt_long(argc, argv, "c:vVh", options, NULL)) != -1) {
		switch (option) {
		case 'c':
			to->config_file = optarg;
			break;
		case 'C':
			to->check = true;
			break;
		case 'v':
			to->verbose = true;
			break;
		case 'V':
			puts("freellmd " FREELLM_VERSION);
			return EX_OK;
		case 'h':
			fputs(usage, stdout);
			return EX_OK;
		default:
			fputs("Try 'freellmd --help'.\n", stderr);
			return EX_USAGE;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "freellmd: '%s' is no option\nTry 'freellmd --help'.\n",
			argv[optind]);
		return EX_USAGE;
	}
	return -1;
}

static void
print_problem(void *context, const char *sentence)
{
	(void)context;
	fprintf(stderr, "freellmd: %s\n", sentence);
}

/* One problem a line. */
static void
each_line(struct bytes *text, config_problem_cb *show)
{
	char *rest = text->len > 0 && bytes_cstr(text) ? text->data : NULL, *line;
	while ((line = strsep(&rest, "\n")) != NULL) {
		if (*line)
			show(NULL, line);
	}
}

static void
log_problem(void *context, const char *sentence)
{
	(void)context;
	log_error("%s", sentence);
}

static int
check_config(const struct arguments *arguments)
{
	struct config *config;
	struct bytes why = {0};
	if (config_load(&config, arguments->config_file, print_problem, NULL) != 0)
		return EX_CONFIG;
	struct keyring *keyring;
	int result = keyring_create(&keyring, config, &why);
	each_line(&why, print_problem);
	if (arguments->verbose)
		config_print(config, stdout);
	else if (result == 0)
		printf("%s: no problem found\n",
			config->file ? config->file : "no configuration file");
	keyring_destroy(keyring);
	config_destroy(config);
	bytes_finish(&why);
	return result == 0 ? EX_OK : EX_CONFIG;
}

/* A daemon with keys in its memory leaves no core, and 1,000 clients with a stream each need 2,000
 * descriptors. */
static void
set_limits(void)
{
	struct rlimit files;
	prctl(PR_SET_DUMPABLE, 0);
	setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
	if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < files.rlim_max) {
		files.rlim_cur = files.rlim_max < 65536 ? files.rlim_max : 65536;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN); /* a file-size limit shows as EFBIG */
}

static void
on_handle_closed_nothing(uv_handle_t *handle)
{
	(void)handle;
}

static void
close_own_handles(struct daemon *d)
{
	for (size_t i = 0; i < 2; i++)
		uv_close((uv_handle_t *)&d->signals[i], on_handle_closed_nothing);
	uv_close((uv_handle_t *)&d->stop_timer, on_handle_closed_nothing);
}

/* The last step: everything that still has handles lets go of them, and uv_run returns. */
static void
on_stopped(uv_timer_t *timer)
{
	struct daemon *d = timer->data;
	sigset_t stopping;
	/* Who is impatient now must not cut the last steps short. */
	sigemptyset(&stopping);
	sigaddset(&stopping, SIGTERM);
	sigaddset(&stopping, SIGINT);
	pthread_sigmask(SIG_BLOCK, &stopping, NULL);
	http_close(d->http);
	sched_close(d->sched);
	close_own_handles(d);
}

static void
on_sessions_closed(void *context)
{
	struct daemon *d = context;
	uv_timer_start(&d->stop_timer, on_stopped, 0, 0);
}

static void
on_jobs_over_soon(uv_timer_t *timer)
{
	struct daemon *d = timer->data;
	server_close(d->server, on_sessions_closed, d);
}

/* Called from within the scheduler: goes on from the loop. */
static void
on_jobs_over(void *context)
{
	struct daemon *d = context;
	uv_timer_start(&d->stop_timer, on_jobs_over_soon, 0, 0);
}

static void
on_stop_timeout(uv_timer_t *timer)
{
	struct daemon *d = timer->data;
	sched_abort(d->sched);
}

static void
on_signal(uv_signal_t *handle, int signum)
{
	struct daemon *d = handle->data;
	if (d->stopping) {
		log_warning("second %s: giving up what is in flight", strsignal(signum));
		sched_abort(d->sched);
		return;
	}
	d->stopping = true;
	log_info("%s: stopping", strsignal(signum));
	notify_systemd("STOPPING=1");
	listener_unlink(&d->listener, d->config->socket);
	server_stop_listening(d->server);
	uv_timer_start(&d->stop_timer, on_stop_timeout, (uint64_t)d->config->stop_timeout_ms, 0);
	sched_stop(d->sched, on_jobs_over, d);
}

static int
open_store(struct daemon *d, struct bytes *why)
{
	if (!d->config->cache_enabled)
		return 0;
	const struct store_options options = {
		.directory = d->config->state_dir,
		.max_bytes = (size_t)d->config->cache_max_bytes,
		.max_pending = 4 * (size_t)d->config->cache_max_entry + (1U << 20),
	};
	int result = store_open(&d->store, &options, why);
	if (result == 0 || result == -EBUSY || result == -EPROTONOSUPPORT)
		return result;
	log_warning("running without a cache: %s", bytes_cstr(why));
	bytes_clear(why);
	return 0;
}

static void
start_http(struct daemon *d)
{
	const struct config *c = d->config;
	const struct http_options options = {
		.proxy = c->proxy,
		.ca_file = c->ca_file,
		.user_agent = c->user_agent,
		.max_connections = c->max_connections,
		.connect_timeout_ms = c->connect_timeout_ms,
		.max_header = c->max_header,
	};
	if (http_create(&d->http, &d->loop, &options) != 0)
		abort();
	d->sched = sched_create(&(struct sched_parts){
		.loop = &d->loop,
		.config = c,
		.keyring = d->keyring,
		.cache = d->cache,
		.http = d->http,
	});
}

static int
start_server(struct daemon *d, struct bytes *why)
{
	const struct config *c = d->config;
	d->policy = peer_policy_create(c->allow_users, c->allow_groups, why);
	if (d->policy == NULL)
		return -EINVAL;
	int result = listener_open(
		&d->listener, c->socket, (mode_t)c->socket_mode, c->socket_group, why);
	if (result != 0)
		return result;
	start_http(d);
	result = server_create(&d->server,
		&(struct session_parts){
			.loop = &d->loop,
			.config = c,
			.policy = d->policy,
			.sched = d->sched,
			.cache = d->cache,
			.keyring = d->keyring,
		},
		&d->listener);
	if (result != 0)
		abort(); /* a descriptor that listens already */
	return 0;
}

static void
watch_signals(struct daemon *d)
{
	static const int numbers[] = {SIGTERM, SIGINT};
	for (size_t i = 0; i < 2; i++) {
		d->signals[i].data = d;
		uv_signal_init(&d->loop, &d->signals[i]);
		uv_signal_start(&d->signals[i], on_signal, numbers[i]);
	}
	d->stop_timer.data = d;
	uv_timer_init(&d->loop, &d->stop_timer);
}

static int
exit_status(int result)
{
	switch (result) {
	case 0:
		return EX_OK;
	case -EADDRINUSE:
	case -EBUSY:
		return EX_UNAVAILABLE;
	case -EACCES:
	case -EPERM:
		return EX_NOPERM;
	default:
		return EX_CONFIG;
	}
}

static int
run(struct daemon *d, const struct arguments *arguments)
{
	struct bytes why = {0};
	int result = config_load(&d->config, arguments->config_file, print_problem, NULL);
	if (result != 0)
		return EX_CONFIG;
	log_init(arguments->verbose ? LOG_LEVEL_DEBUG : config_log_level(d->config));
	if ((result = keyring_create(&d->keyring, d->config, &why)) != 0)
		goto out;
	if ((result = open_store(d, &why)) != 0)
		goto out;
	d->cache = cache_create(d->store, (size_t)d->config->cache_max_entry);
	uv_loop_init(&d->loop);
	watch_signals(d); /* before anybody can see that we are there, and stop us */
	if ((result = start_server(d, &why)) != 0) {
		close_own_handles(d);
		uv_run(&d->loop, UV_RUN_DEFAULT);
		uv_loop_close(&d->loop);
		goto out;
	}
	log_info("freellmd " FREELLM_VERSION " listens on %s", d->config->socket);
	notify_systemd("READY=1");
	uv_run(&d->loop, UV_RUN_DEFAULT);
	result = uv_loop_close(&d->loop);
	if (result != 0)
		log_error("a handle was left open at the stop: %s", uv_strerror(result));
	else
		log_info("stopped");
out:
	each_line(&why, log_problem);
	peer_policy_destroy(d->policy);
	cache_destroy(d->cache);
	store_close(d->store);
	keyring_destroy(d->keyring);
	config_destroy(d->config);
	bytes_finish(&why);
	return exit_status(result);
}

int
main(int argc, char **argv)
{
	struct arguments arguments = {0};
	struct daemon d = {0};
	int status = parse_arguments(argc, argv, &arguments);
	if (status >= 0)
		return status;
	set_limits();
	return arguments.check ? check_config(&arguments) : run(&d, &arguments);
}
