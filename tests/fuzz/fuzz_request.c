/*
 * A request from any parameters and any quirks: what is a JSON object stays one. Lines of the input:
 * parameters, drop, rename, set.
 */
#include "fuzz.h"

#include <string.h>

#include <jansson.h>

#include "openai.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char *lines[4] = {0};
	char *copy = malloc(len + 1), *at = copy;
	memcpy(copy, data, len);
	copy[len] = '\0';
	for (int i = 0; i < 4 && at != NULL; i++)
		lines[i] = strsep(&at, "\n");
	if (lines[0] != NULL) {
		const struct openai_quirks quirks = {.stream_usage = true,
			.drop = lines[1],
			.rename = lines[2],
			.set = lines[3]};
		struct bytes out = {0}, why = {0};
		struct slice parameters = slice_of(lines[0]);
		json_t *given = json_loadb(parameters.data, parameters.len, 0, NULL);
		bool good = openai_quirks_check(&quirks, &why);
		CHECK(good == (why.len == 0));
		int r = openai_build_request(&out, &quirks, slice_of("m"), true, parameters);
		CHECK(r == 0 || !json_is_object(given));
		CHECK(r == 0 || out.len == 0);
		json_t *made = r == 0 && json_is_object(given)
				       ? json_loadb(out.data, out.len, 0, NULL)
				       : NULL;
		CHECK(r != 0 || !json_is_object(given) || json_is_object(made));
		json_decref(made);
		json_decref(given);
		bytes_finish(&out);
		bytes_finish(&why);
	}
	free(copy);
	return 0;
}
