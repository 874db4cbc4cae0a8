/*
 * What stands on an organization's invoices: its name, where they are sent, its address and its tax id.  They
 * are kept by the payment provider alone, which writes the invoices.
 */
#include <json-c/json.h>
#include <string.h>

#include "build/sql/billing/subscriptions.h"
#include "fcgi/answer.h"
#include "fcgi/req.h"
#include "handlers/billing/asking.h"
#include "handlers/permissions.h"
#include "handlers/shapes.h"
#include "lib/base/json.h"
#include "lib/base/jx.h"
#include "lib/db/column.h"
#include "providers/stripe.h"
#include "providers/stripe_object.h"

/* clang-format off */
static const struct field details[] = {
	{ "name",        F_TEXT,  OUT | SET | F_NULL, .min = 1, .max = 255, .example = "Acme Ltd." },
	{ "email",       F_EMAIL, OUT | SET | F_NULL, .about = "where invoices are sent", .example = "accounts@acme.example" },
	{ "line1",       F_TEXT,  OUT | SET | F_NULL, .min = 1, .max = 200, .example = "1 Harbour Street" },
	{ "line2",       F_TEXT,  OUT | SET | F_NULL, .min = 1, .max = 200 },
	{ "city",        F_TEXT,  OUT | SET | F_NULL, .min = 1, .max = 100, .example = "Dublin" },
	{ "state",       F_TEXT,  OUT | SET | F_NULL, .min = 1, .max = 100 },
	{ "postal_code", F_TEXT,  OUT | SET | F_NULL, .min = 1, .max = 20 },
	{ "country",     F_TEXT,  OUT | SET | F_NULL, .min = 2, .max = 2, .about = "two letters of ISO 3166", .example = "IE" },
	{ "tax_id_type", F_TEXT,  OUT | SET | F_NULL, .min = 2, .max = 20, .about = "as the provider calls it; with tax_id", .example = "eu_vat" },
	{ "tax_id",      F_TEXT,  OUT | SET | F_NULL, .min = 1, .max = 50, .about = "null: none", .example = "IE6388047V" },
	FIELD_END
};

static const struct shape details_shape = { "BillingDetails", details };
/* clang-format on */

static const char *const address[] = { "line1", "line2", "city", "state", "postal_code", "country", NULL };

/* The tax ids of a customer. */
static enum err list_tax_ids(struct req *rq, const struct asking *a, struct stripe_answer *answer)
{
	struct stripe_call call = { .method = "GET", .resource = "tax_ids" };
	struct buf form;

	buf_init(&form, &rq->tx.arena, 128);
	stripe_text(&form, "owner[type]", "customer");
	stripe_text(&form, "owner[customer]", a->customer);
	stripe_int(&form, "limit", 100);
	call.form = &form;
	return asking_do(rq, a, "", &call, answer);
}

static const char *text_of(struct json_object *tree, const char *name, const char *inner)
{
	return json_text(json_at(tree, name, inner), 5000);
}

/* As the provider has them now; without a customer nothing is known. */
static enum err answer_details(struct req *rq, const struct asking *a)
{
	struct stripe_call call = { .method = "GET", .resource = "customers", .id = a->customer };
	struct stripe_answer customer = { 0 }, ids = { 0 };
	struct json_object *id = NULL;
	struct buf *b;
	enum err rc = a->customer ? asking_do(rq, a, "", &call, &customer) : ERR_OK;

	if (!rc && a->customer)
		rc = list_tax_ids(rq, a, &ids);
	if (rc)
		return rc;
	id = stripe_object_nth(ids.said, 0);
	b = answer_open(rq);
	buf_char(b, '{');
	jx_key_text(b, "name", text_of(customer.said, "name", NULL));
	jx_key_text(b, "email", text_of(customer.said, "email", NULL));
	for (int i = 0; address[i]; i++)
		jx_key_text(b, address[i],
			    text_of(json_at(customer.said, "address", NULL), address[i], NULL));
	jx_key_text(b, "tax_id_type", text_of(id, "type", NULL));
	jx_key_text(b, "tax_id", text_of(id, "value", NULL));
	buf_char(b, '}');
	return answer_close(rq);
}

/* One tax id, in place of those that there are; NULL: none. */
static enum err set_tax_id(struct req *rq, const struct asking *a, const char *type, const char *value)
{
	struct stripe_call make = { .method = "POST", .resource = "tax_ids" };
	struct stripe_answer ids, made;
	bool is_there = !value;
	struct buf form;
	enum err rc = list_tax_ids(rq, a, &ids);

	for (size_t i = 0; !rc && value && i < stripe_object_count(ids.said); i++) {
		struct json_object *one = stripe_object_nth(ids.said, i);
		const char *t = text_of(one, "type", NULL), *v = text_of(one, "value", NULL);

		is_there |= t && v && !strcmp(t, type) && !strcmp(v, value);
	}
	if (!rc && !is_there) {
		buf_init(&form, &rq->tx.arena, 256);
		stripe_text(&form, "owner[type]", "customer");
		stripe_text(&form, "owner[customer]", a->customer);
		stripe_text(&form, "type", type), stripe_text(&form, "value", value);
		make.form = &form;
		rc = asking_do(rq, a, "tax id", &make, &made);
	}
	for (size_t i = 0; !rc && i < stripe_object_count(ids.said); i++) {
		struct json_object *one = stripe_object_nth(ids.said, i);
		const char *t = text_of(one, "type", NULL), *v = text_of(one, "value", NULL);
		struct stripe_call end = { .method = "DELETE",
					   .resource = "tax_ids",
					   .id = stripe_object_id(one) };

		if (!value || !t || !v || strcmp(t, type) != 0 || strcmp(v, value) != 0)
			rc = asking_do(rq, a, "", &end, &made);
	}
	return rc;
}

/* What was sent, as the provider has it; null clears. */
static enum err set_customer(struct req *rq, const struct asking *a)
{
	struct stripe_call call = { .method = "POST", .resource = "customers", .id = a->customer };
	struct stripe_answer answer;
	struct buf form;

	buf_init(&form, &rq->tx.arena, 1024);
	for (const struct field *f = details; f->name; f++) {
		const char *value = req_text(rq, f->name), *name = f->name;

		if (!req_given(rq, name) || !strncmp(name, "tax_id", 6))
			continue;
		for (int i = 0; address[i]; i++)
			if (!strcmp(address[i], f->name))
				name = arena_fmt(&rq->tx.arena, "address[%s]", f->name);
		stripe_text(&form, name, value ? value : "");
	}
	call.form = &form;
	return form.n ? asking_do(rq, a, "details", &call, &answer) : ERR_OK;
}

/* Who acts, and what is asked for: of a repeated request the same operation is gone on with. */
static enum err begin(struct req *rq, const char *permission, const char *kind, struct asking *out)
{
	struct buf request;
	PGresult *res;
	enum err rc = tx_call(&rq->tx, &q_caller_id, false, &res);

	if (rc)
		return rc;
	buf_init(&request, &rq->tx.arena, 512);
	buf_char(&request, '{');
	for (const struct field *f = details; f->name && rq->asked.route->method != GET; f++)
		if (req_given(rq, f->name))
			jx_key_text(&request, f->name, req_text(rq, f->name));
	buf_char(&request, '}');
	req_set(rq, "organization", req_text(rq, "organization_id"));
	req_set(rq, "subscription", NULL);
	req_set(rq, "who", column_text(res, 0, "id"));
	req_set(rq, "permission", permission);
	req_set(rq, "plan", NULL);
	req_set(rq, "cycle", NULL);
	req_set(rq, "request", buf_str(&request));
	return asking_begin(rq, kind, &q_billing_ask_organization, out);
}

static enum err billing_details_get(struct req *rq)
{
	struct asking a;
	enum err rc = begin(rq, "BILLING_READ", "look", &a);

	if (!rc && a.customer)
		rc = asking_ready(rq, &a);
	return rc ? rc : answer_details(rq, &a);
}

static enum err billing_details_put(struct req *rq)
{
	const char *type = req_text(rq, "tax_id_type"), *value = req_text(rq, "tax_id");
	struct asking a;
	enum err rc;

	if (!type != !value)
		return req_fail_field(rq, ERR_VALIDATION, value ? "tax_id_type" : "tax_id",
				      "a tax id has a type and a value");
	rc = begin(rq, "BILLING_MANAGE", "details", &a);
	if (!rc)
		rc = asking_ready(rq, &a);
	if (!rc)
		rc = asking_customer(rq, &a);
	if (!rc && req_given(rq, "tax_id"))
		rc = set_tax_id(rq, &a, type, value);
	if (!rc)
		rc = set_customer(rq, &a);
	if (!rc)
		rc = asking_done(rq, a.customer);
	return rc ? rc : answer_details(rq, &a);
}

static const enum err errors[] = { ERR_AUTHORIZATION, ERR_NOT_FOUND, ERR_CONFLICT, ERR_IDEMPOTENCY_RUNNING,
				   ERR_OK };

/* clang-format off */
#define DETAILS "/api/v1/organizations/{organization_id}/billing-details"

const struct route billing_details_routes[] = {
	{ GET, DETAILS, "platform.billing.get_billing_details", &by_organization_member, "Get what stands on an organization's invoices",
	  .needs = { "payments that are configured", ERR_UNAVAILABLE },
	  .may = &billing_read, .out = &details_shape, .errors = errors, .run = billing_details_get, .flags = SLOW | WRITES },
	{ PUT, DETAILS, "platform.billing.put_billing_details", &by_organization_member, "Set what stands on an organization's invoices",
	  .about = "What is left out stays, null clears. 422 for a tax id that the payment provider does not take.",
	  .needs = { "payments that are configured", ERR_UNAVAILABLE },
	  .may = &billing_manage, .body = details, .as = SET, .out = &details_shape, .errors = errors, .run = billing_details_put, .flags = SLOW },
	ROUTE_END
};
/* clang-format on */
