#include "options.h"

#include <stdlib.h>
#include <string.h>

#include "nearest.h"
#include "option_value.h"

/* Shorter than inih's buffer, with room for a name and a comment. */
enum { LINE_WIDTH = 100, NAME_MAX_LEN = 64 };

static const char *const section_names[] = {
	[SECTION_DAEMON] = "daemon",
	[SECTION_LIMITS] = "limits",
	[SECTION_HTTP] = "http",
	[SECTION_RETRY] = "retry",
	[SECTION_CACHE] = "cache",
	[SECTION_PROVIDER] = "provider",
	[SECTION_MODEL] = "model",
	[SECTION_KEY] = "key",
	[SECTION_UNKNOWN] = "",
};

const struct option *
options_find(enum section_kind section, const char *name)
{
	size_t count;
	const struct option *table = options_table(&count);
	for (size_t i = 0; i < count; i++)
		if (table[i].section == section && strcmp(table[i].name, name) == 0)
			return &table[i];
	return NULL;
}

enum section_kind
options_section(const char *header)
{
	size_t len = strcspn(header, " ");
	for (int kind = 0; kind < SECTION_UNKNOWN; kind++) {
		bool named = kind >= SECTION_PROVIDER;
		if (strlen(section_names[kind]) == len &&
			strncmp(section_names[kind], header, len) == 0 &&
			named == (header[len] == ' '))
			return (enum section_kind)kind;
	}
	return SECTION_UNKNOWN;
}

const char *
options_section_name(enum section_kind section)
{
	return section_names[section];
}

void
options_suggest(enum section_kind section, const char *name, struct bytes *out)
{
	size_t count;
	struct nearest near = {.word = name};
	const struct option *table = options_table(&count);
	for (size_t i = 0; i < count; i++)
		if (table[i].section == section)
			nearest_offer(&near, table[i].name);
	if (near.found != NULL) {
		bytes_printf(out, "; did you mean '%s'?", near.found);
		return;
	}
	for (size_t i = 0; i < count; i++) {
		if (strcmp(table[i].name, name) != 0)
			continue;
		bool named = table[i].section >= SECTION_PROVIDER;
		bytes_printf(out, "; it belongs into [%s%s]", section_names[table[i].section],
			named ? " ..." : "");
		return;
	}
}

void
options_suggest_section(const char *header, struct bytes *out)
{
	static const char *const forms[] = {
		[SECTION_PROVIDER] = "[provider NAME]",
		[SECTION_MODEL] = "[model PROVIDER/ID]",
		[SECTION_KEY] = "[key PROVIDER/NAME]",
	};
	char word[NAME_MAX_LEN + 1];
	size_t len = strcspn(header, " ");
	if (len > NAME_MAX_LEN)
		return;
	memcpy(word, header, len);
	word[len] = '\0';
	struct nearest near = {.word = word};
	for (int kind = 0; kind < SECTION_UNKNOWN; kind++)
		nearest_offer(&near, section_names[kind]);
	for (int kind = 0; near.found != NULL && kind < SECTION_UNKNOWN; kind++) {
		if (strcmp(section_names[kind], near.found) != 0)
			continue;
		if (kind >= SECTION_PROVIDER)
			bytes_printf(out, "; write %s", forms[kind]);
		else
			bytes_printf(out, "; did you mean [%s]?", near.found);
	}
}

void
options_set_defaults(enum section_kind section, void *object)
{
	size_t count;
	struct bytes why = {0};
	const struct option_context nowhere = {0};
	const struct option *table = options_table(&count);
	for (size_t i = 0; i < count; i++) {
		if (table[i].section != section || table[i].value == NULL)
			continue;
		/* A default that its own row refuses is our bug. */
		if (!option_value_set(&table[i], object, table[i].value, &nowhere, &why))
			abort();
	}
	bytes_finish(&why);
}

void
options_free(enum section_kind section, void *object)
{
	size_t count;
	const struct option *table = options_table(&count);
	for (size_t i = 0; i < count; i++)
		if (table[i].section == section)
			option_value_free(&table[i], object);
}

/* A long value goes on in indented lines, broken after a comma or before a word. */
static void
print_wrapped(const char *value, size_t column, struct bytes *out)
{
	while (column + strlen(value) > LINE_WIDTH) {
		size_t cut = column < LINE_WIDTH ? LINE_WIDTH - column : 0;
		while (cut > 0 && value[cut] != ' ')
			cut--;
		if (cut == 0)
			cut = strcspn(value, " ");
		if (value[cut] == '\0')
			break;
		bytes_append(out, value, cut);
		bytes_append_str(out, "\n\t");
		value += cut + 1;
		column = 8;
	}
	bytes_append_str(out, value);
}

void
options_print(enum section_kind section, const void *object, struct bytes *out)
{
	size_t count;
	struct bytes value = {0};
	const struct option *table = options_table(&count);
	for (size_t i = 0; i < count; i++) {
		const struct option *o = &table[i];
		if (o->section != section)
			continue;
		bytes_clear(&value);
		option_value_print(o, object, &value);
		const char *text = bytes_cstr(&value);
		if (text == NULL)
			abort();
		if (text[0] == '\0' && section < SECTION_PROVIDER)
			bytes_printf(out, ";%s =\n", o->name);
		if (text[0] == '\0')
			continue;
		bytes_printf(out, "%s = ", o->name);
		print_wrapped(text, strlen(o->name) + 3, out);
		if (o->value != NULL && strcmp(o->value, text) == 0)
			bytes_append_str(out, " ; default");
		else if (o->value != NULL)
			bytes_printf(out, " ; default %s", o->value);
		bytes_append_char(out, '\n');
	}
	bytes_finish(&value);
}

void
options_describe(const struct option *o, struct bytes *out)
{
	static const char *const types[] = {
		[OPTION_BOOL] = "yes or no",
		[OPTION_INTEGER] = "a whole number",
		[OPTION_SIZE] = "a size in bytes, KiB, MiB or GiB",
		[OPTION_DURATION] = "a time in ms, s, min, h or days",
		[OPTION_MODE] = "an octal file mode",
		[OPTION_DECIMAL] = "a number",
		[OPTION_TRISTATE] = "yes, no or unknown",
		[OPTION_STRING] = "a text",
		[OPTION_CHOICE] = "one of ",
		[OPTION_LIST] = "a list with commas",
		[OPTION_VARIABLES] = "a list of environment variables",
		[OPTION_RENAMES] = "a list of OURS=THEIRS",
		[OPTION_WEIGHTS] = "a list of UNIT=INPUT/OUTPUT",
		[OPTION_PATH] = "a path",
		[OPTION_URL] = "a URL",
		[OPTION_PROXY] = "a URL",
		[OPTION_HEADERS] = "request headers",
		[OPTION_SOURCE] = "the source of a key",
		[OPTION_SCHEDULE] = "a schedule",
		[OPTION_KEY] = "the source of a key",
		[OPTION_LIMITS] = "a list of limits",
	};
	bytes_append_str(out, types[o->type]);
	if (o->type == OPTION_CHOICE)
		bytes_append_str(out, o->choices);
	else if (o->choices != NULL)
		bytes_printf(out, " of %s", o->choices);
	if (o->max == 0)
		return;
	bytes_append_str(out, " from ");
	option_value_print_number(o, o->min, out);
	bytes_append_str(out, " to ");
	option_value_print_number(o, o->max, out);
}

/* Comment lines of at most LINE_WIDTH. */
static void
print_comment(const char *text, struct bytes *out)
{
	while (*text != '\0') {
		size_t len = strlen(text);
		if (len > LINE_WIDTH - 2) {
			len = LINE_WIDTH - 2;
			while (text[len] != ' ')
				len--;
		}
		bytes_append_str(out, "; ");
		bytes_append(out, text, len);
		bytes_append_char(out, '\n');
		text += len;
		text += *text == ' ';
	}
}

void
options_document(const struct option *o, struct bytes *out)
{
	struct bytes facts = {0};
	options_describe(o, &facts);
	facts.data[0] = (char)(facts.data[0] - 'a' + 'A');
	bytes_printf(&facts, ". Default: %s.", o->value ? o->value : o->unset);
	if (!o->reloadable)
		bytes_append_str(&facts, " Needs a restart.");
	print_comment(o->help, out);
	print_comment(bytes_cstr(&facts), out);
	bytes_printf(out, ";%s = %s\n", o->name, o->value ? o->value : o->example);
	bytes_finish(&facts);
}
