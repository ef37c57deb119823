#include "filter.h"

static bool
is_plain(unsigned char c)
{
	return c == '\n' || c == '\t' || (c >= 0x20 && c != 0x7f);
}

/* After ESC, or as the second byte of a C1 control: ESC [ is U+009B. */
static void
begin_sequence(struct filter *f, unsigned char c)
{
	switch (c) {
	case '[':
		f->state = FILTER_CSI;
		break;
	case ']':
	case 'P':
	case 'X':
	case '^':
	case '_':
		f->state = FILTER_STRING;
		break;
	default:
		/* ESC and bytes from 0x20 to 0x2f go on to a final one. */
		f->state = c >= 0x20 && c <= 0x2f ? FILTER_ESCAPE : FILTER_TEXT;
	}
}

static void
take_text(struct filter *f, struct bytes *out, unsigned char c)
{
	if (c == 0x1b)
		f->state = FILTER_ESCAPE;
	else if (c == 0xc2)
		f->state = FILTER_C2;
	else if (is_plain(c))
		bytes_append_char(out, (char)c);
}

/* Within a string that is not shown. */
static void
take_string(struct filter *f, struct bytes *out, unsigned char c)
{
	switch (c) {
	case 0x07:
		f->state = FILTER_TEXT;
		break;
	case 0x1b:
		f->state = FILTER_ESCAPE;
		break;
	case 0xc2:
		f->state = FILTER_STRING_C2;
		break;
	case '\n':
		f->state = FILTER_TEXT;
		bytes_append_char(out, '\n');
		break;
	default:
		f->state = FILTER_STRING;
	}
}

static void
take(struct filter *f, struct bytes *out, unsigned char c)
{
	switch (f->state) {
	case FILTER_TEXT:
		take_text(f, out, c);
		break;
	case FILTER_C2:
		f->state = FILTER_TEXT;
		if (c >= 0x80 && c < 0xa0) {
			begin_sequence(f, (unsigned char)(c - 0x40));
		} else {
			bytes_append_char(out, '\xc2');
			take_text(f, out, c);
		}
		break;
	case FILTER_ESCAPE:
		begin_sequence(f, c);
		if (c < 0x20 || c >= 0x7f) { /* no sequence after all */
			f->state = FILTER_TEXT;
			take_text(f, out, c);
		}
		break;
	case FILTER_CSI:
		if (c >= 0x20 && c <= 0x3f)
			break;
		f->state = FILTER_TEXT;
		if (c < 0x40 || c > 0x7e)
			take_text(f, out, c);
		break;
	case FILTER_STRING_C2:
		if (c == 0x9c)
			f->state = FILTER_TEXT;
		else
			take_string(f, out, c);
		break;
	case FILTER_STRING:
		take_string(f, out, c);
		break;
	}
}

void
filter_append(struct filter *f, struct bytes *out, struct slice text)
{
	for (size_t i = 0; i < text.len; i++)
		take(f, out, (unsigned char)text.data[i]);
}
