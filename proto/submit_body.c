#include "submit.h"

#include <stdlib.h>

#include "value.h"
enum { MEMBERS_MAX = SUBMIT_MAX_PARAMS + 1, SORT_INSERTION = 24 };

static int
compare_params(const void *a, const void *b)
{
	return value_compare_names((*(const struct submit_param *const *)a)->name,
		(*(const struct submit_param *const *)b)->name);
}

static void
sort_params(const struct submit_param **sorted, size_t count)
{
	if (count > SORT_INSERTION) {
		qsort(sorted, count, sizeof(*sorted), compare_params);
		return;
	}
	for (size_t i = 1; i < count; i++) {
		const struct submit_param *param = sorted[i];
		size_t to = i;
		for (; to > 0 && compare_params(&sorted[to - 1], &param) > 0; to--)
			sorted[to] = sorted[to - 1];
		sorted[to] = param;
	}
}

static void
write_message(struct bytes *out, struct slice content, const char *role)
{
	bytes_append_str(out, "{\"content\":");
	value_json_string(out, content);
	bytes_append_str(out, ",\"role\":\"");
	bytes_append_str(out, role);
	bytes_append_str(out, "\"}");
}

static enum value_problem
write_messages(struct bytes *out, const struct submit *s)
{
	bytes_append_char(out, '[');
	if (s->system.len > 0) {
		write_message(out, s->system, "system");
		bytes_append_char(out, ',');
	}
	if (s->messages == NULL)
		write_message(out, s->prompt, "user");
	uint32_t count = s->messages ? s->messages->via.array.size : 0;
	for (uint32_t i = 0; i < count; i++) {
		if (i > 0)
			bytes_append_char(out, ',');
		enum value_problem problem = value_to_json(out, &s->messages->via.array.ptr[i]);
		if (problem != VALUE_OK)
			return problem;
	}
	bytes_append_char(out, ']');
	return VALUE_OK;
}

enum value_problem
submit_body_to_json(struct bytes *out, const struct submit *s, struct bytes *why)
{
	const struct submit_param messages = {.name = {"messages", sizeof("messages") - 1}};
	const struct submit_param *sorted[MEMBERS_MAX] = {&messages};
	size_t count = 1;
	for (size_t i = 0; i < s->param_count; i++)
		sorted[count++] = &s->params[i];
	sort_params(sorted, count);
	bytes_append_char(out, '{');
	for (size_t i = 0; i < count; i++) {
		struct slice name = sorted[i]->name;
		enum value_problem problem = VALUE_OK;
		if (i > 0)
			bytes_append_char(out, ',');
		value_json_string(out, name);
		bytes_append_char(out, ':');
		if (i > 0 && compare_params(&sorted[i - 1], &sorted[i]) == 0)
			problem = VALUE_DUPLICATE_KEY;
		else if (sorted[i] == &messages)
			problem = write_messages(out, s);
		else
			problem = value_to_json(out, sorted[i]->value);
		if (problem != VALUE_OK) {
			bytes_printf(why, "`%.*s`: %s", (int)name.len, name.data,
				value_problem_text(problem));
			return problem;
		}
	}
	bytes_append_char(out, '}');
	return VALUE_OK;
}
