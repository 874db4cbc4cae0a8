/*
 * Any bytes as a bearer token.  Behind a 'S' in front, they are a payload that
 * is signed as one of our own tokens, or else no input would get past the
 * signature; behind an 'H', a header and, after a line break, a payload.
 * Behind a 'K', they are a key set.
 */
#include <openssl/hmac.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/base64.h"
#include "lib/base/clock.h"
#include "lib/crypto/issuer.h"
#include "lib/crypto/jwks.h"
#include "lib/crypto/tok.h"
#include "lib/host/config.h"
#include "lib/host/shm.h"

#define SECRET "the secret of the fuzzer, 32 bytes and more"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* RFC 7515's example, A.3. */
static const char keys[] = "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"kid\":\"a\","
			   "\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
			   "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}]}";
static struct jwks_flag *flags;

static const char *source(struct arena *a, const char *issuer)
{
	(void)a;
	(void)issuer;
	return keys;
}

static bool no_row(const struct whose *whose, const char *issuer, struct issuer_row *out)
{
	(void)whose;
	(void)issuer;
	(void)out;
	return false;
}

static int64_t now(void)
{
	return 1800000000; /* fixed, so that an input always does the same */
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	if (config_load_offline(stderr))
		abort();
	cfg.jwt_secret = SECRET;
	cfg.clerk_issuer = "https://clerk.example";
	cfg.clerk_jwks_url = "https://clerk.example/keys";
	shm_map(NULL, 0);
	flags = shm_at("jwks_flags");
	cfg.clerk_role_claim = "metadata.role";
	jwks_use_source(source);
	issuer_use_source(no_row);
	tok_use_clock(now);
	tok_init();
	return 0;
}

static char *part(struct arena *a, const void *p, size_t n)
{
	char *out = arena_alloc_raw(a, n * 4 / 3 + 3);

	base64_url_encode(p, n, out);
	return out;
}

static const char *sign(struct arena *a, const char *header, size_t header_n, const char *payload,
			size_t payload_n)
{
	char *text = arena_fmt(a, "%s.%s", part(a, header, header_n), part(a, payload, payload_n));
	unsigned char mac[32];
	unsigned n;

	HMAC(EVP_sha256(), SECRET, sizeof(SECRET) - 1, (unsigned char *)text, strlen(text), mac, &n);
	return arena_fmt(a, "%s.%s", text, part(a, mac, n));
}

/* What is promised of a token that passed. */
static void check(const struct claims *c)
{
	if (!c->subject || !*c->subject || strlen(c->subject) > 255 || !c->issuer ||
	    strcmp(c->issuer, cfg.jwt_issuer) || !c->own || !c->session || strlen(c->session) != 36 ||
	    !c->tenant_id || strlen(c->tenant_id) != 36 || now() - c->exp >= TOK_LEEWAY_S ||
	    c->generation < 0)
		abort();
}

static void key_set(struct arena *a, const char *text, size_t n)
{
	struct jwks_set set;
	const char *problem = NULL;

	if (jwks_parse(a, text, n, &set, &problem)) {
		if (!problem || set.n)
			abort();
		return;
	}
	if (set.n < 1 || set.n > JWKS_KEYS)
		abort();
	jwks_release(&set);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const char header[] = "{\"alg\":\"HS256\"}";
	const struct whose nobody = { NULL, NULL };
	struct failure why;
	struct arena arena = { NULL };
	struct claims first, again;
	const char *text, *p, *line;

	if (!n)
		return 0;
	arena_init(&arena, 16384);
	p = arena_dup_n(&arena, data + 1, n - 1);
	line = memchr(p, '\n', n - 1);
	if (*data == 'K') {
		key_set(&arena, p, n - 1);
		arena_release(&arena);
		return 0;
	}
	if (*data == 'S')
		text = sign(&arena, header, sizeof(header) - 1, p, n - 1);
	else if (*data == 'H' && line)
		text = sign(&arena, p, (size_t)(line - p), line + 1, n - 1 - (size_t)(line + 1 - p));
	else
		text = arena_dup_n(&arena, data, n);
	flags[0].asked_ms = clock_ns() / 1000000; /* so that an unknown kid is not waited for */
	if (tok_verify(&arena, &nobody, text, &first, &why) == ERR_OK) {
		check(&first);
		/* From the cache it must be the same. */
		if (tok_verify(&arena, &nobody, text, &again, &why) || strcmp(first.subject, again.subject) ||
		    strcmp(first.session, again.session) || first.exp != again.exp ||
		    first.generation != again.generation || !first.role != !again.role ||
		    !first.email != !again.email)
			abort();
		check(&again);
	}
	arena_release(&arena);
	return 0;
}
