#include "lib/crypto/ticket.h"

#include <assert.h>
#include <openssl/crypto.h>
#include <zlib.h>

#include "lib/base/base64.h"
#include "lib/base/clock.h"

enum {
	TICKET_BYTES = UUID_BYTES + 32,
	TICKET_CHARS = TICKET_BYTES * 4 / 3,
	REFRESH_SIGNED = 2 * UUID_BYTES + 4,
	REFRESH_BYTES = REFRESH_SIGNED + SECRET_BYTES,
	REFRESH_CHARS = (REFRESH_BYTES * 4 + 2) / 3,
	MAC_CHARS = (SECRET_BYTES * 4 + 2) / 3,
	MAX_STATE = 4096,
	KEY_RANDOM = 34,
	KEY_CHECK = 6,
	ORGANIZATION_RANDOM = 40,
};

static const char alphanumeric[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

static char *encode(struct arena *a, const void *p, size_t n)
{
	char *out = arena_alloc_raw(a, n * 4 / 3 + 3);

	base64_url_encode(p, n, out);
	return out;
}

/* Exactly bytes from exactly as many characters as they make. */
static bool decode(const char *text, size_t chars, void *out, size_t bytes)
{
	return strnlen(text, chars + 1) == chars && base64_url_decode(text, chars, out) == (ssize_t)bytes;
}

char *ticket_new(struct arena *a, const char *tenant)
{
	unsigned char bytes[TICKET_BYTES];
	bool good = uuid_bytes(tenant, bytes);
	char *text;

	assert(good);
	(void)good;
	secret_random(bytes + UUID_BYTES, sizeof(bytes) - UUID_BYTES);
	text = encode(a, bytes, sizeof(bytes));
	OPENSSL_cleanse(bytes, sizeof(bytes));
	return text;
}

bool ticket_parse(struct arena *a, const char *text, const char **tenant, const char **hash)
{
	unsigned char bytes[TICKET_BYTES];

	if (!decode(text, TICKET_CHARS, bytes, sizeof(bytes)))
		return false;
	*tenant = uuid_text(a, bytes);
	*hash = secret_sha256_hex(a, text);
	OPENSSL_cleanse(bytes, sizeof(bytes));
	return true;
}

char *ticket_code(struct arena *a)
{
	return arena_fmt(a, "%06u", (unsigned)secret_random_below(1000000));
}

char *ticket_code_hash(struct arena *a, const char *scope, const char *code)
{
	char *text = arena_fmt(a, "%s\n%s", scope, code);
	unsigned char mac[SECRET_BYTES];

	return secret_mac("code", text, strlen(text), mac) ? secret_bytea(a, mac, sizeof(mac)) : NULL;
}

char *ticket_api_key(struct arena *a, const char *prefix)
{
	return arena_fmt(a, "%s%s", prefix, secret_random_text(a, alphanumeric, 32));
}

static const char workspace_prefix[] = "ash_live_";
static const char organization_prefix[] = "sk_live_";

static void check_digits(const char *random, char out[KEY_CHECK + 1])
{
	static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
	unsigned long crc = crc32(0, (const unsigned char *)random, KEY_RANDOM);

	for (int i = KEY_CHECK - 1; i >= 0; i--, crc /= 62)
		out[i] = digits[crc % 62];
	out[KEY_CHECK] = '\0';
}

char *ticket_workspace_key(struct arena *a)
{
	const char *random = secret_random_text(a, alphanumeric, KEY_RANDOM);
	char check[KEY_CHECK + 1];

	check_digits(random, check);
	return arena_fmt(a, "%s%s%s", workspace_prefix, random, check);
}

bool ticket_is_workspace_key(const char *text)
{
	char check[KEY_CHECK + 1];

	if (strncmp(text, workspace_prefix, strlen(workspace_prefix)) != 0)
		return false;
	text += strlen(workspace_prefix);
	if (strspn(text, alphanumeric) != KEY_RANDOM + KEY_CHECK || text[KEY_RANDOM + KEY_CHECK])
		return false;
	check_digits(text, check);
	return !strcmp(text + KEY_RANDOM, check);
}

char *ticket_organization_key(struct arena *a)
{
	return arena_fmt(a, "%s%s", organization_prefix,
			 secret_random_text(a, alphanumeric, ORGANIZATION_RANDOM));
}

bool ticket_is_organization_key(const char *text)
{
	if (strncmp(text, organization_prefix, strlen(organization_prefix)) != 0)
		return false;
	text += strlen(organization_prefix);
	return strspn(text, alphanumeric) == ORGANIZATION_RANDOM && !text[ORGANIZATION_RANDOM];
}

bool ticket_begins_secret(const char *text)
{
	return !strncmp(text, "sk_", 3) || !strncmp(text, workspace_prefix, strlen(workspace_prefix));
}

char *ticket_refresh_make(struct arena *a, const char *tenant, const char *session, uint32_t generation)
{
	unsigned char bytes[REFRESH_BYTES];
	bool good = uuid_bytes(tenant, bytes) && uuid_bytes(session, bytes + UUID_BYTES);
	char *text;

	assert(good);
	(void)good;
	for (int i = 0; i < 4; i++)
		bytes[2 * UUID_BYTES + i] = (unsigned char)(generation >> (24 - 8 * i));
	if (!secret_mac("refresh", bytes, REFRESH_SIGNED, bytes + REFRESH_SIGNED))
		return NULL;
	text = encode(a, bytes, sizeof(bytes));
	OPENSSL_cleanse(bytes, sizeof(bytes));
	return text;
}

bool ticket_refresh_parse(struct arena *a, const char *text, struct refresh *out)
{
	unsigned char bytes[REFRESH_BYTES], mac[SECRET_BYTES];
	bool same;

	if (!decode(text, REFRESH_CHARS, bytes, sizeof(bytes)))
		return false;
	same = secret_mac("refresh", bytes, REFRESH_SIGNED, mac) &&
	       !CRYPTO_memcmp(mac, bytes + REFRESH_SIGNED, sizeof(mac));
	OPENSSL_cleanse(mac, sizeof(mac)); /* of a forged token it is the one that would pass */
	if (!same)
		return false;
	out->tenant = uuid_text(a, bytes);
	out->session = uuid_text(a, bytes + UUID_BYTES);
	out->generation = 0;
	for (int i = 0; i < 4; i++)
		out->generation = out->generation << 8 | bytes[2 * UUID_BYTES + i];
	return true;
}

/* The MAC of a state's first part; the purpose is in the key and may be any text of ours. */
static bool state_mac(struct arena *a, const char *purpose, const char *part, size_t n,
		      unsigned char mac[SECRET_BYTES])
{
	return secret_mac(arena_fmt(a, "state %s", purpose), part, n, mac);
}

char *ticket_state_sign(struct arena *a, const char *purpose, const char *json, int ttl_s)
{
	uint64_t expires_s = (uint64_t)(clock_unix_us() / 1000000 + ttl_s);
	size_t n = strlen(json);
	unsigned char *bytes = arena_alloc_raw(a, 8 + n), mac[SECRET_BYTES];
	char *part;

	for (int i = 0; i < 8; i++)
		bytes[i] = (unsigned char)(expires_s >> (56 - 8 * i));
	memcpy(bytes + 8, json, n);
	part = encode(a, bytes, 8 + n);
	assert(strlen(part) + 1 + MAC_CHARS <= MAX_STATE);
	if (!state_mac(a, purpose, part, strlen(part), mac))
		return NULL;
	return arena_fmt(a, "%s.%s", part, encode(a, mac, sizeof(mac)));
}

const char *ticket_state_verify(struct arena *a, const char *purpose, const char *state)
{
	size_t n = strnlen(state, MAX_STATE + 1);
	const char *dot = memchr(state, '.', n);
	unsigned char mac[SECRET_BYTES], made[SECRET_BYTES], *bytes;
	uint64_t expires_s = 0;
	ssize_t got;
	bool same;

	if (n > MAX_STATE || !dot || !decode(dot + 1, MAC_CHARS, mac, sizeof(mac)))
		return NULL;
	n = (size_t)(dot - state);
	same = state_mac(a, purpose, state, n, made) && !CRYPTO_memcmp(made, mac, sizeof(mac));
	OPENSSL_cleanse(made, sizeof(made));
	if (!same)
		return NULL;
	bytes = arena_alloc_raw(a, n + 1);
	got = base64_url_decode(state, n, bytes);
	if (got < 8)
		return NULL;
	for (int i = 0; i < 8; i++)
		expires_s = expires_s << 8 | bytes[i];
	if ((uint64_t)(clock_unix_us() / 1000000) >= expires_s)
		return NULL;
	return arena_dup_n(a, bytes + 8, (size_t)got - 8);
}

char *ticket_text_sign(struct arena *a, const char *purpose, const char *text)
{
	unsigned char mac[SECRET_BYTES];
	char *part = encode(a, text, strlen(text));

	assert(strlen(part) + 1 + MAC_CHARS <= MAX_STATE);
	if (!secret_mac(arena_fmt(a, "text %s", purpose), part, strlen(part), mac))
		return NULL;
	return arena_fmt(a, "%s.%s", part, encode(a, mac, sizeof(mac)));
}

const char *ticket_text_verify(struct arena *a, const char *purpose, const char *token)
{
	size_t n = strnlen(token, MAX_STATE + 1);
	const char *dot = memchr(token, '.', n);
	unsigned char mac[SECRET_BYTES], made[SECRET_BYTES];
	char *text;
	ssize_t got;
	bool same;

	if (n > MAX_STATE || !dot || !decode(dot + 1, MAC_CHARS, mac, sizeof(mac)))
		return NULL;
	n = (size_t)(dot - token);
	same = secret_mac(arena_fmt(a, "text %s", purpose), token, n, made) &&
	       !CRYPTO_memcmp(made, mac, sizeof(mac));
	OPENSSL_cleanse(made, sizeof(made));
	if (!same)
		return NULL;
	text = arena_alloc_raw(a, n + 1);
	got = base64_url_decode(token, n, text);
	return got < 0 ? NULL : arena_dup_n(a, text, (size_t)got);
}
