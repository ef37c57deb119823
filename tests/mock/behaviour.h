/*
 * What one request asks the mock to do: one table names every member, its type and its bounds.
 * A behaviour is layered: the configured defaults, then options in the model's name, then the
 * request's own member "mock", then the next entry of the script; the later wins member by member.
 */
#ifndef MOCK_BEHAVIOUR_H
#define MOCK_BEHAVIOUR_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "buf.h"

enum fault {
	FAULT_NONE,
	FAULT_REFUSE,               /* RST before any byte of an answer */
	FAULT_CLOSE_BEFORE_HEADERS, /* FIN before any byte of an answer */
	FAULT_CLOSE_IN_HEADERS,     /* FIN in the middle of the header block */
	FAULT_RESET_IN_HEADERS,
	FAULT_HANG_BEFORE_HEADERS, /* until released */
	FAULT_HANG_AFTER_HEADERS,
	FAULT_HANG_MID_STREAM,
	FAULT_RESET_MID_STREAM,
	FAULT_CLOSE_MID_STREAM, /* FIN inside the body, without the last chunk */
	FAULT_SLOW_DRIP,        /* one byte of the wire each millisecond */
	FAULT_GARBAGE,          /* random bytes where HTTP should be */
	FAULT_GARBAGE_SSE,      /* random bytes between two events */
	FAULT_BAD_CHUNK,        /* a chunk size that is no number */
	FAULT_WRONG_CONTENT_TYPE,
	FAULT_ENDLESS_STREAM,
};

struct behaviour {
	json_t *source; /* owns every string and object below */
	int64_t chunks; /* content pieces; -1: as many as the text has words */
	int64_t chunk_bytes;
	int64_t pace_ms;
	int64_t pace_us; /* added to pace_ms */
	int64_t first_byte_ms;
	int64_t first_content_ms;
	int64_t keepalive_ms;
	int64_t comments;
	int64_t status;
	int64_t after; /* content pieces before a mid-stream fault */
	int64_t write; /* bytes of body in one HTTP chunk; 0: a whole event or body; -1: random */
	int64_t seed;
	int64_t wire; /* bytes in one send(); 0: as they come */
	int64_t wire_us;
	int64_t huge_body;
	int64_t huge_header;
	int64_t reasoning_chunks;
	bool no_done;
	bool no_usage;
	bool crlf;
	bool gzip;
	bool split_data;
	bool stamp;
	bool error_done;
	enum fault fault;
	json_t *headers;
	json_t *usage;
	json_t *tool_calls;
	json_t *error_in_stream;
	const char *body;
	const char *text;
	const char *reasoning;
	const char *reasoning_field;
	const char *content_type;
	const char *finish_reason;
	const char *recording;
	const char *framing; /* chunked, length or close */
	const char *retry_after;
};

/* Fills OUT from SOURCE, an object, and takes a reference to it. Returns NULL or, with OUT
 * untouched, a static sentence on what is wrong. */
const char *behaviour_parse(struct behaviour *out, json_t *source);

/* Copies FROM, sharing its source. */
void behaviour_copy(struct behaviour *out, const struct behaviour *from);

void behaviour_finish(struct behaviour *);

/* The options in a model's name, as in "mock+chunks=5+fault=reset_mid_stream". Returns a new
 * object, or NULL when the name has none. */
json_t *behaviour_of_model(const char *model);

#endif
