#include "handlers/identity/decoys.h"

#include "fcgi/req.h"
#include "lib/base/base64.h"
#include "lib/base/email.h"
#include "lib/base/jx.h"
#include "lib/crypto/secret.h"

enum {
	MAX_PASSKEYS = 20, /* that a user may have: passkey_room() */
	ONE_MORE = 77,     /* of 256 who have so many: 70 % have one, 21 % two, 6 % three, … */
	MAX_ID = 64,
};

/*
 * What people's passkeys are, as far as a list shows it: the ids' lengths and what
 * getTransports() says, which is in alphabetical order (WebAuthn 5.2.1).  Nobody
 * has two of what follows its owner from device to device, since the ceremony
 * excludes the one that is there.
 *
 * Decoys are only as steady as this table: a change of it changes all of them,
 * and shows which they were to who had asked before.
 */
static const struct kind {
	unsigned char share; /* of 256 */
	unsigned char id_bytes;
	bool only_once;
	const char *transports;
} kinds[] = {
	{ 78, 20, true, "[\"hybrid\",\"internal\"]" }, /* Apple's, from a browser */
	{ 16, 20, true, "[]" },                        /*   and from an app */
	{ 74, 16, true, "[\"hybrid\",\"internal\"]" }, /* Google's, and most password managers' */
	{ 10, 16, true, "[\"internal\"]" },            /* password managers that say less */
	{ 40, 32, false, "[\"internal\"]" }, /* a computer's own: Windows, Chrome's profile on a Mac */
	{ 14, 32, true, "[\"hybrid\",\"internal\"]" }, /* other phones' */
	{ 9, 48, false, "[\"nfc\",\"usb\"]" },         /* security keys */
	{ 5, 48, false, "[\"usb\"]" },
	{ 5, 64, false, "[\"nfc\",\"usb\"]" },
	{ 3, 64, false, "[\"usb\"]" },
	{ 2, 32, false, "[\"usb\"]" },
};

enum { KINDS = sizeof(kinds) / sizeof(*kinds) };

/* Bytes that only we can foretell: the MACs of the same text with 0, 1, 2, … behind. */
struct stream {
	struct req *rq;
	const char *whose;
	int block;
	size_t used;
	unsigned char bytes[SECRET_BYTES];
};

static unsigned char next(struct stream *s)
{
	const char *text;

	if (s->used == sizeof(s->bytes)) {
		text = arena_fmt(&s->rq->tx.arena, "%s %d", s->whose, s->block++);
		secret_mac("passkey decoy", text, strlen(text), s->bytes);
		s->used = 0;
	}
	return s->bytes[s->used++];
}

static const struct kind *kind_of(unsigned char share)
{
	const struct kind *k = kinds;

	while (share >= k->share)
		share = (unsigned char)(share - k++->share);
	return k;
}

/* One that may follow those that there are. */
static const struct kind *next_kind(struct stream *s, bool seen[KINDS])
{
	const struct kind *k;

	do {
		k = kind_of(next(s));
	} while (k->only_once && seen[k - kinds]);
	seen[k - kinds] = true;
	return k;
}

static void write_one(struct buf *b, struct stream *s, const struct kind *k)
{
	char text[MAX_ID * 4 / 3 + 3];
	unsigned char id[MAX_ID];

	for (int i = 0; i < k->id_bytes; i++)
		id[i] = next(s);
	base64_url_encode(id, k->id_bytes, text);
	jx_next(b);
	buf_fmt(b, "{\"id\":\"%s\",\"type\":\"public-key\",\"transports\":%s}", text, k->transports);
}

const char *decoys(struct req *rq, const char *tenant, const char *rp_id, const char *email)
{
	struct stream s = { .rq = rq, .used = sizeof(s.bytes) };
	bool seen[KINDS] = { false };
	struct buf b;
	int n = 1;

	s.whose = arena_fmt(&rq->tx.arena, "%s %s %s", tenant, rp_id, email_name(&rq->tx.arena, email));
	while (n < MAX_PASSKEYS && next(&s) < ONE_MORE)
		n++;
	buf_init(&b, &rq->tx.arena, 256);
	buf_char(&b, '[');
	while (n--)
		write_one(&b, &s, next_kind(&s, seen));
	buf_char(&b, ']');
	return buf_str(&b);
}
