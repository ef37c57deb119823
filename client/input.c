#include "input.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include <jansson.h>

#include "bytes.h"
#include "terminal.h"

enum { FILE_MAX = 64 << 20 }; /* bytes; a daemon that takes less says so when it is asked */

static int
refuse(const char *what, const char *why)
{
	terminal_complain("bad_request", "%s: %s", what, why);
	return EX_DATAERR;
}

/* A setter's answer as a status. */
static int
accept(const struct freellm_request *request, const char *what, int error, int wrong)
{
	if (error == 0)
		return 0;
	if (error == -ENOMEM) {
		terminal_complain("internal", "%s: out of memory", what);
		return EX_SOFTWARE;
	}
	if (wrong == EX_USAGE && error != -EILSEQ)
		return arguments_wrong("%s: %s", what, freellm_request_message(request));
	terminal_complain("bad_request", "%s: %s", what, freellm_request_message(request));
	return EX_DATAERR;
}

static int
set_text(struct freellm_request *request, enum freellm_text field, const char *option,
	const char *text)
{
	if (text == NULL)
		return 0;
	int error = freellm_request_set_text(request, field, text, strlen(text));
	return accept(request, option, error, EX_USAGE);
}

static int
set_param(struct freellm_request *request, const char *option, const char *name, const char *json)
{
	if (json == NULL)
		return 0;
	int error = freellm_request_set_param(request, name, json, strlen(json));
	return accept(request, option, error, EX_USAGE);
}

/* NAME=VALUE, where VALUE is JSON; what does not begin as JSON with brackets or quotes may also be
 * the text of a string. */
static int
set_pair(struct freellm_request *request, const char *pair)
{
	const char *value = strchr(pair, '=') + 1;
	char *name = strndup(pair, (size_t)(value - 1 - pair));
	if (name == NULL)
		abort();
	int error = freellm_request_set_param(request, name, value, strlen(value));
	if (error == -EBADMSG && (value[0] == '\0' || strchr("{[\"", value[0]) == NULL)) {
		json_t *string = json_string(value);
		char *json = string ? json_dumps(string, JSON_ENCODE_ANY) : NULL;
		error = json ? freellm_request_set_param(request, name, json, strlen(json))
			     : -ENOMEM;
		free(json);
		json_decref(string);
	}
	free(name);
	return accept(request, "--param", error, EX_USAGE);
}

int
input_options(struct freellm_request *request, const struct arguments *a)
{
	int status = set_text(request, FREELLM_MODEL, "--model", a->model);
	if (status == 0)
		status = set_text(request, FREELLM_SYSTEM, "--system", a->system);
	if (status == 0)
		status = set_text(request, FREELLM_CACHE, "--cache", a->cache);
	if (status == 0)
		status = set_text(request, FREELLM_CLASS, "--class", a->class);
	for (int i = 0; status == 0 && i < a->param_count; i++)
		status = set_pair(request, a->params[i]);
	if (status == 0)
		status = set_param(request, "--max-tokens", "max_tokens", a->max_tokens);
	if (status == 0)
		status = set_param(request, "--temperature", "temperature", a->temperature);
	if (status == 0)
		status = accept(request, "--ttl",
			freellm_request_set_number(request, FREELLM_TTL_S, a->ttl_s), EX_USAGE);
	if (status == 0)
		status = accept(request, "--deadline",
			freellm_request_set_number(request, FREELLM_DEADLINE_MS, a->deadline_ms),
			EX_USAGE);
	if (status == 0)
		status = accept(request, "--no-stream",
			freellm_request_set_number(request, FREELLM_STREAM, !a->no_stream),
			EX_USAGE);
	return status;
}

/* Appends all there is to read. */
static int
read_all(int fd, const char *name, int64_t most, struct bytes *to)
{
	enum { STEP = 64 << 10 };
	for (;;) {
		char *room = bytes_reserve(to, STEP);
		if (room == NULL) {
			terminal_complain("internal", "out of memory");
			return EX_SOFTWARE;
		}
		if (terminal_wait_input(fd) < 0)
			return 128 + terminal_interrupted();
		ssize_t n = read(fd, room, STEP);
		if (n == 0)
			return 0;
		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n < 0) {
			terminal_complain("no_input", "cannot read %s: %s", name, strerror(errno));
			return EX_NOINPUT;
		}
		to->len += (size_t)n;
		if (to->len > (uint64_t)most) {
			terminal_complain(
				"too_large", "%s is larger than %lld bytes", name, (long long)most);
			return EX_DATAERR;
		}
	}
}

static int
read_file(const char *path, struct bytes *to)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		terminal_complain("no_input", "cannot open %s: %s", path, strerror(errno));
		return EX_NOINPUT;
	}
	int status = read_all(fd, path, FILE_MAX, to);
	close(fd);
	return status;
}

static int
check(const char *name, const char *text, size_t len)
{
	size_t offset;
	if (freellm_check_text(text, len, &offset) == 0)
		return 0;
	terminal_complain("bad_request",
		text[offset] == '\0' ? "%s: there is a NUL at byte %zu"
				     : "%s: it is not UTF-8 at byte %zu",
		name, offset);
	return EX_DATAERR;
}

/* After what is there and a blank line. */
static int
append(struct bytes *prompt, const char *name, const struct bytes *part)
{
	int status = check(name, part->data, part->len);
	if (status || part->len == 0)
		return status;
	if (prompt->len > 0)
		bytes_append_str(prompt, "\n\n");
	bytes_append(prompt, part->data, part->len);
	return 0;
}

static int
append_file(struct bytes *prompt, const char *path)
{
	struct bytes part = {0};
	int status = read_file(path, &part);
	if (status == 0)
		status = append(prompt, path, &part);
	bytes_finish(&part);
	return status;
}

static int
append_stdin(struct bytes *prompt, int64_t most)
{
	struct bytes part = {0};
	int status = read_all(STDIN_FILENO, "standard input", most, &part);
	if (status == 0)
		status = append(prompt, "standard input", &part);
	bytes_finish(&part);
	return status;
}

static int
append_words(struct bytes *prompt, const struct arguments *a)
{
	for (int i = 0; i < a->word_count; i++) {
		if (i > 0)
			bytes_append_char(prompt, ' ');
		bytes_append_str(prompt, a->words[i]);
	}
	return prompt->len > 0 ? check("the prompt", prompt->data, prompt->len) : 0;
}

/* A descriptor that is closed is no input, and a terminal only when it is asked for. */
static bool
has_stdin(const struct arguments *a)
{
	if (a->read_stdin || (a->file && strcmp(a->file, "-") == 0))
		return true;
	return a->file == NULL && fcntl(STDIN_FILENO, F_GETFD) >= 0 && !isatty(STDIN_FILENO);
}

static int
read_prompt(struct freellm_request *request, const struct arguments *a, struct bytes *prompt,
	int64_t connect(void *context), void *context)
{
	bool with_stdin = has_stdin(a);
	if (a->word_count == 0 && a->file == NULL && !with_stdin)
		return arguments_wrong("there is no prompt");
	int status = append_words(prompt, a);
	if (status == 0 && a->file && strcmp(a->file, "-") != 0)
		status = append_file(prompt, a->file);
	if (status)
		return status;
	int64_t most = connect(context);
	if (most < 0)
		return (int)-most;
	if (with_stdin)
		status = append_stdin(prompt, most);
	if (status)
		return status;
	if (bytes_cstr(prompt) == NULL)
		return refuse("the prompt", "out of memory");
	return accept(request, "the prompt",
		freellm_request_set_text(request, FREELLM_PROMPT, prompt->data, prompt->len),
		EX_DATAERR);
}

static int
read_messages(struct freellm_request *request, const char *path, struct bytes *json,
	int64_t connect(void *context), void *context)
{
	bool from_stdin = strcmp(path, "-") == 0;
	int64_t most = 0;
	int status = from_stdin ? 0 : read_file(path, json);
	if (status == 0 && from_stdin && (most = connect(context)) < 0)
		return (int)-most;
	if (status == 0 && from_stdin)
		status = read_all(STDIN_FILENO, "standard input", most, json);
	if (status)
		return status;
	int error = freellm_request_set_messages(request, json->data, json->len);
	status = accept(request, from_stdin ? "standard input" : path, error, EX_DATAERR);
	if (status == 0 && !from_stdin && (most = connect(context)) < 0)
		return (int)-most;
	return status;
}

int
input_read(struct freellm_request *request, const struct arguments *a,
	int64_t connect(void *context), void *context)
{
	struct bytes text = {0};
	int status = a->messages ? read_messages(request, a->messages, &text, connect, context)
				 : read_prompt(request, a, &text, connect, context);
	bytes_finish(&text);
	return status;
}
