/*
 * libfreellm: ask the local freellmd for a completion and wait for the answer.
 *
 * A program makes a handle, fills a request, and submits it. freellm_submit blocks; on the way it
 * calls back with what happens (queued, started, text as it arrives). See libfreellm(3) for an
 * example.
 *
 * Ownership: every _create has a _destroy, which takes NULL. Setters copy what they are given.
 * Strings and structs that a function returns belong to the object they were asked of, and live as
 * long as it does, or until the next call that changes it. Strings are UTF-8 and end in NUL.
 *
 * Errors: a function that can fail returns 0 or a negative errno. The sentence for a person comes
 * from the object that failed: freellm_message(), freellm_request_message(), freellm_result_text().
 *
 * Threads: an object is used by one thread at a time. Only freellm_cancel() may be called at any
 * time from any thread or from a signal handler. The library sets no signal handler, raises no
 * SIGPIPE, writes to no terminal and never ends the process.
 *
 * ABI: structs of this header are made by the library alone and only ever grow at their end;
 * numbers of enums are never reused. A program built with an older header keeps working until the
 * SONAME changes.
 */
#ifndef FREELLM_H
#define FREELLM_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define FREELLM_API __attribute__((visibility("default")))
#define FREELLM_CHECK __attribute__((warn_unused_result))
#else
#define FREELLM_API
#define FREELLM_CHECK
#endif

/* Counts the additions to this header. freellm_api() says which the library at run time has. */
#define FREELLM_API_LEVEL 1

struct freellm;         /* a handle: one connection to the daemon */
struct freellm_request; /* what is asked; can be submitted any number of times */
struct freellm_result;  /* what came of it: the completion, or the error */

/* "0.1.0": the release of the library that is running, which may not be the header's. Static. */
FREELLM_API const char *freellm_version(void);
FREELLM_API int freellm_api(void);

/* ---- handle ---- */

/* NULL when memory or descriptors have run out. Nothing is connected yet. */
FREELLM_API struct freellm *freellm_create(void);
FREELLM_API void freellm_destroy(struct freellm *f);

/*
 * The socket to use; NULL or never called: $FREELLM_SOCKET if it is set and not empty, else
 * $XDG_RUNTIME_DIR/freellmd.sock, else /run/freellmd/freellmd.sock. Takes effect with the next
 * connection. Returns 0 or -ENOMEM.
 */
FREELLM_API int freellm_set_socket(struct freellm *f, const char *path) FREELLM_CHECK;

/* The program's name as the daemon's log shows it. Default "libfreellm". Returns 0 or -ENOMEM. */
FREELLM_API int freellm_set_client(struct freellm *f, const char *name) FREELLM_CHECK;

/* The longest a submit may take, in milliseconds and with connecting, before it is given up with
 * -ETIMEDOUT and cancelled in the daemon. 0, the default: no bound (the daemon has its own). */
FREELLM_API void freellm_set_timeout(struct freellm *f, int64_t ms);

/* Makes freellm_submit send a FREELLM_TICK event every so many milliseconds while it waits. 0, the
 * default: none. */
FREELLM_API void freellm_set_tick(struct freellm *f, int64_t ms);

/*
 * Connects, unless connected, and exchanges hello with the daemon. freellm_submit does this by
 * itself; calling it first tells early whether there is a daemon. Returns 0 or
 *   -ENOENT         there is no socket where one was looked for
 *   -ECONNREFUSED   there is one and nobody listens
 *   -EACCES         this user may not connect
 *   -ENAMETOOLONG   the path does not fit into a socket address (107 bytes)
 *   -ETIMEDOUT      the daemon did not answer within 10 s
 *   -EPROTO         what answered does not speak this protocol
 *   -EREMOTEIO      the daemon refused: freellm_error() has its code
 *   -ECANCELED      freellm_cancel() was called
 * or what connect(2) gave.
 */
FREELLM_API int freellm_connect(struct freellm *f) FREELLM_CHECK;

/* Closes the connection, if there is one. The handle can connect again. */
FREELLM_API void freellm_disconnect(struct freellm *f);

/* The socket that is connected, or the last one that was tried; "" before. */
FREELLM_API const char *freellm_socket(const struct freellm *f);

/* The daemon's version; "" when never connected. */
FREELLM_API const char *freellm_server_version(const struct freellm *f);

/* The most bytes of one request, as the daemon said; 0: not known. */
FREELLM_API int64_t freellm_request_limit(const struct freellm *f);

/* The last failure of freellm_connect() or freellm_submit(): its code (see FREELLM_ERROR_CODE), the
 * sentence, and the status of sysexits(3) that a command would end with. "", "" and 0 when the last
 * call succeeded. */
FREELLM_API const char *freellm_error(const struct freellm *f);
FREELLM_API const char *freellm_message(const struct freellm *f);
FREELLM_API int freellm_exit_status(const struct freellm *f);

/*
 * Ends the submit that is running, or else the next one, with -ECANCELED. The first call asks the
 * daemon to cancel and waits for its answer, at most two seconds; a second call does not wait. Safe
 * in signal handlers and from any thread, as long as the handle exists. errno is kept.
 */
FREELLM_API void freellm_cancel(struct freellm *f);

/* ---- request ---- */

FREELLM_API struct freellm_request *freellm_request_create(void);
FREELLM_API void freellm_request_destroy(struct freellm_request *r);

enum freellm_text {
	FREELLM_PROMPT = 1, /* the user's message; or use freellm_request_set_messages() */
	FREELLM_SYSTEM,     /* a system message before it */
	FREELLM_MODEL,      /* "provider/model", a model id, or a route; unset: the daemon's choice
			     */
	FREELLM_TASK,       /* code, reasoning, ...: with a complexity, instead of a model */
	FREELLM_COMPLEXITY,
	FREELLM_PRIVACY,
	FREELLM_CLASS, /* interactive, normal (default), batch */
	FREELLM_CACHE, /* use (default), refresh, only, off */
};

/*
 * Sets a text of `len` bytes; text NULL unsets it. Returns 0, or -EILSEQ when it is not UTF-8 or
 * holds NUL, -EINVAL when it is none of the words listed for this field, or -ENOMEM; the request
 * then is as it was.
 */
FREELLM_API int freellm_request_set_text(struct freellm_request *r, enum freellm_text field,
	const char *text, size_t len) FREELLM_CHECK;

enum freellm_number {
	FREELLM_STREAM = 1, /* 1: text arrives as it is produced; 0 (default): whole, at the end */
	FREELLM_TTL_S, /* how long the answer may be kept in the cache, in seconds; -1 (default):
				as configured */
	FREELLM_DEADLINE_MS, /* give up when there is no answer so long from now; 0 (default): no
				deadline */
};

/* Returns 0, or -EINVAL when the number is out of range for this field. */
FREELLM_API int freellm_request_set_number(
	struct freellm_request *r, enum freellm_number field, int64_t value) FREELLM_CHECK;

/* The conversation as a JSON array of OpenAI messages, instead of a prompt. Returns 0, -EBADMSG
 * when it is not such an array (freellm_request_message() says where), -EILSEQ, or -ENOMEM. */
FREELLM_API int freellm_request_set_messages(
	struct freellm_request *r, const char *json, size_t len) FREELLM_CHECK;

/*
 * Any other parameter of the OpenAI API, passed on to the provider as it is: name "temperature",
 * json "0.2". json NULL unsets it. Returns 0, -EINVAL when the name has a setter of its own,
 * -EBADMSG when the value is not JSON, -EILSEQ, -E2BIG beyond 128 parameters, or -ENOMEM.
 */
FREELLM_API int freellm_request_set_param(
	struct freellm_request *r, const char *name, const char *json, size_t len) FREELLM_CHECK;

/* What was wrong with the last setter's argument, as a sentence; "" when nothing was. */
FREELLM_API const char *freellm_request_message(const struct freellm_request *r);

/* Finds what freellm_request_set_text would refuse: 0, or -EILSEQ with the offset in bytes of the
 * first byte that is NUL or part of no UTF-8 character. */
FREELLM_API int freellm_check_text(const char *text, size_t len, size_t *offset) FREELLM_CHECK;

/* ---- submit ---- */

enum freellm_event_kind {
	FREELLM_QUEUED = 1, /* position, eta_ms, text: why it waits */
	FREELLM_STARTED,    /* target */
	FREELLM_CHUNK,      /* text: more of the answer, in order; joined they are the answer */
	FREELLM_REASONING,  /* text: more of the model's reasoning, where it shows it */
	FREELLM_DELTA,    /* text: an OpenAI delta as JSON (what is not plain text: reasoning, tool
			       calls) */
	FREELLM_RETRYING, /* target: the next one; text: why */
	FREELLM_TICK,     /* nothing new; see freellm_set_tick() */
};

/* Valid during the callback. Kinds and members that a program does not know are to be ignored. */
struct freellm_event {
	int kind;           /* enum freellm_event_kind */
	int64_t position;   /* place in the queue, from 1; -1: not known */
	int64_t eta_ms;     /* milliseconds until it is expected to start; -1: not known */
	const char *target; /* "provider/model", or "" */
	const char *text;   /* never NULL */
	size_t text_len;
	int64_t elapsed_ms; /* since freellm_submit was called */
};

/* Returns 0 to go on; anything else cancels the request, as freellm_cancel() does, and no more
 * events come. It must not call the handle. */
typedef int freellm_event_cb(void *context, const struct freellm_event *event);

/*
 * Submits and blocks until the end. `callback` may be NULL. Returns
 *   0             the completion is in *result
 *   -EREMOTEIO    the daemon answered with an error
 *   -ECANCELED    cancelled
 *   -ETIMEDOUT    the bound of freellm_set_timeout() was reached
 *   -ECONNRESET   the daemon went away before the answer was complete; it may have been sent to a
 *                 provider
 *   -EINVAL       the request has neither prompt nor messages, or both
 *   -EMSGSIZE     it is larger than the daemon takes; nothing was sent
 *   -E2BIG        its JSON is nested too deeply; nothing was sent
 *   -EPROTO       what came back cannot be understood
 *   -ENOMEM       memory has run out
 * or an error of freellm_connect(). Unless `result` is NULL, *result is set in every case, to be
 * freed by freellm_result_destroy(); only when memory has run out can it be NULL.
 */
FREELLM_API int freellm_submit(struct freellm *f, const struct freellm_request *request,
	freellm_event_cb *callback, void *context, struct freellm_result **result) FREELLM_CHECK;

/* ---- result ---- */

FREELLM_API void freellm_result_destroy(struct freellm_result *r);

enum freellm_result_text {
	FREELLM_RESULT_TEXT = 1,   /* the answer's text; "" when it is only tool calls */
	FREELLM_RESULT_REASONING,  /* the model's reasoning, where it shows it */
	FREELLM_RESULT_MESSAGE,    /* the OpenAI message as JSON, with tool calls; "" on failure */
	FREELLM_RESULT_TOOL_CALLS, /* its tool_calls as a JSON array; "" when there are none */
	FREELLM_RESULT_FINISH_REASON, /* stop, length, tool_calls, ... */
	FREELLM_RESULT_PROVIDER,      /* who answered */
	FREELLM_RESULT_MODEL,
	FREELLM_RESULT_JSON, /* everything as one JSON object: see freellm-submit(1) */
	FREELLM_ERROR_CODE,  /* "" on success; else a code of the protocol, or one of the library's:
				  no_daemon, no_permission, bad_answer, timed_out */
	FREELLM_ERROR_MESSAGE, /* a sentence: what happened and what to do next */
};

/* Never NULL. `len` may be NULL; it is set to the length in bytes, as the text may hold NUL. */
FREELLM_API const char *freellm_result_text(
	const struct freellm_result *r, enum freellm_result_text field, size_t *len);

enum freellm_result_number {
	FREELLM_PROMPT_TOKENS = 1,
	FREELLM_COMPLETION_TOKENS,
	FREELLM_TOTAL_TOKENS, /* may be more than the sum: thinking */
	FREELLM_CACHED,       /* 1: replayed from the cache */
	FREELLM_COALESCED,    /* 1: shared with an identical request */
	FREELLM_QUEUED_MS,
	FREELLM_FIRST_TOKEN_MS,
	FREELLM_TOTAL_MS,
	FREELLM_RETRY_AT_MS, /* on failure: when to try again, Unix time in milliseconds */
	FREELLM_EXIT_STATUS, /* of sysexits(3): see freellm-submit(1) */
	FREELLM_ATTEMPTS,    /* how many freellm_result_attempt() has */
};

/* -1 when it is not known, or is no part of such a result. */
FREELLM_API int64_t freellm_result_number(
	const struct freellm_result *r, enum freellm_result_number field);

struct freellm_attempt {
	const char *provider;
	const char *model;
	int64_t status;    /* of HTTP; 0: there was no answer */
	const char *error; /* "" for the attempt that succeeded */
	int64_t ms;        /* from dispatch to its end */
};

/* The index-th attempt, from 0, in order; NULL beyond the last. */
FREELLM_API const struct freellm_attempt *freellm_result_attempt(
	const struct freellm_result *r, size_t index);

#ifdef __cplusplus
}
#endif

#endif
