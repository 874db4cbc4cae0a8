/*
 * One-time passwords of authenticator apps (RFC 6238: SHA-1, six digits, 30
 * seconds, as all apps understand).
 */
#ifndef ASHLAR_TOTP_H
#define ASHLAR_TOTP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/base/arena.h"

enum {
	TOTP_STEP_S = 30,
	TOTP_WINDOW = 1, /* steps that the phone's clock may be off, either way */
	TOTP_SECRET_BYTES = 20,
	TOTP_RECOVERY_CODES = 10,
};

/* A new secret: 20 random bytes in base32, 32 characters.  The arena's. */
char *totp_secret(struct arena *a);

/*
 * Is code the one of secret at this time, or of a step before or behind?
 *
 * secret  base32, in either case; borrowed
 * after   the step of the last code that was accepted, -1 when there was none: a code is good once
 * step    the step of this code: store it where it is still greater than the stored one, and accept
 *         the code only if that changed a row
 *
 * All steps of the window are computed, and compared in constant time.
 */
bool totp_verify(const char *secret, const char *code, int64_t now_s, int64_t after, int64_t *step);

/* The six digits of a step (seconds since 1970 / 30); false when secret is no base32. */
bool totp_code(const char *secret, int64_t step, char out[7]);

/*
 * What the QR code says: "otpauth://totp/Issuer:account?secret=…&issuer=…", with issuer and
 * account percent-encoded and without colons.  The arena's.
 */
char *totp_uri(struct arena *a, const char *secret, const char *issuer, const char *account);

#endif
