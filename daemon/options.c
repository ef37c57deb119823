#include "options.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

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

static size_t
min_of(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* How many letters must be added, left out, changed, or swapped with their neighbour
 * (Damerau-Levenshtein, optimal string alignment); case does not count. */
static size_t
distance(const char *a, const char *b)
{
	size_t rows[3][NAME_MAX_LEN + 1];
	size_t la = strlen(a);
	size_t lb = strlen(b);
	if (la > NAME_MAX_LEN || lb > NAME_MAX_LEN)
		return NAME_MAX_LEN;
	for (size_t j = 0; j <= lb; j++)
		rows[0][j] = j;
	for (size_t i = 1; i <= la; i++) {
		size_t *row = rows[i % 3];
		const size_t *above = rows[(i - 1) % 3];
		row[0] = i;
		for (size_t j = 1; j <= lb; j++) {
			size_t differs = strncasecmp(&a[i - 1], &b[j - 1], 1) != 0;
			row[j] = min_of(min_of(above[j], row[j - 1]) + 1, above[j - 1] + differs);
			if (i > 1 && j > 1 && strncasecmp(&a[i - 1], &b[j - 2], 1) == 0 &&
				strncasecmp(&a[i - 2], &b[j - 1], 1) == 0)
				row[j] = min_of(row[j], rows[(i - 2) % 3][j - 2] + 1);
		}
	}
	return rows[la % 3][lb];
}

/* Near enough that a slip of the fingers explains it. */
static bool
is_near(const char *name, const char *known, size_t *best)
{
	size_t d = distance(name, known);
	if (d >= *best || d > 1 + strlen(known) / 4)
		return false;
	*best = d;
	return true;
}

void
options_suggest(enum section_kind section, const char *name, struct bytes *out)
{
	size_t count;
	size_t best = SIZE_MAX;
	const struct option *near = NULL;
	const struct option *table = options_table(&count);
	for (size_t i = 0; i < count; i++)
		if (table[i].section == section && is_near(name, table[i].name, &best))
			near = &table[i];
	if (near != NULL) {
		bytes_printf(out, "; did you mean '%s'?", near->name);
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
	size_t best = SIZE_MAX;
	int near = SECTION_UNKNOWN;
	char word[NAME_MAX_LEN + 1];
	size_t len = strcspn(header, " ");
	if (len > NAME_MAX_LEN)
		return;
	memcpy(word, header, len);
	word[len] = '\0';
	for (int kind = 0; kind < SECTION_UNKNOWN; kind++)
		if (is_near(word, section_names[kind], &best))
			near = kind;
	if (near == SECTION_KEY)
		bytes_append_str(out, "; keys are in [key PROVIDER/NAME]");
	else if (near == SECTION_MODEL)
		bytes_append_str(out, "; models are in [model PROVIDER/ID]");
	else if (near == SECTION_PROVIDER)
		bytes_append_str(out, "; providers are in [provider NAME]");
	else if (near != SECTION_UNKNOWN)
		bytes_printf(out, "; did you mean [%s]?", section_names[near]);
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
