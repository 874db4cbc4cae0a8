#include "handlers/identity/mailed.h"

#include "fcgi/answer.h"
#include "fcgi/auth.h"
#include "fcgi/req.h"
#include "lib/base/email.h"
#include "lib/crypto/ticket.h"
#include "lib/db/column.h"
#include "lib/host/config.h"

/* clang-format off */
const struct field mailed_fields[] = {
	{ "token", F_TEXT,  0, .max = 128, .about = "the one that the mail's link brought",
	  .example = "AAAAAAAAcACAAAAAAAAAAQ0sQ9S2mK1u4cJ7wP5yB8nRz3TtVvXa6LhEoGfDi2Yk" },
	{ "email", F_EMAIL, F_KNOWN | F_RARE, .about = "without token: the address that the mail went to", .example = "demo@example.com" },
	{ "code",  F_TEXT,  F_CODE | F_RARE, .min = 6, .max = 6, .about = "without token: the mail's six digits, good for ten minutes",
	  .example = "123456" },
	FIELD_END
};

const struct choice mailed_choice = { CHOICE_ANY, { WAY("token"), WAY("email", "code") } };
/* clang-format on */

/* A code belongs to one address, however it is spelled, and to what it is for. */
static const char *code_hash(struct req *rq, const char *kind, const char *email, const char *code)
{
	return ticket_code_hash(&rq->tx.arena,
				arena_fmt(&rq->tx.arena, "%s %s", kind, email_name(&rq->tx.arena, email)),
				code);
}

enum err mailed_read(struct req *rq, const char *kind)
{
	const char *token = req_text(rq, "token"), *email = req_text(rq, "email"),
		   *code = req_text(rq, "code"), *tenant = NULL, *hash = NULL;

	if (token && ticket_parse(&rq->tx.arena, token, &tenant, &hash) && !rq->who.api_key)
		auth_act_for(rq, tenant);
	req_set(rq, "token_tenant", tenant);
	req_set(rq, "token_hash", hash);
	req_set(rq, "email", token ? NULL : email);
	req_set(rq, "token_code_hash", token ? NULL : code_hash(rq, kind, email, code));
	if (!token && !req_text(rq, "token_code_hash"))
		return req_fail_inside(rq, ERR_UNAVAILABLE, "no JWT_SECRET, so there are no codes");
	return ERR_OK;
}

enum err mailed_verify(struct req *rq, const struct query *q)
{
	PGresult *res;
	struct buf *b;
	enum err rc = mailed_read(rq, "verify_email");

	if (!rc)
		rc = tx_call(&rq->tx, q, true, &res);
	if (rc)
		return rc;
	if (column_int(res, 0, "wait_s"))
		return req_retry_after(rq, column_int(res, 0, "wait_s"));
	if (!column_bool(res, 0, "is_verified"))
		return req_refuse(rq, ERR_TICKET, NULL); /* a wrong code was counted */
	b = answer_open(rq);
	buf_text(b, "{\"message\":\"Email verified successfully\"}");
	return answer_close(rq);
}

enum err mailed_make(struct req *rq, const struct mail *m)
{
	struct mail mail = *m;
	const char *tenant, *hash;

	mail.ticket = ticket_new(&rq->tx.arena, m->tenant);
	mail.code = ticket_code(&rq->tx.arena);
	ticket_parse(&rq->tx.arena, mail.ticket, &tenant, &hash);
	req_set(rq, "token_hash", hash);
	req_set(rq, "token_code_hash", code_hash(rq, m->template, m->to, mail.code));
	return mail_prepare(rq, &mail);
}

const char *mailed_page(struct req *rq, const char *name)
{
	return arena_fmt(&rq->tx.arena, "%s/%s.html", cfg.public_url, name);
}
