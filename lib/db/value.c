#include "lib/db/value.h"

#include <string.h>

const struct value *value_find(const struct value *values, size_t n, const char *name)
{
	while (n-- > 0)
		if (!strcmp(values[n].name, name))
			return &values[n];
	return NULL;
}

const char *value_text(const struct value *values, size_t n, const char *name)
{
	const struct value *v = value_find(values, n, name);

	return v && !v->is_null ? v->text : NULL;
}
