/*
 * What is good text, and how it stands in JSON. Apart from value.h, for those who know nothing of
 * MessagePack.
 */
#ifndef FREELLM_TEXT_H
#define FREELLM_TEXT_H

#include <stdbool.h>

#include "bytes.h"

enum value_problem {
	VALUE_OK = 0,
	VALUE_NOT_UTF8, /* a string that is not UTF-8 */
	VALUE_HAS_NUL,  /* a string that holds U+0000, which providers and C programs cut at */
	VALUE_NOT_JSON, /* binary, an extension type, NaN or infinity, or a map whose name is not a
			   string */
	VALUE_DUPLICATE_KEY, /* the same name twice in one map */
};

/* Is it UTF-8 without U+0000? VALUE_OK, VALUE_NOT_UTF8 or VALUE_HAS_NUL. */
enum value_problem value_check_text(struct slice text);

/* Is it text that may stand in a log line or an error: good text without control characters? */
bool value_is_plain(struct slice text);

/* Appends `text` as a JSON string with its quotes. The text must have passed value_check_text, or
 * be ours. */
void value_json_string(struct bytes *out, struct slice text);

/* The order of names in canonical JSON: by their bytes, the shorter first. As memcmp. */
int value_compare_names(struct slice a, struct slice b);

/* A sentence for a person: "text is not valid UTF-8". Static. */
const char *value_problem_text(enum value_problem problem);

#endif
