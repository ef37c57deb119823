#include "profile.h"

#include <inttypes.h>
#include <string.h>

#include "profile_internal.h"

struct profile {
	const char *name;
	bool counts_failed;
	enum usage_style usage;
	void (*success)(const struct standing *, bool stream, struct buf *head);
	void (*refuse)(const struct refusal *, struct buf *head, struct buf *body);
	void (*error)(int status, const char *message, const char *type, struct buf *body);
	const char *bad_key;
	const char *no_key; /* NULL: as bad_key */
	int bad_key_status;
	const char *stream_error; /* with one %s for the message */
};

#define STREAM_ERROR_OPENAI                                                                        \
	"{\"error\":{\"message\":\"%s\",\"type\":\"server_error\",\"param\":null,\"code\":500}}"

static const struct profile profiles[] = {
	{
		.name = "plain",
		.refuse = refuse_plain,
		.error = error_openai,
		.bad_key =
			"{\"error\":{\"message\":\"Incorrect API key provided.\",\"type\":"
			"\"invalid_request_error\",\"param\":null,\"code\":\"invalid_api_key\"}}",
		.bad_key_status = 401,
		.stream_error = STREAM_ERROR_OPENAI,
	},
	{
		.name = "groq",
		.usage = USAGE_ON_FINISH,
		.success = success_groq,
		.refuse = refuse_groq,
		.error = error_openai,
		.bad_key = "{\"error\":{\"message\":\"Invalid API Key\",\"type\":"
			   "\"invalid_request_error\",\"code\":\"invalid_api_key\"}}",
		.bad_key_status = 401,
		.stream_error = "{\"error\":{\"message\":\"%s\",\"type\":\"invalid_request_error\","
				"\"code\":\"tool_use_failed\",\"failed_generation\":\"\","
				"\"status_code\":400}}",
	},
	{
		.name = "openrouter",
		.counts_failed = true,
		.usage = USAGE_REPEATED,
		.refuse = refuse_openrouter,
		.error = error_openrouter,
		.bad_key = "{\"error\":{\"message\":\"User not found.\",\"code\":401}}",
		.no_key =
			"{\"error\":{\"message\":\"Missing Authentication header\",\"code\":401}}",
		.bad_key_status = 401,
		.stream_error =
			"{\"error\":{\"code\":502,\"message\":\"%s\"},\"choices\":[{\"index\":0,"
			"\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"finish_reason\":"
			"\"error\"}]}",
	},
	{
		.name = "cerebras",
		.usage = USAGE_ON_FINISH,
		.success = success_cerebras,
		.refuse = refuse_cerebras,
		.error = error_cerebras,
		.bad_key = "{\"message\":\"Wrong API Key\",\"type\":\"invalid_request_error\","
			   "\"param\":\"api_key\",\"code\":\"wrong_api_key\"}",
		.bad_key_status = 401,
		.stream_error = STREAM_ERROR_OPENAI,
	},
	{
		.name = "gemini",
		.usage = USAGE_EVERY,
		.refuse = refuse_gemini,
		.error = error_gemini,
		.bad_key = "[{\"error\":{\"code\":400,\"message\":\"API key not valid. Please pass "
			   "a valid API key.\",\"status\":\"INVALID_ARGUMENT\",\"details\":[{"
			   "\"@type\":\"type.googleapis.com/google.rpc.ErrorInfo\",\"reason\":"
			   "\"API_KEY_INVALID\",\"domain\":\"googleapis.com\"}]}}]",
		.bad_key_status = 400,
		.stream_error = STREAM_ERROR_OPENAI,
	},
	{
		.name = "mistral",
		.usage = USAGE_ON_FINISH,
		.success = success_mistral,
		.refuse = refuse_mistral,
		.error = error_mistral,
		.bad_key = "{\"detail\":\"Invalid API Key\"}",
		.bad_key_status = 401,
		.stream_error = STREAM_ERROR_OPENAI,
	},
	{
		.name = "cohere",
		.counts_failed = true,
		.success = success_cohere,
		.refuse = refuse_cohere,
		.error = error_cohere,
		.bad_key = "{\"id\":\"00000000-0000-0000-0000-000000000000\",\"message\":"
			   "\"Incorrect API key provided: ***********.\"}",
		.bad_key_status = 401,
		.stream_error = STREAM_ERROR_OPENAI,
	},
	{
		.name = "nvidia",
		.refuse = refuse_nvidia,
		.error = error_nvidia,
		.bad_key = "{\"status\":401,\"title\":\"Unauthorized\",\"detail\":\"Authentication "
			   "failed\"}",
		.bad_key_status = 401,
		.stream_error = STREAM_ERROR_OPENAI,
	},
	{
		.name = "cloudflare",
		.refuse = refuse_cloudflare,
		.error = error_cloudflare,
		.bad_key = "{\"result\":null,\"success\":false,\"errors\":[{\"code\":10000,"
			   "\"message\":\"Authentication error\"}],\"messages\":[]}",
		.bad_key_status = 401,
		.stream_error = STREAM_ERROR_OPENAI,
	},
};

const struct profile *
profile_find(const char *name)
{
	for (size_t i = 0; i < sizeof(profiles) / sizeof(profiles[0]); i++) {
		if (strcmp(profiles[i].name, name) == 0)
			return &profiles[i];
	}
	return NULL;
}

const char *
profile_names(void)
{
	return "plain groq openrouter cerebras gemini mistral cohere nvidia cloudflare";
}

enum usage_style
profile_usage_style(const struct profile *profile)
{
	return profile->usage;
}

bool
profile_counts_failed(const struct profile *profile)
{
	return profile->counts_failed;
}

bool
profile_is(const struct profile *profile, const char *name)
{
	return strcmp(profile->name, name) == 0;
}

void
profile_success(const struct profile *profile, const struct limits *limits, const char *key,
	const char *model, bool stream, int64_t cost_tokens, int64_t now_us, struct buf *head)
{
	struct standing standing;

	if (!profile->success)
		return;
	for (size_t i = 0; limits_standing(limits, i, key, model, now_us, &standing); i++)
		profile->success(&standing, stream, head);
	if (profile_is(profile, "mistral") && !stream)
		buf_printf(head, "x-ratelimit-tokens-query-cost: %" PRId64 "\r\n", cost_tokens);
}

void
profile_refuse(const struct profile *profile, const struct limits *limits, const char *key,
	const char *model, const struct verdict *verdict, int64_t now_us, int *status,
	struct buf *head, struct buf *body)
{
	struct refusal refusal = {verdict, verdict->rule, NULL, now_us, 1};
	struct buf escaped = {0};
	struct standing standing;

	buf_json(&escaped, model, strlen(model));
	buf_put(&escaped, "", 1);
	refusal.model = escaped.data;
	if (verdict->wait_us > 1000000)
		refusal.wait_s = (verdict->wait_us + 999999) / 1000000;
	*status = 429;
	/* Groq says so, and repeats its headers on a refusal. */
	if (profile_is(profile, "groq")) {
		if (verdict->too_large)
			*status = 413;
		for (size_t i = 0; limits_standing(limits, i, key, model, now_us, &standing); i++)
			profile->success(&standing, false, head);
	}
	profile->refuse(&refusal, head, body);
	buf_free(&escaped);
}

void
profile_error(const struct profile *profile, int status, const char *message, const char *type,
	struct buf *body)
{
	profile->error(status, message, type, body);
}

void
profile_bad_key(const struct profile *profile, bool missing, int *status, struct buf *body)
{
	*status = profile->bad_key_status;
	buf_puts(body, missing && profile->no_key ? profile->no_key : profile->bad_key);
}

void
profile_stream_error(const struct profile *profile, const char *message, struct buf *data)
{
	const char *gap = strstr(profile->stream_error, "%s");

	buf_put(data, profile->stream_error, (size_t)(gap - profile->stream_error));
	buf_json(data, message, strlen(message));
	buf_puts(data, gap + 2);
}
