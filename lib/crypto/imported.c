#include "lib/crypto/imported.h"

#include <crypt.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "lib/base/base64.h"

enum {
	BCRYPT_CHARS = 60,
	BCRYPT_SALT = 7,      /* where it begins, behind "$2b$10$" */
	BCRYPT_HASH = 7 + 22, /* and the hash */
	BCRYPT_BYTES = 72,    /* of a password */
	MAX_SALT = 64,
	MAX_SEPARATOR = 16,
	MAX_SIGNER = 128,
	MIN_SIGNER = 16,
	UUID_CHARS = 36,
	DERIVED = 64, /* bytes that Firebase has scrypt make, of which it uses 32 */
};

static const char bcrypt_chars[] = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
static const char firebase[] = "$firebase-scrypt$";

static bool is_bcrypt(const char *stored)
{
	return !strncmp(stored, "$2a$", 4) || !strncmp(stored, "$2b$", 4) || !strncmp(stored, "$2y$", 4);
}

static bool is_firebase(const char *stored)
{
	return !strncmp(stored, firebase, sizeof(firebase) - 1);
}

bool imported_is(const char *stored)
{
	return stored && (is_bcrypt(stored) || is_firebase(stored));
}

/*
 * bcrypt
 */

/* The cost of what has bcrypt's form; else -1. */
static int bcrypt_cost(const char *stored)
{
	if (strlen(stored) != BCRYPT_CHARS || stored[4] < '0' || stored[4] > '3' || stored[5] < '0' ||
	    stored[5] > '9' || stored[6] != '$' ||
	    strspn(stored + BCRYPT_SALT, bcrypt_chars) != BCRYPT_CHARS - BCRYPT_SALT)
		return -1;
	return (stored[4] - '0') * 10 + stored[5] - '0';
}

/* libxcrypt refuses phrases of 512 bytes and more, and bcrypt reads 72. */
static bool bcrypt_matches(const char *text, const char *stored)
{
	char phrase[BCRYPT_BYTES + 1] = "", setting[BCRYPT_CHARS + 1];
	struct crypt_data data;
	const char *made;
	bool matches;

	memcpy(phrase, text, strnlen(text, BCRYPT_BYTES));
	memcpy(setting, stored, sizeof(setting));
	setting[2] = 'b'; /* its $2a$ is another one for some bytes beyond ASCII */
	memset(&data, 0, sizeof(data));
	made = crypt_rn(phrase, setting, &data, sizeof(data));
	/* The salt's last character has bits that nobody reads, and writers differ in them. */
	matches = made && strlen(made) == BCRYPT_CHARS &&
		  !CRYPTO_memcmp(made + BCRYPT_HASH, stored + BCRYPT_HASH, BCRYPT_CHARS - BCRYPT_HASH);
	OPENSSL_cleanse(&data, sizeof(data));
	OPENSSL_cleanse(phrase, sizeof(phrase));
	return matches;
}

/*
 * Firebase
 */

struct firebase {
	int ln, r;
	unsigned char salt[MAX_SALT + MAX_SEPARATOR],
		hash[MAX_SIGNER]; /* the separator is part of the salt */
	size_t salt_len, hash_len;
};

/* n characters of base64 in either alphabet, with padding or without; -1: they are none, or more than max
 * bytes. */
static ssize_t decode(const char *p, size_t n, unsigned char *out, size_t max)
{
	char text[MAX_SIGNER * 4 / 3 + 4];

	if (n >= sizeof(text))
		return -1;
	while (n && p[n - 1] == '=')
		n--;
	if (n * 3 / 4 > max)
		return -1;
	for (size_t i = 0; i < n; i++)
		text[i] = (char)(p[i] == '+' ? '-' : p[i] == '/' ? '_' : p[i]);
	return base64_url_decode(text, n, out);
}

/* The parameters alone: false where it has not the form. */
static bool firebase_cost(const char *stored, int *ln, int *r, const char **separator)
{
	int at = 0;

	if (sscanf(stored + sizeof(firebase) - 1, "ln=%2d,r=%2d,ss=%n", ln, r, &at) != 2 || !at)
		return false;
	*separator = stored + sizeof(firebase) - 1 + at;
	return true;
}

static bool is_too_much(int ln, int r)
{
	return ln < 1 || ln > 30 || r < 1 || (128LL * r) << ln > IMPORTED_MAX_MIB * 1048576LL;
}

static bool firebase_read(const char *stored, struct firebase *out)
{
	const char *separator, *comma, *salt, *hash;
	ssize_t n, more;

	/* N < 2^(16 r): RFC 7914, 2. */
	if (!firebase_cost(stored, &out->ln, &out->r, &separator) || is_too_much(out->ln, out->r) ||
	    out->ln >= 16 * out->r)
		return false;
	comma = strchr(separator, ',');
	if (!comma || strncmp(comma, ",key=", 5) != 0 || strcspn(comma + 5, "$") != UUID_CHARS)
		return false;
	salt = comma + 5 + UUID_CHARS;
	hash = *salt ? strchr(salt + 1, '$') : NULL;
	if (!hash)
		return false;
	n = decode(salt + 1, (size_t)(hash - salt) - 1, out->salt, MAX_SALT);
	more = n < 0 ? -1 : decode(separator, (size_t)(comma - separator), out->salt + n, MAX_SEPARATOR);
	if (more < 0)
		return false;
	out->salt_len = (size_t)(n + more);
	n = decode(hash + 1, strlen(hash + 1), out->hash, MAX_SIGNER);
	out->hash_len = n < 0 ? 0 : (size_t)n;
	return n >= MIN_SIGNER;
}

/* AES-256-CTR from a counter of 0, in place. */
static void encrypt(const unsigned char *key, unsigned char *bytes, size_t n)
{
	static const unsigned char zero[16];
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	int len;

	if (!ctx || !EVP_EncryptInit_ex2(ctx, EVP_aes_256_ctr(), key, zero, NULL) ||
	    !EVP_EncryptUpdate(ctx, bytes, &len, bytes, (int)n))
		abort(); /* out of memory */
	EVP_CIPHER_CTX_free(ctx);
}

static bool firebase_matches(const char *text, const struct firebase *how, const char *signer)
{
	unsigned char key[DERIVED], bytes[MAX_SIGNER] = { 0 };
	ssize_t n = signer ? decode(signer, strlen(signer), bytes, sizeof(bytes)) : 0;
	bool matches;

	if (!EVP_PBE_scrypt(text, strlen(text), how->salt, how->salt_len, 1ull << how->ln, (uint64_t)how->r,
			    1, (IMPORTED_MAX_MIB + 8) * 1048576ull, key, sizeof(key)))
		abort(); /* out of memory: the parameters were checked */
	encrypt(key, bytes, sizeof(bytes));
	matches = n > 0 && (size_t)n == how->hash_len && !CRYPTO_memcmp(bytes, how->hash, how->hash_len);
	OPENSSL_cleanse(key, sizeof(key));
	OPENSSL_cleanse(bytes, sizeof(bytes));
	return matches;
}

/* Base64 as the hash has it: one alphabet, no padding.  NULL: it is none. */
static char *plain(struct arena *a, const char *text, size_t max)
{
	unsigned char bytes[MAX_SIGNER];
	char out[MAX_SIGNER * 4 / 3 + 4], *kept;
	ssize_t n = decode(text, strlen(text), bytes, max);

	if (n < 0)
		return NULL;
	base64_encode(bytes, (size_t)n, out);
	out[strcspn(out, "=")] = '\0';
	kept = arena_dup(a, out);
	OPENSSL_cleanse(bytes, sizeof(bytes));
	OPENSSL_cleanse(out, sizeof(out));
	return kept;
}

char *imported_firebase(struct arena *a, int ln, int r, const char *separator, const char *key,
			const char *salt, const char *hash)
{
	separator = plain(a, separator, MAX_SEPARATOR);
	salt = plain(a, salt, MAX_SALT);
	hash = plain(a, hash, MAX_SIGNER);
	if (!separator || !salt || !hash)
		return NULL;
	return arena_fmt(a, "%sln=%d,r=%d,ss=%s,key=%s$%s$%s", firebase, ln, r, separator, key, salt, hash);
}

char *imported_signer(struct arena *a, const char *text)
{
	char *signer = plain(a, text, MAX_SIGNER);

	return signer && strlen(signer) * 3 / 4 >= MIN_SIGNER ? signer : NULL;
}

/*
 * Both
 */

const char *imported_problem(struct arena *a, const char *stored)
{
	struct firebase how;
	const char *separator;
	int cost, ln, r;

	if (is_firebase(stored)) {
		if (firebase_cost(stored, &ln, &r, &separator) && is_too_much(ln, r))
			return arena_fmt(a, "is of scrypt with N=2^%d and r=%d, and the most is %d MiB", ln,
					 r, IMPORTED_MAX_MIB);
		return firebase_read(stored, &how) ? NULL : "is none of Firebase's";
	}
	if (!is_bcrypt(stored))
		return "is of no kind that is known here";
	cost = bcrypt_cost(stored);
	if (cost > IMPORTED_MAX_COST)
		return arena_fmt(a, "is of bcrypt's cost %d, and the highest is %d", cost, IMPORTED_MAX_COST);
	return cost < 4 ? "is none of bcrypt's" : NULL;
}

bool imported_matches(const char *text, const char *stored, const char *signer)
{
	struct firebase how;
	int cost;

	if (is_firebase(stored))
		return firebase_read(stored, &how) && firebase_matches(text, &how, signer);
	cost = is_bcrypt(stored) ? bcrypt_cost(stored) : -1;
	return cost >= 4 && cost <= IMPORTED_MAX_COST && bcrypt_matches(text, stored);
}
