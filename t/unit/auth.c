/*
 * Which credentials a row reads, and what they make of the caller.  The tokens
 * are real ones; whether key and session exist is the door's to say, and not here.
 */
#include "fcgi/auth.h"

#include "fcgi/req.h"
#include "lib/crypto/ticket.h"
#include "lib/crypto/tok.h"
#include "lib/host/config.h"
#include "lib/host/shm.h"
#include "t/unit/tap.h"

#define KEY_TEXT "0123456789abcdefghijklmnopqrstuv"
#define SECRET_TEXT "sk_live_" KEY_TEXT
#define PUBLIC_TEXT "pk_test_" KEY_TEXT
#define SID "0191e8a0-0000-7000-8000-00000000000a"
#define TID "0191e8a0-0000-7000-8000-00000000000b"

const struct route *const route_tables[] = { NULL };

static struct req rq;
static struct arena arena;
static const char *user, *team;

static const char *token(bool is_team)
{
	const struct claims c = { .subject = "user_1",
				  .session = SID,
				  .tenant_id = TID,
				  .team = is_team,
				  .actor = "admin_1",
				  .iat = time(NULL),
				  .exp = time(NULL) + 600 };

	return tok_sign(&arena, &c);
}

/* The token of a user who signed in so many seconds ago; iat_s: when it was made. */
static const char *token_aged(int signed_in_s, int iat_s, const char *actor)
{
	const struct claims c = { .subject = "user_1",
				  .session = SID,
				  .tenant_id = TID,
				  .actor = actor,
				  .auth_at = signed_in_s ? time(NULL) - signed_in_s : 0,
				  .iat = time(NULL) - iat_s,
				  .exp = time(NULL) + 600 };

	return tok_sign(&arena, &c);
}

/* "user", "key", "anonymous", with "+key" where there is one beside a user; or the error's code. */
static const char *check(const struct caller *caller, unsigned flags, const char *key, const char *bearer)
{
	static struct route route;
	static char *params[4];
	struct arena a = rq.tx.arena;
	enum err rc;
	int n = 0;

	arena_reset(&a);
	route = (struct route){ POST, "/api/v1/x", "platform.x", caller, "", .flags = flags };
	if (key)
		params[n++] = arena_fmt(&a, "HTTP_X_API_KEY=%s", key);
	if (bearer)
		params[n++] = arena_fmt(&a, "HTTP_AUTHORIZATION=Bearer %s", bearer);
	params[n] = NULL;
	rq = (struct req){
		.tx.arena = a, .asked.params = params, .asked.route = &route, .asked.ip = "192.0.2.1"
	};
	rc = auth_check(&rq);
	if (rc != rq.tx.fail.err || (rc && rq.who.kind != ANONYMOUS))
		return "(the error and the caller do not agree)";
	if (!rc)
		rc = auth_check_use(&rq);
	if (rc)
		return err_info(rc)->code;
	switch (rq.who.kind) {
	case BEARER: return rq.who.api_key ? "user+key" : "user";
	case API_KEY: return "key";
	default: return rq.who.api_key ? "(a key nobody noticed)" : "anonymous";
	}
}

/* clang-format off */
static const struct {
	const struct caller *caller;
	/* without anything; secret key; public key; token; secret key and token; public key and token */
	const char *want[6];
} kinds[] = {
	{ &by_anyone, { "anonymous", "anonymous", "anonymous", "anonymous", "anonymous", "anonymous" } },
	{ &by_user, { "AUTHENTICATION_ERROR", "AUTHENTICATION_ERROR", "AUTHENTICATION_ERROR", "user", "user+key", "user" } },
	{ &by_admin, { "AUTHENTICATION_ERROR", "AUTHENTICATION_ERROR", "AUTHENTICATION_ERROR", "user", "user+key", "user" } },
	{ &by_key, { "INVALID_API_KEY", "key", "key", "INVALID_API_KEY", "key", "key" } },
	{ &by_key_with_user, { "INVALID_API_KEY", "key", "key", "INVALID_API_KEY", "user+key", "user+key" } },
	{ &by_anyone_with_key, { "anonymous", "key", "key", "anonymous", "key", "key" } },
	{ &by_key_and_user, { "INVALID_API_KEY", "AUTHENTICATION_ERROR", "AUTHENTICATION_ERROR", "INVALID_API_KEY", "user+key", "user+key" } },
	{ &by_user_with_key, { "AUTHENTICATION_ERROR", "AUTHENTICATION_ERROR", "AUTHENTICATION_ERROR", "user", "user+key", "user+key" } },
	{ &by_secret_key, { "INVALID_API_KEY", "key", "AUTHORIZATION_ERROR", "INVALID_API_KEY", "key", "AUTHORIZATION_ERROR" } },
	{ &by_secret_key_and_user, { "INVALID_API_KEY", "AUTHENTICATION_ERROR", "AUTHENTICATION_ERROR", "INVALID_API_KEY", "user+key", "AUTHORIZATION_ERROR" } },
	{ &by_workspace_key, { "INVALID_API_KEY", "INVALID_API_KEY", "INVALID_API_KEY", "INVALID_API_KEY", "INVALID_API_KEY", "INVALID_API_KEY" } },
	{ &by_key_or_user, { "INVALID_API_KEY", "key", "AUTHENTICATION_ERROR", "INVALID_API_KEY", "key", "user+key" } },
};

static const char *const bad_keys[] = {
	"", "sk_live_", "sk_live_" KEY_TEXT "w", "sk_live_0123456789abcdefghijklmnopqrstu", "xk_live_" KEY_TEXT, "sk_prod_" KEY_TEXT,
	"SK_live_" KEY_TEXT, "sk-live_" KEY_TEXT, "sk_live_0123456789abcdefghijklmnopqrst-v", " sk_live_" KEY_TEXT, "sk_live_" KEY_TEXT " ",
};
/* clang-format on */

static void test_kinds(void)
{
	static const char *const names[] = { "nothing",
					     "a secret key",
					     "a public key",
					     "a token",
					     "a secret key and a token",
					     "a public key and a token" };

	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		for (int k = 0; k < 6; k++)
			is_str(check(kinds[i].caller, 0,
				     k == 1 || k == 4   ? SECRET_TEXT
				     : k == 2 || k == 5 ? PUBLIC_TEXT
							: NULL,
				     k >= 3 ? user : NULL),
			       kinds[i].want[k], "%s, with %s: %s", kinds[i].caller->name, names[k],
			       kinds[i].want[k]);
}

static void test_workspace_keys(void)
{
	const char *key = ticket_workspace_key(&arena);

	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		bool is_own = kinds[i].caller == &by_workspace_key, is_unread = kinds[i].caller == &by_anyone;
		const char *want = is_own ? "key" : is_unread ? "anonymous" : "AUTHORIZATION_ERROR";

		is_str(check(kinds[i].caller, 0, key, NULL), want, "%s, with a workspace's key: %s",
		       kinds[i].caller->name, want);
		is_str(check(kinds[i].caller, 0, key, user), want, "  with a token beside it, too");
		is_str(check(kinds[i].caller, 0, "ash_live_0123456789", user),
		       is_unread ? "anonymous" : "INVALID_API_KEY", "  and what is none");
	}
	check(&by_workspace_key, 0, key, NULL);
	ok(rq.who.is_secret && rq.who.is_counted_apart && !rq.who.tenant_id,
	   "one tells the tenant, and is counted apart");
}

static void test_keys(void)
{
	for (size_t i = 0; i < sizeof(bad_keys) / sizeof(*bad_keys); i++) {
		is_str(check(&by_anyone_with_key, 0, bad_keys[i], NULL), "INVALID_API_KEY",
		       "\"%s\" is no key", bad_keys[i]);
		is_str(check(&by_user, 0, bad_keys[i], user), "INVALID_API_KEY", "  beside a token neither");
	}
	is_str(check(&by_key, 0, SECRET_TEXT, NULL), "key", "a key");
	is_str(rq.who.api_key, "\\xf3d1f4ec3fca5a9ff1c1f576f2513bc99acba057947a5ebffdab4e8e1d689edf",
	       "is known by its SHA-256");
	ok(rq.who.is_secret && rq.who.is_counted_apart && !rq.who.tenant_id,
	   "a secret one, which tells the tenant");
	check(&by_key, 0, PUBLIC_TEXT, NULL);
	ok(!rq.who.is_secret && !rq.who.is_counted_apart, "a public one is counted by its address");
	check(&by_secret_key_and_user, 0, SECRET_TEXT, user);
	ok(!rq.who.is_counted_apart, "and a user's requests by the user");
	is_str(rq.who.tenant_id, TID, "whose token tells the tenant");
	is_str(rq.who.actor, "admin_1", "and who impersonates them");
}

static void test_recent(void)
{
	enum { LATER = 60 }; /* than the clock can be while this runs */

	cfg.recent_sign_in_s = 900;
	is_str(check(&by_user, RECENT, NULL, token_aged(900 - LATER, 0, NULL)), "user",
	       "signed in a short while ago");
	is_str(check(&by_user, RECENT, NULL, token_aged(901, 0, NULL)), "RECENT_SIGN_IN_REQUIRED",
	       "signed in longer ago, and refreshed just now");
	is_str(rq.tx.fail.details, "\"max_age\":900", "  how long it may have been is told");
	is_str(check(&by_user, 0, NULL, token_aged(901, 0, NULL)), "user",
	       "  which is nothing to other rows");
	is_str(check(&by_user_with_key, RECENT, PUBLIC_TEXT, token_aged(901, 0, NULL)),
	       "RECENT_SIGN_IN_REQUIRED", "with a key, too");
	is_str(check(&by_user, RECENT, NULL, token_aged(0, 901, NULL)), "RECENT_SIGN_IN_REQUIRED",
	       "a token that does not say counts from when it was made");
	is_str(check(&by_user, RECENT, NULL, token_aged(0, 0, NULL)), "user", "  just now");
	is_str(check(&by_user, RECENT, NULL, token_aged(901, 0, "admin_1")), "user",
	       "who acts as the user is refused by the handler, for that");
	is_str(check(&by_user, RECENT, NULL, NULL), "AUTHENTICATION_ERROR",
	       "who is nobody is asked for a token first");
}

static void test_contexts(void)
{
	is_str(check(&by_team, 0, NULL, team), "user", "the dashboard takes a team user's token");
	ok(rq.who.is_team, "as such");
	is_str(check(&by_team_admin, 0, NULL, team), "user", "as an admin, too");
	is_str(check(&by_team, 0, NULL, user), "AUTHENTICATION_ERROR", "but no user's");
	is_str(check(&by_user, 0, NULL, team), "AUTHENTICATION_ERROR", "which nothing else takes");
	is_str(check(&by_key_and_user, 0, PUBLIC_TEXT, team), "AUTHENTICATION_ERROR", "with a key neither");
	is_str(check(&by_key_with_user, 0, PUBLIC_TEXT, "x"), "AUTHENTICATION_ERROR",
	       "a token that is checked is to be good");
	is_str(check(&by_key, 0, PUBLIC_TEXT, "x"), "key", "one that is not read may be anything");
}

int main(void)
{
	shm_map(NULL, 0);
	cfg.jwt_secret = "0123456789abcdef0123456789abcdef";
	cfg.jwt_issuer = cfg.jwt_audience = "ashlar";
	cfg.supabase_issuer = cfg.clerk_issuer = cfg.oidc_issuer = cfg.google_pubsub_audience = "";
	arena_init(&arena, 4096);
	arena_init(&rq.tx.arena, 4096);
	tok_init();
	user = token(false);
	team = token(true);
	test_kinds();
	test_keys();
	test_workspace_keys();
	test_contexts();
	test_recent();
	tok_release();
	arena_release(&rq.tx.arena);
	arena_release(&arena);
	return done_testing();
}
