#include "providers/signup.h"

#include <json-c/json.h>
#include <openssl/crypto.h>
#include <string.h>
#include <time.h>

#include "fcgi/tokens.h"
#include "lib/base/buf.h"
#include "lib/base/jx.h"
#include "lib/crypto/seal.h"
#include "lib/crypto/secret.h"
#include "lib/crypto/ticket.h"
#include "lib/db/column.h"
#include "lib/host/config.h"
#include "providers/stripe.h"
#include "providers/stripe_billing.h"
#include "providers/stripe_object.h"

enum { ACCESS_CHARS = 8 };

static const char seal[] = "signup_invite";
static const char alphabet[] = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ";

const char *signup_codes_make(struct arena *a, const char *tenant, struct signup_codes *out)
{
	out->code = ticket_new(a, tenant);
	out->access = secret_random_text(a, alphabet, ACCESS_CHARS);
	return seal_text(a, seal, tenant, arena_fmt(a, "%s %s", out->code, out->access));
}

bool signup_codes_open(struct arena *a, const char *tenant, const char *sealed, struct signup_codes *out)
{
	const char *text = seal_open(a, seal, tenant, sealed), *blank = text ? strchr(text, ' ') : NULL;

	if (!blank || strlen(blank + 1) != ACCESS_CHARS)
		return false;
	out->code = arena_dup_n(a, text, (size_t)(blank - text));
	out->access = blank + 1;
	return true;
}

bool signup_codes_fit(const struct signup_codes *codes, const char *typed)
{
	char text[ACCESS_CHARS] = { 0 };
	size_t n = 0;

	for (; *typed; typed++) {
		char c = *typed >= 'a' && *typed <= 'z' ? (char)(*typed - 'a' + 'A') : *typed;

		if (c == ' ' || c == '-')
			continue;
		if (n < ACCESS_CHARS)
			text[n] = c;
		n++;
	}
	return n == ACCESS_CHARS && !CRYPTO_memcmp(text, codes->access, ACCESS_CHARS);
}

const char *signup_codes_page(struct arena *a)
{
	return arena_fmt(a, "%s/sign-up.html", cfg.public_url);
}

/*
 * Runs
 */

/* clang-format off */
const struct signup_step signup_steps[] = {
	{ "validating",           5,   "What you have entered is being checked." },
	{ "creating_user",        20,  "Your account is being made." },
	{ "creating_workspace",   35,  "Your workspace is being made." },
	{ "running_migrations",   60,  "The workspace gets its place for data." },
	{ "seeding_data",         75,  "The workspace is being furnished." },
	{ "linking_subscription", 90,  "Your subscription is being connected." },
	{ "done",                 100, "Your workspace is ready." },
	{ NULL, 0, NULL },
};
/* clang-format on */

static const struct signup_step *step_of(const char *name)
{
	for (const struct signup_step *s = signup_steps; s->name; s++)
		if (!strcmp(s->name, name))
			return s;
	return signup_steps;
}

static const char *kept(struct arena *a, const PGresult *row, const char *column)
{
	const char *text = column_text(row, 0, column);

	return text ? arena_dup(a, text) : NULL;
}

void signup_run_read(struct arena *a, const PGresult *row, struct signup_run *out)
{
	const char *job = column_text(row, 0, "job_sealed");

	*out = (struct signup_run){
		.tenant = kept(a, row, "tenant"),
		.id = kept(a, row, "id"),
		.kind = kept(a, row, "kind"),
		.state = kept(a, row, "state"),
		.step = kept(a, row, "step"),
		.key = stripe_billing_key(a, column_text(row, 0, "tenant"), column_text(row, 0, "key_sealed"),
					  column_bool(row, 0, "is_test")),
		.email = kept(a, row, "email"),
		.name = kept(a, row, "name"),
		.organization = kept(a, row, "organization"),
		.price = kept(a, row, "price"),
		.tier = kept(a, row, "tier"),
		.cycle = kept(a, row, "cycle"),
		.affiliate = kept(a, row, "affiliate"),
		.payment_method = kept(a, row, "payment_method"),
		.success_url = kept(a, row, "success_url"),
		.cancel_url = kept(a, row, "cancel_url"),
		.subscription = kept(a, row, "subscription"),
		.look = kept(a, row, "look"),
		.trial_days = column_int(row, 0, "trial_days"),
		.is_followed = column_bool(row, 0, "is_followed"),
		.is_due = column_bool(row, 0, "is_due"),
	};
	if (job)
		out->job = seal_open(a, "signup_job", out->tenant, job);
}

/* Whose it is, for when Stripe tells of it later. */
static void add_owner(struct arena *a, struct buf *form, const char *under, const struct signup_run *run)
{
	const struct {
		const char *name, *value;
	} all[] = {
		{ "tenant_id", run->tenant }, { "organization_id", run->organization },
		{ "signup_run", run->id },    { "tier", run->tier },
		{ "cycle", run->cycle },      { "affiliate_code", run->affiliate },
		{ "surface", "workspace" },
	};

	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
		stripe_text(form, arena_fmt(a, "%s[%s]", under, all[i].name), all[i].value);
}

static enum err ask(struct arena *a, const struct signup_run *run, const char *step, struct stripe_call *call,
		    struct stripe_answer *answer)
{
	call->key = run->key;
	if (step && !strcmp(call->method, "POST"))
		call->operation = arena_fmt(a, "%s/%s/%s", run->tenant, run->id, step);
	return stripe_ask(a, call, answer);
}

static enum err ask_customer(struct arena *a, const struct signup_run *run, const char **id,
			     struct stripe_answer *answer)
{
	struct buf form;
	struct stripe_call call = { .method = "POST", .resource = "customers", .form = &form };
	enum err rc;

	buf_init(&form, a, 1024);
	stripe_text(&form, "email", run->email);
	stripe_text(&form, "name", run->name);
	stripe_text(&form, "payment_method", run->payment_method);
	stripe_text(&form, "invoice_settings[default_payment_method]", run->payment_method);
	add_owner(a, &form, "metadata", run);
	rc = ask(a, run, "customer", &call, answer);
	if (!rc)
		*id = stripe_object_id(answer->said);
	return rc;
}

/* The card is charged when the trial is over, unless it is ended before. */
static enum err ask_subscription(struct arena *a, const struct signup_run *run, struct signup_asked *out,
				 struct stripe_answer *answer)
{
	struct buf form;
	struct stripe_call call = { .method = "POST", .resource = "subscriptions", .form = &form };
	enum err rc;

	buf_init(&form, a, 1024);
	stripe_text(&form, "customer", out->customer);
	stripe_text(&form, "items[0][price]", run->price);
	stripe_int(&form, "items[0][quantity]", 1);
	stripe_int(&form, "trial_period_days", run->trial_days);
	stripe_text(&form, "payment_settings[save_default_payment_method]", "on_subscription");
	add_owner(a, &form, "metadata", run);
	rc = ask(a, run, "subscription", &call, answer);
	if (!rc)
		out->object = stripe_billing_subscription(a, answer->said);
	return rc;
}

static enum err ask_page(struct arena *a, const struct signup_run *run, struct signup_asked *out,
			 struct stripe_answer *answer)
{
	struct buf form;
	struct stripe_call call = { .method = "POST", .resource = "checkout/sessions", .form = &form };
	enum err rc;

	buf_init(&form, a, 2048);
	stripe_text(&form, "mode", "subscription");
	stripe_text(&form, "customer", out->customer);
	stripe_text(&form, "client_reference_id", run->organization);
	stripe_text(&form, "success_url", run->success_url);
	stripe_text(&form, "cancel_url", run->cancel_url);
	stripe_text(&form, "line_items[0][price]", run->price);
	stripe_int(&form, "line_items[0][quantity]", 1);
	stripe_int(&form, "subscription_data[trial_period_days]", run->trial_days);
	add_owner(a, &form, "metadata", run);
	add_owner(a, &form, "subscription_data[metadata]", run);
	rc = ask(a, run, "session", &call, answer);
	if (!rc)
		out->page = json_object_get_string(json_object_object_get(answer->said, "url"));
	return rc;
}

enum err signup_ask(struct arena *a, const struct signup_run *run, struct signup_asked *out,
		    struct stripe_answer *answer)
{
	enum err rc;

	*out = (struct signup_asked){ NULL };
	*answer = (struct stripe_answer){ 0 };
	if (!strcmp(run->kind, "free"))
		return ERR_OK;
	if (!strcmp(run->kind, "invite"))
		return run->key ? stripe_billing_read(a, run->key, "subscription", run->subscription,
						      &out->object, answer)
				: ERR_OK;
	rc = ask_customer(a, run, &out->customer, answer);
	if (rc)
		return rc;
	return !strcmp(run->kind, "card") ? ask_subscription(a, run, out, answer)
					  : ask_page(a, run, out, answer);
}

/* Pages of a customer that are open are closed, or somebody could still pay there. */
static enum err close_pages(struct arena *a, const struct signup_run *run, const char *customer,
			    struct stripe_answer *answer)
{
	struct buf form;
	struct stripe_call list = { .method = "GET", .resource = "checkout/sessions", .form = &form };
	struct json_object *found;
	enum err rc;

	buf_init(&form, a, 128);
	stripe_text(&form, "customer", customer);
	stripe_text(&form, "status", "open");
	rc = ask(a, run, NULL, &list, answer);
	found = answer->said;
	for (size_t i = 0; !rc && i < stripe_object_count(found); i++) {
		const char *id = stripe_object_id(stripe_object_nth(found, i));
		struct stripe_call end = {
			.method = "POST", .resource = "checkout/sessions", .id = id, .action = "expire"
		};

		rc = ask(a, run, arena_fmt(a, "expire %s", id), &end, answer);
		if (rc == ERR_VALIDATION) /* it was paid, or ran out, meanwhile */
			rc = ERR_OK;
	}
	return rc;
}

static bool is_of_run(struct json_object *customer, const struct signup_run *run)
{
	const char *id = json_object_get_string(
		json_object_object_get(json_object_object_get(customer, "metadata"), "signup_run"));

	return id && !strcmp(id, run->id);
}

enum err signup_take_back(struct arena *a, const struct signup_run *run, struct stripe_answer *answer)
{
	struct buf form;
	struct stripe_call list = { .method = "GET", .resource = "customers", .form = &form };
	struct json_object *found;
	enum err rc;

	*answer = (struct stripe_answer){ 0 };
	if (!run->key || (strcmp(run->kind, "card") && strcmp(run->kind, "checkout")))
		return ERR_OK;
	buf_init(&form, a, 512);
	stripe_text(&form, "email", run->email);
	stripe_int(&form, "limit", 100);
	rc = ask(a, run, NULL, &list, answer);
	found = answer->said;
	for (size_t i = 0; !rc && i < stripe_object_count(found); i++) {
		struct json_object *one = stripe_object_nth(found, i);
		struct stripe_call end = { .method = "DELETE",
					   .resource = "customers",
					   .id = stripe_object_id(one) };

		if (!is_of_run(one, run))
			continue;
		rc = close_pages(a, run, end.id, answer);
		if (!rc)
			rc = ask(a, run, NULL, &end, answer);
		if (rc == ERR_NOT_FOUND) /* by an earlier try */
			rc = ERR_OK;
	}
	return rc;
}

/*
 * Events
 */

const char *signup_event(struct arena *a, const char *job, const char *status, const char *step,
			 const char *error, const struct tokens *t, const char *workspace, const char *name)
{
	const struct signup_step *s = step_of(step);
	char at[32];
	time_t now = time(NULL);
	struct tm tm;
	struct buf b;

	strftime(at, sizeof(at), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &tm));
	buf_init(&b, a, 2048);
	buf_char(&b, '{');
	jx_key_str(&b, "job_id", job);
	jx_key_str(&b, "status", status);
	jx_key(&b, "progress"), jx_int(&b, s->progress);
	jx_key_str(&b, "current_step", s->name);
	jx_key_text(&b, "error_message", error);
	jx_key(&b, "result");
	buf_char(&b, '{');
	jx_key_str(&b, "message", error ? error : s->message);
	if (t) {
		jx_key_str(&b, "access_token", t->access);
		jx_key_str(&b, "refresh_token", t->refresh);
		jx_key_str(&b, "workspace_id", workspace);
		jx_key_str(&b, "workspace_name", name);
	}
	buf_char(&b, '}');
	jx_key_str(&b, "timestamp", at);
	buf_char(&b, '}');
	return buf_str(&b);
}

const char *signup_event_sealed(struct arena *a, const char *tenant, const char *event)
{
	const char *sealed = seal_text(a, "event", tenant, event);
	struct buf b;

	if (!sealed)
		return NULL;
	buf_init(&b, a, strlen(sealed) + 32);
	buf_char(&b, '{');
	jx_key_str(&b, "sealed", sealed);
	buf_char(&b, '}');
	return buf_str(&b);
}
