#include "lib/crypto/sigv4.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/buf.h"
#include "lib/crypto/secret.h"

/* What a signature adds to the query, itself included. */
enum { OWN_PAIRS = 6, MAX_PAIRS = SIGV4_MAX_PAIRS + OWN_PAIRS };

/* All but the unreserved characters of RFC 3986, in capitals: servers encode it again and compare. */
static void add_encoded(struct buf *b, const char *text, bool is_path)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";

	for (; *text; text++)
		if (strchr(plain, *text) || (is_path && *text == '/'))
			buf_char(b, *text);
		else
			buf_fmt(b, "%%%02X", (unsigned char)*text);
}

static char *encoded(struct arena *a, const char *text)
{
	struct buf b;

	buf_init(&b, a, strlen(text) + 32);
	add_encoded(&b, text, false);
	return buf_str(&b);
}

static int compare(const void *one, const void *other)
{
	const struct sigv4_pair *a = one, *b = other;
	int names = strcmp(a->name, b->name);

	return names ? names : strcmp(a->value, b->value);
}

static int count(const struct sigv4_pair *pairs)
{
	int n = 0;

	while (n < SIGV4_MAX_PAIRS && pairs[n].name)
		n++;
	return n;
}

static void add_query(struct buf *b, const struct sigv4_pair *pairs, int n)
{
	for (int i = 0; i < n; i++)
		buf_fmt(b, "%s%s=%s", i ? "&" : "", pairs[i].name, pairs[i].value);
}

static void add_hex(struct buf *b, const unsigned char *p)
{
	for (int i = 0; i < SECRET_BYTES; i++)
		buf_fmt(b, "%02x", p[i]);
}

/* Without the blanks around it, and one in the place of several: RFC 9110 5.5 lets proxies do that. */
static void add_trimmed(struct buf *b, const char *value)
{
	value += strspn(value, " ");
	for (; *value; value++)
		if (*value != ' ' || (value[1] && value[1] != ' '))
			buf_char(b, *value);
}

/* The key of a day, a region and a service: what a signature is made with is never the secret itself. */
static void derive(const struct sigv4_key *key, struct arena *a, const char *day,
		   unsigned char out[SECRET_BYTES])
{
	const char *const steps[] = { key->region, key->service, "aws4_request" };
	char *first = arena_fmt(a, "AWS4%s", key->secret);

	secret_hmac(first, strlen(first), NULL, day, strlen(day), out);
	OPENSSL_cleanse(first, strlen(first));
	for (int i = 0; i < 3; i++) {
		unsigned char next[SECRET_BYTES];

		secret_hmac(out, SECRET_BYTES, NULL, steps[i], strlen(steps[i]), next);
		memcpy(out, next, SECRET_BYTES);
		OPENSSL_cleanse(next, sizeof(next));
	}
}

char *sigv4_presign(struct arena *a, const struct sigv4_key *key, const struct sigv4_request *request,
		    time_t now, long ttl_s)
{
	struct sigv4_pair query[MAX_PAIRS], headers[SIGV4_MAX_PAIRS + 1];
	int nquery = count(request->query), nheaders = count(request->headers);
	unsigned char signing[SECRET_BYTES], digest[SECRET_BYTES];
	const char *scope, *host = strstr(request->origin, "://");
	char day[16], at[32];
	struct buf names, canonical, text, signature, url;
	struct tm utc;

	gmtime_r(&now, &utc);
	strftime(day, sizeof(day), "%Y%m%d", &utc);
	strftime(at, sizeof(at), "%Y%m%dT%H%M%SZ", &utc);
	scope = arena_fmt(a, "%s/%s/%s/aws4_request", day, key->region, key->service);

	memcpy(headers, request->headers, (size_t)nheaders * sizeof(*headers));
	headers[nheaders++] = (struct sigv4_pair){ "host", host ? host + 3 : request->origin };
	qsort(headers, (size_t)nheaders, sizeof(*headers), compare);
	buf_init(&names, a, 128);
	for (int i = 0; i < nheaders; i++)
		buf_fmt(&names, "%s%s", i ? ";" : "", headers[i].name);

	for (int i = 0; i < nquery; i++)
		query[i] = (struct sigv4_pair){ encoded(a, request->query[i].name),
						encoded(a, request->query[i].value) };
	query[nquery++] = (struct sigv4_pair){ "X-Amz-Algorithm", "AWS4-HMAC-SHA256" };
	query[nquery++] =
		(struct sigv4_pair){ "X-Amz-Credential", encoded(a, arena_fmt(a, "%s/%s", key->id, scope)) };
	query[nquery++] = (struct sigv4_pair){ "X-Amz-Date", at };
	query[nquery++] = (struct sigv4_pair){ "X-Amz-Expires", arena_fmt(a, "%ld", ttl_s) };
	query[nquery++] = (struct sigv4_pair){ "X-Amz-SignedHeaders", encoded(a, buf_str(&names)) };
	qsort(query, (size_t)nquery, sizeof(*query), compare);

	buf_init(&canonical, a, 1024);
	buf_fmt(&canonical, "%s\n", request->method);
	add_encoded(&canonical, request->path, true);
	buf_char(&canonical, '\n');
	add_query(&canonical, query, nquery);
	buf_char(&canonical, '\n');
	for (int i = 0; i < nheaders; i++) {
		buf_fmt(&canonical, "%s:", headers[i].name);
		add_trimmed(&canonical, headers[i].value);
		buf_char(&canonical, '\n');
	}
	buf_fmt(&canonical, "\n%s\nUNSIGNED-PAYLOAD", buf_str(&names));

	buf_init(&text, a, 256);
	buf_fmt(&text, "AWS4-HMAC-SHA256\n%s\n%s\n", at, scope);
	secret_sha256(canonical.p, canonical.n, digest);
	add_hex(&text, digest);
	derive(key, a, day, signing);
	secret_hmac(signing, sizeof(signing), NULL, text.p, text.n, digest);
	OPENSSL_cleanse(signing, sizeof(signing));
	buf_init(&signature, a, 80);
	add_hex(&signature, digest);
	query[nquery++] = (struct sigv4_pair){ "X-Amz-Signature", buf_str(&signature) };
	qsort(query, (size_t)nquery, sizeof(*query), compare);

	buf_init(&url, a, 1024);
	buf_text(&url, request->origin);
	add_encoded(&url, request->path, true);
	buf_char(&url, '?');
	add_query(&url, query, nquery);
	return buf_str(&url);
}
