/*
 * Signing up with a workspace: an account, the workspace that it owns and what that begins with, and a
 * subscription, all of it or nothing.
 *
 * A run is begun and committed; Stripe is asked without a connection to PostgreSQL; then everything is made
 * in one transaction (providers/signup.h).  With /async the worker does what follows the first step
 * (worker/signup.c), and a stream tells how far it is.
 */
#include <string.h>

#include "build/sql/identity/signup.h"
#include "build/sql/tenancy/workspace_members.h"
#include "build/sql/tenancy/workspaces.h"
#include "fcgi/answer.h"
#include "fcgi/auth.h"
#include "fcgi/choice.h"
#include "fcgi/req.h"
#include "handlers/billing/asking.h"
#include "handlers/identity/clerk.h"
#include "handlers/identity/mailed.h"
#include "handlers/identity/session.h"
#include "handlers/identity/signup.h"
#include "handlers/shapes.h"
#include "handlers/tenancy/workspaces.h"
#include "lib/base/email.h"
#include "lib/base/jx.h"
#include "lib/crypto/password.h"
#include "lib/crypto/seal.h"
#include "lib/crypto/ticket.h"
#include "lib/db/column.h"
#include "lib/db/db.h"
#include "lib/db/rows.h"
#include "lib/host/config.h"
#include "providers/signup.h"
#include "providers/stripe.h"
#include "providers/stripe_billing.h"

static enum err signup_run_direct(struct req *rq), signup_run_invite(struct req *rq),
	signup_run_async(struct req *rq), signup_follow(struct req *rq);

/* Until the worker takes a run that a request has begun: longer than Stripe is asked for. */
enum { LEASE_S = 180 };

/* clang-format off */
static const char *const bearer[] = { "Bearer", NULL };
static const char *const cycles[] = { "monthly", "yearly", NULL };
static const char *const running[] = { "RUNNING", NULL };
static const char *const subscribed[] = { "trialing", "active", "incomplete", NULL };

#define OF_THE_OWNER \
	{ "phone",    F_TEXT, F_NULL | F_RARE, .min = 1, .max = 50, .example = "+49 40 5550100" }, \
	{ "title",    F_TEXT, F_NULL | F_RARE, .min = 1, .max = 255, .about = "what the owner is there", .example = "Shipwright" }, \
	{ "timezone", F_TEXT, 0, .max = 64, .fits = &workspace_timezone, .def = "UTC", .example = "Europe/Berlin" }

static const struct field signup_in[] = {
	{ "email",        F_EMAIL, F_REQUIRED, .example = "nora@example.com" },
	PASSWORD_FIELD("password", "Correct-Horse-7"),
	{ "name",         F_TEXT,  F_REQUIRED, .min = 1, .max = 255, .example = "Nora New" },
	{ "company_name", F_TEXT,  F_REQUIRED, .min = 1, .max = 255, .about = "what the workspace is called", .example = "Newhaven" },
	OF_THE_OWNER,
	{ "tier",           F_TEXT, F_NULL | F_RARE, .min = 1, .max = 255, .about = "a plan, by its name or id; left out: the tenant's default one, else none", .example = "Pro" },
	{ "billing_period", F_ENUM, 0, .values = cycles, .def = "monthly" },
	{ "payment_method_id", F_TEXT, F_NULL | F_RARE, .min = 1, .max = 255, .about = "a card, as Stripe's own form in your page has made it; left out: the answer has a page to pay on", .example = "pm_card_visa" },
	{ "success_url",    F_URL,  F_NULL | F_PAGE | F_RARE, .max = 2048, .about = "where that page leads to who has paid, of an origin that is allowed; left out: here", .example = "https://app.example.com/paid" },
	{ "cancel_url",     F_URL,  F_NULL | F_PAGE | F_RARE, .max = 2048, .about = "and who has not" },
	{ "affiliate_code", F_TEXT, F_NULL | F_RARE, .min = 1, .max = 100, .about = "who has recommended it, for the subscription's metadata", .example = "harbour-blog" },
	FIELD_END
};

static const struct field invited_in[] = {
	{ "invite_code",  F_TEXT,  F_REQUIRED, .min = 1, .max = 128, .about = "the one that the mail's link brought", .example = "AAAAAAAAcACAAAAAAAAAAQ0sQ9S2mK1u4cJ7wP5yB8nRz3TtVvXa6LhEoGfDi2Yk" },
	{ "password",     F_TEXT,  0, .min = 8, .max = PASSWORD_MAX, .about = "as of /auth/register; needed without clerk_id", .example = "Correct-Horse-7" },
	{ "clerk_id",     F_TEXT,  F_RARE, .min = 1, .max = 255, .about = "of who signs in with Clerk; it is kept where X-Clerk-Secret vouches for it, else found by the address later", .example = "user_2abcDEF" },
	{ "name",         F_TEXT,  F_REQUIRED, .min = 1, .max = 255, .example = "Nora New" },
	{ "company_name", F_TEXT,  F_NULL, .min = 1, .max = 255, .about = "what the workspace is called; left out: the invite's", .example = "Newhaven" },
	{ "email",        F_EMAIL, F_NULL | F_RARE, .about = "left out: the invite's; another one is not verified by it", .example = "nora@example.com" },
	OF_THE_OWNER,
	FIELD_END
};

static const struct field subscription_out[] = {
	{ "status",                 F_ENUM,     0, .values = subscribed, .about = "incomplete: it is to be paid for" },
	{ "tier",                   F_TEXT,     0, .example = "pro" },
	{ "trial_ends_at",          F_DATETIME, F_NULL },
	{ "stripe_subscription_id", F_TEXT,     F_NULL, .example = "sub_1Qabc" },
	FIELD_END
};

static const struct field signup_out[] = {
	{ "access_token",      F_TEXT,   0, .example = "eyJhbGciOiJIUzI1NiJ9.e30.4nL5c0t", .about = "good for expires_in seconds; it names the workspace" },
	{ "refresh_token",     F_TEXT,   0, .example = "AAAAAAAAcACAAAAAAAAAAQ" },
	{ "token_type",        F_ENUM,   0, .values = bearer },
	{ "expires_in",        F_INT,    0, .example = "3600", .about = "seconds" },
	{ "user",              F_OBJECT, 0, .fields = auth_user_fields },
	{ "workspace",         F_OBJECT, 0, .fields = workspace_fields },
	{ "member",            F_OBJECT, 0, .fields = workspace_member_fields },
	{ "subscription",      F_OBJECT, F_NULL, .fields = subscription_out },
	{ "checkout_url",      F_URL,    F_NULL, .about = "where to pay", .example = "https://checkout.stripe.com/c/pay/cs_test_a1" },
	{ "requires_checkout", F_BOOL,   0 },
	FIELD_END
};

static const struct field async_out[] = {
	{ "job_id",     F_TEXT, 0, .about = "whoever has it gets the tokens: it is a secret", .example = "AAAAAAAAcACAAAAAAAAAAQ0sQ9S2mK1u4cJ7wP5yB8nRz3TtVvXa6LhEoGfDi2Yk" },
	{ "status",     F_ENUM, 0, .values = running },
	{ "stream_url", F_TEXT, 0, .example = "/api/v1/auth/signup/jobs/AAAAAAAAcACAAAAAAAAAAQ/stream" },
	FIELD_END
};

static const struct field clerk_header[] = {
	{ "X-Clerk-Secret", F_TEXT, 0, .about = "of a front end's server: CLERK_CHECK_SECRET, which vouches for clerk_id" },
	FIELD_END
};

static const struct field job_path[] = {
	{ "job_id", F_TEXT, F_REQUIRED | F_SECRET, .min = 1, .max = 128, .about = "of /auth/signup/stripe-invite/async", .example = "AAAAAAAAcACAAAAAAAAAAQ0sQ9S2mK1u4cJ7wP5yB8nRz3TtVvXa6LhEoGfDi2Yk" },
	FIELD_END
};

static const struct choice a_way_in = { CHOICE_ANY, { WAY("password"), WAY("clerk_id") } };
static const struct shape signup_shape = { "SignupResponse", signup_out };
static const struct shape async_shape = { "SignupJob", async_out, "SignupResponse" };
static const enum err not_signed_up[] = { ERR_PAYMENT, ERR_CONFLICT, ERR_UNAVAILABLE, ERR_EXTERNAL, ERR_OK };
static const enum err not_invited[] = { ERR_NOT_FOUND, ERR_CONFLICT, ERR_GONE, ERR_UNAVAILABLE, ERR_EXTERNAL, ERR_OK };
static const enum err not_followed[] = { ERR_NOT_FOUND, ERR_ORIGIN, ERR_OK };
#define BASE "/api/v1/auth/signup"

const struct route signup_routes[] = {
	{ POST, BASE, "workspace.identity.signup", &by_anyone_with_key, "Sign up with a workspace", "Makes the account, the workspace, which the user owns, with recordsets to begin with, and a subscription with a trial, or nothing. A plan that costs something needs a card, or the answer leads to a page "
	  "to pay on (requires_checkout). Counts as /auth/register does. 402: the card was declined; 409: the address has an account.",
	  .body = signup_in, .out = &signup_shape, .errors = not_signed_up, .run = signup_run_direct, .flags = PRIVATE | SLOW | HASHES },
	{ POST, BASE "/stripe-invite", "workspace.identity.signup_stripe_invite", &by_anyone, "Sign up with an invite", "Of who has paid already: the workspace has that subscription, and nothing is paid again. The mail has verified the address.",
	  .needs = { "the code of a mail of ours", ERR_NOT_FOUND }, .body = invited_in, .choice = &a_way_in, .headers = clerk_header, .out = &signup_shape, .errors = not_invited, .run = signup_run_invite, .flags = PRIVATE | SLOW | HASHES },
	{ POST, BASE "/stripe-invite/async", "workspace.identity.signup_stripe_invite_async", &by_anyone, "Sign up with an invite, and follow that", "The same, but answers at once. What was sent is checked before; the rest is told by the stream.",
	  .needs = { "the code of a mail of ours", ERR_NOT_FOUND }, .body = invited_in, .choice = &a_way_in, .headers = clerk_header, .out = &async_shape, .errors = not_invited, .run = signup_run_async, .flags = PRIVATE | HASHES, .status = 200 },
	{ GET, BASE "/jobs/{job_id}/stream", "workspace.identity.stream_signup_job", &by_anyone, "Follow a sign-up by server-sent events", "Messages without a name: {job_id, status, progress, current_step, error_message, result, timestamp}. The first one tells how it stands, and the last one, COMPLETED, has the tokens in result (access_token, "
	  "refresh_token, workspace_id, workspace_name). 404 ten minutes after the end.",
	  .needs = { "the id of a sign-up", ERR_NOT_FOUND }, .params = job_path, .errors = not_followed, .run = signup_follow, .flags = REALTIME | BARE, .status = 200, .content_type = "text/event-stream" },
	ROUTE_END
};
/* clang-format on */

/*
 * What both begin with
 */

/* {"name", …}: what signup_finish() makes the account and the workspace of. */
static void set_request(struct req *rq, const char *company, const char *password_hash, const char *locale,
			bool keeps_clerk)
{
	static const char *const sent[] = { "name", "phone", "title", "timezone", NULL };
	static const char *const paid[] = { "success_url", "cancel_url", NULL };
	struct buf b;

	buf_init(&b, &rq->tx.arena, 1024);
	buf_char(&b, '{');
	jx_key_str(&b, "company_name", company);
	jx_key_str(&b, "password_hash", password_hash);
	jx_key_str(&b, "locale", locale);
	jx_key_str(&b, "payment_method", req_text(rq, "payment_method_id"));
	for (const char *const *name = sent; *name; name++)
		jx_key_str(&b, *name, req_text(rq, *name));
	for (const char *const *name = paid; *name; name++)
		jx_key_str(&b, *name, req_text(rq, *name) ? req_text(rq, *name) : cfg.public_url);
	if (keeps_clerk) {
		jx_key_str(&b, "clerk_id", req_text(rq, "clerk_id"));
		jx_key_str(&b, "clerk_issuer", clerk_issuer());
	}
	buf_char(&b, '}');
	req_set(rq, "request", buf_str(&b));
}

/* Begin a run, and commit that.  ERR_OK, and :run is it. */
static enum err begin(struct req *rq, const char *kind, struct signup_run *run)
{
	PGresult *res;
	enum err rc;

	req_set(rq, "kind", kind);
	req_set(rq, "lease_s", arena_fmt(&rq->tx.arena, "%d", LEASE_S));
	rc = tx_call(&rq->tx, &q_signup_begin, false, &res);
	if (rc)
		return rc;
	req_set(rq, "run", arena_dup(&rq->tx.arena, column_text(res, 0, "run")));
	rc = tx_call(&rq->tx, &q_signup_facts, true, &res);
	if (!rc)
		signup_run_read(&rq->tx.arena, res, run);
	return rc;
}

/* It is not gone on with: the worker takes back what there may be.  The failure stays what it was. */
static enum err give_up(struct req *rq)
{
	struct failure was = rq->tx.fail;
	PGresult *res;

	req_set(rq, "error", was.reason ? was.reason : was.message);
	rq->tx.fail = (struct failure){ ERR_OK };
	/* What cannot be put down now is taken by the worker when the lease is over. */
	if (!tx_call(&rq->tx, &q_signup_undo, false, &res))
		tx_finish(&rq->tx, true);
	rq->tx.fail = was;
	return was.err;
}

/* What Stripe did not do, or perhaps did. */
static enum err refused(struct req *rq, enum err rc, const struct stripe_answer *answer)
{
	const char *why = answer->reason ? answer->reason : "no reason is known";
	struct buf details;

	if (rc == ERR_PAYMENT) {
		buf_init(&details, &rq->tx.arena, 64);
		buf_text(&details, "\"reason\":");
		jx_str(&details, answer->decline_code ? answer->decline_code
				 : answer->code       ? answer->code
						      : "declined");
		req_fail(rq, ERR_PAYMENT, "%s", answer->message ? answer->message : "the card was declined");
		rq->tx.fail.details = buf_str(&details);
		return ERR_PAYMENT;
	}
	if (answer->param && !strcmp(answer->param, "payment_method"))
		return req_fail_field(rq, ERR_VALIDATION, "payment_method_id",
				      "payment_method_id is none of the payment provider's");
	if (answer->param && strstr(answer->param, "price"))
		return asking_unconfigured(rq, "the plan's price is none of the payment provider's");
	return req_fail_inside(rq, rc == ERR_UNAVAILABLE ? rc : ERR_EXTERNAL, "%s", why);
}

/* The address is to be verified, where the tenant wants that: the mail that asks for it. */
static enum err send_verification(struct req *rq, const char *tenant, const char *page)
{
	PGresult *res;
	enum err rc =
		mailed_make(rq, &(struct mail){ .template = "verify_email",
						.tenant = tenant,
						.to = req_text(rq, "run_email"),
						.link = page ? page : mailed_page(rq, "verify-email") });

	return rc ? rc : tx_call(&rq->tx, &q_signup_verify, false, &res);
}

/*
 * What both end with
 */

static const struct child made[] = { { "workspace", &q_workspace_get },
				     { "member", &q_workspace_member_me },
				     { NULL } };

static void write_child(struct buf *b, struct req *rq, int i)
{
	const struct rows_form form = { .has_micros = true };

	jx_key(b, made[i].member);
	rows_object(b, rows_open(&rq->tx.arena, rq->tx.children[i], 0, &form), 0);
}

/* The transaction is open, and all is made: sign in, commit, and answer. */
static enum err welcome(struct req *rq, const char *user, const char *page)
{
	const char *subscription;
	struct buf objects, *b;
	PGresult *res;
	struct tokens t;
	enum err rc = tx_call_family(&rq->tx, &q_signup_subscription, made, false, &res);

	if (rc)
		return rc;
	subscription = column_text(res, 0, "subscription");
	buf_init(&objects, &rq->tx.arena, 4096);
	buf_char(&objects, ',');
	write_child(&objects, rq, 0);
	write_child(&objects, rq, 1);
	jx_key(&objects, "subscription"), buf_text(&objects, subscription ? subscription : "null");
	jx_key(&objects, "checkout_url"), jx_str(&objects, page);
	jx_key(&objects, "requires_checkout"), jx_bool(&objects, page);
	rc = session_open(rq, &(struct signin){ .user = user, .method = "password" }, &t);
	if (rc)
		return rc;
	b = answer_open(rq);
	buf_char(b, '{');
	session_members(b, rq, &t);
	buf_add(b, objects.p, objects.n);
	buf_char(b, '}');
	return answer_close(rq);
}

/* Ask Stripe, and make all of it. */
static enum err finish(struct req *rq, const struct signup_run *run, const char *verify_page, bool verifies)
{
	struct stripe_answer answer;
	struct signup_asked asked;
	const char *user;
	PGresult *res;
	enum err rc;

	db_close();
	rc = signup_ask(&rq->tx.arena, run, &asked, &answer);
	if (rc) {
		refused(rq, rc, &answer);
		return give_up(rq);
	}
	req_set(rq, "customer", asked.customer);
	req_set(rq, "object", asked.object);
	req_set(rq, "look", run->look);
	req_set(rq, "seat_price", cfg.stripe_subscription_price_id);
	rc = tx_call(&rq->tx, &q_signup_finish, false, &res);
	if (rc)
		return give_up(rq);
	user = arena_dup(&rq->tx.arena, column_text(res, 0, "user_id"));
	req_set(rq, "id", user);
	req_set(rq, "@user", user);
	req_set(rq, "@workspace", run->organization);
	req_set(rq, "@chosen", run->organization);
	req_set(rq, "workspace_id", run->organization);
	req_set(rq, "@member", arena_dup(&rq->tx.arena, column_text(res, 0, "member_id")));
	if (verifies)
		rc = send_verification(rq, run->tenant, verify_page);
	if (!rc)
		rc = welcome(rq, user, asked.page);
	return rc ? give_up(rq) : ERR_OK;
}

/*
 * Directly
 */

/* What has to be paid for needs a provider to pay at, and a price there. */
static enum err check_plan(struct req *rq, const PGresult *checked, const char **kind)
{
	const char *key;

	*kind = "free";
	if (column_bool(checked, 0, "is_free"))
		return ERR_OK;
	*kind = req_text(rq, "payment_method_id") ? "card" : "checkout";
	key = stripe_billing_key(&rq->tx.arena, column_text(checked, 0, "tenant"),
				 column_text(checked, 0, "key_sealed"), column_bool(checked, 0, "is_test"));
	if (!key)
		return asking_unconfigured(rq, "payments (STRIPE_SECRET_KEY) are not configured");
	if (!column_text(checked, 0, "price"))
		return asking_unconfigured(
			rq, arena_fmt(&rq->tx.arena,
				      "the plan %s has no price at the payment provider: enter its id",
				      column_text(checked, 0, "plan_name")));
	return ERR_OK;
}

static enum err check_pages(struct req *rq)
{
	const char *success = req_text(rq, "success_url"), *cancel = req_text(rq, "cancel_url");

	if (!success && !cancel)
		return ERR_OK;
	return success ? asking_check_pages(rq, "success_url", cancel ? "cancel_url" : NULL)
		       : asking_check_pages(rq, "cancel_url", NULL);
}

static enum err signup_run_direct(struct req *rq)
{
	const char *password = req_text(rq, "password"), *problem, *hash, *kind, *page;
	struct signup_run run;
	PGresult *checked;
	bool verifies;
	enum err rc;

	problem = password_check(&rq->tx.arena, password, req_text(rq, "email"));
	req_set(rq, "is_counted", problem ? "false" : "true");
	rc = tx_call(&rq->tx, &q_signup_check, true, &checked);
	if (rc)
		return rc;
	if (column_int(checked, 0, "wait_s"))
		return req_retry_after(rq, column_int(checked, 0, "wait_s"));
	if (problem)
		return req_fail_field(rq, ERR_VALIDATION, "password", "%s", problem);
	if (!column_bool(checked, 0, "has_zone"))
		return req_fail_field(rq, ERR_VALIDATION, "timezone",
				      "timezone must be the name of a time zone, such as Europe/Berlin");
	if (req_text(rq, "tier") && !column_text(checked, 0, "plan"))
		return req_fail_field(rq, ERR_VALIDATION, "tier", "tier must be a plan that is sold");
	rc = check_pages(rq);
	if (rc)
		return rc;
	if (column_bool(checked, 0, "is_taken"))
		return req_fail_field(rq, ERR_CONFLICT, "email", "this address has an account: sign in");
	rc = check_plan(rq, checked, &kind);
	if (!rc)
		rc = tx_finish(&rq->tx, true);
	if (!rc)
		rc = password_hash(&rq->tx, password, &hash);
	if (rc)
		return rc;
	verifies = column_bool(checked, 0, "is_pending");
	page = column_text(checked, 0, "page");
	set_request(rq, req_text(rq, "company_name"), NULL, NULL, false);
	req_set(rq, "run_email", req_text(rq, "email"));
	req_set(rq, "run_key", email_key(&rq->tx.arena, req_text(rq, "email")));
	req_set(rq, "plan", column_text(checked, 0, "plan"));
	req_set(rq, "interval", *req_text(rq, "billing_period") == 'y' ? "year" : "month");
	req_set(rq, "invite", NULL);
	req_set(rq, "job_hash", NULL);
	req_set(rq, "job_sealed", NULL);
	rc = begin(rq, kind, &run);
	if (rc)
		return rc;
	req_set(rq, "password_hash", hash);
	return finish(rq, &run, page, verifies);
}

/*
 * By an invite
 */

/* Check what was sent, hash the password, and fill in what signup_begin() takes. */
static enum err begin_invited(struct req *rq, bool is_kept, const char **hash)
{
	const char *password = req_text(rq, "password"), *email, *company, *problem;
	PGresult *res;
	enum err rc = signup_take_code(rq);

	if (!rc)
		rc = tx_call(&rq->tx, &q_signup_check_invite, true, &res);
	if (rc)
		return rc;
	email = req_text(rq, "email") ? req_text(rq, "email") : column_text(res, 0, "email");
	company = req_text(rq, "company_name") ? req_text(rq, "company_name")
					       : column_text(res, 0, "company_name");
	if (!column_bool(res, 0, "has_zone"))
		return req_fail_field(rq, ERR_VALIDATION, "timezone",
				      "timezone must be the name of a time zone, such as Europe/Berlin");
	problem = password ? password_check(&rq->tx.arena, password, email) : NULL;
	if (problem)
		return req_fail_field(rq, ERR_VALIDATION, "password", "%s", problem);
	/* Who signs in elsewhere has one that nobody knows. */
	rc = password_hash(&rq->tx, password ? password : ticket_new(&rq->tx.arena, DEFAULT_TENANT), hash);
	if (rc)
		return rc;
	set_request(rq, company, is_kept ? *hash : NULL, column_text(res, 0, "locale"),
		    clerk_vouches(rq) && req_text(rq, "clerk_id"));
	req_set(rq, "run_email", email);
	req_set(rq, "run_key",
		req_text(rq, "email") ? email_key(&rq->tx.arena, req_text(rq, "email"))
				      : column_text(res, 0, "email_key"));
	req_set(rq, "plan", column_text(res, 0, "plan"));
	req_set(rq, "interval", column_text(res, 0, "interval"));
	req_set(rq, "invite", column_text(res, 0, "invite"));
	req_set(rq, "affiliate_code", NULL);
	req_set(rq, "job_hash", NULL);
	req_set(rq, "job_sealed", NULL);
	return ERR_OK;
}

static enum err signup_run_invite(struct req *rq)
{
	struct signup_run run;
	const char *hash;
	enum err rc = begin_invited(rq, false, &hash);

	if (!rc)
		rc = begin(rq, "invite", &run);
	if (rc)
		return rc;
	req_set(rq, "password_hash", hash);
	return finish(rq, &run, NULL, false);
}

static enum err signup_run_async(struct req *rq)
{
	const char *tenant, *code_hash, *job, *hash;
	struct signup_run run;
	struct buf *b;
	enum err rc = begin_invited(rq, true, &hash);

	if (rc)
		return rc;
	ticket_parse(&rq->tx.arena, req_text(rq, "invite_code"), &tenant, &code_hash);
	job = ticket_new(&rq->tx.arena, tenant);
	req_set(rq, "job_hash", secret_sha256_hex(&rq->tx.arena, job));
	req_set(rq, "job_sealed", seal_text(&rq->tx.arena, "signup_job", tenant, job));
	rc = begin(rq, "invite", &run);
	if (rc)
		return rc;
	b = answer_open(rq);
	buf_char(b, '{');
	jx_key_str(b, "job_id", job);
	jx_key_str(b, "status", *running);
	jx_key_str(b, "stream_url", arena_fmt(&rq->tx.arena, BASE "/jobs/%s/stream", job));
	buf_char(b, '}');
	return answer_close(rq);
}

/*
 * Followed: an authorizer of realtime runs this, and reads what it answers (realtime/authorizer.c).
 */
static enum err signup_follow(struct req *rq)
{
	const char *job = req_text(rq, "job_id"), *tenant, *hash, *state, *event = NULL, *sealed;
	PGresult *res;
	bool is_over;
	struct buf *b;
	enum err rc;

	if (!ticket_parse(&rq->tx.arena, job, &tenant, &hash))
		return req_fail(rq, ERR_NOT_FOUND, "there is no such sign-up");
	auth_act_for(rq, tenant);
	req_set(rq, "token_hash", hash);
	rc = tx_call(&rq->tx, &q_signup_stream, true, &res);
	if (rc)
		return rc;
	if (!PQntuples(res))
		return req_fail(rq, ERR_NOT_FOUND, "there is no such sign-up");
	state = column_text(res, 0, "state");
	sealed = column_text(res, 0, "sealed");
	is_over = !strcmp(state, "done") || !strcmp(state, "failed");
	if (sealed)
		event = seal_open(&rq->tx.arena, "event", tenant, sealed);
	if (!event)
		event = signup_event(&rq->tx.arena, job,
				     !strcmp(state, "done")     ? "COMPLETED"
				     : !strcmp(state, "failed") ? "FAILED"
								: "RUNNING",
				     column_text(res, 0, "step"),
				     !strcmp(state, "failed") ? column_text(res, 0, "error") : NULL, NULL,
				     NULL, NULL);
	b = answer_open(rq);
	buf_char(b, '{');
	jx_key_str(b, "tenant_id", column_text(res, 0, "tenant_id"));
	jx_key_str(b, "id", column_text(res, 0, "id"));
	jx_key_str(b, "public_id", column_text(res, 0, "public_id"));
	jx_key_str(b, "credential", "signup");
	jx_key(b, "is_from_page"), jx_bool(b, column_bool(res, 0, "is_from_page"));
	jx_key_str(b, "channel", column_text(res, 0, "channel"));
	jx_key(b, "is_plain"), jx_bool(b, true);
	jx_key_int(b, "event_id", column_int(res, 0, "event_id"));
	jx_key_str(b, "state_event", "message");
	jx_key_str(b, "state", event);
	jx_key(b, "is_last"), jx_bool(b, is_over);
	jx_key_int(b, "lasts_s", 300);
	buf_char(b, '}');
	return answer_close(rq);
}
