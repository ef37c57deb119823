/*
 * What freellm-submit is asked: words, files and standard input, put into a request.
 */
#ifndef FREELLM_INPUT_H
#define FREELLM_INPUT_H

#include <stdint.h>

#include "arguments.h"
#include "freellm.h"

/*
 * Each returns 0, or the status to end with after saying on stderr what is wrong.
 * input_options: everything but the prompt. input_read: the prompt or the messages; files are read
 * first, then `connect` is asked how many bytes standard input may have (or for a status to end
 * with, negated).
 */
int input_options(struct freellm_request *request, const struct arguments *a);
int input_read(struct freellm_request *request, const struct arguments *a,
	int64_t connect(void *context), void *context);

#endif
