/*
 * Mail addresses: when two of them are the same one.
 *
 * An address is kept as its owner gave it, and found by its key: what stays of
 * it when spelling does not count.  "JOSÉ@Bücher.example", with É as one
 * character or as E and an accent, and "josé@xn--bcher-kva.example" have one
 * key.  Nothing else folds an address: neither lower() in PostgreSQL, which
 * follows the database's locale, nor a loop over ASCII, so the two cannot differ.
 *
 *   local part  NFC (UAX 15), then simple case folding (CaseFolding.txt, C and
 *               S), so that each character stays one character: ß is not ss, ς
 *               and σ are one, İ, ı and i are three.  What RFC 6531 allows
 *               beyond ASCII is allowed, but
 *               - no character that another one stands for: those with a
 *                 compatibility decomposition (ﬁ, ａ, ², ª) and singletons (the
 *                 Kelvin sign, which NFC itself makes a K).  They are refused as
 *                 they come, before normalisation; to take them for what they
 *                 stand for would give two mailboxes one key;
 *               - nothing that cannot be seen: controls, format characters
 *                 (among them those of direction), blanks, private use,
 *                 unassigned code points;
 *               - no combining mark at its beginning.
 *   domain      UTS 46, nontransitional, with its rules for direction and
 *               joiners; in lower case, as A-labels (RFC 5890), which every
 *               server on the way understands.  The same characters are refused.
 *
 * ASCII takes a short way and no library: all of it is folded by case.
 */
#ifndef ASHLAR_EMAIL_H
#define ASHLAR_EMAIL_H

#include "lib/base/arena.h"

struct email {
	const char *address; /* to keep, and to write to: NFC, in lower case where that is the same key */
	const char *key;     /* to find it by; the same as email_key(address) */
};

/*
 * Read an address that a client gives as one: local@domain by RFC 5321 and
 * RFC 6531, at most 254 characters.  text is UTF-8.
 *
 * NULL, and *out filled with the arena's strings; else what was expected, to
 * stand behind "must be", with out as it was.
 */
const char *email_read(struct arena *a, const char *text, struct email *out);

/*
 * The key of an address that is there or is looked for, whatever its form.
 *
 * NULL where the rules refuse it: then it can only be found by the spelling that
 * was stored, as can one whose key another account has (see
 * sql/migrations/0015_email_keys.sql).  The arena's.
 */
const char *email_key(struct arena *a, const char *text);

/* The same of one that another issuer vouches for, whatever its form: where its key is NULL, address is text.
 */
void email_find(struct arena *a, const char *text, struct email *out);

/* A domain by the same rules, in lower case and as A-labels; NULL: it is none by them.  The arena's. */
const char *email_domain(struct arena *a, const char *text);

/*
 * The key, and of what has none the text itself in lower case, as far as it is ASCII: a name
 * that is always there, where codes and decoys are made of an address.
 */
const char *email_name(struct arena *a, const char *text);

#endif
