/*
 * Does an address belong to the user who signed up with it?  The mail asks.
 *
 * Only POST uses a token up: programs that look at mails follow links.
 */
#include "build/sql/identity/auth.h"
#include "fcgi/answer.h"
#include "fcgi/req.h"
#include "handlers/identity/mailed.h"
#include "handlers/shapes.h"
#include "lib/db/column.h"

/* clang-format off */
static const struct field resend_in[] = {
	{ "email", F_EMAIL, F_REQUIRED | F_KNOWN, .example = "ada@example.com" },
	FIELD_END
};
/* clang-format on */

/* Without a key, tokens in vain are counted. */
static enum err verify(struct req *rq)
{
	return mailed_verify(rq, rq->asked.route->caller == &by_anyone ? &q_verify_email_counted
								       : &q_verify_email);
}

/* The same work and the same answer whether there is a user to verify or not. */
static enum err resend(struct req *rq)
{
	PGresult *user;
	enum err rc = tx_call(&rq->tx, &q_resend_begin, false, &user);
	const char *email, *page, *return_to;

	if (rc)
		return rc;
	if (column_int(user, 0, "wait_s"))
		return req_retry_after(rq, column_int(user, 0, "wait_s"));
	email = column_text(user, 0, "email");
	page = column_text(user, 0, "page");
	return_to = column_text(user, 0, "return_to");
	req_set(rq, "id", column_text(user, 0, "id"));
	req_set(rq, "address", email ? email : req_text(rq, "email"));
	req_set(rq, "return_to", return_to);
	rc = mailed_make(rq, &(struct mail){ .template = "verify_email",
					     .tenant = column_text(user, 0, "tenant_id"),
					     .to = req_text(rq, "address"),
					     .locale = column_text(user, 0, "locale"),
					     .link = return_to ? return_to
						     : page    ? page
							       : mailed_page(rq, "verify-email") });
	return rc ? rc : answer_rows(rq, &q_resend_issue);
}

static const enum err not_verified[] = { ERR_TICKET, ERR_OK };

/* clang-format off */
const struct route verification_routes[] = {
	{ POST, "/api/v1/auth/verify-email", "platform.identity.verify_email", &by_anyone_with_key, "Verify an address",
	  "With the token of the mail's link, or with the address and the mail's code.  Signs nobody in; what opened the account before "
	  "ends, but for the password that was registered with this mail.",
	  .needs = { "the token or the code of a mail", ERR_TICKET }, .body = mailed_fields, .choice = &mailed_choice, .out = &message_shape, .errors = not_verified, .run = verify, .flags = PRIVATE, .status = 200 },
	{ POST, "/api/v1/auth/verify-email-with-token", "platform.identity.verify_email_with_token", &by_anyone, "Verify an address, without a key",
	  "For pages that have no API key.  20 in vain an hour by address.",
	  .needs = { "the token or the code of a mail", ERR_TICKET }, .body = mailed_fields, .choice = &mailed_choice, .out = &message_shape, .errors = not_verified, .run = verify, .flags = PRIVATE, .status = 200 },
	{ POST, "/api/v1/auth/resend-verification", "platform.identity.resend_verification", &by_anyone_with_key, "Ask for another mail to verify an address",
	  "Answers the same whether there is somebody to verify or not; voids the mail before.  From one address at most 3 an "
	  "hour for one account, and 20 for all, then none for 30 minutes.",
	  .body = resend_in, .out = &message_shape, .run = resend, .sql = &q_resend_issue, .flags = PRIVATE, .status = 200 },
	ROUTE_END
};
/* clang-format on */
