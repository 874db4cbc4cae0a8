/*
 * ashlar billing: is what is stored what the payment provider has?
 */
#include <json-c/json.h>

#include "build/sql/billing/reconcile.h"
#include "cmd/cmd.h"
#include "lib/base/arena.h"
#include "lib/base/json.h"
#include "lib/host/config.h"
#include "providers/stripe.h"
#include "providers/stripe_billing.h"

static const char *dry_run, *tenant;

static const struct cmd_option options[] = {
	{ "--dry-run", NULL, &dry_run, "only say what differs" },
	{ "--tenant", "SLUG", &tenant, "of this tenant alone; of all when left out" },
	{ NULL, NULL, NULL, NULL },
};

static const struct cmd_usage usage = {
	"billing reconcile [--dry-run] [--tenant SLUG]",
	"reconcile reads every subscription that goes on from Stripe, prints a line for each\n"
	"difference (tenant, subscription, what, ours, theirs), and stores Stripe's state; with\n"
	"--dry-run it stores nothing.  Prices of plans are compared, too, and never changed.  It\n"
	"exits with 1 where something differs or cannot be read.  A worker does the same once a\n"
	"day, by the job billing.reconcile.",
	options,
};

static long differences;

static void differs(const char *slug, const char *what, const char *member, const char *ours,
		    const char *theirs)
{
	printf("%s %s %s %s %s\n", slug, what, member, *ours ? ours : "-", *theirs ? theirs : "-");
	differences++;
}

static void compare_subscription(PGconn *db, struct arena *a, const char *slug, const char *key,
				 const char *id)
{
	const char *look = PQgetvalue(cmd_query(db, &q_owner_billing_look, NULL), 0, 0), *object;
	struct stripe_answer answer;
	const PGresult *drift;
	enum err rc = stripe_billing_read(a, key, "subscription", id, &object, &answer);

	if (rc) {
		differs(slug, id, "unread", "-", answer.reason ? answer.reason : err_info(rc)->message);
		return;
	}
	drift = cmd_query(db, &q_owner_billing_drift, &object);
	for (int i = 0; i < PQntuples(drift); i++)
		differs(slug, id, PQgetvalue(drift, i, 0), PQgetvalue(drift, i, 1), PQgetvalue(drift, i, 2));
	if (!dry_run) {
		const char *const row[] = { object, look, cfg.stripe_subscription_price_id };

		cmd_query(db, &q_owner_billing_apply, row);
	}
}

/* What a price is at the provider, beside row i of what it is here. */
static void compare_price(struct arena *a, const char *slug, const char *key, const PGresult *prices, int i)
{
	const char *id = PQgetvalue(prices, i, 4);
	struct stripe_call call = { .key = key, .method = "GET", .resource = "prices", .id = id };
	struct json_object *amount, *currency;
	struct stripe_answer answer;
	enum err rc = stripe_ask(a, &call, &answer);

	if (rc) {
		differs(slug, id, "unread", "-", answer.reason ? answer.reason : err_info(rc)->message);
		return;
	}
	amount = json_at(answer.said, "unit_amount", NULL);
	currency = json_at(answer.said, "currency", NULL);
	if (!amount || strcmp(json_object_get_string(amount), PQgetvalue(prices, i, 2)))
		differs(slug, id, "amount", PQgetvalue(prices, i, 2),
			amount ? json_object_get_string(amount) : "-");
	if (!currency || strcmp(json_object_get_string(currency), PQgetvalue(prices, i, 3)))
		differs(slug, id, "currency", PQgetvalue(prices, i, 3),
			currency ? json_object_get_string(currency) : "-");
}

static void reconcile(PGconn *db, const char *id, const char *slug, bool is_test)
{
	const PGresult *all, *prices, *own;
	struct arena kept, a;
	const char *key;

	cmd_query(db, &q_owner_billing_enter, &id);
	own = cmd_query(db, &q_owner_billing_key, NULL);
	all = cmd_query(db, &q_owner_billing_list, NULL);
	prices = cmd_query(db, &q_owner_billing_prices, NULL);
	if (!PQntuples(all) && !PQntuples(prices))
		return;
	arena_init(&kept, 4096);
	key = stripe_billing_key(&kept, id, PQntuples(own) ? PQgetvalue(own, 0, 0) : NULL, is_test);
	if (!key)
		cmd_die(PQntuples(own) ? "%s: the key of its own account is not to be opened, or live: "
					 "ENCRYPTION_KEYS?"
				       : "%s: there is no key to ask Stripe with: set STRIPE_SECRET_KEY, a "
					 "test key for test mode",
			slug);
	arena_init(&a, 64 * 1024);
	for (int i = 0; i < PQntuples(all); i++, arena_reset(&a))
		compare_subscription(db, &a, slug, key, PQgetvalue(all, i, 1));
	for (int i = 0; i < PQntuples(prices); i++, arena_reset(&a))
		compare_price(&a, slug, key, prices, i);
	arena_release(&a);
	arena_release(&kept);
}

int cmd_billing(int argc, char **argv)
{
	const char *verb;
	int operand = cmd_verb(&usage, argc, argv, &verb);
	const PGresult *tenants;
	PGconn *db;

	if (!verb || strcmp(verb, "reconcile") != 0)
		cmd_misuse(&usage, "reconcile?");
	if (operand < argc)
		cmd_misuse(&usage, "unexpected \"%s\"", argv[operand]);
	if (tenant)
		cmd_check_slug(&usage, "--tenant", tenant);
	cmd_config();
	db = dry_run ? cmd_owner() : cmd_owner_to_write();
	tenants = cmd_query(db, &q_owner_billing_tenants, &tenant);
	if (!PQntuples(tenants))
		cmd_die("there is no tenant \"%s\"", tenant);
	for (int i = 0; i < PQntuples(tenants); i++)
		reconcile(db, PQgetvalue(tenants, i, 0), PQgetvalue(tenants, i, 1),
			  !strcmp(PQgetvalue(tenants, i, 2), "true"));
	return differences > 0;
}
