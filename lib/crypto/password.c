#include "lib/crypto/password.h"

#include <ctype.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <strings.h>
#include <unistd.h>

#include "lib/base/base64.h"
#include "lib/base/clock.h"
#include "lib/base/nfc.h"
#include "lib/base/utf8.h"
#include "lib/crypto/imported.h"
#include "lib/crypto/secret.h"
#include "lib/db/tx.h"
#include "lib/host/shm.h"

/* OWASP's Password Storage Cheat Sheet, scrypt: of its equals in at most 32 MiB, the one that takes least
 * CPU. */
enum { LN = 14, R = 8, P = 5 };

enum {
	SALT_BYTES = 16,
	HASH_BYTES = 32,
	MAX_TAIL = 4,    /* signs behind a common word that do not make it uncommon */
	MAX_MIB = 64,    /* a stored hash may not ask for more */
	MAX_WORK = 4,    /* times ours, of one that is brought along */
	MAX_HELD_S = 30, /* a place held longer has no holder any more: pids come round again */
	POLL_NS = 2000000,
};

/* Who hashes: a place for each. */
SHM_REGION(hashers, _Atomic uint64_t, PASSWORD_PLACES)

static int use_ln = LN;

void password_use_cost(int ln)
{
	use_ln = ln ? ln : LN;
}

/*
 * Policy
 */

/* Is it among the common ones?  text is in lower case. */
static bool is_common(const char *text, size_t n)
{
	return words_have(password_words, PASSWORD_WORD_MAX, text, n);
}

/* How much of text is left without up to MAX_TAIL digits or signs behind it. */
static size_t stem_of(const char *text, size_t n)
{
	size_t stem = n;

	while (stem > 0 && n - stem < MAX_TAIL && !isalpha((unsigned char)text[stem - 1]) &&
	       !(text[stem - 1] & 0x80))
		stem--;
	return stem;
}

/* The text in NFC, where it is as long as a password may be; else NULL. */
static const char *of_length(struct arena *a, const char *text)
{
	size_t length;

	/* What is too long in any spelling is not worth the work. */
	if (strnlen(text, NFC_MAX_SPELLING * PASSWORD_MAX_BYTES + 1) > NFC_MAX_SPELLING * PASSWORD_MAX_BYTES)
		return NULL;
	text = nfc(a, text);
	length = text ? utf8_length(text, strlen(text)) : 0;
	return length >= PASSWORD_MIN && length <= PASSWORD_MAX ? text : NULL;
}

const char *password_check(struct arena *a, const char *text, const char *email)
{
	bool upper = false, lower = false, digit = false, common;
	char folded[PASSWORD_MAX_BYTES + 1];
	size_t n, stem, local;

	text = of_length(a, text);
	if (!text)
		return "the password must be 8 to 128 characters of UTF-8";
	n = strlen(text);
	for (size_t i = 0; i < n; i++) {
		char c = text[i];

		upper |= c >= 'A' && c <= 'Z';
		lower |= c >= 'a' && c <= 'z';
		digit |= c >= '0' && c <= '9';
		folded[i] = (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
	}
	if (!upper || !lower || !digit)
		return "the password must have an upper-case letter, a lower-case letter and a digit";
	stem = stem_of(folded, n);
	common = is_common(folded, n) || is_common(folded, stem);
	email = email ? nfc(a, email) : NULL;
	if (!common && email) {
		local = strcspn(email, "@");
		common = (local == n || local == stem) && !strncasecmp(email, folded, local);
		OPENSSL_cleanse(folded, sizeof(folded));
		if (common)
			return "the password must not be the e-mail address";
	}
	OPENSSL_cleanse(folded, sizeof(folded));
	return common ? "the password is one of the most common; choose another" : NULL;
}

/*
 * Places
 */

struct place {
	_Atomic uint64_t *slot; /* NULL: there is no queue */
	uint64_t held;
};

/* Take a place and return its slot, with what is in it; NULL when there was none for PASSWORD_WAIT_MS. */
static _Atomic uint64_t *place_take(uint64_t *held)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	int64_t until_ns = clock_ns() + PASSWORD_WAIT_MS * 1000000LL;

	if (cores < 1)
		cores = 1;
	if (cores > PASSWORD_PLACES)
		cores = PASSWORD_PLACES;
	for (;;) {
		for (long i = 0; i < cores; i++)
			if (shm_place_take(&hashers()[i], MAX_HELD_S, held))
				return &hashers()[i];
		if (clock_ns() >= until_ns)
			return NULL;
		nanosleep(&(struct timespec){ .tv_nsec = POLL_NS }, NULL);
	}
}

/*
 * scrypt
 */

struct phc {
	int ln, r, p;
	unsigned char salt[64], hash[64];
	size_t salt_len, hash_len;
};

/* base64 as PHC strings have it: without padding. */
static void phc_encode(const void *p, size_t n, char *out)
{
	base64_encode(p, n, out);
	out[strcspn(out, "=")] = '\0';
}

static bool phc_decode(const char *p, size_t n, unsigned char *out, size_t max, size_t *len)
{
	ssize_t got = n * 3 / 4 > max || memchr(p, '=', n) ? -1 : base64_decode(p, n, out);

	*len = got > 0 ? (size_t)got : 0;
	return got > 0;
}

static bool phc_read(const char *text, struct phc *out)
{
	const char *salt, *hash;
	int at = 0;

	if (sscanf(text, "$scrypt$ln=%2d,r=%2d,p=%2d$%n", &out->ln, &out->r, &out->p, &at) != 3 || !at)
		return false;
	/* N < 2^(16 r): RFC 7914, 2. */
	if (out->ln < 1 || out->ln > 20 || out->r < 1 || out->ln >= 16 * out->r || out->p < 1 ||
	    (128L * out->r) << out->ln > MAX_MIB * 1048576L)
		return false;
	salt = text + at;
	hash = strchr(salt, '$');
	return hash &&
	       phc_decode(salt, (size_t)(hash - salt), out->salt, sizeof(out->salt), &out->salt_len) &&
	       phc_decode(hash + 1, strlen(hash + 1), out->hash, sizeof(out->hash), &out->hash_len) &&
	       out->hash_len >= 16;
}

static void scrypt(const char *text, const struct phc *how, unsigned char *out)
{
	if (!EVP_PBE_scrypt(text, strlen(text), how->salt, how->salt_len, 1ull << how->ln, (uint64_t)how->r,
			    (uint64_t)how->p, (MAX_MIB + 8) * 1048576ull, out, how->hash_len))
		abort(); /* out of memory: the parameters were checked */
}

/* The text as it is hashed.  What is not UTF-8 comes from no client, and is no password. */
static const char *normalized(struct arena *a, const char *text)
{
	const char *out = nfc(a, text);

	return out ? out : text;
}

/* Go on in one of the host's places; where nothing is shared, as in a command, there is no queue. */
static enum err place_enter(struct tx *tx, struct place *place)
{
	*place = (struct place){ NULL };
	/* nginx would send it to a pool that others wait in. */
	if (tx->is_light)
		return tx_fail_inside(tx, ERR_INTERNAL, "a row that hashes lacks HASHES");
	if (!hashers())
		return ERR_OK;
	place->slot = place_take(&place->held);
	if (!place->slot)
		return failure_retry(&tx->fail, &tx->arena, ERR_UNAVAILABLE, 1,
				     "too many sign-ins at once; try again in a second");
	return ERR_OK;
}

static void place_leave(const struct place *place)
{
	if (place->slot)
		shm_place_free(place->slot, place->held);
}

static enum err scrypt_placed(struct tx *tx, const char *text, const struct phc *how, unsigned char *out)
{
	struct place place;
	enum err rc = place_enter(tx, &place);

	if (rc)
		return rc;
	scrypt(text, how, out);
	place_leave(&place);
	return ERR_OK;
}

/* Today's parameters and a new salt. */
static struct phc phc_new(void)
{
	struct phc how = { .ln = use_ln, .r = R, .p = P, .salt_len = SALT_BYTES, .hash_len = HASH_BYTES };

	secret_random(how.salt, SALT_BYTES);
	return how;
}

static char *phc_text(struct arena *a, const struct phc *how)
{
	char salt[(SALT_BYTES + 2) / 3 * 4 + 1], hash[(HASH_BYTES + 2) / 3 * 4 + 1];

	phc_encode(how->salt, how->salt_len, salt);
	phc_encode(how->hash, how->hash_len, hash);
	return arena_fmt(a, "$scrypt$ln=%d,r=%d,p=%d$%s$%s", how->ln, how->r, how->p, salt, hash);
}

char *password_make(struct arena *a, const char *text)
{
	struct phc how = phc_new();

	scrypt(normalized(a, text), &how, how.hash);
	return phc_text(a, &how);
}

enum err password_hash(struct tx *tx, const char *text, const char **out)
{
	struct phc how = phc_new();
	enum err rc = scrypt_placed(tx, normalized(&tx->arena, text), &how, how.hash);

	if (rc)
		return rc;
	*out = phc_text(&tx->arena, &how);
	return ERR_OK;
}

const char *password_problem(struct arena *a, const char *stored)
{
	struct phc how;

	if (strncmp(stored, "$scrypt$", 8) != 0)
		return imported_problem(a, stored);
	if (!phc_read(stored, &how))
		return "is none of scrypt's that is known here";
	if ((128L * how.r) << how.ln > IMPORTED_MAX_MIB * 1048576L)
		return arena_fmt(a, "is of scrypt with N=2^%d and r=%d, and the most is %d MiB", how.ln,
				 how.r, IMPORTED_MAX_MIB);
	if (((long)how.r * how.p) << how.ln > MAX_WORK * ((long)R * P << LN))
		return arena_fmt(a, "is %d times as much work as one of ours, and the most is %d",
				 (int)(((long)how.r * how.p << how.ln) / ((long)R * P << LN)), MAX_WORK);
	return NULL;
}

static enum err scrypt_verify(struct tx *tx, const char *text, const struct phc *how, bool *matches)
{
	unsigned char made[sizeof(how->hash)];
	enum err rc = scrypt_placed(tx, text, how, made);

	*matches = !rc && !CRYPTO_memcmp(made, how->hash, how->hash_len);
	OPENSSL_cleanse(made, sizeof(made));
	return rc;
}

static enum err imported_verify(struct tx *tx, const char *text, const char *hash, const char *signer,
				bool *matches)
{
	struct place place;
	enum err rc = place_enter(tx, &place);

	if (rc)
		return rc;
	*matches = imported_matches(text, hash, signer);
	place_leave(&place);
	return ERR_OK;
}

enum err password_verify(struct tx *tx, const char *text, const struct password_stored *stored, bool *matches,
			 bool *is_outdated)
{
	const char *const spellings[] = { normalized(&tx->arena, text), text };
	bool is_imported = imported_is(stored->hash), known = stored->hash && !is_imported, fits;
	const char *imported = is_imported ? stored->hash : stored->decoy;
	struct phc how;
	enum err rc = ERR_OK;

	*matches = *is_outdated = false;
	if (!known || !phc_read(stored->hash, &how)) {
		known = false;
		how = phc_new();
	}
	/* For an unknown user as for a wrong password: the clock tells no more than what was sent. */
	for (int i = 0; i < (*spellings == text ? 1 : 2) && !*matches && !rc; i++) {
		if (is_imported)
			rc = imported_verify(tx, spellings[i], imported, stored->signer, matches);
		*is_outdated = *matches;
		if (rc || *matches)
			break;
		rc = scrypt_verify(tx, spellings[i], &how, &fits);
		*matches = !rc && known && fits;
		*is_outdated = *matches && (i || how.ln != use_ln || how.r != R || how.p != P ||
					    how.salt_len != SALT_BYTES || how.hash_len != HASH_BYTES);
		if (!rc && !*matches && imported && !is_imported)
			rc = imported_verify(tx, spellings[i], imported, stored->signer, &fits);
	}
	return rc;
}
