/*
 * Keys for the addresses that are there: part of ashlar migrate.
 *
 * PostgreSQL makes those that are ASCII, a few thousand rows at a time; the
 * others come here for lib/base/email.h to judge.  Where several are one, the first
 * has the key, in the order of email_keys_left(), and who had one before keeps it.
 * Nothing is merged or deleted: who gets none is found by the spelling that is
 * stored, and said to the operator each time.
 */
#include "build/sql/runtime/owner.h"
#include "cmd/cmd.h"

#include "lib/base/arena.h"
#include "lib/base/jx.h"

enum { PORTION = 1000 };

enum { TENANT, SLUG, KIND, ID, NAME, EMAIL };

static void tell(struct arena *a, const PGresult *left, int row, const char *holder, const char *slug)
{
	printf("%s %s (tenant %s) keeps \"%s\" by exactly this spelling: it is the address of %s, "
	       "too%s%s%s\n",
	       PQgetvalue(left, row, KIND), PQgetvalue(left, row, NAME), PQgetvalue(left, row, SLUG),
	       cmd_shown(a, PQgetvalue(left, row, EMAIL)), holder, *slug ? " (tenant " : "", slug,
	       *slug ? ")" : "");
}

/* Put the keys of the rows from first on: of how many there were. */
static int put(PGconn *db, struct arena *a, const PGresult *left, int first)
{
	static const char *const names[] = { "tenant", "slug", "kind", "id", "name", "email" };
	int rows[PORTION], n = 0, row = first;
	const PGresult *later;
	const char *json;
	struct buf b;

	buf_init(&b, a, 65536);
	buf_char(&b, '[');
	for (; row < PQntuples(left) && n < PORTION; row++) {
		const char *key = email_key(a, PQgetvalue(left, row, EMAIL));

		if (!key)
			continue;
		jx_next(&b);
		buf_char(&b, '{');
		for (int k = 0; k <= EMAIL; k++)
			jx_key(&b, names[k]), jx_str(&b, PQgetvalue(left, row, k));
		jx_key(&b, "key"), jx_str(&b, key);
		buf_char(&b, '}');
		rows[n++] = row;
	}
	buf_char(&b, ']');
	if (n) {
		json = buf_str(&b);
		later = cmd_query(db, &q_owner_email_keys_put, &json);
		for (int i = 0; i < PQntuples(later); i++)
			if (!PQgetisnull(later, i, 1))
				tell(a, left, rows[strtol(PQgetvalue(later, i, 0), NULL, 10)],
				     PQgetvalue(later, i, 1), PQgetvalue(later, i, 2));
	}
	return row - first;
}

void cmd_email_keys(PGconn *db)
{
	const PGresult *left;

	cmd_exec(db, "CALL email_keys_ascii()");
	left = cmd_query(db, &q_owner_email_keys_left, NULL);
	for (int row = 0; row < PQntuples(left);) {
		struct arena a;

		arena_init(&a, 65536);
		row += put(db, &a, left, row);
		arena_release(&a);
	}
}
