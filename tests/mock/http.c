#include "http.h"

#include <errno.h>
#include <fcntl.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "answer.h"
#include "clock.h"
#include "control.h"
#include "exchange.h"
#include "logbook.h"
#include "mock.h"
#include "reply.h"
#include "worker.h"

#define CONNECTION_LIMIT 100000
#define CONNECTION_MEMORY ((size_t)32 * 1024)

/* Stands where the exchange of a request was whose socket was taken. */
static struct exchange taken;

static enum MHD_Result
collect_header(void *context, enum MHD_ValueKind kind, const char *name, const char *value)
{
	json_t *value_text = json_string(value ? value : "");

	json_array_append_new(context, json_pack("[s, o]", name,
					       value_text ? value_text
							  : json_string("(not "
									"UTF-8)")));
	return MHD_YES;
}

static int
socket_of(struct MHD_Connection *connection)
{
	return MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
}

static struct exchange *
begin(struct worker *worker, struct MHD_Connection *connection, const char *url, const char *method)
{
	struct mock *mock = worker->mock;
	struct exchange *exchange = exchange_create(mock);
	json_t *headers = NULL;
	struct connection *used;

	if (strncmp(url, "/_mock/", 7) == 0)
		return exchange;
	if (mock->log.limit > 0) {
		headers = json_array();
		MHD_get_connection_values(connection, MHD_HEADER_KIND, collect_header, headers);
	}
	pthread_mutex_lock(&mock->lock);
	exchange->record = logbook_begin(&mock->log, clock_monotonic_us());
	used = &mock->connections[socket_of(connection)];
	if (!used->used)
		mock->log.counters.used++;
	used->used = true;
	exchange->record->connection = used->number;
	exchange->record->method = strdup(method);
	exchange->record->path = strdup(url);
	exchange->record->headers = headers;
	pthread_mutex_unlock(&mock->lock);
	return exchange;
}

static void
collect(struct exchange *exchange, const char *data, size_t len)
{
	if (exchange->body.len + len > exchange->mock->max_body)
		exchange->too_large = true;
	else
		buf_put(&exchange->body, data, len);
	if (exchange->record)
		exchange->record->body_bytes += len;
}

static void
record_body(struct exchange *exchange)
{
	struct mock *mock = exchange->mock;
	size_t len = exchange->body.len;

	if (!exchange->record || mock->log.limit == 0)
		return;
	if (len > mock->log.body_limit)
		len = mock->log.body_limit;
	pthread_mutex_lock(&mock->lock);
	buf_put(&exchange->record->body, exchange->body.data, len);
	pthread_mutex_unlock(&mock->lock);
}

static void
add_headers(struct MHD_Response *response, const struct buf *head)
{
	const char *at = head->data, *stop;

	if (head->len == 0)
		return;
	stop = at + head->len;
	while (at < stop) {
		const char *end = memmem(at, (size_t)(stop - at), "\r\n", 2);
		const char *colon = memchr(at, ':', (size_t)(end - at));
		char *name = strndup(at, (size_t)(colon - at));
		char *value = strndup(colon + 2, (size_t)(end - colon - 2));

		(void)MHD_add_response_header(response, name, value);
		free(name);
		free(value);
		at = end + 2;
	}
}

static enum MHD_Result
send_body(struct MHD_Connection *connection, int status, const struct buf *head, struct buf *body)
{
	struct MHD_Response *response =
		MHD_create_response_from_buffer(body->len, body->data, MHD_RESPMEM_MUST_FREE);
	enum MHD_Result result;

	if (!response)
		abort();
	*body = (struct buf){0};
	add_headers(response, head);
	result = MHD_queue_response(connection, (unsigned int)status, response);
	MHD_destroy_response(response);
	return result;
}

/* Takes the socket from the library and leaves a dummy in its place. Only a suspended connection is
 * in no event set of the library, and it is resumed only to be closed. */
static enum MHD_Result
take(struct worker *worker, struct MHD_Connection *connection, struct plan *plan,
	struct exchange *exchange, void **context)
{
	struct mock *mock = worker->mock;
	int old = socket_of(connection), fd, one = 1;

	MHD_suspend_connection(connection);
	fd = fcntl(old, F_DUPFD_CLOEXEC, 3);
	if (fd < 0 || (size_t)fd >= mock->descriptors || dup3(worker->dummy, old, O_CLOEXEC) < 0)
		abort();
	pthread_mutex_lock(&mock->lock);
	mock->connections[fd] = mock->connections[old];
	mock->connections[old].number = 0;
	pthread_mutex_unlock(&mock->lock);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	*context = &taken;
	MHD_resume_connection(connection);
	reply_start(worker, fd, plan, exchange);
	return MHD_YES;
}

static enum MHD_Result
send_plan(struct worker *worker, struct MHD_Connection *connection, struct plan *plan,
	struct exchange *exchange, void **context)
{
	enum MHD_Result result;

	if (plan->raw)
		return take(worker, connection, plan, exchange, context);
	if (exchange->record) {
		exchange->record->status = plan->status;
		exchange->record->bytes = (int64_t)plan->body.len;
	}
	exchange_first_byte(exchange);
	result = send_body(connection, plan->status, &plan->head, &plan->body);
	plan_finish(plan);
	free(plan);
	return result;
}

static const char *
query_value(void *context, const char *name)
{
	return MHD_lookup_connection_value(context, MHD_GET_ARGUMENT_KIND, name);
}

static enum MHD_Result
answer_control(struct MHD_Connection *connection, const char *method, const char *url,
	struct exchange *exchange)
{
	struct buf out = {0}, head = {0};
	enum MHD_Result result;
	int status = control_answer(
		exchange->mock, method, url, &exchange->body, query_value, connection, &out);

	buf_puts(&head, "Content-Type: application/json\r\n");
	result = send_body(connection, status, &head, &out);
	buf_free(&head);
	return result;
}

static bool
ends_with(const char *url, const char *suffix)
{
	size_t len = strlen(url), suffix_len = strlen(suffix);

	return len >= suffix_len && strcmp(url + len - suffix_len, suffix) == 0;
}

static enum MHD_Result
dispatch(struct worker *worker, struct MHD_Connection *connection, const char *url,
	const char *method, void **context)
{
	struct exchange *exchange = *context;
	const char *authorization =
		MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Authorization");
	struct plan *plan;

	record_body(exchange);
	if (!exchange->record)
		return answer_control(connection, method, url, exchange);
	plan = calloc(1, sizeof(*plan));
	if (!plan)
		abort();
	if (exchange->too_large)
		answer_error(exchange, 413, "the body is too large", plan);
	else if (ends_with(url, "/chat/completions") && strcmp(method, "POST") == 0)
		answer_chat(exchange, authorization, plan);
	else if (ends_with(url, "/models") && strcmp(method, "GET") == 0)
		answer_models(exchange, authorization, plan);
	else if (ends_with(url, "/chat/completions") || ends_with(url, "/models"))
		answer_error(exchange, 405, "the method is not allowed", plan);
	else
		answer_error(exchange, 404, "there is nothing here", plan);
	return send_plan(worker, connection, plan, exchange, context);
}

/* The library calls this for the headers, for each part of the body, and once more. */
static enum MHD_Result
on_request(void *cls, struct MHD_Connection *connection, const char *url, const char *method,
	const char *version, const char *data, size_t *len, void **context)
{
	struct worker *worker = cls;

	if (*context == &taken)
		return MHD_NO;
	if (!*context) {
		*context = begin(worker, connection, url, method);
		return MHD_YES;
	}
	if (*len > 0) {
		collect(*context, data, *len);
		*len = 0;
		return MHD_YES;
	}
	return dispatch(worker, connection, url, method, context);
}

static void
on_completed(void *cls, struct MHD_Connection *connection, void **context,
	enum MHD_RequestTerminationCode code)
{
	struct exchange *exchange = *context;
	bool gone = code != MHD_REQUEST_TERMINATED_COMPLETED_OK;
	int status = 0;
	int64_t bytes = 0;

	*context = NULL;
	if (!exchange || exchange == &taken)
		return;
	if (exchange->record && !gone) {
		status = exchange->record->status;
		bytes = exchange->record->bytes;
	}
	exchange_end(exchange, status, bytes, gone ? clock_monotonic_us() : -1);
}

/* A socket that was taken has left its number to the dummy. */
static void
on_connection(void *cls, struct MHD_Connection *connection, void **socket_context,
	enum MHD_ConnectionNotificationCode code)
{
	struct mock *mock = cls;
	int fd = socket_of(connection);

	if (code != MHD_CONNECTION_NOTIFY_CLOSED)
		return;
	pthread_mutex_lock(&mock->lock);
	if (mock->connections[fd].number != 0)
		mock->log.counters.open--;
	mock->connections[fd].number = 0;
	pthread_mutex_unlock(&mock->lock);
}

struct MHD_Daemon *
http_create(struct worker *worker)
{
	return MHD_start_daemon(MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET | MHD_ALLOW_SUSPEND_RESUME,
		0, NULL, NULL, on_request, worker, MHD_OPTION_NOTIFY_COMPLETED, on_completed,
		worker, MHD_OPTION_NOTIFY_CONNECTION, on_connection, worker->mock,
		MHD_OPTION_CONNECTION_LIMIT, (unsigned int)CONNECTION_LIMIT,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONNECTION_MEMORY, MHD_OPTION_END);
}

void
http_run(struct MHD_Daemon *http)
{
	MHD_UNSIGNED_LONG_LONG wait_ms;

	do {
		MHD_run(http);
	} while (MHD_get_timeout(http, &wait_ms) == MHD_YES && wait_ms == 0);
}
