/*
 * ashlar billing import: plans from what a payment provider sells.
 */
#include <json-c/json.h>
#include <string.h>

#include "build/sql/billing/reconcile.h"
#include "cmd/cmd.h"
#include "lib/base/arena.h"
#include "lib/base/json.h"
#include "lib/base/jx.h"
#include "providers/stripe.h"
#include "providers/stripe_object.h"

enum { MAX_PRICES = 10000 };

/* What a product is sold for; all borrowed of the answers, which stay until the end. */
struct product {
	struct json_object *tree;
	const char *id, *currency;
	struct json_object *month, *year; /* the prices; NULL: none */
};

static const char *text(struct json_object *tree, const char *name, const char *inner)
{
	return json_text(json_at(tree, name, inner), 5000);
}

static bool is(const char *word, const char *other)
{
	return word && !strcmp(word, other);
}

/* Why a price cannot be a plan's; NULL: it can. */
static const char *problem_of(struct json_object *price)
{
	struct json_object *product = json_at(price, "product", NULL),
			   *active = json_at(product, "active", NULL);
	struct json_object *every = json_at(price, "recurring", "interval_count");
	const char *interval = text(price, "recurring", "interval");

	if (!json_object_is_type(active, json_type_boolean) || !json_object_get_boolean(active))
		return "its product is not sold";
	if (!is(interval, "month") && !is(interval, "year"))
		return "it is neither by the month nor by the year";
	if (!every || json_object_get_int64(every) != 1)
		return "it is for more than one of them";
	if (is(text(price, "recurring", "usage_type"), "metered"))
		return "it is metered";
	if (!json_object_is_type(json_at(price, "unit_amount", NULL), json_type_int))
		return "it has no amount in whole units";
	return NULL;
}

static struct product *product_of(struct product *all, int *n, struct json_object *tree)
{
	const char *id = stripe_object_id(tree);

	for (int i = 0; i < *n; i++)
		if (is(all[i].id, id))
			return &all[i];
	all[*n] = (struct product){ .tree = tree, .id = id };
	return &all[(*n)++];
}

static bool is_default(struct json_object *price)
{
	return is(stripe_object_id(json_at(price, "product", "default_price")), stripe_object_id(price));
}

/* A price becomes its product's, whose first one decides the currency.  Returns why another one is that. */
static const char *take(struct product *p, struct json_object *price)
{
	struct json_object **place = is(text(price, "recurring", "interval"), "year") ? &p->year : &p->month;
	const char *currency = text(price, "currency", NULL);

	if (!p->currency)
		p->currency = currency;
	if (!is(p->currency, currency))
		return "another currency is its product's";
	if (*place)
		return "another price is its product's";
	*place = price;
	return NULL;
}

/* All prices that are sold by time, the newest first; or die. */
static size_t list(struct arena *a, const char *slug, const char *key, struct json_object **prices)
{
	static const char *const products[] = { "data.product", NULL };
	struct stripe_call call = { .key = key, .method = "GET", .resource = "prices", .expand = products };
	struct stripe_answer answer;
	const char *next = NULL;
	struct buf form;
	size_t n = 0;

	do {
		buf_init(&form, a, 256);
		stripe_text(&form, "active", "true"), stripe_text(&form, "type", "recurring");
		stripe_int(&form, "limit", 100), stripe_text(&form, "starting_after", next);
		call.form = &form;
		if (stripe_ask(a, &call, &answer))
			cmd_die("%s: %s", slug, answer.reason ? answer.reason : "Stripe does not answer");
		for (size_t i = 0; i < stripe_object_count(answer.said); i++) {
			if (n == MAX_PRICES)
				cmd_die("%s: there are more than %d prices", slug, MAX_PRICES);
			prices[n++] = stripe_object_nth(answer.said, i);
		}
		next = stripe_object_next(answer.said);
	} while (next);
	return n;
}

static void write_price(struct buf *b, const char *interval, struct json_object *price)
{
	jx_key(b, interval);
	if (!price) {
		jx_null(b);
		return;
	}
	buf_char(b, '{');
	jx_key_str(b, "id", stripe_object_id(price));
	jx_key_int(b, "amount", json_object_get_int64(json_at(price, "unit_amount", NULL)));
	buf_char(b, '}');
}

static long import_one(PGconn *db, struct arena *a, const char *slug, const struct product *p, bool is_dry)
{
	const char *values[2] = { NULL, is_dry ? "true" : "false" };
	const PGresult *res;
	struct buf b;

	buf_init(&b, a, 512);
	buf_char(&b, '{');
	jx_key_str(&b, "id", p->id), jx_key_text(&b, "name", text(p->tree, "name", NULL));
	jx_key_text(&b, "description", text(p->tree, "description", NULL));
	jx_key_str(&b, "currency", p->currency);
	write_price(&b, "month", p->month), write_price(&b, "year", p->year);
	buf_char(&b, '}');
	values[0] = buf_str(&b);
	res = cmd_query(db, &q_owner_billing_import, values);
	for (int i = 0; i < PQntuples(res); i++)
		printf("%s %s %s %s %s\n", slug, p->id, PQgetvalue(res, i, 0),
		       PQgetisnull(res, i, 1) ? "-" : PQgetvalue(res, i, 1),
		       PQgetisnull(res, i, 2) ? "-" : PQgetvalue(res, i, 2));
	return PQntuples(res);
}

long cmd_billing_import(PGconn *db, const char *slug, const char *key, bool is_dry)
{
	struct json_object **prices;
	struct product *all;
	long differences = 0;
	struct arena a;
	size_t found;
	int n = 0;

	arena_init(&a, 256 * 1024);
	all = arena_alloc(&a, MAX_PRICES * sizeof(*all));
	prices = arena_alloc(&a, MAX_PRICES * sizeof(struct json_object *));
	found = list(&a, slug, key, prices);
	/* A product's default price counts before all others, then the newest. */
	for (size_t i = 0; i < found * 2; i++) {
		struct json_object *price = prices[i % found];
		const char *problem;

		if (is_default(price) != (i < found))
			continue;
		problem = problem_of(price);
		if (!problem)
			problem = take(product_of(all, &n, json_at(price, "product", NULL)), price);
		if (problem)
			printf("%s %s skipped: %s\n", slug, stripe_object_id(price), problem);
	}
	for (int i = 0; i < n; i++)
		differences += import_one(db, &a, slug, &all[i], is_dry);
	arena_release(&a);
	return differences;
}
