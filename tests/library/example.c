/*
 * A program that uses libfreellm as it is installed: asks twice on one connection, and shows what it is told.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <freellm.h>

/* Names of the library's inside: a program may have its own. */
void bytes_append(void);
void
bytes_append(void)
{
	abort();
}

static int
on_event(void *context, const struct freellm_event *event)
{
	int *chunks = context;
	if (event->kind == FREELLM_CHUNK) {
		++*chunks;
		fwrite(event->text, 1, event->text_len, stdout);
	}
	return 0;
}

static int
ask(struct freellm *f, struct freellm_request *request)
{
	struct freellm_result *result;
	int chunks = 0;
	int error = freellm_submit(f, request, on_event, &chunks, &result);
	printf("\n%d %s %s/%s cached %lld attempts %lld chunks %d error '%s' exit %d\n", error,
		freellm_result_text(result, FREELLM_RESULT_FINISH_REASON, NULL),
		freellm_result_text(result, FREELLM_RESULT_PROVIDER, NULL),
		freellm_result_text(result, FREELLM_RESULT_MODEL, NULL),
		(long long)freellm_result_number(result, FREELLM_CACHED),
		(long long)freellm_result_number(result, FREELLM_ATTEMPTS), chunks > 0,
		freellm_result_text(result, FREELLM_ERROR_CODE, NULL), freellm_exit_status(f));
	freellm_result_destroy(result);
	return error;
}

int
main(int argc, char **argv)
{
	struct freellm *f = freellm_create();
	struct freellm_request *request = freellm_request_create();
	int bad = f == NULL || request == NULL || argc != 2 || freellm_api() < FREELLM_API_LEVEL;
	bad = bad || freellm_request_set_text(request, FREELLM_PROMPT, argv[1], strlen(argv[1]));
	bad = bad || freellm_request_set_number(request, FREELLM_STREAM, 1);
	bad = bad || freellm_request_set_param(request, "temperature", "0.5", 3);
	if (!bad) {
		/* Cancelled beforehand, then answered, then from the cache. */
		freellm_cancel(f);
		bad = ask(f, request) == 0;
		bad = ask(f, request) != 0 || bad;
		bad = ask(f, request) != 0 || bad;
		bad = bad || freellm_request_limit(f) != 16 << 20;
	}
	freellm_request_destroy(request);
	freellm_destroy(f);
	freellm_request_destroy(NULL);
	freellm_result_destroy(NULL);
	freellm_destroy(NULL);
	return bad;
}
