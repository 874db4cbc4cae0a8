/* What a transaction is told, apart from what it asks: values and failures. */
#include "lib/db/tx.h"

#include <string.h>

const struct value *tx_value(const struct tx *tx, const char *name)
{
	return value_find(tx->values, tx->nvalues, name);
}

const char *tx_text(const struct tx *tx, const char *name)
{
	return value_text(tx->values, tx->nvalues, name);
}

void tx_set(struct tx *tx, const char *name, const char *text)
{
	if (tx->nvalues == tx->values_cap) {
		struct value *larger;

		tx->values_cap = tx->values_cap ? tx->values_cap * 2 : 16;
		larger = arena_alloc(&tx->arena, tx->values_cap * sizeof(*larger));
		if (tx->nvalues)
			memcpy(larger, tx->values, tx->nvalues * sizeof(*larger));
		tx->values = larger;
	}
	tx->values[tx->nvalues++] =
		(struct value){ .name = name, .given = true, .is_null = !text, .text = text };
}

void tx_set_binary(struct tx *tx, const char *name, const char *p, size_t n)
{
	tx_set(tx, name, p);
	tx->values[tx->nvalues - 1].binary = n;
}

enum err tx_fail(struct tx *tx, enum err e, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	failure_vset(&tx->fail, &tx->arena, e, NULL, fmt, ap);
	va_end(ap);
	return e;
}

enum err tx_fail_inside(struct tx *tx, enum err e, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	failure_vhide(&tx->fail, &tx->arena, e, fmt, ap);
	va_end(ap);
	return e;
}
