/*
 * UTF-8 as RFC 3629 has it: no overlong forms, no surrogates, nothing above U+10FFFF.
 */
#ifndef FREELLM_UTF8_H
#define FREELLM_UTF8_H

#include <stddef.h>

/* The length of the longest beginning of `text` that is whole, valid characters other than U+0000.
 */
size_t utf8_good_prefix(const char *text, size_t len);

#endif
