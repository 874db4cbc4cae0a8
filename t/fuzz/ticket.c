/*
 * What comes back of what was handed out: tickets, refresh tokens, state, sealed
 * text, one-time and recovery codes, password hashes.  Nothing that we did not
 * make is believed, and what is read is in its one form.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/crypto/imported.h"
#include "lib/crypto/password.h"
#include "lib/crypto/seal.h"
#include "lib/crypto/ticket.h"
#include "lib/base/base32.h"
#include "lib/crypto/recovery.h"
#include "lib/crypto/totp.h"
#include "lib/db/tx.h"
#include "lib/host/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void must(bool claim)
{
	if (!claim)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct tx tx;
	const char *tenant, *hash, *code;
	struct arena *a = &tx.arena;
	unsigned char bytes[64];
	struct refresh refresh;
	bool matches, outdated;
	int64_t step;
	ssize_t got;
	char *text;

	arena_init(a, 4096);
	cfg.jwt_secret = "the secret of the fuzzer, of 32 bytes or more";
	cfg.encryption_keys = "";
	text = arena_dup_n(a, data, n);

	if (ticket_parse(a, text, &tenant, &hash))
		must(uuid_bytes(tenant, bytes) && strlen(hash) == 66);
	must(!ticket_refresh_parse(a, text, &refresh) && !ticket_state_verify(a, "fuzz", text));
	must(!seal_open(a, "fuzz", NULL, text));
	seal_check(text);

	code = recovery_read(a, text);
	if (code)
		must(strlen(code) == 11 && !strcmp(recovery_read(a, code), code));
	got = base32_decode(text, bytes, sizeof(bytes));
	must(got <= (ssize_t)sizeof(bytes));
	totp_verify(text, "123456", 1700000000, -1, &step);
	totp_verify("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", text, 1700000000, -1, &step);

	password_check(a, text, text);
	/* A stored hash is ours; one that asks for little is computed, so that this ends. */
	if (!strncmp(text, "$scrypt$ln=1,r=1,p=1$", 21))
		must(!password_verify(&tx, "", &(struct password_stored){ .hash = text }, &matches,
				      &outdated));
	/* So is what another product made. */
	password_problem(a, text);
	if (!strncmp(text, "$firebase-scrypt$ln=1,r=1,", 26) || !strncmp(text, "$2b$04$", 7))
		must(!imported_matches("", text, "AAAAAAAAAAAAAAAAAAAAAA") || n == 60);
	arena_release(a);
	return 0;
}
