#include "recording.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static bool
ends_with(const char *name, const char *suffix)
{
	size_t len = strlen(name), suffix_len = strlen(suffix);

	return len >= suffix_len && strcmp(name + len - suffix_len, suffix) == 0;
}

static bool
leaves(const char *name)
{
	return name[0] == '/' || strcmp(name, "..") == 0 || strncmp(name, "../", 3) == 0 ||
	       strstr(name, "/../") || ends_with(name, "/..");
}

static int
read_file(const char *dir, const char *name, struct buf *out)
{
	struct buf path = {0};
	char block[16384];
	size_t got;
	FILE *file;
	int result = 0;

	buf_printf(&path, "%s/%s", dir, name);
	file = fopen(path.data, "rbe");
	buf_free(&path);
	if (!file)
		return -errno;
	while ((got = fread(block, 1, sizeof(block), file)) > 0)
		buf_put(out, block, got);
	if (ferror(file))
		result = -EIO;
	fclose(file);
	return result;
}

/* Cuts FILE into head and body at the first blank line. */
static int
split(const struct buf *file, struct recording *out)
{
	const char *end = memmem(file->data, file->len, "\r\n\r\n", 4);
	const char *at;
	size_t eol = 2;

	if (!end) {
		end = memmem(file->data, file->len, "\n\n", 2);
		eol = 1;
	}
	if (!end)
		return -EBADMSG;
	end += eol;
	buf_put(&out->head, file->data, (size_t)(end - file->data));
	buf_put(&out->body, end + eol, file->len - (size_t)(end + eol - file->data));
	buf_put(&out->head, "", 1);
	out->head.len--;
	at = strchr(out->head.data, ' ');
	out->status = at ? (int)strtol(at, NULL, 10) : 0;
	if (out->status < 100 || out->status > 599)
		return -EBADMSG;
	out->stream = strcasestr(out->head.data, "text/event-stream") != NULL;
	return 0;
}

static void
frame_lines(const struct buf *file, struct buf *body)
{
	const char *at = file->data, *stop = file->data + file->len;

	while (at < stop) {
		const char *end = memchr(at, '\n', (size_t)(stop - at));

		if (!end)
			end = stop;
		if (end > at) {
			buf_puts(body, "data: ");
			buf_put(body, at, (size_t)(end - at));
			buf_puts(body, "\n\n");
		}
		at = end + 1;
	}
	buf_puts(body, "data: [DONE]\n\n");
}

int
recording_load(struct recording *out, const char *dir, const char *name)
{
	struct buf file = {0};
	int result;

	if (leaves(name))
		return -EINVAL;
	*out = (struct recording){.status = 200};
	result = read_file(dir, name, &file);
	if (result == 0 && file.len >= 5 && memcmp(file.data, "HTTP/", 5) == 0) {
		result = split(&file, out);
	} else if (result == 0) {
		out->stream = !ends_with(name, ".json");
		buf_printf(&out->head, "HTTP/1.1 200 OK\r\nContent-Type: %s\r\n",
			out->stream ? "text/event-stream" : "application/json");
		if (ends_with(name, ".chunks.txt"))
			frame_lines(&file, &out->body);
		else
			buf_put(&out->body, file.data, file.len);
	}
	buf_free(&file);
	if (result < 0)
		recording_finish(out);
	return result;
}

void
recording_finish(struct recording *recording)
{
	buf_free(&recording->head);
	buf_free(&recording->body);
}
