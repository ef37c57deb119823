/*
 * The load generator: one thread that keeps a number of clients busy, each with one request
 * outstanding, speaking freellmd's protocol, HTTP/1.1, Redis' protocol, or to an echo server. It
 * checks every answer and measures with the same discipline whatever it talks to.
 */
#ifndef LOAD_H
#define LOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { ID_BYTES = 14, PIDS_MAX = 8 }; /* an id is "n=000000000123" */

struct buf {
	char *data;
	size_t len, cap;
};

void buf_put(struct buf *b, const void *data, size_t len);
void buf_puts(struct buf *b, const char *text);
/* Drops the first `len` bytes. */
void buf_drop(struct buf *b, size_t len);

struct dialect;

struct options {
	const struct dialect *dialect;
	const char *address; /* a path: a Unix socket; else HOST:PORT with HOST an IPv4 address */
	const char *path;    /* HTTP: the path of the URL */
	const char *model;   /* what the server under test calls it */
	const char *cache;   /* freellmd: "off" or "use" */
	int64_t clients;
	int64_t keys;         /* requests go round so many prompts; 0: no two are alike */
	int64_t prompt_bytes; /* at least ID_BYTES */
	int64_t value_bytes;  /* of an answer's text */
	int64_t chunks;       /* streams: content chunks of each answer; 0: no streams */
	int64_t pace_us;      /* streams: from one chunk to the next */
	int64_t warm_up_ms, window_ms;
	bool hold; /* open everything, say "ready", and keep it open until standard input ends */
	pid_t pids[PIDS_MAX]; /* whose CPU time is measured */
	unsigned pid_count;
};

struct client {
	int fd;
	uint32_t msgid;
	uint64_t number; /* of the current request */
	bool busy, preparing;
	bool cached; /* the last answer came from the cache */
	int64_t sent_ns;
	int64_t chunks;  /* of the current answer so far */
	struct buf in;   /* what has come and is not looked at yet */
	struct buf body; /* HTTP: decoded from chunks */
	int http_state;
	size_t http_left; /* bytes of the body or chunk still to come */
};

enum step { STEP_MORE, STEP_DONE, STEP_WRONG };

/* One way of asking. */
struct dialect {
	const char *name;
	/* Called once, over the first connection, before anything is measured; NULL: nothing to
	 * prepare. */
	bool (*prepare)(const struct options *o, struct client *c);
	/* Appends the request of client->number to `out`. */
	void (*request)(const struct options *o, struct client *c, struct buf *out);
	/* Looks at client->in and drops what it has used. Calls load_chunks for the text of
	 * streams. */
	enum step (*answer)(const struct options *o, struct client *c, int64_t now_ns);
};

extern const struct dialect dialect_freellm, dialect_http, dialect_resp, dialect_echo;

/* "n=000000000123" for 123. Writes ID_BYTES and no NUL. */
void load_id(char *to, uint64_t number);

/* The prompt of the request: its id and then filling words. */
void load_prompt(const struct options *o, const struct client *c, struct buf *out);

/* Counts the stamps "@MICROSECONDS " (CLOCK_MONOTONIC) within `data` and notes how old each is. */
void load_chunks(struct client *c, const char *data, size_t len, int64_t now_ns);

/* Says on stderr what was wrong about an answer, the first few times. */
enum step load_wrong(const struct client *c, const char *what, const char *data, size_t len);

/* A list of measurements. */
struct samples {
	int32_t *at;
	size_t len, cap;
};

void samples_add(struct samples *s, int64_t value);
void samples_sort(struct samples *s);
/* The value below which that share lies; the samples are sorted. 0 when there are none. */
double samples_at(const struct samples *s, double share);

/* What was seen within the measured window. */
struct results {
	int64_t requests, chunks, wrong;
	int64_t server_ns, own_ns; /* CPU time */
	double seconds;
	struct samples latency_ns, delay_us;
};

/* Sends one request and waits for its answer. */
bool load_ask(const struct options *o, struct client *c);

/* Runs the load. Returns false when it could not be run at all, said on stderr. */
bool load_run(const struct options *o, struct results *to);

/* CPU time of all threads of a process in nanoseconds, or -1. */
int64_t cpu_of(pid_t pid);

int64_t now_ns(void);

#endif
