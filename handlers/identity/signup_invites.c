/*
 * Invites to sign up, of who has paid before there was an account (worker/signup_invite.h makes them): what
 * they are about, and how somebody finds theirs again.
 *
 * The invite's code is worth a paid subscription, so an address alone, which others may know, does not get
 * it: without the access code of the mail that mail goes again.
 */
#include "build/sql/identity/signup_invites.h"
#include "fcgi/answer.h"
#include "fcgi/auth.h"
#include "fcgi/req.h"
#include "handlers/identity/signup.h"
#include "handlers/mail.h"
#include "lib/base/jx.h"
#include "lib/crypto/ticket.h"
#include "lib/db/column.h"
#include "providers/signup.h"

static enum err signup_invite_get(struct req *rq), signup_invite_lookup(struct req *rq);

/* clang-format off */
static const char *const statuses[] = { "pending", "used", "expired", NULL };
static const char *const cycles[] = { "monthly", "yearly", NULL };

const struct field signup_code_path[] = {
	{ "invite_code", F_TEXT, F_REQUIRED, .min = 1, .max = 128, .about = "the one that the mail's link brought", .example = "AAAAAAAAcACAAAAAAAAAAQ0sQ9S2mK1u4cJ7wP5yB8nRz3TtVvXa6LhEoGfDi2Yk" },
	FIELD_END
};

static const struct field lookup_in[] = {
	{ "email",       F_EMAIL, F_KNOWN | F_REQUIRED, .about = "that paid", .example = "ada@example.com" },
	{ "access_code", F_TEXT,  F_REQUIRED, .min = 1, .max = 64, .about = "of the mail; its case, blanks and hyphens do not count", .example = "7K2M9PQX" },
	FIELD_END
};

static const struct field invite_out[] = {
	{ "invite_code",    F_TEXT,     0, .example = "AAAAAAAAcACAAAAAAAAAAQ0sQ9S2mK1u4cJ7wP5yB8nRz3TtVvXa6LhEoGfDi2Yk" },
	{ "email",          F_EMAIL,    0, .example = "ada@example.com" },
	{ "name",           F_TEXT,     F_NULL, .example = "Ada Lovelace" },
	{ "company_name",   F_TEXT,     F_NULL, .example = "Harbour Works" },
	{ "tier",           F_TEXT,     0, .example = "pro" },
	{ "tier_name",      F_TEXT,     0, .example = "Pro" },
	{ "billing_period", F_ENUM,     0, .values = cycles },
	{ "status",         F_ENUM,     0, .values = statuses },
	{ "expires_at",     F_DATETIME, 0 },
	{ "created_at",     F_DATETIME, 0 },
	FIELD_END
};

static const struct field lookup_out[] = {
	{ "found",            F_BOOL,  0 },
	{ "invite_code",      F_TEXT,  F_NULL, .about = "of one that is pending, with the right access code" },
	{ "email",            F_EMAIL, F_NULL, .example = "ada@example.com" },
	{ "status",           F_ENUM,  F_NULL, .values = statuses },
	{ "registration_url", F_URL,   F_NULL, .about = "where to go on, likewise" },
	FIELD_END
};

static const struct shape invite_shape = { "StripeInvite", invite_out };
static const struct shape lookup_shape = { "InviteLookup", lookup_out, "StripeInvite" };
static const enum err not_open[] = { ERR_NOT_FOUND, ERR_CONFLICT, ERR_GONE, ERR_OK };

const struct route signup_invite_routes[] = {
	{ GET,  "/api/v1/auth/signup/stripe-invite/{invite_code}", "workspace.identity.get_stripe_invite", &by_anyone, "Get an invite to sign up", "Of somebody who has paid and has no account. Looks only. 409: it was used; 410: it has run out.",
	  .needs = { "the code of a mail of ours", ERR_NOT_FOUND }, .params = signup_code_path, .out = &invite_shape, .errors = not_open, .sql = &q_signup_invite_get, .run = signup_invite_get, .flags = PRIVATE },
	{ POST, "/api/v1/auth/lookup-invite", "workspace.identity.lookup_invite", &by_anyone_with_key, "Find an invite to sign up", "By the address that paid. With another access code it is found, but its code is not told, and the mail that has "
	  "it goes again, at most once an hour. At most 10 a minute from one address.",
	  .body = lookup_in, .out = &lookup_shape, .run = signup_invite_lookup, .flags = PRIVATE, .status = 200 },
	ROUTE_END
};
/* clang-format on */

enum err signup_take_code(struct req *rq)
{
	const char *tenant, *hash;

	if (!ticket_parse(&rq->tx.arena, req_text(rq, "invite_code"), &tenant, &hash))
		return req_fail_field(rq, ERR_NOT_FOUND, "invite_code", "there is no such invite");
	auth_act_for(rq, tenant);
	req_set(rq, "token_hash", hash);
	return ERR_OK;
}

static enum err signup_invite_get(struct req *rq)
{
	enum err rc = signup_take_code(rq);

	return rc ? rc : answer_rows(rq, &q_signup_invite_get);
}

/* Who has another access code, or none: the mail goes again, to the address that the invite has. */
static enum err send_again(struct req *rq, const PGresult *found, const struct signup_codes *codes)
{
	PGresult *res;
	enum err rc = mail_prepare(rq, &(struct mail){ .template = "signup_invite",
						       .tenant = column_text(found, 0, "tenant"),
						       .to = column_text(found, 0, "email"),
						       .locale = column_text(found, 0, "locale"),
						       .link = signup_codes_page(&rq->tx.arena),
						       .ticket = codes->code,
						       .code = codes->access,
						       .data = column_text(found, 0, "data") });

	req_set(rq, "id", column_text(found, 0, "id"));
	return rc ? rc : tx_call(&rq->tx, &q_signup_invite_send, true, &res);
}

static enum err signup_invite_lookup(struct req *rq)
{
	struct signup_codes codes;
	const char *status, *code = NULL;
	PGresult *res;
	struct buf *b;
	enum err rc = tx_call(&rq->tx, &q_signup_invite_lookup, false, &res);

	if (rc)
		return rc;
	if (column_int(res, 0, "wait_s"))
		return req_retry_after(rq, column_int(res, 0, "wait_s"));
	status = column_text(res, 0, "status");
	if (status && !signup_codes_open(&rq->tx.arena, column_text(res, 0, "tenant"),
					 column_text(res, 0, "sealed"), &codes))
		return req_fail_inside(rq, ERR_INTERNAL,
				       "an invite does not open: is its key in ENCRYPTION_KEYS?");
	if (status && !signup_codes_fit(&codes, req_text(rq, "access_code")))
		rc = send_again(rq, res, &codes);
	else if (status && !strcmp(status, "pending"))
		code = codes.code;
	if (rc)
		return rc;
	b = answer_open(rq);
	buf_char(b, '{');
	jx_key(b, "found"), jx_bool(b, status);
	jx_key(b, "invite_code"), jx_str(b, code);
	jx_key(b, "email"), jx_str(b, column_text(res, 0, "email"));
	jx_key(b, "status"), jx_str(b, status);
	jx_key(b, "registration_url");
	jx_str(b, code ? mail_link(&rq->tx.arena, signup_codes_page(&rq->tx.arena), code) : NULL);
	buf_char(b, '}');
	return answer_close(rq);
}
