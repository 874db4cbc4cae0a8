/*
 * Credentials of the installation: values that programs ask for by a key.  They are kept sealed,
 * with the key in the seal's purpose, so that a value that is moved under another key opens no
 * more; the last ten of a key stay, and one of them can be made the value again.
 *
 * No value is a parameter of a statement, in a list, in a log, or in what the audit log has.
 */
#include "build/sql/ops/credentials.h"
#include "fcgi/answer.h"
#include "fcgi/req.h"
#include "fcgi/route.h"
#include "handlers/permissions.h"
#include "lib/base/jx.h"
#include "lib/crypto/seal.h"
#include "lib/db/column.h"
#include "lib/db/rows.h"

/* clang-format off */
enum {
	VALUE_MAX = 65536, /* characters */
	RETRY_S = 3600,    /* until somebody has set a key */
};

static const struct pattern key_form = { "^[A-Za-z0-9_.:-]+$", "letters, digits and _ . : -" };

static const struct field credential[] = {
	{ "key",         F_TEXT,     OUT | NEW | NEEDED, .min = 1, .max = 128, .fits = &key_form, .example = "harbour.crane" },
	{ "value",       F_TEXT,     NEW | NEEDED, .min = 1, .max = VALUE_MAX, .example = "not-a-real-secret" },
	{ "description", F_TEXT,     OUT | NEW | F_NULL_OUT, .max = 500, .about = "left out, it stays as it is", .example = "The crane's own API." },
	{ "updated_by",  F_INT,      OUT | F_NULL, .about = "the user's number; null where a key saved it, or who did is gone", .example = "1" },
	{ "created_at",  F_DATETIME, OUT },
	{ "updated_at",  F_DATETIME, OUT },
	{ "value",       F_TEXT,     DETAIL, .example = "not-a-real-secret" },
	FIELD_END
};

static const struct field version[] = {
	{ "version",    F_INT,      OUT, .example = "1" },
	{ "is_current", F_BOOL,     OUT, .example = "true" },
	{ "updated_by", F_INT,      OUT | F_NULL, .about = "the number of the user who saved it", .example = "1" },
	{ "created_at", F_DATETIME, OUT },
	FIELD_END
};

static const struct field rollback_in[] = {
	{ "version", F_INT, F_REQUIRED, .min = 1, .max = 2147483647, .about = "whose value is to be the value again, as a new version", .example = "1" },
	FIELD_END
};

static const struct field credential_params[] = {
	{ "credential_key", F_TEXT, F_REQUIRED, .min = 1, .about = "the credential's key", .example = "harbour.crane" },
	FIELD_END
};

static const struct field gone[] = {
	{ "id",      F_TEXT, 0, .about = "the key", .example = "harbour.crane" },
	{ "deleted", F_BOOL, 0, .example = "true" },
	FIELD_END
};

static const struct shape
	credential_shape       = { "OperationsCredential", credential, "Credential" },
	credential_value_shape = { "OperationsCredentialWithValue", credential, "Credential", .as = DETAIL },
	version_shape          = { "OperationsCredentialVersion", version, "Credential" },
	gone_shape             = { "OperationsCredentialDeleted", gone, "Credential" };

static const enum err unopened[] = { ERR_DECRYPTION, ERR_OK };
static const enum err unknown[] = { ERR_NOT_FOUND, ERR_OK };
/* clang-format on */

/* Nobody could say what is in it without the key, so that the purpose has it. */
static const char *purpose_of(struct req *rq, const char *key)
{
	return arena_fmt(&rq->tx.arena, "credential:%s", key);
}

static enum err no_master_key(struct req *rq)
{
	return failure_retry(&rq->tx.fail, &rq->tx.arena, ERR_UNAVAILABLE, RETRY_S,
			     "credentials cannot be kept: ENCRYPTION_KEYS is not set");
}

static char *credential_seal(struct req *rq, const char *key, const char *value)
{
	return seal_text(&rq->tx.arena, purpose_of(rq, key), NULL, value);
}

static const char *credential_open(struct req *rq, const char *key, const char *sealed)
{
	return seal_open(&rq->tx.arena, purpose_of(rq, key), NULL, sealed);
}

/* Who may not is told that, whether or not there is a key. */
static enum err credential_refuse_keyless(struct req *rq)
{
	PGresult *res;
	enum err rc;

	if (seal_is_ready())
		return ERR_OK;
	rc = tx_call(&rq->tx, &q_credential_enter, true, &res);
	return rc ? rc : no_master_key(rq);
}

static enum err credential_put(struct req *rq)
{
	enum err rc = credential_refuse_keyless(rq);

	if (rc)
		return rc;
	req_set(rq, "value_sealed", credential_seal(rq, req_text(rq, "key"), req_text(rq, "value")));
	req_set(rq, "version", NULL);
	return answer_rows(rq, &q_credential_put);
}

static enum err credential_read(struct req *rq)
{
	const char *key = req_path_text(rq, "credential_key"), *value;
	struct rows *rows;
	PGresult *res;
	struct buf *b;
	enum err rc = credential_refuse_keyless(rq);

	if (!rc)
		rc = tx_call(&rq->tx, &q_credential_read, false, &res);
	if (rc)
		return rc;
	if (!PQntuples(res))
		return answer_not_found(rq, key);
	value = credential_open(rq, key, column_text(res, 0, "_sealed"));
	if (!value)
		return req_fail(rq, ERR_DECRYPTION, NULL);
	b = answer_open(rq);
	rows = answer_form(rq, res);
	buf_char(b, '{');
	for (int i = 0; i < rows_columns(rows); i++) {
		if (*rows_name(rows, i) == '_')
			continue;
		jx_key(b, rows_name(rows, i));
		rows_value(b, rows, 0, i);
	}
	jx_key_str(b, "value", value);
	buf_char(b, '}');
	return answer_close(rq);
}

/* The old value is sealed anew: the key that it was sealed with may be about to go. */
static enum err credential_rollback(struct req *rq)
{
	const char *key = req_path_text(rq, "credential_key"), *value, *sealed;
	PGresult *res;
	enum err rc = credential_refuse_keyless(rq);

	if (!rc)
		rc = tx_call(&rq->tx, &q_credential_version, false, &res);
	if (rc)
		return rc;
	if (!PQntuples(res))
		return answer_not_found(rq, key);
	sealed = column_text(res, 0, "_sealed");
	if (!sealed)
		return req_fail_field(rq, ERR_VALIDATION, "version",
				      "version must be one of the ten that the credential has");
	value = credential_open(rq, key, sealed);
	if (!value)
		return req_fail(rq, ERR_DECRYPTION, NULL);
	req_set(rq, "key", key);
	req_set(rq, "description", NULL);
	req_set(rq, "value_sealed", credential_seal(rq, key, value));
	return answer_rows(rq, &q_credential_put);
}

/* clang-format off */
#define BASE "/api/credentials"
#define ONE BASE "/{credential_key}"
#define SAFE "Without a key to encrypt with (<code>ENCRYPTION_KEYS</code>) 503."

const struct route credential_routes[] = {
	{ GET,    BASE, "operations.ops.list_credentials", &by_operator, "List credentials", .about = "By key, without their values; at most 1,000.",
	  .may = &operator_read, .out = &credential_shape, .list = &unpaged, .sql = &q_credential_list },
	{ POST,   BASE, "operations.ops.upsert_credential", &by_operator_session, "Save a credential", .about = "A new one, or another value of one that is there: the last ten are kept. " SAFE,
	  .may = &operator_admin, .body = credential, .as = NEW, .out = &credential_shape, .sql = &q_credential_put, .run = credential_put },
	{ GET,    ONE, "operations.ops.get_credential", &by_operator_session, "Read a credential", .about = "With its value, for administrators and machine users, and keys of machine users; each time is in the audit log. " SAFE,
	  .needs = { "a credential that was saved", ERR_DECRYPTION },
	  .may = &credential_value, .params = credential_params, .out = &credential_value_shape, .errors = unopened, .run = credential_read, .flags = WRITES },
	{ DELETE, ONE, "operations.ops.delete_credential", &by_operator_session, "Delete a credential", .about = "With all versions.",
	  .may = &operator_admin, .params = credential_params, .out = &gone_shape, .done = "Credential deleted", .sql = &q_credential_delete },
	{ GET,    ONE "/versions", "operations.ops.list_credential_versions", &by_operator, "List the versions of a credential", .about = "The latest first, of at most ten; without their values.",
	  .may = &operator_read, .params = credential_params, .out = &version_shape, .list = &unpaged, .errors = unknown, .sql = &q_credential_version_list },
	{ POST,   ONE "/rollback", "operations.ops.rollback_credential", &by_operator_session, "Give a credential the value that it had", .about = "As a new version. " SAFE,
	  .needs = { "a credential that was saved", ERR_DECRYPTION },
	  .may = &operator_admin, .params = credential_params, .body = rollback_in, .out = &credential_shape, .errors = unopened, .run = credential_rollback, .status = 200 },
	ROUTE_END
};
/* clang-format on */
