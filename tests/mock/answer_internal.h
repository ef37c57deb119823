/*
 * Shared by the halves of answer: the checks, and the answer that a behaviour asks for.
 */
#ifndef MOCK_ANSWER_INTERNAL_H
#define MOCK_ANSWER_INTERNAL_H

#include <stdint.h>

#include "answer.h"

struct profile;

/* Plans what PLAN's behaviour asks for; its chat has been read. */
void plan_behaviour(struct plan *, const char *recordings, const struct profile *, int64_t sequence,
	int64_t created_s);

#endif
