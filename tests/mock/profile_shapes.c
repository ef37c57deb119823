#include "profile_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "limits.h"

#define MINUTE_US INT64_C(60000000)
#define HOUR_US (60 * MINUTE_US)
#define DAY_US (24 * HOUR_US)

static const char *
metric_word(const struct rule *rule)
{
	return rule->metric == METRIC_TOKENS || rule->metric == METRIC_INPUT_TOKENS ? "tokens"
										    : "requests";
}

/* The unit that a span is called by; NULL for one that has no name. */
static const char *
span_word(const struct rule *rule)
{
	if (rule->unit == 'd' || rule->span_us == DAY_US)
		return "day";
	if (rule->unit == 'm')
		return "month";
	if (rule->span_us == MINUTE_US)
		return "minute";
	if (rule->span_us == HOUR_US)
		return "hour";
	return NULL;
}

static bool
spans(const struct rule *rule, const char *word)
{
	const char *name = span_word(rule);

	return name && strcmp(name, word) == 0;
}

/* A duration as Go prints it: 130ms, 7.66s, 2m59.56s, 1h0m3s. */
static void
put_go(struct buf *out, int64_t us)
{
	int64_t hours = us / HOUR_US, minutes = us % HOUR_US / MINUTE_US, rest = us % MINUTE_US;
	char seconds[32];

	if (us < 1000000) {
		buf_printf(out, "%" PRId64 "ms", (us + 999) / 1000);
		return;
	}
	rest = (rest + 999) / 1000;
	snprintf(seconds, sizeof(seconds), "%" PRId64 ".%03" PRId64, rest / 1000, rest % 1000);
	while (seconds[strlen(seconds) - 1] == '0')
		seconds[strlen(seconds) - 1] = '\0';
	if (seconds[strlen(seconds) - 1] == '.')
		seconds[strlen(seconds) - 1] = '\0';
	if (hours > 0)
		buf_printf(out, "%" PRId64 "h", hours);
	if (hours > 0 || minutes > 0)
		buf_printf(out, "%" PRId64 "m", minutes);
	buf_printf(out, "%ss", seconds);
}

void
error_openai(int status, const char *message, const char *type, struct buf *body)
{
	buf_puts(body, "{\"error\":{\"message\":\"");
	buf_json(body, message, strlen(message));
	buf_printf(body, "\",\"type\":\"%s\",\"param\":null,\"code\":\"%d\"}}", type, status);
}

/* plain: what most OpenAI-compatible servers do. */

void
refuse_plain(const struct refusal *r, struct buf *head, struct buf *body)
{
	buf_printf(head, "retry-after: %" PRId64 "\r\n", r->wait_s);
	buf_printf(body,
		"{\"error\":{\"message\":\"Rate limit reached: %s\",\"type\":\"%s\","
		"\"param\":null,\"code\":\"rate_limit_exceeded\"}}",
		r->rule->text, metric_word(r->rule));
}

/* groq: the headers speak of requests per day and tokens per minute, the text of the limit hit. */

void
success_groq(const struct standing *s, bool stream, struct buf *head)
{
	bool requests = s->rule->metric == METRIC_REQUESTS && spans(s->rule, "day");
	bool tokens = s->rule->metric == METRIC_TOKENS && spans(s->rule, "minute");
	const char *word = metric_word(s->rule);

	if (!requests && !tokens)
		return;
	buf_printf(head, "x-ratelimit-limit-%s: %" PRId64 "\r\n", word, s->rule->amount);
	buf_printf(head, "x-ratelimit-remaining-%s: %" PRId64 "\r\n", word, s->remaining);
	buf_printf(head, "x-ratelimit-reset-%s: ", word);
	put_go(head, s->full_us);
	buf_puts(head, "\r\n");
}

void
refuse_groq(const struct refusal *r, struct buf *head, struct buf *body)
{
	const struct verdict *v = r->verdict;
	bool requests = strcmp(metric_word(r->rule), "requests") == 0;
	const char *span = span_word(r->rule);
	char letter = span ? (char)(span[0] - 'a' + 'A') : '?';

	buf_printf(head, "retry-after: %" PRId64 "\r\n", r->wait_s);
	buf_printf(body,
		"{\"error\":{\"message\":\"%s for model `%s` in organization `org_mock` service "
		"tier `on_demand` on %s per %s (%cP%c): Limit %" PRId64 ", ",
		v->too_large ? "Request too large" : "Rate limit reached", r->model,
		requests ? "requests" : "tokens", span ? span : "window", requests ? 'R' : 'T',
		letter, r->rule->amount);
	if (v->too_large) {
		buf_printf(body,
			"Requested %" PRId64 ", please reduce your message size and try again.",
			v->requested);
	} else {
		buf_printf(body, "Used %" PRId64 ", Requested %" PRId64 ". Please try again in ",
			v->used, v->requested);
		put_go(body, v->wait_us);
		buf_puts(body, ". Need more tokens? Upgrade to Dev Tier today");
	}
	buf_printf(body, "\",\"type\":\"%s\",\"code\":\"rate_limit_exceeded\"}}",
		requests ? "requests" : "tokens");
}

/* openrouter: nothing until the 429, then an absolute time in epoch milliseconds. */

void
refuse_openrouter(const struct refusal *r, struct buf *head, struct buf *body)
{
	int64_t reset_ms = (r->now_us + r->verdict->wait_us + 999) / 1000;
	bool day = spans(r->rule, "day");

	buf_printf(head,
		"x-ratelimit-limit: %" PRId64 "\r\nx-ratelimit-remaining: 0\r\n"
		"x-ratelimit-reset: %" PRId64 "\r\n",
		r->rule->amount, reset_ms);
	buf_printf(body,
		"{\"error\":{\"message\":\"Rate limit exceeded: %s\",\"code\":429,\"metadata\":{"
		"\"headers\":{\"X-RateLimit-Limit\":\"%" PRId64
		"\",\"X-RateLimit-Remaining\":\"0\",\"X-RateLimit-Reset\":\"%" PRId64
		"\"},\"provider_name\":null%s}},\"user_id\":\"user_mock\"}",
		day ? "free-models-per-day. Add 10 credits to unlock 1000 free model requests per "
		      "day"
		    : "free-models-per-min. ",
		r->rule->amount, reset_ms,
		day ? ",\"limit_source\":\"openrouter_free_tier_daily\"" : "");
}

void
error_openrouter(int status, const char *message, const char *type, struct buf *body)
{
	buf_puts(body, "{\"error\":{\"message\":\"");
	buf_json(body, message, strlen(message));
	buf_printf(body, "\",\"code\":%d},\"user_id\":\"user_mock\"}", status);
}

/* cerebras: six families of headers on a success, none on a 429, and a flat error. */

void
success_cerebras(const struct standing *s, bool stream, struct buf *head)
{
	const char *word = metric_word(s->rule), *span = span_word(s->rule);

	if (!span || s->rule->metric == METRIC_CONCURRENT || strcmp(span, "month") == 0)
		return;
	buf_printf(head, "x-ratelimit-limit-%s-%s: %" PRId64 "\r\n", word, span, s->rule->amount);
	buf_printf(head, "x-ratelimit-remaining-%s-%s: %" PRId64 "\r\n", word, span, s->remaining);
	buf_printf(head, "x-ratelimit-reset-%s-%s: %.6f\r\n", word, span,
		(double)s->full_us / 1000000);
}

void
refuse_cerebras(const struct refusal *r, struct buf *head, struct buf *body)
{
	bool requests = strcmp(metric_word(r->rule), "requests") == 0;
	const char *span = span_word(r->rule);

	if (r->rule->metric == METRIC_CONCURRENT) {
		buf_puts(head, "x-should-retry: false\r\n");
		buf_puts(body,
			"{\"message\":\"We are experiencing high traffic right now! Please try "
			"again soon.\",\"type\":\"too_many_requests_error\",\"param\":\"queue\","
			"\"code\":\"queue_exceeded\"}");
		return;
	}
	buf_printf(head, "retry-after: %" PRId64 "\r\n", r->wait_s);
	buf_printf(body,
		"{\"message\":\"%s per %s limit exceeded - too many %s %s.\",\"type\":"
		"\"too_many_%s_error\",\"param\":\"quota\",\"code\":\"%s_quota_exceeded\"}",
		requests ? "Requests" : "Tokens", span ? span : "window",
		requests ? "requests" : "tokens", requests ? "sent" : "processed",
		requests ? "requests" : "tokens", requests ? "request" : "token");
}

void
error_cerebras(int status, const char *message, const char *type, struct buf *body)
{
	buf_puts(body, "{\"message\":\"");
	buf_json(body, message, strlen(message));
	buf_printf(body, "\",\"type\":\"%s\",\"param\":null,\"code\":\"%d\"}", type, status);
}

/* gemini: no header ever; the body is an array and names the quota. */

static const char *
gemini_status(int status)
{
	switch (status) {
	case 400:
		return "INVALID_ARGUMENT";
	case 404:
		return "NOT_FOUND";
	case 429:
		return "RESOURCE_EXHAUSTED";
	case 503:
		return "UNAVAILABLE";
	default:
		return status >= 500 ? "INTERNAL" : "FAILED_PRECONDITION";
	}
}

void
refuse_gemini(const struct refusal *r, struct buf *head, struct buf *body)
{
	bool requests = strcmp(metric_word(r->rule), "requests") == 0;
	const char *metric = requests ? "generate_content_free_tier_requests"
				      : "generate_content_free_tier_input_token_count";
	const char *quota = "GenerateRequestsPerMinutePerProjectPerModel-FreeTier";
	double wait_s = (double)r->verdict->wait_us / 1000000;

	if (!requests)
		quota = "GenerateContentInputTokensPerModelPerMinute-FreeTier";
	else if (spans(r->rule, "day"))
		quota = "GenerateRequestsPerDayPerProjectPerModel-FreeTier";
	buf_printf(body,
		"[{\"error\":{\"code\":429,\"message\":\"You exceeded your current quota, please "
		"check your plan and billing details.\\n* Quota exceeded for metric: "
		"generativelanguage.googleapis.com/%s, limit: %" PRId64
		", model: %s\\nPlease retry in %.9fs.\",\"status\":\"RESOURCE_EXHAUSTED\","
		"\"details\":[{\"@type\":\"type.googleapis.com/google.rpc.Help\"},"
		"{\"@type\":\"type.googleapis.com/google.rpc.QuotaFailure\",\"violations\":[{"
		"\"quotaMetric\":\"generativelanguage.googleapis.com/%s\",\"quotaId\":\"%s\","
		"\"quotaDimensions\":{\"location\":\"global\",\"model\":\"%s\"},"
		"\"quotaValue\":\"%" PRId64
		"\"}]},{\"@type\":\"type.googleapis.com/google.rpc.RetryInfo\","
		"\"retryDelay\":\"%" PRId64 "s\"}]}}]",
		metric, r->rule->amount, r->model, wait_s, metric, quota, r->model, r->rule->amount,
		r->wait_s);
}

void
error_gemini(int status, const char *message, const char *type, struct buf *body)
{
	buf_printf(body, "[{\"error\":{\"code\":%d,\"message\":\"", status);
	buf_json(body, message, strlen(message));
	buf_printf(body, "\",\"status\":\"%s\"}}]", gemini_status(status));
}

/* mistral: headers on answers that are no streams, and a 429 without Retry-After. */

void
success_mistral(const struct standing *s, bool stream, struct buf *head)
{
	const char *word = s->rule->metric == METRIC_TOKENS ? "tokens" : "req";

	if (stream || !spans(s->rule, "minute") || s->rule->metric == METRIC_INPUT_TOKENS)
		return;
	buf_printf(head, "x-ratelimit-limit-%s-minute: %" PRId64 "\r\n", word, s->rule->amount);
	buf_printf(head, "x-ratelimit-remaining-%s-minute: %" PRId64 "\r\n", word, s->remaining);
}

void
refuse_mistral(const struct refusal *r, struct buf *head, struct buf *body)
{
	if (r->rule->metric == METRIC_REQUESTS && spans(r->rule, "minute"))
		buf_printf(head,
			"x-ratelimit-limit-req-minute: %" PRId64 "\r\n"
			"x-ratelimit-remaining-req-minute: 0\r\n",
			r->rule->amount);
	buf_puts(body,
		"{\"object\":\"error\",\"message\":\"Rate limit exceeded\",\"type\":"
		"\"rate_limited\",\"param\":null,\"code\":\"1300\",\"raw_status_code\":429}");
}

void
error_mistral(int status, const char *message, const char *type, struct buf *body)
{
	buf_puts(body, "{\"object\":\"error\",\"message\":\"");
	buf_json(body, message, strlen(message));
	buf_printf(body, "\",\"type\":\"%s\",\"param\":null,\"code\":null}", type);
}

/* cohere: trial headers on success, and nothing but a sentence on a 429. */

void
success_cohere(const struct standing *s, bool stream, struct buf *head)
{
	if (s->rule->metric != METRIC_REQUESTS)
		return;
	if (spans(s->rule, "month"))
		buf_printf(head, "x-endpoint-monthly-call-limit: %" PRId64 "\r\n", s->rule->amount);
	else if (spans(s->rule, "minute"))
		buf_printf(head,
			"x-trial-endpoint-call-limit: %" PRId64 "\r\n"
			"x-trial-endpoint-call-remaining: %" PRId64 "\r\n",
			s->rule->amount, s->remaining);
}

void
refuse_cohere(const struct refusal *r, struct buf *head, struct buf *body)
{
	const char *span = span_word(r->rule);

	buf_printf(body,
		"{\"id\":\"00000000-0000-0000-0000-000000000000\",\"message\":\"You are using a "
		"Trial key, which is limited to %" PRId64
		" API calls / %s. You can continue to use the Trial key for free or upgrade to a "
		"Production key with higher rate limits\"}",
		r->rule->amount, span ? span : "minute");
}

void
error_cohere(int status, const char *message, const char *type, struct buf *body)
{
	buf_puts(body, "{\"id\":\"00000000-0000-0000-0000-000000000000\",\"message\":\"");
	buf_json(body, message, strlen(message));
	buf_puts(body, "\"}");
}

/* nvidia: no headers at all. */

void
refuse_nvidia(const struct refusal *r, struct buf *head, struct buf *body)
{
	buf_puts(body, "{\"status\":429,\"title\":\"Too Many Requests\"}");
}

void
error_nvidia(int status, const char *message, const char *type, struct buf *body)
{
	buf_printf(body, "{\"type\":\"about:blank\",\"status\":%d,\"title\":\"%s\",\"detail\":\"",
		status, type);
	buf_json(body, message, strlen(message));
	buf_puts(body, "\"}");
}

/* cloudflare: a number in an envelope. */

void
refuse_cloudflare(const struct refusal *r, struct buf *head, struct buf *body)
{
	if (spans(r->rule, "day"))
		buf_puts(body,
			"{\"result\":null,\"success\":false,\"errors\":[{\"code\":4006,"
			"\"message\":\"you have used up your daily free allocation of 10,000 "
			"neurons, please upgrade to Cloudflare's Workers Paid plan if you would "
			"like to continue usage.\"}],\"messages\":[]}");
	else
		buf_puts(body,
			"{\"result\":null,\"success\":false,\"errors\":[{\"code\":3040,"
			"\"message\":\"AiError: AiError: Capacity temporarily exceeded, please try "
			"again.\"}],\"messages\":[]}");
}

void
error_cloudflare(int status, const char *message, const char *type, struct buf *body)
{
	buf_printf(body,
		"{\"result\":null,\"success\":false,\"errors\":[{\"code\":%d,\"message\":\"",
		status >= 500 ? 3043 : 5006);
	buf_json(body, message, strlen(message));
	buf_puts(body, "\"}],\"messages\":[]}");
}
