#include "lib/host/span_data.h"

#include <string.h>

static const struct {
	const char *name;
	bool is_text;
} attributes[SPAN_ATTRIBUTES] = {
	{ NULL, false },
#define TEXT(id, name) { name, true },
#define NUMBER(id, name) { name, false },
#include "lib/host/span.def"
#undef TEXT
#undef NUMBER
};

static size_t bytes_of(const struct span *s)
{
	return s->n < SPAN_DATA ? s->n : SPAN_DATA;
}

const char *span_data_name(const struct span *s)
{
	return memchr(s->data, '\0', bytes_of(s)) ? (const char *)s->data : "";
}

enum form { NO_FORM, TEXT_FORM, NUMBER_FORM, LINK_FORM };

static enum form form_of(unsigned char what)
{
	if (what == SPAN_LINK)
		return LINK_FORM;
	if (what == SPAN_STATE)
		return TEXT_FORM;
	if (what == SPAN_NONE || what >= SPAN_ATTRIBUTES)
		return NO_FORM;
	return attributes[what].is_text ? TEXT_FORM : NUMBER_FORM;
}

bool span_data_next(const struct span *s, size_t *at, struct span_item *out)
{
	size_t from = *at ? *at : strlen(span_data_name(s)) + 1, n = bytes_of(s), head, len;
	const unsigned char *p = s->data + from;
	enum form form = from < n ? form_of(*p) : NO_FORM;

	head = form == TEXT_FORM ? 3 : 1;
	if (!form || from + head > n)
		return false;
	len = form == TEXT_FORM ? p[1] | (size_t)p[2] << 8 : form == LINK_FORM ? 24 : 8;
	if (len > n - from - head)
		return false;
	*out = (struct span_item){ .what = (enum span_attribute) * p };
	if (out->what < SPAN_ATTRIBUTES)
		out->name = attributes[out->what].name;
	if (form == NUMBER_FORM) {
		memcpy(&out->number, p + head, 8);
	} else {
		out->text = (const char *)p + head;
		out->n = len;
	}
	*at = from + head + len;
	return true;
}
