#include "arguments.h"

#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "freellm.h"

enum {
	OPTION_CACHE = 256,
	OPTION_CLASS,
	OPTION_DEADLINE,
	OPTION_FILE,
	OPTION_JSON,
	OPTION_MAX_TOKENS,
	OPTION_MESSAGES,
	OPTION_NO_STREAM,
	OPTION_PARAM,
	OPTION_QUIET,
	OPTION_REASONING,
	OPTION_SOCKET,
	OPTION_SYSTEM,
	OPTION_TEMPERATURE,
	OPTION_TTL,
	OPTION_VERBOSE,
	OPTION_VERSION,
};

static const struct option options[] = {
	{"cache", required_argument, NULL, OPTION_CACHE},
	{"class", required_argument, NULL, OPTION_CLASS},
	{"deadline", required_argument, NULL, OPTION_DEADLINE},
	{"file", required_argument, NULL, OPTION_FILE},
	{"help", no_argument, NULL, 'h'},
	{"json", no_argument, NULL, OPTION_JSON},
	{"max-tokens", required_argument, NULL, OPTION_MAX_TOKENS},
	{"messages", required_argument, NULL, OPTION_MESSAGES},
	{"model", required_argument, NULL, 'm'},
	{"no-stream", no_argument, NULL, OPTION_NO_STREAM},
	{"param", required_argument, NULL, OPTION_PARAM},
	{"quiet", no_argument, NULL, OPTION_QUIET},
	{"reasoning", no_argument, NULL, OPTION_REASONING},
	{"socket", required_argument, NULL, OPTION_SOCKET},
	{"system", required_argument, NULL, OPTION_SYSTEM},
	{"temperature", required_argument, NULL, OPTION_TEMPERATURE},
	{"ttl", required_argument, NULL, OPTION_TTL},
	{"verbose", no_argument, NULL, OPTION_VERBOSE},
	{"version", no_argument, NULL, OPTION_VERSION},
	{0},
};

static const char help[] =
	"Usage: freellm-submit [OPTION]... [PROMPT]...\n"
	"Asks the local freellmd for a completion and prints the answer as it arrives.\n"
	"\n"
	"The words of PROMPT are joined by spaces. What is piped to standard input follows them\n"
	"after a blank line, or is the prompt by itself; the word - reads a terminal, too.\n"
	"\n"
	"  -m, --model TARGET    provider/model or a model's id (default: the daemon's choice)\n"
	"      --system TEXT     a system message before the prompt\n"
	"      --messages FILE   a conversation instead of a prompt: a JSON array of OpenAI\n"
	"                        messages; - is standard input\n"
	"      --file FILE       a file that follows the words of PROMPT, or is the prompt\n"
	"      --max-tokens N    the most tokens of the answer\n"
	"      --temperature X   how freely the model chooses its words\n"
	"      --param NAME=VALUE\n"
	"                        any other parameter of the OpenAI API; VALUE is JSON, or else a\n"
	"                        string\n"
	"      --cache MODE      use (default), refresh, only, off\n"
	"      --ttl SECONDS     how long the answer may be kept in the cache\n"
	"      --class CLASS     interactive, normal (default), batch: who goes first\n"
	"      --deadline SECONDS\n"
	"                        give up when there is no answer by then\n"
	"      --json            print one JSON object with the answer and all about it\n"
	"      --no-stream       print the answer when it is complete\n"
	"      --reasoning       show the model's reasoning on standard error\n"
	"      --verbose         say on standard error who answered, how fast, at what cost\n"
	"      --quiet           no status line while waiting\n"
	"      --socket PATH     the daemon's socket\n"
	"  -h, --help            this text\n"
	"      --version         the version\n"
	"\n"
	"Exit status: 0 done, 64 usage, 65 bad input, 66 no such file, 69 no daemon or provider,\n"
	"70 internal error, 74 the answer broke off or could not be written, 75 try again later,\n"
	"77 not permitted, 78 configuration, 130 interrupted.\n";

int
arguments_wrong(const char *format, ...)
{
	va_list arguments;
	fputs("freellm-submit: usage: ", stderr);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputs(" (freellm-submit --help has the rest)\n", stderr);
	return EX_USAGE;
}

/* Seconds, with a fraction, in units of a `scale`th. */
static bool
read_seconds(const char *text, double scale, double most, int64_t *to)
{
	char *end;
	errno = 0;
	double seconds = strtod(text, &end);
	if (errno || end == text || *end != '\0' || !isfinite(seconds) || seconds < 0 ||
		seconds * scale > most)
		return false;
	*to = (int64_t)ceil(seconds * scale);
	return true;
}

static bool
is_count(const char *text)
{
	size_t digits = strspn(text, "0123456789");
	return digits > 0 && digits < 16 && text[digits] == '\0' && text[0] != '0';
}

static bool
is_number(const char *text)
{
	char *end;
	double value = strtod(text, &end);
	return end != text && *end == '\0' && isfinite(value);
}

static bool
is_one_of(const char *text, const char *const *words)
{
	for (; *words != NULL; words++) {
		if (strcmp(text, *words) == 0)
			return true;
	}
	return false;
}

static int
take_value(struct arguments *a, int option)
{
	static const char *const modes[] = {"use", "refresh", "only", "off", NULL};
	static const char *const classes[] = {"interactive", "normal", "batch", NULL};
	switch (option) {
	case OPTION_CACHE:
		a->cache = optarg;
		return is_one_of(optarg, modes) ? -1
						: arguments_wrong("--cache must be use, refresh, "
								  "only or off");
	case OPTION_CLASS:
		a->class = optarg;
		return is_one_of(optarg, classes) ? -1
						  : arguments_wrong("--class must be interactive, "
								    "normal or batch");
	case OPTION_DEADLINE:
		if (read_seconds(optarg, 1000, 31536000000.0, &a->deadline_ms) && a->deadline_ms)
			return -1;
		return arguments_wrong("--deadline must be seconds, more than 0, at most a year");
	case OPTION_TTL:
		if (read_seconds(optarg, 1, 315360000.0, &a->ttl_s))
			return -1;
		return arguments_wrong("--ttl must be seconds, at most ten years");
	case OPTION_MAX_TOKENS:
		a->max_tokens = optarg;
		return is_count(optarg)
			       ? -1
			       : arguments_wrong("--max-tokens must be a whole number from 1");
	case OPTION_TEMPERATURE:
		a->temperature = optarg;
		return is_number(optarg) ? -1 : arguments_wrong("--temperature must be a number");
	case OPTION_PARAM:
		a->params[a->param_count++] = optarg;
		return strchr(optarg, '=') > optarg ? -1
						    : arguments_wrong("--param must be NAME=VALUE");
	default:
		return arguments_wrong("unknown option");
	}
}

static int
take_option(struct arguments *a, int option)
{
	switch (option) {
	case 'm':
		a->model = optarg;
		return -1;
	case OPTION_SYSTEM:
		a->system = optarg;
		return -1;
	case OPTION_MESSAGES:
		a->messages = optarg;
		return -1;
	case OPTION_FILE:
		a->file = optarg;
		return -1;
	case OPTION_SOCKET:
		a->socket = optarg;
		return -1;
	case OPTION_JSON:
		a->json = true;
		return -1;
	case OPTION_NO_STREAM:
		a->no_stream = true;
		return -1;
	case OPTION_REASONING:
		a->reasoning = true;
		return -1;
	case OPTION_VERBOSE:
		a->verbose = true;
		return -1;
	case OPTION_QUIET:
		a->quiet = true;
		return -1;
	case 'h':
		return fputs(help, stdout) < 0 || fflush(stdout) ? EX_IOERR : 0;
	case OPTION_VERSION:
		return printf("freellm-submit %s\n", freellm_version()) < 0 || fflush(stdout)
			       ? EX_IOERR
			       : 0;
	default:
		return take_value(a, option);
	}
}

static int
take_words(struct arguments *a, char **words, int count)
{
	a->words = words;
	for (int i = 0; i < count; i++) {
		if (strcmp(words[i], "-") == 0)
			a->read_stdin = true;
		else
			a->words[a->word_count++] = words[i];
	}
	if (a->messages && (a->word_count > 0 || a->file || a->read_stdin))
		return arguments_wrong("--messages stands instead of a prompt");
	return -1;
}

int
arguments_parse(struct arguments *a, int argc, char **argv)
{
	int option;
	*a = (struct arguments){.ttl_s = -1};
	a->params = calloc((size_t)argc + 1, sizeof(*a->params));
	if (a->params == NULL)
		abort();
	opterr = 0;
	while ((option = getopt_long(argc, argv, ":m:h", options, NULL)) != -1) {
		int status = -1;
		if (option == ':')
			status = arguments_wrong("%s needs a value", argv[optind - 1]);
		else if (option == '?')
			status = arguments_wrong("unknown option %s", argv[optind - 1]);
		else
			status = take_option(a, option);
		if (status >= 0)
			return status;
	}
	return take_words(a, argv + optind, argc - optind);
}

void
arguments_finish(struct arguments *a)
{
	free(a->params);
}
