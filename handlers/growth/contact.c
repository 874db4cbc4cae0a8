/*
 * The contact form: visitors write to this server's operator.
 *
 * What it starts (mails, the webhook) are jobs of the transaction that keeps the
 * submission; see sql/functions/growth/contact.sql and worker/contact_webhook.c.
 */
#include <ctype.h>
#include <json-c/json.h>

#include "build/sql/growth/contact.h"
#include "fcgi/answer.h"
#include "fcgi/req.h"
#include "handlers/shapes.h"
#include "lib/base/clock.h"
#include "lib/base/jx.h"
#include "lib/db/column.h"
#include "lib/host/config.h"
#include "lib/host/limit.h"

enum { MAX_BODY = 128 * 1024, MAX_EXTRA_FIELDS = 50, MAX_EXTRA_BYTES = 16 * 1024, MAX_LANGUAGE = 35 };

/* clang-format off */
static const struct field submit_in[] = {
	{ "name",         F_TEXT,   F_REQUIRED, .min = 2, .max = 100, .example = "Ada Lovelace" },
	{ "email",        F_EMAIL,  F_REQUIRED, .example = "ada@example.com" },
	{ "message",      F_TEXT,   F_REQUIRED, .min = 10, .max = 5000, .example = "Can your engine weave algebraic patterns?" },
	{ "subject",      F_TEXT,   F_NULL, .max = 200, .about = "must be given where CONTACT_REQUIRE_SUBJECT is set", .example = "An engine" },
	{ "phone",        F_TEXT,   F_NULL, .max = 50, .about = "must be given where CONTACT_REQUIRE_PHONE is set", .example = "+44 20 7946 0000" },
	{ "company",      F_TEXT,   F_NULL, .max = 200, .example = "Analytical Engines Ltd" },
	{ "extra_fields", F_OBJECT, F_NULL, .about = "whatever else the form asks for: at most 50 members, 16 KiB", .example = "{\"budget\":\"1000\"}" },
	{ "source",       F_TEXT,   F_NULL, .max = 100, .about = "which form it was", .example = "pricing" },
	{ "website",      F_TEXT,   F_NULL | F_RARE, .max = 2000, .about = "leave it out: a field that people do not see and programs fill in, which gives them away" },
	FIELD_END
};

static const struct field receipt_out[] = {
	{ "success",      F_BOOL, 0 },
	{ "message",      F_TEXT, 0, .about = "for people", .example = "Thank you for your message. We will get back to you soon." },
	{ "reference_id", F_TEXT, 0, .about = "CNT- and 8 hexadecimal digits; mails and the webhook carry it", .example = "CNT-7F3A09C2" },
	FIELD_END
};

static const struct field limit_out[] = {
	{ "limit",     F_INT,  0, .about = "submissions of an address in the window", .example = "5" },
	{ "remaining", F_INT,  0, .about = "of these", .example = "5" },
	{ "reset",     F_INT,  0, .about = "when the window ends, in seconds since 1970", .example = "1893456000" },
	{ "window",    F_TEXT, 0, .about = "as it is configured", .example = "5/hour" },
	FIELD_END
};

static const struct field config_out[] = {
	{ "require_subject",    F_BOOL, 0, .example = "false" },
	{ "require_phone",      F_BOOL, 0, .example = "false" },
	{ "sends_confirmation", F_BOOL, 0, .about = "the sender gets a mail", .example = "true" },
	FIELD_END
};

static const struct field status_out[] = {
	{ "available",  F_BOOL,   0, .about = "the form is open" },
	{ "rate_limit", F_OBJECT, 0, .fields = limit_out },
	{ "config",     F_OBJECT, 0, .fields = config_out },
	FIELD_END
};

static const struct shape receipt_shape = { "ContactReceipt", receipt_out };
static const struct shape status_shape = { "ContactFormStatus", status_out };
/* clang-format on */

CONFIG_CHECK("CONTACT_RATE_LIMIT", cfg.contact_rate_limit, limit_check)

/* The caller's address and the budget of each: the parameters ip, max and window_s, and *max and *window_s.
 */
static void set_limit(struct req *rq, long *max, long *window_s)
{
	limit_parse(cfg.contact_rate_limit, max, window_s);
	req_set(rq, "max", arena_fmt(&rq->tx.arena, "%ld", *max));
	req_set(rq, "window_s", arena_fmt(&rq->tx.arena, "%ld", *window_s));
	req_set(rq, "ip", rq->asked.ip);
}

static bool is_blank(const char *text)
{
	return !text || !text[strspn(text, " \t\r\n")];
}

/* The language of the confirmation: the first one of Accept-Language; NULL: none that is one. */
static const char *language_of(struct req *rq)
{
	const char *accepted = req_header(rq, "Accept-Language");
	size_t n =
		accepted ? strspn(accepted, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-")
			 : 0;

	return n && n <= MAX_LANGUAGE ? arena_dup_n(&rq->tx.arena, accepted, n) : NULL;
}

static enum err check_extra_fields(struct req *rq)
{
	const struct value *v = req_value(rq, "extra_fields");

	if (v->is_null ||
	    (json_object_object_length(v->json) <= MAX_EXTRA_FIELDS && strlen(v->text) <= MAX_EXTRA_BYTES))
		return ERR_OK;
	return req_fail_field(rq, ERR_VALIDATION, "extra_fields",
			      "extra_fields must be an object of at most %d members and %d bytes",
			      MAX_EXTRA_FIELDS, MAX_EXTRA_BYTES);
}

static enum err contact_submit(struct req *rq)
{
	bool is_spam = !is_blank(req_text(rq, "website"));
	long max, window_s;
	PGresult *res;
	struct buf *b;
	enum err rc;

	if (!cfg.contact_enabled) {
		req_set_header(rq, "Retry-After", "3600");
		return req_fail(rq, ERR_UNAVAILABLE, "the contact form is closed");
	}
	if (cfg.contact_require_subject && is_blank(req_text(rq, "subject")))
		return req_fail_field(rq, ERR_VALIDATION, "subject", "subject must be given");
	if (cfg.contact_require_phone && is_blank(req_text(rq, "phone")))
		return req_fail_field(rq, ERR_VALIDATION, "phone", "phone must be given");
	rc = check_extra_fields(rq);
	if (rc)
		return rc;
	set_limit(rq, &max, &window_s);
	req_set(rq, "is_spam", is_spam ? "true" : "false");
	req_set(rq, "notify", *cfg.admin_email ? cfg.admin_email : NULL);
	req_set(rq, "confirm", cfg.contact_send_confirmation ? "true" : "false");
	req_set(rq, "language", language_of(rq));
	req_set(rq, "webhook", *cfg.contact_webhook_url ? "true" : "false");
	rc = tx_call(&rq->tx, &q_contact_submit, true, &res);
	if (rc)
		return rc;
	rq->limits.limit = max;
	rq->limits.window_s = window_s;
	rq->limits.left = (long)column_int(res, 0, "remaining");
	rq->limits.reset_s = (long)column_int(res, 0, "reset_s");
	if (column_int(res, 0, "retry_s"))
		return req_retry_after(rq, column_int(res, 0, "retry_s"));
	b = answer_open(rq);
	buf_text(b, "{\"success\":true,"
		    "\"message\":\"Thank you for your message. We will get back to you soon.\",");
	buf_text(b, "\"reference_id\":"), jx_str(b, column_text(res, 0, "reference_id"));
	buf_char(b, '}');
	return answer_close(rq);
}

static enum err contact_status(struct req *rq)
{
	long max, window_s;
	PGresult *res;
	struct buf *b;
	enum err rc;

	set_limit(rq, &max, &window_s);
	rc = tx_call(&rq->tx, &q_contact_status, true, &res);
	if (rc)
		return rc;
	b = answer_open(rq);
	buf_char(b, '{');
	jx_key(b, "available"), jx_bool(b, cfg.contact_enabled);
	jx_key(b, "rate_limit"), buf_char(b, '{');
	jx_key(b, "limit"), jx_int(b, max);
	jx_key(b, "remaining"), jx_int(b, column_int(res, 0, "remaining"));
	jx_key(b, "reset"), jx_int(b, clock_unix_us() / 1000000 + column_int(res, 0, "reset_s"));
	jx_key(b, "window"), jx_str(b, cfg.contact_rate_limit);
	buf_char(b, '}');
	jx_key(b, "config"), buf_char(b, '{');
	jx_key(b, "require_subject"), jx_bool(b, cfg.contact_require_subject);
	jx_key(b, "require_phone"), jx_bool(b, cfg.contact_require_phone);
	jx_key(b, "sends_confirmation"), jx_bool(b, cfg.contact_send_confirmation);
	buf_text(b, "}}");
	return answer_close(rq);
}

static const enum err closed[] = { ERR_RATE_LIMIT, ERR_UNAVAILABLE, ERR_OK };

/* clang-format off */
const struct route contact_routes[] = {
	{ POST, "/api/v1/public/contact",        "app.contact.submit_contact_form", &by_anyone, "Send the contact form",
	  "Mails whoever runs this server, the sender, and a CRM by webhook, as far as these are configured. At most CONTACT_RATE_LIMIT "
	  "by address, which takes the place of the general limit here.",
	  .body = submit_in, .out = &receipt_shape, .errors = closed, .run = contact_submit, .budget = &budget_counted, .status = 200,
	  .max_body = MAX_BODY },
	{ GET,  "/api/v1/public/contact/status", "app.contact.get_contact_status",  &by_anyone, "Is the contact form open?",
	  "What it asks for, and how often the caller's address may still send it. Asking does not count.",
	  .out = &status_shape, .run = contact_status },
	ROUTE_END
};
/* clang-format on */
