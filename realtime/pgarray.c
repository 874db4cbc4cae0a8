#include "realtime/pgarray.h"

void pgarray_init(struct pgarray *array, struct arena *a)
{
	buf_init(&array->b, a, 1024);
	buf_char(&array->b, '{');
	array->n = 0;
}

void pgarray_add(struct pgarray *array, const char *text)
{
	struct buf *b = &array->b;

	if (array->n++)
		buf_char(b, ',');
	if (!text) {
		buf_text(b, "NULL");
		return;
	}
	buf_char(b, '"');
	while (*text) {
		size_t n = strcspn(text, "\"\\");

		buf_add(b, text, n);
		text += n;
		if (*text) {
			buf_char(b, '\\');
			buf_char(b, *text++);
		}
	}
	buf_char(b, '"');
}

void pgarray_add_int(struct pgarray *array, long long v)
{
	if (array->n++)
		buf_char(&array->b, ',');
	buf_fmt(&array->b, "%lld", v);
}

const char *pgarray_text(struct pgarray *array)
{
	char *text;

	buf_char(&array->b, '}');
	text = buf_str(&array->b);
	array->b.n--;
	return text;
}
