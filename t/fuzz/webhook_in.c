/*
 * What stands in front of a webhook: signature headers and Apple's JWS.  The
 * first byte says what the rest is: 'S' a Stripe-Signature, 'W' id, timestamp
 * and signature of Standard Webhooks, one a line, 'J' a JWS as it came, 'H' a
 * JWS' header and, after a line break, its payload, encoded here, or else no
 * input would get past the base64; 'B' base64.  None of it is ever believed.
 */
#include <json-c/json.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/base64.h"
#include "providers/apple_jws.h"
#include "providers/standard_webhooks.h"
#include "providers/stripe_signature.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

enum { NOW = 1800000000 };

static void must(bool claim)
{
	if (!claim)
		abort();
}

static void jws(struct arena *a, const char *text, size_t n)
{
	static X509_STORE *roots;
	struct json_object *payload;
	int64_t signed_at;

	if (!roots)
		roots = X509_STORE_new();
	must(apple_jws_open(a, roots, text, n, &payload, &signed_at) != NULL);
}

static void encoded_jws(struct arena *a, const char *p, size_t n)
{
	const char *line = memchr(p, '\n', n);
	size_t header = line ? (size_t)(line - p) : n;
	char *text = arena_alloc(a, n * 4 / 3 + 128), *to = text;
	static const char signature[64] = { 1 };

	to += base64_url_encode(p, header, to);
	*to++ = '.';
	if (line)
		to += base64_url_encode(line + 1, n - header - 1, to);
	*to++ = '.';
	to += base64_url_encode(signature, sizeof(signature), to);
	jws(a, text, (size_t)(to - text));
}

static void base64(struct arena *a, const char *p, size_t n)
{
	char *bytes = arena_alloc_raw(a, n + 1), *again = arena_alloc(a, n + 8);
	ssize_t got = base64_decode(p, n, bytes);

	if (got < 0)
		return;
	/* Apart from padding, which may be left out, a sequence of bytes has one text. */
	base64_encode(bytes, (size_t)got, again);
	must(!memcmp(again, p, n) && strspn(again + n, "=") == strlen(again + n));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct arena a;
	char *text, *id, *timestamp, *signature;

	if (!n)
		return 0;
	arena_init(&a, 4096);
	text = arena_dup_n(&a, data + 1, n - 1);
	switch (data[0]) {
	case 'S': must(!stripe_signature_verify("whsec_a,whsec_b", text, "{}", 2, NOW)); break;
	case 'W':
		signature = text;
		id = strsep(&signature, "\n");
		timestamp = strsep(&signature, "\n");
		must(!standard_webhooks_verify("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", id, timestamp,
					       signature, "{}", 2, NOW));
		break;
	case 'J': jws(&a, text, n - 1); break;
	case 'H': encoded_jws(&a, text, n - 1); break;
	case 'B': base64(&a, text, n - 1); break;
	default: standard_webhooks_is_secret(text, n - 1);
	}
	arena_release(&a);
	return 0;
}
