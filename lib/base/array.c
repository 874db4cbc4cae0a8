#include "lib/base/array.h"

void array_add(struct buf *b, const char *text)
{
	if (b->p[b->n - 1] != '{')
		buf_char(b, ',');
	if (!text) {
		buf_text(b, "NULL");
		return;
	}
	buf_char(b, '"');
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			buf_char(b, '\\');
		buf_char(b, *text);
	}
	buf_char(b, '"');
}
