#include "section.h"

#include "ini_file.h"
#include "option_value.h"
#include "problems.h"

static void
refuse_name(const struct section_reader *r, const struct ini_section *s, const struct ini_entry *e,
	enum section_kind kind)
{
	struct bytes text = {0};
	bytes_append_str(&text, "unknown option ");
	problems_quote(&text, e->name);
	bytes_printf(&text, " in [%s%s]", options_section_name(kind),
		kind >= SECTION_PROVIDER ? " ..." : "");
	options_suggest(kind, e->name, &text);
	problems_add(r->problems, r->file->path, e->line, "%s", bytes_cstr(&text));
	bytes_finish(&text);
}

void
section_apply(const struct section_reader *r, const struct ini_section *s, enum section_kind kind,
	void *object)
{
	struct bytes why = {0};
	for (const struct ini_entry *e = s->entries; e != NULL; e = e->next) {
		const struct option *o = options_find(kind, e->name);
		if (o == NULL) {
			refuse_name(r, s, e, kind);
			continue;
		}
		bytes_clear(&why);
		if (!option_value_set(o, object, e->value, r->context, &why))
			problems_add(r->problems, r->file->path, e->line, "%s: %s", o->name,
				bytes_cstr(&why));
	}
	bytes_finish(&why);
}

void
section_refuse(const struct section_reader *r, const struct ini_section *s)
{
	struct bytes text = {0};
	bytes_append_str(&text, "unknown section ");
	problems_quote(&text, s->name);
	options_suggest_section(s->name, &text);
	problems_add(r->problems, r->file->path, s->line, "%s", bytes_cstr(&text));
	bytes_finish(&text);
}

bool
section_has_option(const char *header, const char *name)
{
	return options_find(options_section(header), name) != NULL;
}
