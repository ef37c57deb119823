#include "store.h"

#include <errno.h>
#include <stddef.h>

int
store_open(struct store **to, const struct store_options *options, struct bytes *why)
{
	*to = NULL;
	bytes_printf(why, "%s: this build has no store yet", options->directory);
	return -ENOSYS;
}
void
store_close(struct store *s)
{
}
bool
store_get(struct store *s, const unsigned char key[STORE_KEY_BYTES], int64_t now_ms,
	struct slice *value)
{
	return false;
}
void
store_release(struct store *s)
{
}
void
store_put(struct store *s, const unsigned char key[STORE_KEY_BYTES], struct slice value,
	int64_t expires_at_ms)
{
}
void
store_flush(struct store *s)
{
}
void
store_get_stats(struct store *s, struct store_stats *to)
{
	*to = (struct store_stats){0};
}
