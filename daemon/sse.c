#include "sse.h"

#include <errno.h>
#include <string.h>

enum { KEEP_CAPACITY = 4096 }; /* a buffer that one large event has blown up is given back */

/* One call of sse_feed. `borrowed` is the single data line of the event at hand as long as it lies
 * in the caller's memory, so that the common event is never copied. */
struct feed {
	struct sse *s;
	struct slice borrowed;
	bool has_borrowed;
	sse_event_cb *event;
	void *context;
};

void
sse_init(struct sse *s, size_t max)
{
	*s = (struct sse){.max = max};
}

void
sse_finish(struct sse *s)
{
	bytes_finish(&s->line);
	bytes_finish(&s->data);
	bytes_finish(&s->name);
}

static void
empty(struct bytes *b)
{
	if (b->cap > KEEP_CAPACITY)
		bytes_finish(b);
	else
		bytes_clear(b);
}

/* Moves a borrowed data line into memory of our own. */
static int
keep_borrowed(struct feed *f)
{
	if (!f->has_borrowed)
		return 0;
	f->has_borrowed = false;
	bytes_append(&f->s->data, f->borrowed.data, f->borrowed.len);
	return f->s->data.failed ? -ENOMEM : 0;
}

static int
add_data(struct feed *f, struct slice value, bool borrowed)
{
	struct sse *s = f->s;
	int r = keep_borrowed(f);
	if (r < 0)
		return r;
	if (s->data.len + value.len >= s->max)
		return -E2BIG;
	if (!s->has_data && borrowed) {
		f->borrowed = value;
		f->has_borrowed = true;
	} else {
		if (s->has_data)
			bytes_append_char(&s->data, '\n');
		bytes_append(&s->data, value.data, value.len);
	}
	s->has_data = true;
	return s->data.failed ? -ENOMEM : 0;
}

static int
dispatch(struct feed *f)
{
	struct sse *s = f->s;
	int r = 0;
	if (s->has_data) {
		struct slice data =
			f->has_borrowed ? f->borrowed : (struct slice){s->data.data, s->data.len};
		r = f->event(f->context, (struct slice){s->name.data, s->name.len}, data);
	}
	f->has_borrowed = false;
	s->has_data = false;
	empty(&s->data);
	empty(&s->name);
	return r;
}

static bool
is_field(struct slice line, const char *name, size_t len, struct slice *value)
{
	if (line.len < len || memcmp(line.data, name, len) != 0)
		return false;
	if (line.len == len) {
		*value = (struct slice){line.data + len, 0};
		return true;
	}
	if (line.data[len] != ':')
		return false;
	size_t skip = len + 1;
	if (line.len > skip && line.data[skip] == ' ')
		skip++;
	*value = (struct slice){line.data + skip, line.len - skip};
	return true;
}

/* A whole line, without its end. `borrowed`: it lies in the caller's memory, not in s->line. */
static int
take_line(struct feed *f, struct slice line, bool borrowed)
{
	struct sse *s = f->s;
	if (!s->begun) {
		s->begun = true;
		if (line.len >= 3 && memcmp(line.data, "\xef\xbb\xbf", 3) == 0)
			line = (struct slice){line.data + 3, line.len - 3};
	}
	if (line.len == 0)
		return dispatch(f);
	struct slice value;
	if (is_field(line, "data", 4, &value))
		return add_data(f, value, borrowed);
	if (is_field(line, "event", 5, &value)) {
		bytes_clear(&s->name);
		bytes_append(&s->name, value.data, value.len);
		return s->name.failed ? -ENOMEM : 0;
	}
	return 0; /* comments, id, retry, and what the standard does not know */
}

static int
keep_line(struct sse *s, struct slice part)
{
	if (s->line.len + part.len + s->data.len >= s->max)
		return -E2BIG;
	bytes_append(&s->line, part.data, part.len);
	return s->line.failed ? -ENOMEM : 0;
}

/* The end of the line that begins at `at`: LF or CR. NULL: not in there. */
static const char *
line_end(const char *at, const char *end)
{
	const char *lf = memchr(at, '\n', (size_t)(end - at));
	const char *cr = memchr(at, '\r', (size_t)((lf != NULL ? lf : end) - at));
	return cr != NULL ? cr : lf;
}

static int
feed_line(struct feed *f, struct slice part)
{
	struct sse *s = f->s;
	if (s->line.len == 0)
		return part.len >= s->max ? -E2BIG : take_line(f, part, true);
	int r = keep_line(s, part);
	if (r == 0)
		r = take_line(f, (struct slice){s->line.data, s->line.len}, false);
	empty(&s->line);
	return r;
}

int
sse_feed(struct sse *s, const void *data, size_t len, sse_event_cb *event, void *context)
{
	struct feed f = {.s = s, .event = event, .context = context};
	const char *at = data;
	const char *end = at + len;
	while (at < end) {
		if (s->after_cr) {
			s->after_cr = false;
			if (*at == '\n') {
				at++;
				continue;
			}
		}
		const char *stop = line_end(at, end);
		struct slice part = {at, (size_t)((stop != NULL ? stop : end) - at)};
		int r = stop != NULL ? feed_line(&f, part) : keep_line(s, part);
		if (r != 0)
			return r;
		if (stop == NULL)
			break;
		s->after_cr = *stop == '\r';
		at = stop + 1;
	}
	return keep_borrowed(&f);
}

int
sse_end(struct sse *s, sse_event_cb *event, void *context)
{
	struct feed f = {.s = s, .event = event, .context = context};
	int r = 0;
	if (s->line.len > 0)
		r = take_line(&f, (struct slice){s->line.data, s->line.len}, false);
	empty(&s->line);
	return r != 0 ? r : dispatch(&f);
}
