/*
 * Ask Stripe as the program does, for t/ops/stripe.t:
 *
 *	build/stripe_asker URL KEY TIMEOUT_MS
 *
 * A line of JSON on standard input is a call, with the members of struct
 * stripe_call, form and expand as JSON; a line on standard output is what came of
 * it: the error's code, the members of struct stripe_answer, and under "read"
 * what providers/stripe_object.h made of the object.  A line with a signature
 * asks instead whether that is good: {signature, body, secret}, {is_good}.
 */
#include <json-c/json.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/base/json.h"
#include "lib/base/jx.h"
#include "lib/host/config.h"
#include "providers/stripe.h"
#include "providers/stripe_object.h"
#include "providers/stripe_signature.h"

static const char *member(struct json_object *line, const char *name)
{
	struct json_object *value = json_at(line, name, NULL);

	return json_object_is_type(value, json_type_string) ? json_object_get_string(value) : NULL;
}

static void read_object(struct buf *b, struct json_object *said)
{
	struct stripe_subscription s;
	struct stripe_invoice v;
	struct stripe_payment p;

	jx_key_open(b, "read", '{');
	if (stripe_object_subscription(said, &s)) {
		jx_key_str(b, "id", s.id), jx_key_str(b, "customer", s.customer),
			jx_key_str(b, "status", s.status);
		jx_key_str(b, "currency", s.currency), jx_key_str(b, "latest_invoice", s.latest_invoice);
		jx_key_str(b, "schedule", s.schedule), jx_key_str(b, "item", s.item),
			jx_key_str(b, "price", s.price);
		jx_key_str(b, "product", s.product), jx_key_str(b, "interval", s.interval);
		jx_key_int(b, "unit_amount", s.unit_amount), jx_key_int(b, "quantity", s.quantity);
		jx_key_int(b, "period_start", s.period_start), jx_key_int(b, "period_end", s.period_end);
		jx_key_int(b, "trial_end", s.trial_end), jx_key_int(b, "will_cancel", s.will_cancel);
	} else if (stripe_object_invoice(said, &v)) {
		jx_key_str(b, "id", v.id), jx_key_str(b, "subscription", v.subscription),
			jx_key_str(b, "status", v.status);
		jx_key_str(b, "reason", v.reason), jx_key_str(b, "payment_intent", v.payment_intent);
		jx_key_int(b, "total", v.total), jx_key_int(b, "amount_due", v.amount_due);
		jx_key_int(b, "amount_paid", v.amount_paid), jx_key_int(b, "paid_at", v.paid_at);
	} else if (stripe_object_payment(said, &p)) {
		jx_key_str(b, "id", p.id), jx_key_str(b, "status", p.status),
			jx_key_str(b, "currency", p.currency);
		jx_key_int(b, "amount", p.amount), jx_key_int(b, "amount_received", p.amount_received);
	} else if (stripe_object_count(said)) {
		jx_key_int(b, "count", (long long)stripe_object_count(said));
		jx_key_str(b, "next", stripe_object_next(said));
	}
	buf_char(b, '}');
}

static void ask(struct arena *a, struct json_object *line)
{
	struct json_object *expand = json_at(line, "expand", NULL), *tree = json_at(line, "form", NULL);
	struct stripe_call call = { .key = member(line, "key"),
				    .method = member(line, "method"),
				    .resource = member(line, "resource"),
				    .id = member(line, "id"),
				    .action = member(line, "action"),
				    .operation = member(line, "operation") };
	const char *names[8] = { NULL };
	struct stripe_answer out;
	struct buf form, b;
	enum err rc;

	buf_init(&form, a, 256);
	stripe_tree(&form, NULL, tree);
	call.form = tree ? &form : NULL;
	for (size_t i = 0; expand && i < json_object_array_length(expand) && i < 7; i++)
		names[i] = json_object_get_string(json_object_array_get_idx(expand, i));
	call.expand = names;
	rc = stripe_ask(a, &call, &out);
	buf_init(&b, a, 4096);
	buf_char(&b, '{');
	jx_key_str(&b, "err", err_info(rc)->code);
	jx_key_int(&b, "status", out.status), jx_key_int(&b, "attempts", out.attempts);
	jx_key_int(&b, "retry_after", out.retry_after);
	jx_key(&b, "is_replayed"), jx_bool(&b, out.is_replayed);
	jx_key_str(&b, "type", out.type), jx_key_str(&b, "code", out.code);
	jx_key_str(&b, "decline_code", out.decline_code), jx_key_str(&b, "param", out.param);
	jx_key_str(&b, "message", out.message), jx_key_str(&b, "payment_intent", out.payment_intent);
	jx_key_str(&b, "request_id", out.request_id), jx_key_str(&b, "reason", out.reason);
	if (out.said) {
		read_object(&b, out.said);
		jx_key(&b, "said");
		buf_text(&b, json_object_to_json_string_ext(out.said, JSON_C_TO_STRING_PLAIN));
	}
	buf_char(&b, '}');
	puts(buf_str(&b));
}

static void verify(struct json_object *line)
{
	const char *body = member(line, "body");

	printf("{\"is_good\":%s}\n",
	       stripe_signature_verify(member(line, "secret"), member(line, "signature"), body, strlen(body),
				       time(NULL))
		       ? "true"
		       : "false");
}

int main(int argc, char **argv)
{
	struct arena a;
	char *text = NULL;
	size_t size = 0;
	ssize_t n;

	if (argc != 4)
		return 2;
	signal(SIGPIPE, SIG_IGN);
	cfg.stripe_api_url = argv[1];
	cfg.stripe_secret_key = argv[2];
	cfg.http_timeout_ms = atoi(argv[3]);
	cfg.http_connect_timeout_ms = 3000;
	arena_init(&a, 64 * 1024);
	while ((n = getline(&text, &size, stdin)) > 0) {
		struct json_object *line = NULL;
		const char *problem;

		if (json_read(&a, text, (size_t)n, &line, &problem)) {
			fprintf(stderr, "stripe_asker: %s\n", problem);
			return 1;
		}
		if (member(line, "signature"))
			verify(line);
		else
			ask(&a, line);
		fflush(stdout);
		arena_reset(&a);
	}
	free(text);
	arena_release(&a);
	return 0;
}
