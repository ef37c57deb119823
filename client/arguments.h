/*
 * The command line of freellm-submit.
 */
#ifndef FREELLM_ARGUMENTS_H
#define FREELLM_ARGUMENTS_H

#include <stdbool.h>
#include <stdint.h>

/* All borrowed from argv. */
struct arguments {
	const char *model, *system, *messages, *file, *cache, *class, *socket;
	const char *max_tokens, *temperature;
	const char **params; /* "name=value", in order; freed by arguments_finish() */
	int param_count;
	int64_t ttl_s;       /* -1: none */
	int64_t deadline_ms; /* 0: none */
	bool json, no_stream, reasoning, verbose, quiet;
	bool read_stdin; /* there was a `-` among the words */
	char **words;    /* the prompt, without `-` */
	int word_count;
};

/* Returns -1 to go on; or the status to end with, after --help or --version, or after saying on
 * stderr what is wrong. */
int arguments_parse(struct arguments *a, int argc, char **argv);
void arguments_finish(struct arguments *a);

/* Says what is wrong and where help is; returns EX_USAGE. */
int arguments_wrong(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
