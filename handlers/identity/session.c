#include "handlers/identity/session.h"

#include "build/sql/identity/sessions.h"
#include "fcgi/answer.h"
#include "fcgi/req.h"
#include "handlers/permissions.h"
#include "lib/base/jx.h"
#include "lib/crypto/ticket.h"
#include "lib/db/column.h"
#include "lib/db/rows.h"
#include "lib/host/config.h"

/* clang-format off */
static const char *const bearer[] = { "Bearer", NULL };

const struct field auth_user_fields[] = {
	{ "id",           F_UUID,     0 },
	{ "email",        F_EMAIL,    F_NULL, .example = "ada@example.com", .about = "null when another issuer sent none" },
	{ "display_name", F_TEXT,     F_NULL, .max = 255, .example = "Ada Lovelace" },
	{ "avatar_url",   F_URL,      F_NULL, .max = 2048 },
	{ "is_active",    F_BOOL,     0 },
	{ "created_at",   F_DATETIME, 0 },
	{ "name",         F_TEXT,     F_NULL, .example = "Ada Lovelace", .about = "the same as display_name" },
	{ "title",        F_TEXT,     F_NULL, .about = "title, phone, bio and role are those of the member that the user is in active_workspace_id", .example = "Shipwright" },
	{ "phone",        F_TEXT,     F_NULL, .example = "+49 40 5550100" },
	{ "bio",          F_TEXT,     F_NULL, .example = "Has built boats since 1998." },
	{ "email_verified", F_BOOL,   0 },
	{ "is_staff",     F_BOOL,     0, .about = "an administrator of the tenant" },
	{ "is_superuser", F_BOOL,     0 },
	{ "active_workspace_id", F_UUID, F_NULL, .about = "the workspace that is meant where none is named; null: none" },
	{ "role",         F_ENUM,     F_NULL, .values = workspace_roles },
	{ "last_login_at", F_DATETIME, F_NULL },
	{ "updated_at",   F_DATETIME, 0 },
	FIELD_END
};

/* What a second factor is asked for in front of. */
static const struct field tokens_out[] = {
	{ "access_token",  F_TEXT,   0, .example = "eyJhbGciOiJIUzI1NiJ9.e30.4nL5c0t", .about = "good for expires_in seconds" },
	{ "refresh_token", F_TEXT,   0, .example = "AAAAAAAAcACAAAAAAAAAAQ",
	  .about = "for /auth/refresh; good for 30 days from signing in" },
	{ "token_type",    F_ENUM,   0, .values = bearer },
	{ "user",          F_OBJECT, 0, .fields = auth_user_fields },
	{ "workspace_id",  F_UUID,   F_NULL, .about = "the active workspace" },
	FIELD_END
};

static const struct field lifetime_out[] = {
	{ "expires_in",    F_INT,    0, .example = "3600", .about = "seconds" },
	FIELD_END
};

static const struct field token_out[] = {
	FIELDS_OF(tokens_out),
	FIELDS_OF(lifetime_out),
	FIELD_END
};

static const struct field login_out[] = {
	{ .type = F_FIELDS, F_OPTIONAL, .fields = tokens_out },
	FIELDS_OF(lifetime_out),
	{ "mfa_required", F_BOOL, F_OPTIONAL | F_RARE, .example = "true",
	  .about = "there are no tokens yet: the second factor is to be shown to /auth/mfa/verify" },
	{ "mfa_token",    F_TEXT, F_OPTIONAL | F_RARE, .example = "AAAAAAAAcACAAAAAAAAAAQ" },
	FIELD_END
};
/* clang-format on */

const struct shape token_shape = { "TokenResponse", token_out };
static const char *const login_one_of[] = { "access_token", "mfa_token", NULL };
const struct shape login_shape = { "LoginResponse", login_out, .one_of = login_one_of };

enum err session_read(struct req *rq, const PGresult *row, struct tokens *out)
{
	return tokens_read(&rq->tx, row, out);
}

enum err session_open(struct req *rq, const struct signin *in, struct tokens *out)
{
	int ttl_s = in->impersonator ? SESSION_IMPERSONATED_TTL_S : SESSION_TTL_S;
	char *mfa = in->tenant ? ticket_new(&rq->tx.arena, in->tenant) : NULL;
	const char *hash = NULL, *tenant;
	PGresult *res;
	enum err rc;

	if (mfa)
		ticket_parse(&rq->tx.arena, mfa, &tenant, &hash);
	req_set(rq, "signin_user", in->user);
	req_set(rq, "signin_method", in->method);
	req_set(rq, "signin_ttl_s", arena_fmt(&rq->tx.arena, "%d", ttl_s));
	req_set(rq, "signin_mfa_hash", hash);
	req_set(rq, "signin_has_mfa", in->has_mfa ? "true" : "false");
	req_set(rq, "signin_password_hash", in->password_hash);
	req_set(rq, "signin_impersonator", in->impersonator);
	rc = tx_call(&rq->tx, &q_session_open, true, &res);
	if (rc)
		return rc;
	if (column_text(res, 0, "_session_id"))
		return session_read(rq, res, out);
	*out = (struct tokens){ .tenant = in->tenant, .expires_in = SESSION_MFA_TTL_S, .mfa = mfa };
	return ERR_OK;
}

void session_members(struct buf *b, struct req *rq, const struct tokens *t)
{
	jx_key(b, "access_token"), jx_str(b, t->access);
	if (t->refresh)
		jx_key(b, "refresh_token"), jx_str(b, t->refresh);
	jx_key(b, "token_type"), jx_str(b, *bearer);
	jx_key(b, "expires_in"), jx_int(b, t->expires_in);
	jx_key(b, "user");
	rows_object(b, rows_open(&rq->tx.arena, t->row, 0, &(struct rows_form){ NULL }), 0);
}

enum err session_answer(struct req *rq, const struct tokens *t)
{
	struct buf *b = answer_open(rq);

	buf_char(b, '{');
	if (t->mfa) {
		jx_key(b, "mfa_required"), jx_bool(b, true);
		jx_key(b, "mfa_token"), jx_str(b, t->mfa);
		jx_key(b, "expires_in"), jx_int(b, t->expires_in);
	} else {
		session_members(b, rq, t);
	}
	if (!t->mfa) {
		jx_key(b, "workspace_id");
		jx_str(b, column_text(t->row, 0, "_active_workspace"));
	}
	buf_char(b, '}');
	return answer_close(rq);
}
