/*
 * One-time passwords: the RFCs' vectors, the window, no code twice.
 */
#include "lib/base/base32.h"
#include "lib/crypto/recovery.h"
#include "lib/crypto/totp.h"

#include "t/unit/tap.h"

#define RFC_SECRET "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ" /* "12345678901234567890" */

static struct arena a;

static void test_base32(void)
{
	/* RFC 4648 10 */
	static const struct {
		const char *plain, *text;
	} vectors[] = {
		{ "", "" },
		{ "f", "MY" },
		{ "fo", "MZXQ" },
		{ "foo", "MZXW6" },
		{ "foob", "MZXW6YQ" },
		{ "fooba", "MZXW6YTB" },
		{ "foobar", "MZXW6YTBOI" },
	};
	unsigned char out[8];

	for (size_t i = 0; i < sizeof(vectors) / sizeof(*vectors); i++) {
		const char *plain = vectors[i].plain;
		ssize_t n;

		is_str(base32_encode(&a, plain, strlen(plain)), vectors[i].text, "\"%s\" encoded", plain);
		n = base32_decode(vectors[i].text, out, sizeof(out));
		is_bytes(out, (size_t)n, plain, "… and decoded");
	}
	is_int(base32_decode("mzxw6ytboi======", out, 6), 6, "small letters and padding");
	is_int(base32_decode("MZXW6YTBOI", out, 5), -1, "more than there is room for");
	is_int(base32_decode("MZXW1", out, 8), -1, "a 1 is none of the alphabet");
	is_int(base32_decode("MZ XW6", out, 8), -1, "nor is a blank");
}

static void test_vectors(void)
{
	/* RFC 6238 B, the last six digits of its eight */
	static const struct {
		int64_t time_s;
		const char *code;
	} vectors[] = {
		{ 59, "287082" },         { 1111111109, "081804" }, { 1111111111, "050471" },
		{ 1234567890, "005924" }, { 2000000000, "279037" }, { 20000000000, "353130" },
	};
	char code[7];
	int64_t step;

	for (size_t i = 0; i < sizeof(vectors) / sizeof(*vectors); i++) {
		ok(totp_code(RFC_SECRET, vectors[i].time_s / 30, code), "a code");
		is_str(code, vectors[i].code, "as RFC 6238 has it at %lld", (long long)vectors[i].time_s);
		ok(totp_verify(RFC_SECRET, vectors[i].code, vectors[i].time_s, -1, &step) &&
			   step == vectors[i].time_s / 30,
		   "is verified, with its step");
	}
	ok(!totp_code("1", 1, code), "no base32, no code");
}

static void test_window(void)
{
	enum { NOW = 1234567890 };
	char code[7];
	int64_t step = 0, at = NOW / 30;

	totp_code(RFC_SECRET, at - 2, code);
	ok(!totp_verify(RFC_SECRET, code, NOW, -1, &step), "a code two steps old is refused");
	totp_code(RFC_SECRET, at - 1, code);
	ok(totp_verify(RFC_SECRET, code, NOW, -1, &step) && step == at - 1, "one step old is fine");
	totp_code(RFC_SECRET, at + 1, code);
	ok(totp_verify(RFC_SECRET, code, NOW, -1, &step) && step == at + 1, "one step ahead, too");
	totp_code(RFC_SECRET, at + 2, code);
	ok(!totp_verify(RFC_SECRET, code, NOW, -1, &step), "two steps ahead is refused");
	totp_code(RFC_SECRET, at, code);
	ok(!totp_verify(RFC_SECRET, code, NOW, at, &step), "the step that was used last is refused");
	ok(totp_verify(RFC_SECRET, code, NOW, at - 1, &step), "the one behind it is fine");
	ok(!totp_verify(RFC_SECRET, "", NOW, -1, &step) &&
		   !totp_verify(RFC_SECRET, "12345", NOW, -1, &step) &&
		   !totp_verify(RFC_SECRET, "0059244", NOW, -1, &step),
	   "other lengths are refused");
	ok(!totp_verify("", code, NOW, -1, &step), "an empty secret verifies nothing");
}

static void test_secret(void)
{
	char *secret = totp_secret(&a);

	is_int((long long)strlen(secret), 32, "a secret has 32 characters");
	is_int((long long)strspn(secret, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"), 32, "of base32");
	ok(strcmp(secret, totp_secret(&a)) != 0, "random ones");
	is_str(totp_uri(&a, "ABC", "Acme & Co: Müller", "ann+1@example.com"),
	       "otpauth://totp/Acme%20%26%20Co%20M%C3%BCller:ann%2B1%40example.com?secret=ABC"
	       "&issuer=Acme%20%26%20Co%20M%C3%BCller&algorithm=SHA1&digits=6&period=30",
	       "the URI has issuer and account encoded, and no colon in them");
}

static void test_recovery(void)
{
	char *code = recovery_code(&a), typed[] = "ABCDE fghjk";

	is_int((long long)strlen(code), 11, "a recovery code has 11 characters");
	ok(code[5] == '-' && strspn(code, "abcdefghjkmnpqrstuvwxyz23456789") == 5 &&
		   strspn(code + 6, "abcdefghjkmnpqrstuvwxyz23456789") == 5,
	   "five, a dash and five, without look-alikes");
	ok(strcmp(code, recovery_code(&a)) != 0, "random ones");
	is_str(recovery_read(&a, code), code, "it is read as it is");
	is_str(recovery_read(&a, typed), "abcde-fghjk", "and as people type it");
	is_str(recovery_read(&a, "abcdefghjk"), "abcde-fghjk", "without the dash");
	is_str(recovery_read(&a, "abcde-fghj"), NULL, "too short");
	is_str(recovery_read(&a, "abcde-fghjkm"), NULL, "too long");
	is_str(recovery_read(&a, "abcde-fghj0"), NULL, "a look-alike");
	is_str(recovery_read(&a, ""), NULL, "nothing");
}

int main(void)
{
	arena_init(&a, 4096);
	test_base32();
	test_vectors();
	test_window();
	test_secret();
	test_recovery();
	arena_release(&a);
	return done_testing();
}
