#include "lib/db/column.h"

#include "lib/db/wire.h"

/* PQfnumber would allocate and fold case. */
static int find(const PGresult *res, const char *name)
{
	int n = PQnfields(res);

	for (int i = 0; i < n; i++)
		if (!strcmp(PQfname(res, i), name))
			return i;
	return -1;
}

static int expect(const PGresult *res, int row, const char *name)
{
	int i = find(res, name);

	assert(i >= 0 && "no such column");
	assert(row >= 0 && row < PQntuples(res));
	assert(PQfformat(res, i) == 1);
	return i;
}

int64_t column_int(const PGresult *res, int row, const char *name)
{
	int i = expect(res, row, name);
	const char *p = PQgetvalue(res, row, i);
	int n = PQgetlength(res, row, i);

	assert(PQftype(res, i) == INT8 || PQftype(res, i) == INT4 || PQftype(res, i) == INT2);
	if (PQgetisnull(res, row, i))
		return 0;
	switch (PQftype(res, i)) {
	case INT8: return wire_int8(p, n);
	case INT4: return wire_int4(p, n);
	default: return wire_int2(p, n);
	}
}

bool column_bool(const PGresult *res, int row, const char *name)
{
	int i = expect(res, row, name);

	assert(PQftype(res, i) == BOOL);
	return !PQgetisnull(res, row, i) && wire_bool(PQgetvalue(res, row, i), PQgetlength(res, row, i));
}

static bool is_text(Oid type)
{
	return type == TEXT || type == VARCHAR || type == BPCHAR || type == NAME || type == CHAR;
}

const char *column_text(const PGresult *res, int row, const char *name)
{
	int i = expect(res, row, name);

	assert(is_text(PQftype(res, i)));
	return PQgetisnull(res, row, i) ? NULL : PQgetvalue(res, row, i);
}

int64_t column_us(const PGresult *res, int row, const char *name)
{
	const int64_t epoch_us = INT64_C(946684800000000); /* 2000-01-01 in Unix time */
	int i = find(res, name);
	int64_t us;

	if (i < 0 || PQftype(res, i) != TIMESTAMPTZ || PQgetisnull(res, row, i))
		return 0;
	us = wire_int8(PQgetvalue(res, row, i), PQgetlength(res, row, i));
	return __builtin_add_overflow(us, epoch_us, &us) ? 0 : us; /* infinity */
}
