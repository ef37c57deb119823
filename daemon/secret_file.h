/*
 * Reads a file that holds secrets: no stdio, so that no buffer of a library keeps a copy.
 */
#ifndef FREELLMD_SECRET_FILE_H
#define FREELLMD_SECRET_FILE_H

#include <stddef.h>
#include <sys/stat.h>
#include <sys/types.h>

/*
 * Reads a regular file of less than `size` bytes and ends it with a NUL. `forbidden` is a mask of
 * mode bits the file may not have; it must belong to root or to the daemon's user, unless that is
 * root. Returns the length, or a negative errno: -EPERM when a forbidden bit is set, -EKEYREJECTED
 * when it is someone else's, -EISDIR or -EINVAL when it is not a regular file, -EFBIG when it is
 * too large.
 */
ssize_t secret_file_read(const char *path, mode_t forbidden, char *to, size_t size)
	__attribute__((warn_unused_result));

#endif
