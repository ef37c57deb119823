/*
 * What a refusal means for what to do next, by its status and its words. PROVIDERS.md section 0.3,
 * and the providers' own sections for the wordings.
 */
#include "openai_internal.h"

#include <string.h>

/*
 * The first rule that matches counts. `from` to `to` are the statuses it holds for; 0 is an error
 * inside a 200 that named none. `word` and `also` (NULL: always) are looked for, without regard to
 * case, in the code, type, reason and message together.
 */
struct rule {
	int from, to;
	const char *word, *also;
	enum openai_error_kind kind;
};

static const struct rule rules[] = {
	{0, 403, "api_key_invalid", NULL, OPENAI_ERROR_KEY},
	{0, 403, "api key not valid", NULL, OPENAI_ERROR_KEY},
	{0, 403, "api key expired", NULL, OPENAI_ERROR_KEY},
	{0, 403, "invalid_api_key", NULL, OPENAI_ERROR_KEY},
	{0, 403, "incorrect api key", NULL, OPENAI_ERROR_KEY},
	{0, 400, "authentication_error", NULL, OPENAI_ERROR_KEY},

	{0, 422, "content_filter", NULL, OPENAI_ERROR_FILTERED},
	{0, 422, "content_policy", NULL, OPENAI_ERROR_FILTERED},
	{0, 422, "content management policy", NULL, OPENAI_ERROR_FILTERED},
	{0, 422, "data_inspection_failed", NULL, OPENAI_ERROR_FILTERED},
	{0, 403, "moderation", NULL, OPENAI_ERROR_FILTERED},
	{0, 403, "flagged", NULL, OPENAI_ERROR_FILTERED},

	{0, 499, "degraded", "function", OPENAI_ERROR_UNAVAILABLE}, /* NVIDIA */

	{402, 402, "in_flight", NULL, OPENAI_ERROR_RATE}, /* OpenRouter: transient */
	{402, 402, NULL, NULL, OPENAI_ERROR_CREDIT},

	{403, 403, "freetieronly", NULL, OPENAI_ERROR_CREDIT},       /* Alibaba */
	{403, 403, "key limit", NULL, OPENAI_ERROR_CREDIT},          /* OpenRouter */
	{403, 403, "error code: 1", NULL, OPENAI_ERROR_UNAVAILABLE}, /* Cloudflare's edge */
	{403, 403, "<html", NULL, OPENAI_ERROR_UNAVAILABLE},
	{403, 403, "<!doctype", NULL, OPENAI_ERROR_UNAVAILABLE},
	{403, 403, "subscription", NULL, OPENAI_ERROR_MODEL}, /* Ollama's cloud */
	{403, 403, "model", "access", OPENAI_ERROR_MODEL},
	{403, 403, "model_", NULL, OPENAI_ERROR_MODEL},
	{400, 403, "unsupported_country", NULL, OPENAI_ERROR_MODEL},
	{400, 403, "location is not supported", NULL, OPENAI_ERROR_MODEL}, /* Gemini */
	{401, 401, NULL, NULL, OPENAI_ERROR_KEY},
	{403, 403, NULL, NULL, OPENAI_ERROR_KEY},

	{404, 404, NULL, NULL, OPENAI_ERROR_MODEL},
	{410, 410, NULL, NULL, OPENAI_ERROR_MODEL},
	{0, 400, "model_not_found", NULL, OPENAI_ERROR_MODEL},
	{0, 400, "model", "does not exist", OPENAI_ERROR_MODEL},
	{0, 400, "model", "decommissioned", OPENAI_ERROR_MODEL},
	{0, 400, "invalid model", NULL, OPENAI_ERROR_MODEL},
	{0, 400, "not a valid model", NULL, OPENAI_ERROR_MODEL},

	{429, 429, "depleted", NULL, OPENAI_ERROR_CREDIT},
	{429, 429, "insufficient credit", NULL, OPENAI_ERROR_CREDIT},
	{429, 429, NULL, NULL, OPENAI_ERROR_RATE},

	{408, 409, NULL, NULL, OPENAI_ERROR_UNAVAILABLE},
	{425, 425, NULL, NULL, OPENAI_ERROR_UNAVAILABLE},
	{498, 599, NULL, NULL, OPENAI_ERROR_UNAVAILABLE}, /* 498: Groq's flex tier is full */
	{400, 497, NULL, NULL, OPENAI_ERROR_REQUEST},

	{0, 0, "rate_limit", NULL, OPENAI_ERROR_RATE},
	{0, 0, "rate limit", NULL, OPENAI_ERROR_RATE},
	{0, 0, "rate-limited", NULL, OPENAI_ERROR_RATE},
	{0, 0, "too many requests", NULL, OPENAI_ERROR_RATE},
	{0, 0, "too_many", NULL, OPENAI_ERROR_RATE},
	{0, 0, "resource_exhausted", NULL, OPENAI_ERROR_RATE},
	{0, 0, "invalid_request", NULL, OPENAI_ERROR_REQUEST},
	{0, 0, "invalid_argument", NULL, OPENAI_ERROR_REQUEST},
	{0, 0, "context_length", NULL, OPENAI_ERROR_REQUEST},
	{0, 0, NULL, NULL, OPENAI_ERROR_UNAVAILABLE},
};

enum openai_error_kind
openai_error_classify(int status, const char *words)
{
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
		const struct rule *rule = &rules[i];
		if (status >= rule->from && status <= rule->to &&
			(rule->word == NULL || strcasestr(words, rule->word) != NULL) &&
			(rule->also == NULL || strcasestr(words, rule->also) != NULL))
			return rule->kind;
	}
	return OPENAI_ERROR_GARBLED; /* a redirect, or a status that HTTP does not know */
}

bool
openai_error_is_capacity(const char *words)
{
	static const char *const signs[] = {
		"queue_exceeded", "capacity", "upstream", "overloaded", "high traffic"};
	for (size_t i = 0; i < sizeof(signs) / sizeof(signs[0]); i++)
		if (strcasestr(words, signs[i]) != NULL)
			return true;
	return false;
}
