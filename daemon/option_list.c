#include "option_list.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "options.h"
#include "problems.h"

bool
option_list_is_variable(const char *name)
{
	if (!isalpha((unsigned char)name[0]) && name[0] != '_')
		return false;
	for (const char *p = name; *p != '\0'; p++)
		if (!isalnum((unsigned char)*p) && *p != '_')
			return false;
	return !problems_looks_secret(name);
}

bool
option_list_has(const char *choices, const char *word)
{
	size_t len = strlen(word);
	for (const char *p = choices; *p != '\0';) {
		size_t choice = strcspn(p, ",");
		if (choice == len && len > 0 && memcmp(p, word, len) == 0)
			return true;
		p += choice;
		p += strspn(p, ", ");
	}
	return false;
}

/* The length of a parameter's name at the front of the text. */
static size_t
parameter_length(const char *text)
{
	size_t len = 0;
	while (isalnum((unsigned char)text[len]) || text[len] == '_' || text[len] == '.')
		len++;
	return len;
}

static bool
is_rename(const char *text)
{
	size_t from = parameter_length(text);
	size_t to = text[from] == '=' ? parameter_length(text + from + 1) : 0;
	return from > 0 && to > 0 && text[from + 1 + to] == '\0';
}

/* "neurons=31818/68182": NAME=INPUT/OUTPUT. */
static bool
is_weight(const char *text)
{
	static const char number[] = "0123456789.";
	size_t name = parameter_length(text);
	if (name == 0 || text[name] != '=')
		return false;
	const char *input = text + name + 1;
	size_t digits = strspn(input, number);
	if (digits == 0 || input[digits] != '/')
		return false;
	const char *output = input + digits + 1;
	return output[0] != '\0' && output[strspn(output, number)] == '\0';
}

static const char *
check_element(const struct option *o, const char *element)
{
	switch (o->type) {
	case OPTION_VARIABLES:
		return option_list_is_variable(element)
			       ? NULL
			       : "is not the name of an environment variable";
	case OPTION_RENAMES:
		return is_rename(element) ? NULL : "is not OURS=THEIRS";
	case OPTION_WEIGHTS:
		return is_weight(element) ? NULL : "is not UNIT=INPUT/OUTPUT";
	default:
		return o->choices == NULL || option_list_has(o->choices, element)
			       ? NULL
			       : "is not one of them";
	}
}

/* The next element, trimmed, as a copy; *at moves behind its comma, or to NULL at the end. */
static char *
take_element(const char **at)
{
	const char *p = *at;
	size_t len = strcspn(p, ",");
	*at = p[len] == ',' ? p + len + 1 : NULL;
	while (len > 0 && isspace((unsigned char)p[0])) {
		p++;
		len--;
	}
	while (len > 0 && isspace((unsigned char)p[len - 1]))
		len--;
	char *element = strndup(p, len);
	if (element == NULL)
		abort();
	return element;
}

char *
option_list_normal(const struct option *o, const char *text, struct bytes *why)
{
	struct bytes list = {0};
	for (const char *at = text; at != NULL;) {
		char *element = take_element(&at);
		const char *wrong = element[0] == '\0' ? "" : check_element(o, element);
		if (wrong == NULL) {
			bytes_append_str(&list, list.len > 0 ? ", " : "");
			bytes_append_str(&list, element);
			free(element);
			continue;
		}
		if (element[0] == '\0')
			bytes_append_str(why, "an element is missing between the commas");
		else
			problems_quote(why, element);
		bytes_printf(why, "%s%s", wrong[0] != '\0' ? " " : "", wrong);
		if (o->choices != NULL && element[0] != '\0')
			bytes_printf(why, ": %s", o->choices);
		free(element);
		bytes_finish(&list);
		return NULL;
	}
	if (bytes_cstr(&list) == NULL)
		abort();
	return list.data;
}
