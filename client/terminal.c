#include "terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <langinfo.h>
#include <locale.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <jansson.h>

#include "bytes.h"
#include "filter.h"
#include "utf8.h"

#define ERASE "\r\033[K"

static struct {
	bool to_terminal; /* standard output */
	bool json;        /* --json */
	bool show_status; /* standard error is a terminal that can erase a line */
	bool colour;
	bool unicode;
	bool wrote;     /* a part of the answer */
	bool open_line; /* the answer's last byte on a terminal is no line feed */
	bool reasoning; /* its last byte is no line feed */
	struct filter filter, reasoning_filter;
	void (*interrupted)(void);
} terminal;

/* What the signal handler looks at. */
static volatile sig_atomic_t caught, status_shown;

/* A descriptor that is closed would become that of the next socket. Reading gives nothing; writing
 * the answer fails, as it should. */
static void
fill_descriptors(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		if (fcntl(fd, F_GETFD) < 0)
			(void)!open("/dev/null", fd == STDERR_FILENO ? O_WRONLY : O_RDONLY);
	}
}

void
terminal_init(bool quiet, bool json)
{
	fill_descriptors();
	const char *term = getenv("TERM"), *no_colour = getenv("NO_COLOR");
	bool smart = isatty(STDERR_FILENO) && term && term[0] && strcmp(term, "dumb") != 0;
	setlocale(LC_CTYPE, "");
	terminal.to_terminal = isatty(STDOUT_FILENO);
	terminal.json = json;
	terminal.show_status = smart && !quiet;
	terminal.colour = smart && !(no_colour && no_colour[0]);
	terminal.unicode = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
}

static int
write_all(int fd, const char *data, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, data, len);
		if (n >= 0) {
			data += n;
			len -= (size_t)n;
		} else if (errno == EAGAIN) {
			struct pollfd ready = {.fd = fd, .events = POLLOUT};
			(void)poll(&ready, 1, -1);
		} else if (errno != EINTR) {
			return -errno;
		}
		if (len > 0 && caught)
			return -EINTR;
	}
	return 0;
}

/* Standard error: what cannot be said there cannot be said. */
static void
tell(const char *data, size_t len)
{
	(void)!write_all(STDERR_FILENO, data, len);
}

static void
erase_status(void)
{
	if (status_shown)
		tell(ERASE, strlen(ERASE));
	status_shown = 0;
}

/* Before anything that is not reasoning. */
static void
make_way(void)
{
	erase_status();
	if (terminal.reasoning)
		tell("\n", 1);
	terminal.reasoning = false;
}

int
terminal_write(const char *text, size_t len)
{
	struct bytes shown = {0};
	int error = 0;
	if (len == 0)
		return 0;
	make_way();
	terminal.wrote = true;
	if (!terminal.to_terminal)
		return write_all(STDOUT_FILENO, text, len);
	filter_append(&terminal.filter, &shown, (struct slice){text, len});
	if (shown.failed)
		error = -ENOMEM;
	else if (shown.len > 0)
		error = write_all(STDOUT_FILENO, shown.data, shown.len);
	if (shown.len > 0)
		terminal.open_line = shown.data[shown.len - 1] != '\n';
	bytes_finish(&shown);
	return error;
}

int
terminal_end(void)
{
	make_way();
	bool open_line = terminal.open_line;
	terminal.open_line = false;
	return open_line ? write_all(STDOUT_FILENO, "\n", 1) : 0;
}

void
terminal_reason(const char *text, size_t len)
{
	struct bytes shown = {0};
	erase_status();
	terminal.wrote = true;
	if (isatty(STDERR_FILENO))
		filter_append(&terminal.reasoning_filter, &shown, (struct slice){text, len});
	else
		bytes_append(&shown, text, len);
	if (shown.len > 0) {
		if (terminal.colour)
			tell("\033[2m", 4);
		tell(shown.data, shown.len);
		if (terminal.colour)
			tell("\033[0m", 4);
		terminal.reasoning = shown.data[shown.len - 1] != '\n';
	}
	bytes_finish(&shown);
}

bool
terminal_has_status(void)
{
	return terminal.show_status;
}

const char *
terminal_ellipsis(void)
{
	return terminal.unicode ? "…" : "...";
}

/* Makes it text of one line: a path may be anything. */
static void
flatten(char *text)
{
	size_t len = strlen(text);
	for (size_t good = 0; good < len;) {
		good += utf8_good_prefix(text + good, len - good);
		if (good < len)
			text[good] = '?';
	}
	for (; *text != '\0'; text++) {
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			*text = ' ';
		/* C1 controls in UTF-8 */
		else if ((unsigned char)text[0] == 0xc2 && (unsigned char)text[1] >= 0x80 &&
			 (unsigned char)text[1] < 0xa0)
			text[0] = text[1] = ' ';
	}
}

__attribute__((format(printf, 1, 0))) static char *
format_line(const char *format, va_list arguments)
{
	char *line;
	if (vasprintf(&line, format, arguments) < 0)
		abort();
	flatten(line);
	return line;
}

/* How many bytes fit into one line of the terminal; a character counts as one column. */
static size_t
fitting(const char *line)
{
	struct winsize size = {0};
	size_t columns = 79, used = 0, i = 0;
	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1)
		columns = size.ws_col - 1u;
	while (line[i] != '\0' && used < columns) {
		i++;
		while (((unsigned char)line[i] & 0xc0) == 0x80)
			i++;
		used++;
	}
	return i;
}

void
terminal_status(const char *format, ...)
{
	struct bytes out = {0};
	va_list arguments;
	if (!terminal.show_status || terminal.wrote)
		return;
	va_start(arguments, format);
	char *line = format_line(format, arguments);
	va_end(arguments);
	bytes_append_str(&out, terminal.colour ? ERASE "\033[2m" : ERASE);
	bytes_append(&out, line, fitting(line));
	bytes_append_str(&out, terminal.colour ? "\033[0m" : "");
	free(line);
	status_shown = 1;
	if (!out.failed)
		tell(out.data, out.len);
	bytes_finish(&out);
}

static void
say_line(const char *code, const char *line)
{
	struct bytes out = {0};
	bytes_append_str(&out, "freellm-submit: ");
	if (code != NULL)
		bytes_printf(&out, "%s: ", code);
	bytes_append_str(&out, line);
	bytes_append_char(&out, '\n');
	make_way();
	if (!out.failed)
		tell(out.data, out.len);
	bytes_finish(&out);
}

void
terminal_say(const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	char *line = format_line(format, arguments);
	va_end(arguments);
	say_line(NULL, line);
	free(line);
}

/* What freellm_result_text(FREELLM_RESULT_JSON) is for a failure, of one that has no result. */
static void
write_failure(const char *code, const char *line)
{
	json_t *all = json_pack("{s{sssssn}s[]}", "error", "code", code, "message", line,
		"retry_at_ms", "attempts");
	char *text = all ? json_dumps(all, JSON_COMPACT) : NULL;
	if (text != NULL && terminal_write(text, strlen(text)) == 0)
		(void)!terminal_write("\n", 1);
	free(text);
	json_decref(all);
}

void
terminal_complain(const char *code, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	char *line = format_line(format, arguments);
	va_end(arguments);
	if (terminal.json && !terminal.wrote)
		write_failure(code, line);
	say_line(code, line);
	free(line);
}

static void
on_signal(int number)
{
	int saved = errno;
	if (caught) {
		if (status_shown)
			(void)!write(STDERR_FILENO, ERASE, strlen(ERASE));
		_exit(128 + number);
	}
	caught = number;
	terminal.interrupted();
	errno = saved;
}

static const int ending[] = {SIGINT, SIGTERM, SIGHUP};
enum { ENDING = sizeof(ending) / sizeof(ending[0]) };

int
terminal_wait_input(int fd)
{
	struct pollfd ready = {.fd = fd, .events = POLLIN};
	sigset_t blocked, before;
	sigemptyset(&blocked);
	for (int i = 0; i < ENDING; i++)
		sigaddset(&blocked, ending[i]);
	/* No signal can come between looking at `caught` and waiting. */
	sigprocmask(SIG_BLOCK, &blocked, &before);
	while (!caught && ppoll(&ready, 1, NULL, &before) < 0 && errno == EINTR)
		;
	sigprocmask(SIG_SETMASK, &before, NULL);
	return caught ? -EINTR : 0;
}

void
terminal_catch_signals(void interrupted(void))
{
	struct sigaction action = {.sa_handler = on_signal}, old;
	terminal.interrupted = interrupted;
	for (int i = 0; i < ENDING; i++) {
		/* nohup and shells that start it in the background mean it. */
		if (sigaction(ending[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN)
			(void)sigaction(ending[i], &action, NULL);
	}
	(void)signal(SIGPIPE, SIG_IGN);
}

int
terminal_interrupted(void)
{
	return caught;
}
