/*
 * ashlar billing: is what is stored what the payment provider has?  And plans from what it sells.
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
	{ "--tenant", "SLUG", &tenant,
	  "of this tenant alone, with its test mode; reconcile: of all when left out" },
	{ NULL, NULL, NULL, NULL },
};

static const struct cmd_usage usage = {
	"billing reconcile|import [--dry-run] [--tenant SLUG]",
	"reconcile reads every subscription that goes on from Stripe, prints a line for each\n"
	"difference (tenant, subscription, what, ours, theirs), and stores Stripe's state; with\n"
	"--dry-run it stores nothing.  Prices of plans are compared, too, and never changed.  It\n"
	"exits with 1 where something differs or cannot be read.  A worker does the same once a\n"
	"day, by the job billing.reconcile.\n"
	"\n"
	"import makes a plan of each product of the account that is sold by the month or the year,\n"
	"in the tenant that has to be named, and brings the prices of those that are plans up to\n"
	"date; a line for each difference (tenant, product, what, ours, theirs).  A plan's name and\n"
	"what it includes are yours from then on.  Run again, it has nothing to do; with --dry-run\n"
	"it stores nothing, and exits with 1 where something differs.",
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

static _Noreturn void die_keyless(const char *slug, bool is_own)
{
	if (is_own)
		cmd_die("%s: the key of its own account does not open, or is a live one: ENCRYPTION_KEYS?",
			slug);
	cmd_die("%s: there is no key to ask Stripe with: set STRIPE_SECRET_KEY, a test key for test mode",
		slug);
}

/* Go into the tenant; the key of its account is the arena's, NULL where there is none. */
static const char *enter(PGconn *db, struct arena *a, const char *id, bool is_test, bool *is_own)
{
	const PGresult *own;

	cmd_query(db, &q_owner_billing_enter, &id);
	own = cmd_query(db, &q_owner_billing_key, NULL);
	*is_own = PQntuples(own);
	return stripe_billing_key(a, id, *is_own ? PQgetvalue(own, 0, 0) : NULL, is_test);
}

static void import(PGconn *db, const char *id, const char *slug, bool is_test)
{
	struct arena kept;
	const char *key;
	bool is_own;

	arena_init(&kept, 4096);
	key = enter(db, &kept, id, is_test, &is_own);
	/* A test mode that has no account is of one that is live alone. */
	if (!key && !is_test)
		die_keyless(slug, is_own);
	if (key)
		differences += cmd_billing_import(db, slug, key, dry_run);
	arena_release(&kept);
}

static void reconcile(PGconn *db, const char *id, const char *slug, bool is_test)
{
	const PGresult *all, *prices;
	struct arena kept, a;
	const char *key;
	bool is_own;

	arena_init(&kept, 4096);
	key = enter(db, &kept, id, is_test, &is_own);
	all = cmd_query(db, &q_owner_billing_list, NULL);
	prices = cmd_query(db, &q_owner_billing_prices, NULL);
	if (!PQntuples(all) && !PQntuples(prices)) {
		arena_release(&kept);
		return;
	}
	if (!key)
		die_keyless(slug, is_own);
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
	bool is_import;
	PGconn *db;

	is_import = verb && !strcmp(verb, "import");
	if (!is_import && (!verb || strcmp(verb, "reconcile") != 0))
		cmd_misuse(&usage, "reconcile, or import?");
	if (operand < argc)
		cmd_misuse(&usage, "unexpected \"%s\"", argv[operand]);
	if (is_import && !tenant)
		cmd_misuse(&usage, "import into which tenant?  --tenant SLUG");
	if (tenant)
		cmd_check_slug(&usage, "--tenant", tenant);
	cmd_config();
	db = dry_run ? cmd_owner() : cmd_owner_to_write();
	tenants = cmd_query(db, &q_owner_billing_tenants, &tenant);
	if (!PQntuples(tenants))
		cmd_die("there is no tenant \"%s\"", tenant);
	for (int i = 0; i < PQntuples(tenants); i++)
		(is_import ? import : reconcile)(db, PQgetvalue(tenants, i, 0), PQgetvalue(tenants, i, 1),
						 !strcmp(PQgetvalue(tenants, i, 2), "true"));
	return differences > 0 && (!is_import || dry_run);
}
