/*
 * CBOR is read with libcbor's streaming decoder, an item at a time.  Its tree
 * decoder reserves as much memory as an array claims to have elements, before
 * it has seen one, and nests 2048 deep.  libfido2, which verifies assertions,
 * was looked at and left: it links libudev and zlib into processes that face
 * the network (220 KiB more of each child), reads CBOR into such trees, and
 * verifies no registration without an attestation statement.
 */
#include "lib/crypto/webauthn.h"

#include <cbor.h>
#include <json-c/json.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <strings.h>

#include "lib/base/base64.h"
#include "lib/base/json.h"
#include "lib/crypto/pubkey.h"

static enum err refuse(const char **problem, const char *text)
{
	*problem = text;
	return ERR_BAD_REQUEST;
}

/*
 * CBOR (RFC 8949) as CTAP2 has it (8): definite lengths, shortest heads, no
 * tags, four levels.  Level 2 (2) says decoders should refuse what is not in
 * that form; the order of members is let pass, since software authenticators
 * get it wrong and no meaning hangs on it.
 */

enum { MAX_DEPTH = 4, MAX_MEMBERS = 32 };

enum kind { BAD, UINT, NEGATIVE, BYTES, TEXT, ARRAY, MAP, OTHER };

struct item {
	enum kind kind;
	uint64_t n; /* the value (of NEGATIVE: -1 - n), the length, or how many elements */
	const unsigned char *p;
	int head; /* how long the head must be; 0: not checked */
};

struct reader {
	const unsigned char *p, *end;
};

static void take(void *item, enum kind kind, uint64_t n)
{
	*(struct item *)item = (struct item){
		.kind = kind,
		.n = n,
		.head = n < 24            ? 1
			: n <= UINT8_MAX  ? 2
			: n <= UINT16_MAX ? 3
			: n <= UINT32_MAX ? 5
					  : 9,
	};
}

static void take_u8(void *item, uint8_t v)
{
	take(item, UINT, v);
}

static void take_u16(void *item, uint16_t v)
{
	take(item, UINT, v);
}

static void take_u32(void *item, uint32_t v)
{
	take(item, UINT, v);
}

static void take_u64(void *item, uint64_t v)
{
	take(item, UINT, v);
}

static void take_n8(void *item, uint8_t v)
{
	take(item, NEGATIVE, v);
}

static void take_n16(void *item, uint16_t v)
{
	take(item, NEGATIVE, v);
}

static void take_n32(void *item, uint32_t v)
{
	take(item, NEGATIVE, v);
}

static void take_n64(void *item, uint64_t v)
{
	take(item, NEGATIVE, v);
}

static void take_bytes(void *item, cbor_data p, size_t n)
{
	take(item, BYTES, n);
	((struct item *)item)->p = p;
}

static void take_text(void *item, cbor_data p, size_t n)
{
	take(item, TEXT, n);
	((struct item *)item)->p = p;
}

static void take_array(void *item, size_t n)
{
	take(item, ARRAY, n);
}

static void take_map(void *item, size_t n)
{
	take(item, MAP, n);
}

static void take_other(void *item)
{
	((struct item *)item)->kind = OTHER;
}

static void take_bool(void *item, bool v)
{
	(void)v;
	take_other(item);
}

static void take_float(void *item, float v)
{
	(void)v;
	take_other(item);
}

static void take_double(void *item, double v)
{
	(void)v;
	take_other(item);
}

/* Indefinite lengths and their end. */
static void take_bad(void *item)
{
	((struct item *)item)->kind = BAD;
}

static void take_tag(void *item, uint64_t v)
{
	(void)v;
	take_bad(item);
}

static const struct cbor_callbacks callbacks = {
	.uint8 = take_u8,
	.uint16 = take_u16,
	.uint32 = take_u32,
	.uint64 = take_u64,
	.negint64 = take_n64,
	.negint32 = take_n32,
	.negint16 = take_n16,
	.negint8 = take_n8,
	.byte_string_start = take_bad,
	.byte_string = take_bytes,
	.string = take_text,
	.string_start = take_bad,
	.indef_array_start = take_bad,
	.array_start = take_array,
	.indef_map_start = take_bad,
	.map_start = take_map,
	.tag = take_tag,
	.float2 = take_float,
	.float4 = take_float,
	.float8 = take_double,
	.undefined = take_other,
	.null = take_other,
	.boolean = take_bool,
	.indef_break = take_bad,
};

/* The next item; of an array or a map only its head. */
static bool next(struct reader *r, struct item *out)
{
	struct cbor_decoder_result res;
	size_t head;

	*out = (struct item){ .kind = BAD };
	if (r->p == r->end)
		return false;
	res = cbor_stream_decode(r->p, (size_t)(r->end - r->p), &callbacks, out);
	if (res.status != CBOR_DECODER_FINISHED || out->kind == BAD)
		return false;
	head = res.read - (out->p ? out->n : 0);
	r->p += res.read;
	return !out->head || head == (size_t)out->head;
}

/* A map that is being read, with the keys so far as they are encoded. */
struct map {
	struct reader *r;
	uint64_t left;
	struct webauthn_bytes seen[MAX_MEMBERS];
	int nseen;
};

static bool map_open(struct map *m, struct reader *r, const struct item *head)
{
	m->r = r;
	m->left = head->n;
	m->nseen = 0;
	return head->kind == MAP && head->n <= MAX_MEMBERS;
}

/* The next member's key: an integer or a text that was not there yet. */
static bool map_key(struct map *m, struct item *out)
{
	struct webauthn_bytes key = { m->r->p, 0 };
	int i;

	if (!next(m->r, out) || (out->kind != UINT && out->kind != NEGATIVE && out->kind != TEXT))
		return false;
	key.n = (size_t)(m->r->p - key.p);
	for (i = 0; i < m->nseen; i++)
		if (m->seen[i].n == key.n && !memcmp(m->seen[i].p, key.p, key.n))
			return false;
	m->seen[m->nseen++] = key;
	m->left--;
	return true;
}

static bool skip(struct reader *r, int depth);

/* Pass over the rest of an item whose head was read; depth levels may be opened. */
static bool skip_rest(struct reader *r, const struct item *head, int depth)
{
	struct item key;
	struct map m;
	uint64_t i;

	if (head->kind != ARRAY && head->kind != MAP)
		return true;
	if (!depth)
		return false;
	if (head->kind == ARRAY) {
		/* Every element takes a byte at least, so this ends with the input. */
		for (i = 0; i < head->n; i++)
			if (!skip(r, depth - 1))
				return false;
		return true;
	}
	if (!map_open(&m, r, head))
		return false;
	while (m.left)
		if (!map_key(&m, &key) || !skip(r, depth - 1))
			return false;
	return true;
}

static bool skip(struct reader *r, int depth)
{
	struct item head;

	return next(r, &head) && skip_rest(r, &head, depth);
}

/* An integer of a small value, as labels and algorithms are; anything else is 0, which none of them is. */
static int small(const struct item *item)
{
	if (item->n > INT16_MAX || (item->kind != UINT && item->kind != NEGATIVE))
		return 0;
	return item->kind == UINT ? (int)item->n : -1 - (int)item->n;
}

static bool is_text(const struct item *item, const char *text)
{
	return item->kind == TEXT && item->n == strlen(text) && !memcmp(item->p, text, item->n);
}

/*
 * Keys: COSE (RFC 8152 7 and 13, RFC 8230 4)
 */

enum { KTY = 1, ALG = 3, CRV_OR_N = -1, X_OR_E = -2, Y = -3 };
enum { KTY_EC2 = 2, KTY_RSA = 3, P256 = 1 };
enum {
	MAX_RSA_BYTES = 512
}; /* authenticators make 2048 bits; any client may send a key, and checking takes time */

/*
 * Read a key, which goes on from *r (is_known: it was read before); NULL and *problem when it is none for us.
 * Level 2 (6.5.1.1) allows the parameters that its kind needs, and alg, and no
 * others; (5.8.5) no compressed points.
 */
static EVP_PKEY *key_read(struct reader *r, bool is_known, int *algorithm, const char **problem)
{
	struct item head, label, kty = { 0 }, alg = { 0 }, first = { 0 }, second = { 0 }, third = { 0 }, *to;
	EVP_PKEY *pkey = NULL;
	struct map m;

	*problem = "the public key is not a COSE key";
	if (!next(r, &head) || !map_open(&m, r, &head))
		return NULL;
	while (m.left) {
		if (!map_key(&m, &label))
			return NULL;
		switch (small(&label)) {
		case KTY: to = &kty; break;
		case ALG: to = &alg; break;
		case CRV_OR_N: to = &first; break;
		case X_OR_E: to = &second; break;
		case Y: to = &third; break;
		default: return NULL;
		}
		/* Nothing in a key nests. */
		if (!next(r, to) || to->kind == ARRAY || to->kind == MAP)
			return NULL;
	}
	*algorithm = small(&alg);
	*problem = "the public key must be for ES256 or RS256";
	if (*algorithm == WEBAUTHN_ES256 && small(&kty) == KTY_EC2) {
		if (small(&first) == P256 && second.kind == BYTES && second.n == 32 && third.kind == BYTES &&
		    third.n == 32)
			pkey = pubkey_p256(second.p, third.p, is_known);
		*problem = "the public key is no point on P-256";
	} else if (*algorithm == WEBAUTHN_RS256 && small(&kty) == KTY_RSA) {
		if (first.kind == BYTES && first.n <= MAX_RSA_BYTES && second.kind == BYTES &&
		    third.kind == BAD)
			pkey = pubkey_rsa(first.p, first.n, second.p, second.n, is_known);
		*problem = "the public key is no RSA key of 2048 to 4096 bits";
	}
	return pkey;
}

/*
 * Authenticator data (6.1)
 */

enum flag {
	USER_PRESENT = 0x01,
	USER_VERIFIED = 0x04,
	BACKUP_ELIGIBLE = 0x08,
	BACKED_UP = 0x10,
	HAS_CREDENTIAL = 0x40,
	HAS_EXTENSIONS = 0x80,
};

enum { HASH = 32, HEAD = HASH + 1 + 4, CREDENTIAL_HEAD = 16 + 2 };

static uint32_t counter_of(const unsigned char *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* The fixed part; *r goes on behind it. */
static bool head_read(struct webauthn_bytes data, struct reader *r, unsigned *flags, uint32_t *counter)
{
	if (data.n < HEAD || data.n > WEBAUTHN_MAX_AUTH_DATA)
		return false;
	*flags = data.p[HASH];
	*counter = counter_of(data.p + HASH + 1);
	*r = (struct reader){ data.p + HEAD, data.p + data.n };
	return true;
}

/* What stands behind: a map, if the flag says so, and no more.  Extensions that were not asked for are
 * ignored. */
static bool tail_read(struct reader *r, unsigned flags)
{
	struct item head;

	if ((flags & HAS_EXTENSIONS) &&
	    (!next(r, &head) || head.kind != MAP || !skip_rest(r, &head, MAX_DEPTH)))
		return false;
	return r->p == r->end;
}

static enum err head_check(struct webauthn_bytes data, const char *rp_id, unsigned flags,
			   const char **problem)
{
	unsigned char hash[HASH];

	if (!EVP_Digest(rp_id, strlen(rp_id), hash, NULL, EVP_sha256(), NULL))
		abort();
	if (CRYPTO_memcmp(hash, data.p, HASH))
		return refuse(problem, "the credential is another site's");
	if (!(flags & USER_PRESENT))
		return refuse(problem, "the user was not present");
	if (!(flags & USER_VERIFIED))
		return refuse(problem, "the user was not verified");
	if ((flags & BACKED_UP) && !(flags & BACKUP_ELIGIBLE))
		return refuse(problem, "the credential is backed up and must not be");
	return ERR_OK;
}

/*
 * Registration
 */

/* The members of an attestation object (6.5.4): *auth_data, and whether the format allows the statement. */
static bool attestation_read(struct webauthn_bytes text, struct webauthn_bytes *auth_data)
{
	struct reader r = { text.p, text.p + text.n };
	bool is_none = false, has_format = false, has_statement = false, is_empty = false;
	struct item head, key, value;
	struct map m;

	*auth_data = (struct webauthn_bytes){ NULL, 0 };
	if (text.n > WEBAUTHN_MAX_ATTESTATION || !next(&r, &head) || !map_open(&m, &r, &head))
		return false;
	while (m.left) {
		if (!map_key(&m, &key) || !next(&r, &value) || !skip_rest(&r, &value, MAX_DEPTH - 1))
			return false;
		if (is_text(&key, "fmt")) {
			has_format = value.kind == TEXT;
			is_none = is_text(&value, "none");
		} else if (is_text(&key, "attStmt")) {
			has_statement = value.kind == MAP;
			is_empty = !value.n;
		} else if (is_text(&key, "authData") && value.kind == BYTES) {
			*auth_data = (struct webauthn_bytes){ value.p, value.n };
		}
	}
	return r.p == r.end && has_format && has_statement && auth_data->p && (is_empty || !is_none);
}

enum err webauthn_register(const char *rp_id, struct webauthn_bytes attestation,
			   struct webauthn_credential *out, const char **problem)
{
	struct webauthn_bytes data;
	struct reader r;
	EVP_PKEY *pkey;
	unsigned flags;
	enum err rc;

	if (!attestation_read(attestation, &data))
		return refuse(problem, "the attestation object is malformed");
	if (!head_read(data, &r, &flags, &out->counter))
		return refuse(problem, "the authenticator data are malformed");
	rc = head_check(data, rp_id, flags, problem);
	if (rc)
		return rc;
	if (!(flags & HAS_CREDENTIAL) || r.end - r.p < CREDENTIAL_HEAD)
		return refuse(problem, "there is no credential in the authenticator data");
	memcpy(out->aaguid, r.p, sizeof(out->aaguid));
	out->id.n = (size_t)r.p[16] << 8 | r.p[17];
	r.p += CREDENTIAL_HEAD;
	out->id.p = r.p;
	if (!out->id.n || out->id.n > WEBAUTHN_MAX_CREDENTIAL || out->id.n > (size_t)(r.end - r.p))
		return refuse(problem, "the credential's id must be 1 to 1023 bytes");
	r.p += out->id.n;
	out->public_key.p = r.p;
	pkey = key_read(&r, false, &out->algorithm, problem);
	if (!pkey)
		return ERR_BAD_REQUEST;
	EVP_PKEY_free(pkey);
	out->public_key.n = (size_t)(r.p - out->public_key.p);
	if (!tail_read(&r, flags))
		return refuse(problem, "the authenticator data are malformed");
	out->may_be_backed_up = flags & BACKUP_ELIGIBLE;
	out->is_backed_up = flags & BACKED_UP;
	return ERR_OK;
}

/*
 * Assertion
 */

/* Is it a signature over the authenticator data and the hash of the client data? */
static bool is_signed(EVP_PKEY *pkey, struct webauthn_bytes data, const unsigned char hash[HASH],
		      struct webauthn_bytes signature)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool ok;

	/* RSA's default padding is PKCS #1 v1.5, which RS256 is; ECDSA's form is DER, as level 2 (6.5.6) has
	 * it. */
	ok = ctx && EVP_DigestVerifyInit(ctx, NULL, EVP_sha256(), NULL, pkey) > 0 &&
	     EVP_DigestVerifyUpdate(ctx, data.p, data.n) > 0 && EVP_DigestVerifyUpdate(ctx, hash, HASH) > 0 &&
	     EVP_DigestVerifyFinal(ctx, signature.p, signature.n) > 0;
	EVP_MD_CTX_free(ctx);
	ERR_clear_error();
	return ok;
}

enum err webauthn_assert(const struct webauthn_client *client, const char *rp_id,
			 struct webauthn_bytes auth_data, struct webauthn_bytes signature,
			 struct webauthn_bytes public_key, struct webauthn_assertion *out,
			 const char **problem)
{
	struct reader key = { public_key.p, public_key.p + public_key.n }, r;
	EVP_PKEY *pkey;
	unsigned flags;
	int algorithm;
	bool ok;

	if (!head_read(auth_data, &r, &flags, &out->counter))
		return refuse(problem, "the authenticator data are malformed");
	pkey = key_read(&key, true, &algorithm, problem);
	if (!pkey)
		return ERR_BAD_REQUEST;
	ok = key.p == key.end && signature.n && signature.n <= WEBAUTHN_MAX_SIGNATURE &&
	     is_signed(pkey, auth_data, client->hash, signature);
	EVP_PKEY_free(pkey);
	if (!ok)
		return refuse(problem, "the signature is not the credential's");
	/* A credential is part of registrations only (6.1). */
	if ((flags & HAS_CREDENTIAL) || !tail_read(&r, flags))
		return refuse(problem, "the authenticator data are malformed");
	out->may_be_backed_up = flags & BACKUP_ELIGIBLE;
	out->is_backed_up = flags & BACKED_UP;
	return head_check(auth_data, rp_id, flags, problem);
}

/*
 * Client data
 */

static const char *text_of(struct json_object *object, const char *name)
{
	struct json_object *value;

	if (!json_object_object_get_ex(object, name, &value) || !json_object_is_type(value, json_type_string))
		return NULL;
	return json_object_get_string(value);
}

enum err webauthn_client_read(struct arena *a, enum webauthn_ceremony ceremony, struct webauthn_bytes json,
			      struct webauthn_client *out, const char **problem)
{
	static const char *const types[] = {
		[WEBAUTHN_CREATE] = "webauthn.create",
		[WEBAUTHN_GET] = "webauthn.get",
	};
	struct json_object *root, *member;
	const char *type, *challenge;

	if (json.n > WEBAUTHN_MAX_CLIENT_DATA)
		return refuse(problem, "the client data are too long");
	if (json_read(a, (const char *)json.p, json.n, &root, problem))
		return ERR_BAD_REQUEST;
	if (!json_object_is_type(root, json_type_object))
		return refuse(problem, "the client data are no JSON object");
	type = text_of(root, "type");
	if (!type || strcmp(type, types[ceremony]))
		return refuse(problem, ceremony == WEBAUTHN_CREATE
					       ? "the client data are not of a registration"
					       : "the client data are not of a sign-in");
	challenge = text_of(root, "challenge");
	if (!challenge || strlen(challenge) != (WEBAUTHN_CHALLENGE_BYTES * 4 + 2) / 3 ||
	    base64_url_decode(challenge, strlen(challenge), out->challenge) != WEBAUTHN_CHALLENGE_BYTES)
		return refuse(problem, "the challenge is not one of ours");
	out->origin = text_of(root, "origin");
	if (!out->origin)
		return refuse(problem, "the client data name no origin");
	/* The name of a page around ours is only there when crossOrigin is true. */
	if (json_object_object_get_ex(root, "topOrigin", NULL) ||
	    (json_object_object_get_ex(root, "crossOrigin", &member) &&
	     (!json_object_is_type(member, json_type_boolean) || json_object_get_boolean(member))))
		return refuse(problem, "another site's page has asked for it");
	if (!EVP_Digest(json.p, json.n, out->hash, NULL, EVP_sha256(), NULL))
		abort();
	return ERR_OK;
}

/*
 * Origins
 */

const char *webauthn_host(struct arena *a, const char *origin)
{
	const char *host = strstr(origin, "://"), *end;

	if (!host || host == origin)
		return NULL;
	host += 3;
	if (*host == '[') {
		host++;
		end = strchr(host, ']');
	} else {
		end = host + strcspn(host, ":/?#");
	}
	return end && end > host ? arena_dup_n(a, host, (size_t)(end - host)) : NULL;
}

bool webauthn_rp_covers(const char *rp_id, const char *origin)
{
	size_t n = strlen(rp_id), host_n;
	const char *host;
	bool is_https = !strncmp(origin, "https://", 8);

	if (!is_https && strncmp(origin, "http://", 7))
		return false;
	host = origin + (is_https ? 8 : 7);
	host_n = strcspn(host, ":/?#");
	if (*host == '[') /* an address: no domain */
		return false;
	if (!is_https && (host_n != 9 || strncasecmp(host, "localhost", 9)))
		return false;
	if (host_n == n)
		return n && !strncasecmp(host, rp_id, n);
	/* A domain above: not of an address, whose last label is a number. */
	return n && host_n > n && host[host_n - n - 1] == '.' && !strncasecmp(host + host_n - n, rp_id, n) &&
	       strchr(rp_id, '.') && !(rp_id[n - 1] >= '0' && rp_id[n - 1] <= '9');
}
