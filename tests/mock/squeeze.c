#include "squeeze.h"

#include <stdint.h>
#include <stdlib.h>
#include <zlib.h>

struct squeeze {
	z_stream stream;
};

struct squeeze *
squeeze_create(void)
{
	struct squeeze *squeeze = calloc(1, sizeof(*squeeze));

	/* 15 bits of window, and 16 for a gzip header. */
	if (!squeeze || deflateInit2(&squeeze->stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, 15 + 16,
				8, Z_DEFAULT_STRATEGY) != Z_OK)
		abort();
	return squeeze;
}

void
squeeze_destroy(struct squeeze *squeeze)
{
	if (!squeeze)
		return;
	deflateEnd(&squeeze->stream);
	free(squeeze);
}

void
squeeze_put(struct squeeze *squeeze, const char *data, size_t len, bool last, struct buf *out)
{
	z_stream *z = &squeeze->stream;
	unsigned char block[4096];

	z->next_in = (unsigned char *)(uintptr_t)data;
	z->avail_in = (unsigned int)len;
	do {
		z->next_out = block;
		z->avail_out = sizeof(block);
		deflate(z, last ? Z_FINISH : Z_SYNC_FLUSH);
		buf_put(out, block, sizeof(block) - z->avail_out);
	} while (z->avail_out == 0);
}
