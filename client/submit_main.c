/*
 * freellm-submit: one question, one answer.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

#include <jansson.h>

#include "arguments.h"
#include "freellm.h"
#include "input.h"
#include "terminal.h"

enum { TICK_MS = 1000 };

struct asker {
	struct arguments arguments;
	struct freellm *f;
	struct freellm_request *request;
	struct freellm_result *result;
	size_t written;   /* bytes of the answer */
	int output_error; /* of standard output: a negative errno */
	char *waiting_for;
};

static struct freellm *to_cancel; /* for the signal handler */

static void
interrupted(void)
{
	if (to_cancel != NULL)
		freellm_cancel(to_cancel);
}

static int
put(struct asker *a, const char *text, size_t len)
{
	if (a->output_error == 0)
		a->output_error = terminal_write(text, len);
	a->written += len;
	return a->output_error;
}

static void
wait_for(struct asker *a, const char *what)
{
	free(a->waiting_for);
	a->waiting_for = strdup(what);
}

static void
show_waiting(const struct asker *a, int64_t elapsed_ms)
{
	terminal_status("waiting for %s%s %lld s", a->waiting_for ? a->waiting_for : "freellmd",
		terminal_ellipsis(), (long long)(elapsed_ms / 1000));
}

static void
show_queued(struct asker *a, const struct freellm_event *event)
{
	wait_for(a, "a place in the queue");
	if (a->arguments.verbose)
		terminal_say("queued%s%s", event->text_len ? ": " : "", event->text);
	if (event->eta_ms >= 0)
		terminal_status("queued, to start in %lld s%s%s",
			(long long)((event->eta_ms + 999) / 1000), event->text_len ? ": " : "",
			event->text);
	else
		show_waiting(a, event->elapsed_ms);
}

static int
on_event(void *context, const struct freellm_event *event)
{
	struct asker *a = context;
	switch (event->kind) {
	case FREELLM_QUEUED:
		show_queued(a, event);
		break;
	case FREELLM_STARTED:
		wait_for(a, event->target);
		show_waiting(a, event->elapsed_ms);
		break;
	case FREELLM_RETRYING:
		wait_for(a, event->target);
		if (a->arguments.verbose)
			terminal_say("next is %s%s%s", event->target, event->text_len ? ": " : "",
				event->text);
		break;
	case FREELLM_TICK:
		show_waiting(a, event->elapsed_ms);
		break;
	case FREELLM_CHUNK:
		return a->arguments.json ? 0 : put(a, event->text, event->text_len);
	case FREELLM_REASONING:
		if (a->arguments.reasoning)
			terminal_reason(event->text, event->text_len);
		break;
	default:
		break;
	}
	return 0;
}

/* An answer that is only tool calls: one JSON object a line. */
static void
put_tool_calls(struct asker *a)
{
	json_t *calls = json_loads(
		freellm_result_text(a->result, FREELLM_RESULT_TOOL_CALLS, NULL), 0, NULL);
	json_t *call;
	size_t i;
	json_array_foreach(calls, i, call)
	{
		char *line = json_dumps(call, JSON_COMPACT);
		if (line != NULL && put(a, line, strlen(line)) == 0)
			(void)put(a, "\n", 1);
		free(line);
	}
	json_decref(calls);
}

static void
put_json(struct asker *a)
{
	size_t len;
	const char *json = freellm_result_text(a->result, FREELLM_RESULT_JSON, &len);
	if (put(a, json, len) == 0)
		(void)put(a, "\n", 1);
}

/* What has not been streamed. */
static void
put_answer(struct asker *a)
{
	size_t len, reasoning_len;
	const char *text = freellm_result_text(a->result, FREELLM_RESULT_TEXT, &len);
	const char *reasoning =
		freellm_result_text(a->result, FREELLM_RESULT_REASONING, &reasoning_len);
	if (a->arguments.reasoning && a->arguments.no_stream)
		terminal_reason(reasoning, reasoning_len);
	if (a->written < len)
		(void)put(a, text + a->written, len - a->written);
	if (len == 0)
		put_tool_calls(a);
}

static const char *
count(const struct asker *a, enum freellm_result_number field, char *buffer, size_t size)
{
	int64_t number = freellm_result_number(a->result, field);
	if (number < 0)
		return "?";
	(void)snprintf(buffer, size, "%lld", (long long)number);
	return buffer;
}

static void
say_attempts(const struct asker *a)
{
	const struct freellm_attempt *attempt;
	for (size_t i = 0; (attempt = freellm_result_attempt(a->result, i)) != NULL; i++)
		terminal_say("attempt %zu: %s/%s, HTTP %lld, %lld ms%s%s", i + 1, attempt->provider,
			attempt->model, (long long)attempt->status, (long long)attempt->ms,
			attempt->error[0] ? ": " : "", attempt->error);
}

static void
say_verbose(const struct asker *a)
{
	char in[24], out[24], all[24], first[24], total[24], attempts[24];
	bool cached = freellm_result_number(a->result, FREELLM_CACHED) > 0;
	terminal_say("%s/%s: %s tokens in, %s out, %s in all; first token after %s ms, done after "
		     "%s ms; %s; attempts: %s",
		freellm_result_text(a->result, FREELLM_RESULT_PROVIDER, NULL),
		freellm_result_text(a->result, FREELLM_RESULT_MODEL, NULL),
		count(a, FREELLM_PROMPT_TOKENS, in, sizeof(in)),
		count(a, FREELLM_COMPLETION_TOKENS, out, sizeof(out)),
		count(a, FREELLM_TOTAL_TOKENS, all, sizeof(all)),
		count(a, FREELLM_FIRST_TOKEN_MS, first, sizeof(first)),
		count(a, FREELLM_TOTAL_MS, total, sizeof(total)),
		cached ? "from the cache" : "not cached",
		count(a, FREELLM_ATTEMPTS, attempts, sizeof(attempts)));
	say_attempts(a);
}

/* "; try again at 14:03:20 (in 42 s)", with the date when it is another day. */
static void
format_retry(int64_t retry_at_ms, char *buffer, size_t size)
{
	struct tm at, today;
	time_t now = time(NULL), then = (time_t)((retry_at_ms + 999) / 1000);
	char moment[64] = "?";
	buffer[0] = '\0';
	if (retry_at_ms <= 0 || localtime_r(&then, &at) == NULL ||
		localtime_r(&now, &today) == NULL)
		return;
	bool same_day = at.tm_year == today.tm_year && at.tm_yday == today.tm_yday;
	(void)strftime(moment, sizeof(moment), same_day ? "%H:%M:%S" : "%Y-%m-%d %H:%M:%S", &at);
	(void)snprintf(buffer, size, "; try again at %s (in %lld s)", moment,
		(long long)(then > now ? then - now : 0));
}

static int
say_failure(struct asker *a)
{
	char retry[128];
	if (a->result == NULL) {
		terminal_complain("internal", "out of memory");
		return EX_SOFTWARE;
	}
	if (a->arguments.json)
		put_json(a);
	/* What broke the output is the cause; who stopped the program knows it. */
	if (a->output_error != 0 || terminal_interrupted())
		return EX_SOFTWARE;
	format_retry(freellm_result_number(a->result, FREELLM_RETRY_AT_MS), retry, sizeof(retry));
	terminal_complain(freellm_result_text(a->result, FREELLM_ERROR_CODE, NULL), "%s%s",
		freellm_result_text(a->result, FREELLM_ERROR_MESSAGE, NULL), retry);
	if (a->arguments.verbose)
		say_attempts(a);
	return (int)freellm_result_number(a->result, FREELLM_EXIT_STATUS);
}

/* A reader that has seen enough is no error to speak of. */
static int
say_output_error(int error)
{
	if (error != -EPIPE)
		terminal_complain("output", "cannot write the answer: %s", strerror(-error));
	return EX_IOERR;
}

static int
ask(struct asker *a)
{
	int status = 0;
	int error = freellm_submit(a->f, a->request, on_event, a, &a->result);
	if (error == 0 && a->arguments.json)
		put_json(a);
	else if (error == 0)
		put_answer(a);
	int end = terminal_end();
	if (a->output_error == 0)
		a->output_error = end;
	if (error != 0)
		status = say_failure(a);
	if (terminal_interrupted())
		return 128 + terminal_interrupted();
	if (a->output_error != 0)
		return say_output_error(a->output_error);
	if (error == 0 && a->arguments.verbose)
		say_verbose(a);
	return status;
}

/* For input_read(): how much the daemon takes, or the negated status to end with. */
static int64_t
connect_first(void *context)
{
	enum { ANY = 64 << 20 };
	struct asker *a = context;
	if (freellm_connect(a->f) == 0) {
		int64_t limit = freellm_request_limit(a->f);
		return limit > 0 ? limit : ANY;
	}
	if (terminal_interrupted())
		return -(128 + terminal_interrupted());
	terminal_complain(freellm_error(a->f), "%s", freellm_message(a->f));
	return -freellm_exit_status(a->f);
}

static int
run(struct asker *a, int argc, char **argv)
{
	int status = arguments_parse(&a->arguments, argc, argv);
	if (status >= 0)
		return status;
	terminal_init(a->arguments.quiet, a->arguments.json);
	a->f = freellm_create();
	a->request = freellm_request_create();
	if (a->f == NULL || a->request == NULL ||
		freellm_set_socket(a->f, a->arguments.socket) < 0 ||
		freellm_set_client(a->f, "freellm-submit") < 0) {
		terminal_complain("internal", "out of memory or descriptors");
		return EX_SOFTWARE;
	}
	to_cancel = a->f;
	terminal_catch_signals(interrupted);
	if (terminal_has_status())
		freellm_set_tick(a->f, TICK_MS);
	status = input_options(a->request, &a->arguments);
	if (status == 0)
		status = input_read(a->request, &a->arguments, connect_first, a);
	return status ? status : ask(a);
}

int
main(int argc, char **argv)
{
	struct asker asker = {0};
	int status = run(&asker, argc, argv);
	to_cancel = NULL;
	freellm_result_destroy(asker.result);
	freellm_request_destroy(asker.request);
	freellm_destroy(asker.f);
	arguments_finish(&asker.arguments);
	free(asker.waiting_for);
	return status;
}
