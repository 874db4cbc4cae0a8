#include "fcgi/tokens.h"

#include "lib/crypto/ticket.h"
#include "lib/crypto/tok.h"
#include "lib/db/column.h"
#include "lib/db/tx.h"
#include "lib/host/config.h"

/* What few queries say. */
static bool has(const PGresult *res, const char *column)
{
	int i = PQfnumber(res, column);

	return i >= 0 && !PQgetisnull(res, 0, i);
}

static const char *text(struct tx *tx, const PGresult *res, const char *column)
{
	const char *value = column_text(res, 0, column);

	return value ? arena_dup(&tx->arena, value) : NULL;
}

enum err tokens_read(struct tx *tx, const PGresult *row, struct tokens *out)
{
	const char *actor = text(tx, row, "_actor");
	bool refreshes = !actor || has(row, "_refreshes");
	struct claims c = {
		.subject = text(tx, row, "_subject"),
		.session = text(tx, row, "_session_id"),
		.tenant_id = text(tx, row, "_tenant_id"),
		.email = text(tx, row, "email"),
		.role = text(tx, row, "_role"),
		.actor = actor,
		.workspace = PQfnumber(row, "_workspace_id") < 0 ? NULL : text(tx, row, "_workspace_id"),
		.iat = column_int(row, 0, "_iat_s"),
		.exp = column_int(row, 0, "_iat_s") +
		       (has(row, "_access_s") ? column_int(row, 0, "_access_s") : cfg.jwt_ttl_s),
		.auth_at = column_int(row, 0, PQfnumber(row, "_auth_s") < 0 ? "_iat_s" : "_auth_s"),
		.generation = (int)column_int(row, 0, "_generation"),
		.impersonator = has(row, "_impersonator") ? text(tx, row, "_impersonator") : NULL,
		.impersonates = has(row, "_type"),
		.own = true,
	};

	if (actor && c.exp > column_int(row, 0, "_end_s"))
		c.exp = column_int(row, 0, "_end_s");
	*out = (struct tokens){
		.tenant = c.tenant_id, .session = c.session, .expires_in = c.exp - c.iat, .row = row
	};
	out->access = tok_sign(&tx->arena, &c);
	if (refreshes)
		out->refresh =
			ticket_refresh_make(&tx->arena, c.tenant_id, c.session, (uint32_t)c.generation);
	if (!out->access || (refreshes && !out->refresh))
		return tx_fail_inside(tx, ERR_UNAVAILABLE, "there is no JWT_SECRET to sign tokens with");
	return ERR_OK;
}
