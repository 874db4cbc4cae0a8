/*
 * Any bytes from an authenticator or its browser.  Behind an 'R' they are an
 * attestation object; behind an 'S', authenticator data, which are signed here,
 * or else no input would get past the signature; behind a 'K', a stored key;
 * behind a 'C' or a 'G', the client data of a registration or a sign-in; behind
 * an 'O', an rp_id and, after a line break, an origin.
 */
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/crypto/webauthn.h"

#define RP "example.org"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static EVP_PKEY *pkey;
static unsigned char cose[77] = { 0xa5, 1, 2, 3, 0x26, 0x20, 1, 0x21, 0x58, 32 };
static const struct webauthn_client client = { .hash = "the hash of some client data" };

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	unsigned char point[65];
	size_t n;

	(void)argc;
	(void)argv;
	pkey = EVP_EC_gen("P-256");
	if (!pkey ||
	    !EVP_PKEY_get_octet_string_param(pkey, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof(point), &n) ||
	    n != sizeof(point))
		abort();
	memcpy(cose + 10, point + 1, 32);
	memcpy(cose + 42, "\x22\x58\x20", 3);
	memcpy(cose + 45, point + 33, 32);
	return 0;
}

/* What is promised of a registration that passed. */
static void registration(struct webauthn_bytes in)
{
	struct webauthn_credential c;
	struct webauthn_assertion out;
	const char *problem = NULL;

	if (webauthn_register(RP, in, &c, &problem)) {
		if (!problem)
			abort();
		return;
	}
	if (!c.id.n || c.id.n > WEBAUTHN_MAX_CREDENTIAL || c.id.p < in.p || c.id.p + c.id.n > in.p + in.n ||
	    c.public_key.p != c.id.p + c.id.n || c.public_key.p + c.public_key.n > in.p + in.n ||
	    (c.algorithm != WEBAUTHN_ES256 && c.algorithm != WEBAUTHN_RS256) ||
	    (c.is_backed_up && !c.may_be_backed_up))
		abort();
	/* Its key can be used: an assertion gets as far as the signature. */
	webauthn_assert(&client, RP, (struct webauthn_bytes){ in.p, in.n < 37 ? in.n : 37 },
			(struct webauthn_bytes){ in.p, 1 }, c.public_key, &out, &problem);
	if (!problem || strcmp(problem, "the signature is not the credential's"))
		abort();
}

static void assertion(struct webauthn_bytes in)
{
	unsigned char signature[128], *both = malloc(in.n + 32);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	struct webauthn_assertion out;
	size_t n = sizeof(signature);
	const char *problem = NULL;

	if (in.n)
		memcpy(both, in.p, in.n);
	memcpy(both + in.n, client.hash, 32);
	if (EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, pkey) <= 0 ||
	    EVP_DigestSign(ctx, signature, &n, both, in.n + 32) <= 0)
		abort();
	if (webauthn_assert(&client, RP, in, (struct webauthn_bytes){ signature, n },
			    (struct webauthn_bytes){ cose, sizeof(cose) }, &out, &problem) == ERR_OK) {
		if (in.n < 37 || (in.p[32] & 0x45) != 0x05)
			abort();
	} else if (!problem) {
		abort();
	}
	EVP_MD_CTX_free(ctx);
	free(both);
}

static void key(struct webauthn_bytes in)
{
	struct webauthn_assertion out;
	unsigned char head[37] = { 0 };
	const char *problem = NULL;

	if (webauthn_assert(&client, RP, (struct webauthn_bytes){ head, sizeof(head) },
			    (struct webauthn_bytes){ (const unsigned char *)"0", 1 }, in, &out,
			    &problem) == ERR_OK ||
	    !problem)
		abort();
}

static void client_data(struct arena *a, enum webauthn_ceremony ceremony, struct webauthn_bytes in)
{
	struct webauthn_client c;
	const char *problem = NULL;

	if (webauthn_client_read(a, ceremony, in, &c, &problem)) {
		if (!problem)
			abort();
		return;
	}
	if (!c.origin || in.n > WEBAUTHN_MAX_CLIENT_DATA)
		abort();
	webauthn_host(a, c.origin);
}

static void origin(struct arena *a, const char *text)
{
	char *line = strchr(text, '\n');
	const char *host;

	if (!line)
		return;
	*line = '\0';
	host = webauthn_host(a, line + 1);
	if (host && !*host)
		abort();
	if (webauthn_rp_covers(text, line + 1) && (!host || strlen(text) > strlen(host)))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct webauthn_bytes in = { data + 1, n ? n - 1 : 0 };
	struct arena a;

	if (!n)
		return 0;
	arena_init(&a, 4096);
	switch (*data) {
	case 'R': registration(in); break;
	case 'S': assertion(in); break;
	case 'K': key(in); break;
	case 'C': client_data(&a, WEBAUTHN_CREATE, in); break;
	case 'G': client_data(&a, WEBAUTHN_GET, in); break;
	case 'O': origin(&a, arena_dup_n(&a, in.p, in.n)); break;
	}
	arena_release(&a);
	return 0;
}
