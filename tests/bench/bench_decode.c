/*
 * What a chunk of a stream costs in the codec: nanoseconds from the bytes of an event to the delta,
 * against jansson's parse of the same JSON alone, in the same run. Each line is the best of several
 * rounds, because other work on the machine can only add.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <jansson.h>

#include "openai_internal.h"

enum { CHUNKS = 20000, ROUNDS = 9 };

static const char head[] =
	"{\"id\":\"chatcmpl-532a6640-2e18-4a4c-8406-8437a857ce48\","
	"\"object\":\"chat.completion.chunk\",\"created\":1739948145,"
	"\"model\":\"llama-3.3-70b-versatile\",\"system_fingerprint\":\"fp_179b0f92c9\","
	"\"choices\":[{\"index\":0,\"delta\":";
static const char tail[] = ",\"logprobs\":null,\"finish_reason\":null}]}";

struct sample {
	const char *name, *delta;
};
static const struct sample samples[] = {
	{"text", "{\"content\":\" joke about\"}"},
	{"text with escapes", "{\"content\":\"\\n\\\"joke\\\"\\n\"}"},
	{"text with \\u escapes", "{\"content\":\"caf\\u00e9 \\u4f60\"}"},
	{"reasoning", "{\"reasoning\":\" that the\",\"channel\":\"analysis\"}"},
	{"tool call",
		"{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"\\\"city\\\"\"}}]}"},
};

static double
seconds(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static size_t seen;

static void
count(void *context, const struct delta *delta)
{
	seen += delta->data.len;
}

/* How many bytes come in one read: the usual event alone, or many at once. */
static double
decode(struct slice event, bool scanner, size_t events_per_read)
{
	double best = 1e9;
	struct bytes read = {0};
	for (size_t i = 0; i < events_per_read; i++)
		bytes_append(&read, event.data, event.len);
	for (int round = 0; round < ROUNDS; round++) {
		struct openai_reply *r = openai_reply_create(64 << 20, count, NULL);
		openai_reply_head(r, 200, slice_of("text/event-stream"));
		openai_reply_use_scanner(r, scanner);
		double from = seconds();
		for (size_t i = 0; i < CHUNKS / events_per_read; i++)
			if (openai_reply_body(r, read.data, read.len) != 0)
				abort();
		double took = seconds() - from;
		best = took < best ? took : best;
		openai_reply_destroy(r);
	}
	bytes_finish(&read);
	return best / CHUNKS * 1e9;
}

static double
parse(struct slice json)
{
	double best = 1e9;
	for (int round = 0; round < ROUNDS; round++) {
		double from = seconds();
		for (int i = 0; i < CHUNKS; i++)
			json_decref(json_loadb(json.data, json.len, 0, NULL));
		double took = seconds() - from;
		best = took < best ? took : best;
	}
	return best / CHUNKS * 1e9;
}

int
main(void)
{
	printf("%-22s %6s %10s %14s %16s %15s\n", "nanoseconds a chunk", "bytes", "jansson",
		"codec+jansson", "codec", "8 chunks a read");
	for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
		struct bytes event = {0};
		bytes_printf(&event, "data: %s%s%s\n\n", head, samples[i].delta, tail);
		struct slice all = {event.data, event.len};
		struct slice json = {event.data + 6, event.len - 8};
		printf("%-22s %6zu %10.0f %14.0f %16.0f %15.0f\n", samples[i].name, json.len,
			parse(json), decode(all, false, 1), decode(all, true, 1),
			decode(all, true, 8));
		bytes_finish(&event);
	}
	return seen == 0;
}
