/*
 * Stripe: forms, what its answers mean, its objects, against canned answers on
 * loopback.  Whole flows are in t/ops/stripe.t.
 */
#include "providers/stripe.h"
#include "providers/stripe_object.h"

#include <arpa/inet.h>
#include <json-c/json.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "lib/base/json.h"
#include "lib/host/config.h"
#include "lib/net/http.h"
#include "t/unit/tap.h"

#define KEY "sk_test_51Secret"

static struct arena a;

/*
 * The server: what is asked of /v1/<name> is answered as the table says, the
 * n-th time with its n-th answer, then with the last.
 */

struct canned {
	const char *name, *answers[3];
};

#define HTTP(status, headers, body) status "\r\n" headers "\r\n" body
#define ERROR(members) "{\"error\":{" members "}}"

static const struct canned table[] = {
	{ "fine", { HTTP("200 OK", "Request-Id: req_1\r\n", "{\"id\":\"cus_1\",\"object\":\"customer\"}") } },
	{ "again", { HTTP("200 OK", "Idempotent-Replayed: true\r\n", "{\"id\":\"cus_1\"}") } },
	{ "declined",
	  { HTTP("402 No", "Request-Id: req_2\r\n",
		 ERROR("\"type\":\"card_error\",\"code\":\"card_declined\",\"decline_code\":\"insufficient_"
		       "funds\","
		       "\"message\":\"Ada's card has insufficient "
		       "funds.\",\"payment_intent\":{\"id\":\"pi_1\"}")) } },
	{ "unpaid", { HTTP("402 No", "", ERROR("\"type\":\"invalid_request_error\"")) } },
	{ "unknown",
	  { HTTP("400 No", "",
		 ERROR("\"type\":\"invalid_request_error\",\"code\":\"parameter_unknown\",\"param\":\"items["
		       "0][prize]\"")) } },
	{ "away",
	  { HTTP("404 No", "", ERROR("\"type\":\"invalid_request_error\",\"code\":\"resource_missing\"")) } },
	{ "no_price",
	  { HTTP("400 No", "",
		 ERROR("\"type\":\"invalid_request_error\",\"code\":\"resource_missing\",\"param\":\"items[0]"
		       "[price]\"")) } },
	{ "other", { HTTP("400 No", "", ERROR("\"type\":\"idempotency_error\"")) } },
	{ "running", { HTTP("409 No", "", ERROR("\"type\":\"idempotency_error\"")) } },
	{ "locked",
	  { HTTP("409 No", "", ERROR("\"type\":\"invalid_request_error\"")),
	    HTTP("200 OK", "", "{\"id\":\"sub_1\"}") } },
	{ "bad_state",
	  { HTTP("409 No", "Stripe-Should-Retry: false\r\n", ERROR("\"type\":\"invalid_request_error\"")) } },
	{ "key",
	  { HTTP("401 No", "",
		 ERROR("\"type\":\"invalid_request_error\",\"message\":\"Invalid API Key\"")) } },
	{ "not_allowed", { HTTP("403 No", "", ERROR("\"type\":\"invalid_request_error\"")) } },
	{ "busy",
	  { HTTP("429 No", "Retry-After: 30\r\n",
		 ERROR("\"type\":\"invalid_request_error\",\"code\":\"rate_limit\"")) } },
	{ "busy_once", { HTTP("429 No", "", ERROR("\"code\":\"lock_timeout\"")), HTTP("200 OK", "", "{}") } },
	{ "down", { HTTP("500 No", "", ERROR("\"type\":\"api_error\"")) } },
	{ "down_twice", { HTTP("500 No", "", "<html>"), "", HTTP("200 OK", "", "{}") } },
	{ "down_for_good",
	  { HTTP("500 No", "Stripe-Should-Retry: false\r\n", ERROR("\"type\":\"api_error\"")) } },
	{ "once_more", { HTTP("400 No", "Stripe-Should-Retry: true\r\n", "{}"), HTTP("200 OK", "", "{}") } },
	{ "html", { HTTP("200 OK", "", "<html>") } },
	{ "array", { HTTP("200 OK", "", "[]") } },
	{ "moved", { HTTP("302 Found", "Location: /v1/fine\r\n", "") } },
	{ "nasty",
	  { HTTP("400 No", "Request-Id: x\r\n",
		 ERROR("\"type\":\"a b\",\"code\":7,\"param\":\"\\n\",\"payment_intent\":\"pi\"")) } },
	{ "null", { HTTP("400 No", "", "{\"error\":null}") } },
};

static struct {
	atomic_int requests;
	char last[8192]; /* the last request, head and body */
	char first_key[128];
} * seen;

static void serve(int fd)
{
	for (;;) {
		int c = accept(fd, NULL, NULL);
		char in[8192] = "", name[64] = "", *end, *length;
		const char *answer = "404 ?\r\n\r\n", *body;
		size_t n = 0;
		ssize_t got;

		while (n < sizeof(in) - 1 && (got = recv(c, in + n, sizeof(in) - 1 - n, 0)) > 0) {
			in[n += (size_t)got] = '\0';
			end = strstr(in, "\r\n\r\n");
			length = strcasestr(in, "\r\nContent-Length: ");
			if (end &&
			    n >= (size_t)(end + 4 - in) +
					    (length && length < end ? strtoul(length + 18, NULL, 10) : 0))
				break;
		}
		memcpy(seen->last, in, sizeof(in));
		sscanf(in, "%*s /v1/%63[a-z_]", name);
		for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++)
			if (!strcmp(table[i].name, name))
				for (int k = 0; k < 3 && k <= seen->requests && table[i].answers[k]; k++)
					answer = table[i].answers[k];
		seen->requests++;
		body = strstr(answer, "\r\n\r\n");
		if (*answer)
			dprintf(c, "HTTP/1.1 %.*s\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n%s",
				(int)(body - answer), answer, strlen(body + 4), body + 4);
		close(c);
	}
}

static pid_t server_start(void)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	pid_t pid;

	if (fd < 0 || bind(fd, (struct sockaddr *)&at, size) || listen(fd, 16) ||
	    getsockname(fd, (struct sockaddr *)&at, &size)) {
		perror("server");
		exit(1);
	}
	cfg.stripe_api_url = arena_fmt(&a, "http://127.0.0.1:%d", ntohs(at.sin_port));
	fflush(stdout);
	pid = fork();
	if (!pid) {
		signal(SIGPIPE, SIG_IGN);
		serve(fd);
	}
	close(fd);
	return pid;
}

/* Each question is one by itself: the breaker is told nothing of the one before. */
static void afresh(void)
{
	seen->requests = 0;
	atomic_store(&http_breaker_find("stripe")->state, 0);
}

static enum err post(const char *resource, struct stripe_answer *out)
{
	const struct stripe_call call = { .method = "POST", .resource = resource, .operation = "tenant/1" };

	afresh();
	return stripe_ask(&a, &call, out);
}

/*
 * Tests
 */

static void test_forms(void)
{
	const char *problem, tree[] =
				     "{\"metadata\":{\"a "
				     "b\":\"c&d\",\"none\":null},\"items\":[{\"price\":\"p\",\"quantity\":2},"
				     "{\"deleted\":true}],\"discounts\":[],\"tax\":{},\"rate\":1.50,\"name\":"
				     "\"S\xc3\xb8ren\"}";
	struct json_object *object;
	struct buf form;

	buf_init(&form, &a, 16);
	stripe_text(&form, "line_items[0][price]", "price_1");
	stripe_text(&form, "not", NULL);
	stripe_int(&form, "line_items[0][quantity]", -3000000000LL);
	stripe_bool(&form, "cancel_at_period_end", true);
	stripe_bool(&form, "prorate", false);
	stripe_text(&form, "coupon", "");
	is_str(buf_str(&form),
	       "line_items%5B0%5D%5Bprice%5D=price_1&line_items%5B0%5D%5Bquantity%5D=-3000000000&cancel_at_"
	       "period_end=true&"
	       "prorate=false&coupon=",
	       "texts, numbers and truths, what is NULL left out");

	is_int(json_read(&a, tree, sizeof(tree) - 1, &object, &problem), ERR_OK, "a tree");
	form.n = 0;
	stripe_tree(&form, NULL, object);
	is_str(buf_str(&form),
	       "metadata%5Ba%20b%5D=c%26d&metadata%5Bnone%5D=&items%5B0%5D%5Bprice%5D=p&items%5B0%5D%"
	       "5Bquantity%5D=2&"
	       "items%5B1%5D%5Bdeleted%5D=true&discounts=&tax=&rate=1.50&name=S%C3%B8ren",
	       "is nested by name and number, and what is empty clears");
	form.n = 0;
	stripe_tree(&form, "phases", json_object_array_get_idx(json_at(object, "items", NULL), 0));
	is_str(buf_str(&form), "phases%5Bprice%5D=p&phases%5Bquantity%5D=2", "or stands under a name");
}

static void test_keys(void)
{
	ok(stripe_is_key("sk_test_1a") && stripe_is_key("sk_live_1a") && stripe_is_key("rk_live_1a"),
	   "secret and restricted keys");
	ok(!stripe_is_key("pk_live_1a") && !stripe_is_key("sk_1a") && !stripe_is_key("sk_test_") &&
		   !stripe_is_key("sk_test_1\r\nX: y") && !stripe_is_key("") && !stripe_is_key(NULL),
	   "and what is none");
	ok(stripe_is_live("rk_live_1a") && !stripe_is_live("sk_test_live_1") && !stripe_is_live("pk_live_1a"),
	   "live ones move money");
}

static void test_request(void)
{
	static const char *const expand[] = { "customer", "latest_invoice.payments", NULL };
	struct stripe_call call = {
		.method = "GET", .resource = "fine", .id = "a/../b c", .action = "lines"
	};
	struct stripe_answer out;
	struct buf form;
	char *key;

	afresh();
	is_int(stripe_ask(&a, &call, &out), ERR_OK, "a question");
	has_str(seen->last, "GET /v1/fine/a%2F..%2Fb%20c/lines HTTP/1.1\r\n",
		"an id stays inside of its place");
	has_str(seen->last, "\r\nAuthorization: Bearer " KEY "\r\n", "the key");
	has_str(seen->last, "\r\nStripe-Version: " STRIPE_VERSION "\r\n", "the version");
	ok(!strcasestr(seen->last, "Idempotency-Key"), "a GET needs no key of its own");
	is_str(stripe_object_id(out.said), "cus_1", "the object");
	is_str(out.request_id, "req_1", "the request's id");
	is_int(out.attempts, 1, "asked once");
	ok(!out.reason && !out.is_replayed && !out.type, "nothing else");

	call.id = "..";
	is_int(stripe_ask(&a, &call, &out), ERR_NOT_FOUND, "an id that would change the path");
	is_int(out.attempts, 0, "is not asked for");

	buf_init(&form, &a, 64);
	stripe_int(&form, "limit", 3);
	call = (struct stripe_call){ .method = "GET",
				     .resource = "fine",
				     .form = &form,
				     .expand = expand,
				     .key = "rk_live_of_tenant" };
	is_int(stripe_ask(&a, &call, &out), ERR_OK, "a list");
	has_str(seen->last,
		"GET /v1/fine?limit=3&expand%5B0%5D=customer&expand%5B1%5D=latest_invoice.payments HTTP",
		"has its parameters in the query");
	has_str(seen->last, "Bearer rk_live_of_tenant\r\n", "with the key of whose account it is");
	is_str(buf_str(&form), "limit=3", "the caller's form is as it was");

	call.method = "POST";
	call.operation = "tenant/1 \r\nX: y";
	is_int(stripe_ask(&a, &call, &out), ERR_OK, "a POST");
	has_str(seen->last, "POST /v1/fine HTTP", "has a path alone");
	has_str(seen->last, "\r\nContent-Type: application/x-www-form-urlencoded\r\n", "a form's type");
	has_str(seen->last, "\r\n\r\nlimit=3&expand", "and its parameters as the body");
	ok(!strstr(seen->last, "X: y"), "whatever the operation's name is");
	key = strstr(seen->last, "Idempotency-Key: ashlar-");
	ok(key && strcspn(key, "\r") == strlen("Idempotency-Key: ashlar-") + 43, "its key is a hash of that");
	snprintf(seen->first_key, sizeof(seen->first_key), "%.*s", key ? (int)strcspn(key, "\r") : 0,
		 key ? key : "");
	call.form = NULL;
	is_int(stripe_ask(&a, &call, &out), ERR_OK, "the same operation");
	has_str(seen->last, seen->first_key, "has the same key");
	call.operation = "tenant/2";
	is_int(stripe_ask(&a, &call, &out), ERR_OK, "another one");
	ok(!strstr(seen->last, seen->first_key), "another");
	call.operation = "tenant/1 \r\nX: y";
	call.id = "cus_2";
	is_int(stripe_ask(&a, &call, &out), ERR_OK, "and another path");
	ok(!strstr(seen->last, seen->first_key), "too");
	call.method = "DELETE";
	is_int(stripe_ask(&a, &call, &out), ERR_OK, "a DELETE");
	has_str(seen->last, "DELETE /v1/fine/cus_2?expand", "has a query");
}

static void test_no_key(void)
{
	struct stripe_call call = { .method = "GET", .resource = "fine", .key = "pk_test_1" };
	struct stripe_answer out;

	afresh();
	is_int(stripe_ask(&a, &call, &out), ERR_UNAVAILABLE, "a publishable key");
	is_str(out.reason, "Stripe: the key is no secret key", "is none to ask with");
	call.key = "";
	is_int(stripe_ask(&a, &call, &out), ERR_UNAVAILABLE,
	       "a tenant without one does not get the global one");
	call.key = NULL;
	cfg.stripe_secret_key = "";
	is_int(stripe_ask(&a, &call, &out), ERR_UNAVAILABLE, "without STRIPE_SECRET_KEY");
	is_str(out.reason, "Stripe: STRIPE_SECRET_KEY is not set", "that is said");
	is_int(seen->requests, 0, "and nothing is sent");
	cfg.stripe_secret_key = KEY;
}

static void test_answers(void)
{
	static const struct {
		const char *name;
		enum err want;
		int attempts;
		const char *what;
	} cases[] = {
		{ "fine", ERR_OK, 1, "done" },
		{ "again", ERR_OK, 1, "done before" },
		{ "declined", ERR_PAYMENT, 1, "a declined card" },
		{ "unpaid", ERR_PAYMENT, 1, "any 402" },
		{ "unknown", ERR_VALIDATION, 1, "a parameter that there is not" },
		{ "away", ERR_NOT_FOUND, 1, "no such object" },
		{ "no_price", ERR_NOT_FOUND, 1, "no such object in the form" },
		{ "other", ERR_IDEMPOTENCY_MISMATCH, 1, "the operation was another" },
		{ "running", ERR_IDEMPOTENCY_RUNNING, 3, "the operation is being done" },
		{ "locked", ERR_OK, 2, "an object in use, for a moment" },
		{ "bad_state", ERR_CONFLICT, 1, "409, not to be asked again" },
		{ "key", ERR_UNAVAILABLE, 1, "a wrong key" },
		{ "not_allowed", ERR_UNAVAILABLE, 1, "a key without the right" },
		{ "busy", ERR_UNAVAILABLE, 1, "too many, for longer than one waits" },
		{ "busy_once", ERR_OK, 2, "too many, for a moment" },
		{ "down", ERR_EXTERNAL, 3, "Stripe fails" },
		{ "down_twice", ERR_OK, 3, "fails, hangs up, and works" },
		{ "down_for_good", ERR_EXTERNAL, 1, "fails, and says that it will again" },
		{ "once_more", ERR_OK, 2, "whatever Stripe wants to be asked again" },
		{ "html", ERR_EXTERNAL, 1, "an answer that is no JSON" },
		{ "array", ERR_EXTERNAL, 1, "nor an object" },
		{ "moved", ERR_EXTERNAL, 1, "a redirect" },
		{ "nasty", ERR_VALIDATION, 1, "an error of strange members" },
		{ "null", ERR_VALIDATION, 1, "one without any" },
	};
	struct stripe_answer out;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		is_int(post(cases[i].name, &out), cases[i].want, "%s", cases[i].what);
		is_int(out.attempts, cases[i].attempts, "… in so many attempts");
		is_int(seen->requests, cases[i].attempts, "… that came");
		ok(!out.reason == (cases[i].want == ERR_OK), "… %s",
		   out.reason ? out.reason : "without a reason");
		ok(!out.said == (cases[i].want != ERR_OK), "… an object only when it is done");
	}
	post("again", &out);
	ok(out.is_replayed, "what had been done before says so");
	post("declined", &out);
	is_str(out.code, "card_declined", "why a card was declined");
	is_str(out.decline_code, "insufficient_funds", "the bank's reason");
	is_str(out.payment_intent, "pi_1", "which payment");
	is_str(out.message, "Ada's card has insufficient funds.", "words for the customer");
	is_str(out.reason, "Stripe: status 402, card_error, card_declined, insufficient_funds, req_2",
	       "which the log has not");
	post("unknown", &out);
	is_str(out.param, "items[0][prize]", "the parameter");
	post("nasty", &out);
	ok(!out.type && !out.code && !out.param && !out.request_id && !out.payment_intent,
	   "no word is taken for one that is none");
	is_str(out.reason, "Stripe: status 400", "nor logged");
	post("busy", &out);
	is_int(out.retry_after, 30, "when it is worth another try");
}

static void test_breaker(void)
{
	const struct stripe_call call = { .method = "POST", .resource = "down_for_good", .operation = "1" };
	struct stripe_answer out;
	int i;

	afresh();
	for (i = 0; i < HTTP_BREAKER_FAILURES; i++)
		is_int(stripe_ask(&a, &call, &out), ERR_EXTERNAL, "Stripe is down");
	is_int(stripe_ask(&a, &call, &out), ERR_UNAVAILABLE, "after five in a row");
	has_str(out.reason, "circuit breaker", "it is left alone");
	is_int(seen->requests, i, "really");
	post("declined", &out);
	for (i = 0; i < 10; i++)
		post("declined", &out);
	is_int(stripe_ask(&a, &call, &out), ERR_EXTERNAL, "declines are no failures of Stripe's");
}

static struct json_object *tree_of(const char *text)
{
	struct json_object *tree = NULL;
	const char *problem;

	is_int(json_read(&a, text, strlen(text), &tree, &problem), ERR_OK, "it is JSON");
	return tree;
}

static void test_subscription(void)
{
	struct stripe_subscription s;

	ok(stripe_object_subscription(tree_of("{\"id\":\"sub_1\",\"object\":\"subscription\",\"customer\":{"
					      "\"id\":\"cus_1\"},\"status\":\"active\","
					      "\"currency\":\"eur\",\"cancel_at_period_end\":true,"
					      "\"schedule\":\"sub_sched_1\",\"created\":1,"
					      "\"livemode\":true,\"latest_invoice\":\"in_1\",\"metadata\":{"
					      "\"tenant\":\"t\"},\"items\":{\"data\":["
					      "{\"id\":\"si_1\",\"quantity\":3,\"current_period_start\":200,"
					      "\"current_period_end\":300,"
					      "\"price\":{\"id\":\"price_1\",\"product\":\"prod_1\",\"unit_"
					      "amount\":4900,\"recurring\":{\"interval\":\"month\"}}},"
					      "{\"id\":\"si_2\",\"current_period_start\":100,\"current_"
					      "period_end\":250,\"price\":{\"id\":\"price_2\"}}]}}"),
				      &s),
	   "a subscription");
	is_str(s.customer, "cus_1", "an expanded customer is one by its id");
	is_str(s.price, "price_1", "the first item's price");
	is_str(s.product, "prod_1", "its product");
	is_str(s.interval, "month", "its interval");
	is_int(s.unit_amount, 4900, "its amount");
	is_int(s.quantity, 3, "its seats");
	is_int(s.period_start, 100, "the period starts with the first item's");
	is_int(s.period_end, 300, "and ends with the last's");
	ok(s.will_cancel && s.is_live, "it ends with it");
	is_str(json_text(json_at(s.metadata, "tenant", NULL), 10), "t", "its metadata");

	ok(stripe_object_subscription(tree_of("{\"id\":\"sub_1\",\"object\":\"subscription\",\"status\":"
					      "\"canceled\",\"cancel_at\":5,"
					      "\"ended_at\":9,\"current_period_start\":1,\"current_period_"
					      "end\":2,\"customer\":null}"),
				      &s),
	   "one of an older version, without items");
	is_int(s.period_end, 2, "has its period itself");
	ok(!s.will_cancel && !s.customer && !s.price, "what has ended will not end");
	ok(!stripe_object_subscription(
		   tree_of("{\"id\":\"in_1\",\"object\":\"invoice\",\"status\":\"paid\"}"), &s),
	   "an invoice is none");
	ok(!stripe_object_subscription(tree_of("{\"object\":\"subscription\",\"status\":\"active\"}"), &s),
	   "nor one without an id");
	ok(!stripe_object_subscription(tree_of("[]"), &s) && !stripe_object_subscription(NULL, &s),
	   "nor an array, nor nothing");
}

static void test_invoice(void)
{
	struct stripe_invoice v;
	struct stripe_payment p;

	ok(stripe_object_invoice(tree_of("{\"id\":\"in_1\",\"object\":\"invoice\",\"status\":\"paid\","
					 "\"number\":\"A-1\",\"currency\":\"jpy\",\"total\":500,"
					 "\"amount_due\":500,\"amount_paid\":500,\"parent\":{\"type\":"
					 "\"subscription_details\",\"subscription_details\":"
					 "{\"subscription\":\"sub_1\"}},\"status_transitions\":{\"paid_at\":"
					 "7},\"payments\":{\"data\":["
					 "{\"is_default\":false,\"payment\":{\"payment_intent\":\"pi_0\"}},"
					 "{\"is_default\":true,\"payment\":{\"type\":\"payment_intent\","
					 "\"payment_intent\":{\"id\":\"pi_1\"}}}]}}"),
				 &v),
	   "an invoice");
	is_str(v.subscription, "sub_1", "names its subscription under its parent");
	is_str(v.payment_intent, "pi_1", "and its default payment");
	is_int(v.paid_at, 7, "when it was paid");
	ok(stripe_object_invoice(tree_of("{\"id\":\"in_1\",\"object\":\"invoice\",\"status\":\"open\","
					 "\"subscription\":\"sub_2\","
					 "\"payment_intent\":\"pi_2\",\"parent\":null}"),
				 &v),
	   "one of an older version");
	is_str(v.subscription, "sub_2", "names it itself");
	is_str(v.payment_intent, "pi_2", "with its payment");
	ok(stripe_object_payment(tree_of("{\"id\":\"pi_1\",\"object\":\"payment_intent\",\"status\":"
					 "\"succeeded\",\"amount\":500,"
					 "\"amount_received\":500,\"currency\":\"jpy\",\"livemode\":false}"),
				 &p),
	   "a payment");
	is_int(p.amount_received, 500, "with what came in");
}

static void test_lists(void)
{
	struct json_object *list =
		tree_of("{\"object\":\"list\",\"data\":[{\"id\":\"a\"},{\"id\":\"b\"}],\"has_more\":true}");

	is_int((int)stripe_object_count(list), 2, "a page");
	is_str(stripe_object_id(stripe_object_nth(list, 1)), "b", "one of it");
	ok(!stripe_object_nth(list, 2), "not more");
	is_str(stripe_object_next(list), "b", "where the next starts");
	ok(!stripe_object_next(tree_of("{\"data\":[{\"id\":\"a\"}],\"has_more\":false}")), "the last page");
	ok(!stripe_object_next(tree_of("{\"data\":[],\"has_more\":true}")) && !stripe_object_next(NULL),
	   "an empty one is the last");
}

static void test_money(void)
{
	static const struct {
		int64_t amount;
		const char *currency, *want;
	} cases[] = {
		{ 4900, "usd", "49.00" },
		{ 5, "EUR", "0.05" },
		{ -5, "eur", "-0.05" },
		{ 500, "JPY", "500" },
		{ 0, "krw", "0" },
		{ 5120, "kwd", "5.120" },
		{ 500, "isk", "5.00" },
		{ 500, "ugx", "5.00" },
		{ INT64_MIN, "usd", "-92233720368547758.08" },
		{ INT64_MAX, "clp", "9223372036854775807" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		is_str(stripe_object_amount(&a, cases[i].amount, cases[i].currency), cases[i].want, "%lld %s",
		       (long long)cases[i].amount, cases[i].currency);
	ok(stripe_object_step("usd") == 1 && stripe_object_step("jpy") == 1 &&
		   stripe_object_step("tnd") == 10 && stripe_object_step("ISK") == 100,
	   "what can be charged");
}

static void ask_without_operation(void *arg)
{
	const struct stripe_call call = { .method = "POST", .resource = "fine" };
	struct stripe_answer out;

	(void)arg;
	(void)stripe_ask(&a, &call, &out);
}

int main(void)
{
	pid_t server;

	signal(SIGPIPE, SIG_IGN);
	arena_init(&a, 64 * 1024);
	cfg.http_connect_timeout_ms = 3000;
	cfg.http_timeout_ms = 30000;
	cfg.stripe_secret_key = KEY;
	seen = mmap(NULL, sizeof(*seen), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	server = server_start();
	test_forms();
	test_keys();
	test_request();
	test_no_key();
	test_answers();
	test_breaker();
	test_subscription();
	test_invoice();
	test_lists();
	test_money();
	dies(ask_without_operation, NULL, "a POST needs an operation");
	kill(server, SIGKILL);
	waitpid(server, NULL, 0);
	arena_release(&a);
	return done_testing();
}
