#include "fcgi/bind.h"

#include <string.h>

#include "lib/base/email.h"
#include "lib/crypto/secret.h"
#include "lib/db/tx.h"

/* "x" of "x_hash", where it ends in "token". */
static const char *token_of(struct tx *tx, const char *name)
{
	size_t n = strlen(name), tail = strlen("token_hash");

	return n >= tail && !strcmp(name + n - tail, "token_hash")
		       ? arena_dup_n(&tx->arena, name, n - strlen("_hash"))
		       : NULL;
}

enum err bind_derive(struct tx *tx, const char *name, const char **out)
{
	const struct value *v;
	const char *token;

	if (!strcmp(name, "limit")) {
		*out = "1000";
		return ERR_OK;
	}
	if (!strcmp(name, "skip")) {
		*out = tx_text(tx, "offset") ? tx_text(tx, "offset") : "0";
		return ERR_OK;
	}
	if (!strncmp(name, "has_", 4) && (v = tx_value(tx, name + 4))) {
		*out = v->given ? "true" : "false";
		return ERR_OK;
	}
	if (!strcmp(name, "email_key") && (v = tx_value(tx, "email"))) {
		*out = v->is_null ? NULL : email_key(&tx->arena, v->text);
		return ERR_OK;
	}
	if (!strcmp(name, "email_sent") && (v = tx_value(tx, "email"))) {
		*out = v->is_null ? NULL : v->sent ? v->sent : v->text;
		return ERR_OK;
	}
	token = token_of(tx, name);
	if (token && (v = tx_value(tx, token))) {
		*out = v->is_null ? NULL : secret_sha256_hex(&tx->arena, v->text);
		return ERR_OK;
	}
	return ERR_NOT_FOUND;
}
