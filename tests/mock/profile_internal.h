/*
 * The shapes of each provider's answers, for the table in profile.c.
 */
#ifndef MOCK_PROFILE_INTERNAL_H
#define MOCK_PROFILE_INTERNAL_H

#include "limits.h"
#include "profile.h"

/* Everything that a refusal may speak of. */
struct refusal {
	const struct verdict *verdict;
	const struct rule *rule;
	const char *model; /* as the inside of a JSON string */
	int64_t now_us;
	int64_t wait_s; /* rounded up, at least 1 */
};

void error_openai(int status, const char *message, const char *type, struct buf *body);
void refuse_plain(const struct refusal *, struct buf *head, struct buf *body);
void success_groq(const struct standing *, bool stream, struct buf *head);
void refuse_groq(const struct refusal *, struct buf *head, struct buf *body);
void refuse_openrouter(const struct refusal *, struct buf *head, struct buf *body);
void error_openrouter(int status, const char *message, const char *type, struct buf *body);
void success_cerebras(const struct standing *, bool stream, struct buf *head);
void refuse_cerebras(const struct refusal *, struct buf *head, struct buf *body);
void error_cerebras(int status, const char *message, const char *type, struct buf *body);
void refuse_gemini(const struct refusal *, struct buf *head, struct buf *body);
void error_gemini(int status, const char *message, const char *type, struct buf *body);
void success_mistral(const struct standing *, bool stream, struct buf *head);
void refuse_mistral(const struct refusal *, struct buf *head, struct buf *body);
void error_mistral(int status, const char *message, const char *type, struct buf *body);
void success_cohere(const struct standing *, bool stream, struct buf *head);
void refuse_cohere(const struct refusal *, struct buf *head, struct buf *body);
void error_cohere(int status, const char *message, const char *type, struct buf *body);
void refuse_nvidia(const struct refusal *, struct buf *head, struct buf *body);
void error_nvidia(int status, const char *message, const char *type, struct buf *body);
void refuse_cloudflare(const struct refusal *, struct buf *head, struct buf *body);
void error_cloudflare(int status, const char *message, const char *type, struct buf *body);

#endif
