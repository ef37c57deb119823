#include <getopt.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "load.h"

static const char usage[] =
	"Usage: load --dialect freellm|http|resp|echo --address PATH|HOST:PORT [OPTION...]\n"
	"Keeps clients busy for a while and prints what it measured as one JSON object.\n"
	"  --clients N        each with one request outstanding (1)\n"
	"  --warm-up MS       before the measured window (300)\n"
	"  --window MS        the measured window (1000)\n"
	"  --pid PID          measure this process's CPU time; several times for several\n"
	"  --keys N           go round N prompts, which are in the cache; 0: all different (0)\n"
	"  --prompt-bytes N   of a prompt (200)\n"
	"  --value-bytes N    of an answer's text (1024)\n"
	"  --chunks N         one stream per client, of N chunks\n"
	"  --pace-us N        of the streams' chunks\n"
	"  --hold             open all, print \"ready\", keep open until standard input ends\n"
	"  --model NAME       as the server calls it (bench/m)\n"
	"  --cache MODE       freellm: off or use (off)\n"
	"  --path PATH        HTTP: of the URL (/v1/chat/completions)\n";

static const struct dialect *const dialects[] = {
	&dialect_freellm, &dialect_http, &dialect_resp, &dialect_echo};

/* An option is a number of struct options, a text of it, or one of the three that have a case. */
static const struct row {
	const char *name;
	enum { NUMBER, TEXT, DIALECT, PID, HOLD, HELP } kind;
	size_t offset;
	int64_t low, high;
} rows[] = {
	{"dialect", DIALECT, 0, 0, 0},
	{"address", TEXT, offsetof(struct options, address), 0, 0},
	{"clients", NUMBER, offsetof(struct options, clients), 1, 60000},
	{"warm-up", NUMBER, offsetof(struct options, warm_up_ms), 0, 3600000},
	{"window", NUMBER, offsetof(struct options, window_ms), 1, 3600000},
	{"pid", PID, 0, 1, 1000000000},
	{"keys", NUMBER, offsetof(struct options, keys), 0, 1000000000},
	{"prompt-bytes", NUMBER, offsetof(struct options, prompt_bytes), ID_BYTES, 65535},
	{"value-bytes", NUMBER, offsetof(struct options, value_bytes), 64, 1000000000},
	{"chunks", NUMBER, offsetof(struct options, chunks), 0, 100000000},
	{"pace-us", NUMBER, offsetof(struct options, pace_us), 0, 1000000000},
	{"hold", HOLD, 0, 0, 0},
	{"model", TEXT, offsetof(struct options, model), 0, 0},
	{"cache", TEXT, offsetof(struct options, cache), 0, 0},
	{"path", TEXT, offsetof(struct options, path), 0, 0},
	{"help", HELP, 0, 0, 0},
};
enum { ROWS = sizeof rows / sizeof rows[0] };

static const struct dialect *
dialect_named(const char *name)
{
	for (size_t i = 0; i < sizeof dialects / sizeof dialects[0]; i++) {
		if (strcmp(dialects[i]->name, name) == 0)
			return dialects[i];
	}
	return NULL;
}

static bool
set_option(struct options *o, const struct row *row, const char *text)
{
	char *end = NULL, *at = (char *)o + row->offset;
	int64_t number = row->high > 0 ? strtoll(text, &end, 10) : 0;
	if (end && (*end != '\0' || end == text || number < row->low || number > row->high))
		return false;
	switch (row->kind) {
	case NUMBER:
		memcpy(at, &number, sizeof number);
		return true;
	case TEXT:
		memcpy(at, &text, sizeof text);
		return true;
	case DIALECT:
		o->dialect = dialect_named(text);
		return o->dialect != NULL;
	case PID:
		if (o->pid_count < PIDS_MAX)
			o->pids[o->pid_count++] = (pid_t)number;
		return true;
	case HOLD:
		o->hold = true;
		return true;
	default:
		return false;
	}
}

/* Returns -1 to go on, or the exit status. */
static int
read_options(struct options *o, int argc, char **argv)
{
	struct option options[ROWS + 1] = {0};
	int option;
	for (int i = 0; i < ROWS; i++) {
		bool flag = rows[i].kind == HOLD || rows[i].kind == HELP;
		options[i] = (struct option){
			rows[i].name, flag ? no_argument : required_argument, NULL, i};
	}
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option < ROWS && rows[option].kind == HELP) {
			fputs(usage, stdout);
			return 0;
		}
		if (option >= ROWS || !set_option(o, &rows[option], optarg)) {
			fputs(usage, stderr);
			return 64;
		}
	}
	if (o->dialect && o->address && optind == argc)
		return -1;
	fputs(usage, stderr);
	return 64;
}

static double
per(double total, int64_t count)
{
	return count > 0 ? total / (double)count : 0;
}

static void
report(const struct results *r)
{
	const struct samples *l = &r->latency_ns, *d = &r->delay_us;
	int64_t units = r->chunks > 0 ? r->chunks : r->requests;
	printf("{\"requests\": %lld, \"chunks\": %lld, \"wrong\": %lld, \"seconds\": %.3f, ",
		(long long)r->requests, (long long)r->chunks, (long long)r->wrong, r->seconds);
	printf("\"per_second\": %.1f, ", r->seconds > 0 ? (double)units / r->seconds : 0);
	printf("\"cpu_us\": %.3f, \"own_cpu_us\": %.3f, \"busy\": %.3f, ",
		per((double)r->server_ns / 1e3, units), per((double)r->own_ns / 1e3, units),
		r->seconds > 0 ? (double)r->server_ns / 1e9 / r->seconds : 0);
	printf("\"latency_us\": {\"p50\": %.1f, \"p90\": %.1f, \"p99\": %.1f}, ",
		samples_at(l, 0.5) / 1e3, samples_at(l, 0.9) / 1e3, samples_at(l, 0.99) / 1e3);
	printf("\"delay_us\": {\"p50\": %.0f, \"p90\": %.0f, \"p99\": %.0f}}\n", samples_at(d, 0.5),
		samples_at(d, 0.9), samples_at(d, 0.99));
}

int
main(int argc, char **argv)
{
	struct options o = {
		.clients = 1,
		.warm_up_ms = 300,
		.window_ms = 1000,
		.prompt_bytes = 200,
		.value_bytes = 1024,
		.model = "bench/m",
		.cache = "off",
		.path = "/v1/chat/completions",
	};
	struct results r = {0};
	int status = read_options(&o, argc, argv);
	if (status >= 0)
		return status;
	if (!load_run(&o, &r))
		return 69;
	if (!o.hold)
		report(&r);
	free(r.latency_ns.at);
	free(r.delay_us.at);
	return r.wrong > 0 ? 65 : 0;
}
