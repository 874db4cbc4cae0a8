/*
 * Hashes that other products made: the vectors that they publish, what is refused, and
 * how much work a comparison is.
 */
#include "lib/crypto/imported.h"

#include <crypt.h>
#include <dlfcn.h>
#include <openssl/evp.h>

#include "lib/crypto/password.h"
#include "lib/db/tx.h"
#include "t/unit/tap.h"

enum { QUICK = 4 };

static struct tx tx;
static int scrypts, bcrypts;
static bool matches, outdated;

/* libcrypto's and libxcrypt's, counted.  The second is opened by its name: since it is defined here, the
 * linker has no need of it. */
int EVP_PBE_scrypt(const char *pass, size_t passlen, const unsigned char *salt, size_t saltlen, uint64_t N,
		   uint64_t r, uint64_t p, uint64_t maxmem, unsigned char *key, size_t keylen)
{
	int (*scrypt)(const char *, size_t, const unsigned char *, size_t, uint64_t, uint64_t, uint64_t,
		      uint64_t, unsigned char *, size_t);

	scrypts++;
	*(void **)&scrypt = dlsym(RTLD_NEXT, "EVP_PBE_scrypt");
	return scrypt(pass, passlen, salt, saltlen, N, r, p, maxmem, key, keylen);
}

char *crypt_rn(const char *phrase, const char *setting, void *data, int size)
{
	static char *(*crypt)(const char *, const char *, void *, int);

	bcrypts++;
	if (!crypt)
		*(void **)&crypt = dlsym(dlopen("libcrypt.so.1", RTLD_NOW), "crypt_rn");
	return crypt(phrase, setting, data, size);
}

#define DIGITS "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

/* Of crypt_blowfish's own test (wrapper.c). */
static const struct {
	const char *hash, *text;
} vectors[] = {
	{ "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", "U*U" },
	{ "$2b$05$CCCCCCCCCCCCCCCCCCCCC.VGOzA784oUp/Z0DY336zx7pLYAy0lwK", "U*U*" },
	{ "$2y$05$XXXXXXXXXXXXXXXXXXXXXOAcXxm9kjPGEMsLznoKqmqw7tc8WCx4a", "U*U*U" },
	{ "$2a$05$CCCCCCCCCCCCCCCCCCCCC.7uG0VCzI2bS7j6ymqJi9CdcdxiRTWNy", "" },
	{ "$2a$05$abcdefghijklmnopqrstuu5s2v8.iXieOjg/.AySBTTZIIVFJeBui", DIGITS },
	{ "$2a$05$abcdefghijklmnopqrstuu5s2v8.iXieOjg/.AySBTTZIIVFJeBui",
	  DIGITS "chars after 72 are ignored" },
	{ "$2y$05$/OK.fbVrR/bpIqNJ5ianF.CE5elHaaO4EbggVDjb8P19RukzXSM3e", "\xff\xff\xa3" },
	{ "$2a$05$/OK.fbVrR/bpIqNJ5ianF.CE5elHaaO4EbggVDjb8P19RukzXSM3e", "\xff\xff\xa3" },
	{ "$2b$05$/OK.fbVrR/bpIqNJ5ianF.nqd1wy.pTrdcvK7PW7VUyGnEFzMGSoEM", NULL },
	/* Go's golang.org/x/crypto/bcrypt, which Supabase uses: its test's. */
	{ "$2a$10$XajjQvNhvvRt5GSeFk1xFeyqRrsxkhBkUiQeg0dt.wU1qD4aFDcga", "allmine" },
};

static void test_bcrypt(void)
{
	char changed[64], longer[600];
	int wrong = 0;

	for (size_t i = 0; i < sizeof(vectors) / sizeof(*vectors); i++) {
		if (!vectors[i].text) {
			has_str(imported_problem(&tx.arena, vectors[i].hash), "none of bcrypt's",
				"61 characters are no hash");
			continue;
		}
		ok(imported_is(vectors[i].hash) && !imported_problem(&tx.arena, vectors[i].hash),
		   "a hash: %s", vectors[i].hash);
		ok(imported_matches(vectors[i].text, vectors[i].hash, NULL), "  its password matches");
		ok(!imported_matches("U*u", vectors[i].hash, NULL), "  another one does not");
	}
	for (int i = 29; i < 60; i++) {
		memcpy(changed, vectors[0].hash, 61);
		changed[i] = changed[i] == 'K' ? 'L' : 'K';
		wrong += imported_matches("U*U", changed, NULL);
	}
	is_int(wrong, 0, "with any character of it changed it does not match");
	memcpy(changed, vectors[0].hash, 61);
	changed[28] = '/';
	ok(imported_matches("U*U", changed, NULL), "the salt's bits that nobody reads do not matter");
	memset(longer, 'x', sizeof(longer));
	longer[sizeof(longer) - 1] = '\0';
	memcpy(longer, DIGITS, 72);
	ok(imported_matches(longer, vectors[4].hash, NULL), "of 600 bytes the first 72 count");
	longer[71] = 'x';
	ok(!imported_matches(longer, vectors[4].hash, NULL), "  all of them");
	longer[71] = '\0';
	ok(!imported_matches(longer, vectors[4].hash, NULL), "  and 71 are fewer");
}

/* github.com/firebase/scrypt, README.md. */
#define SIGNER "jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA=="
#define SALT "42xEC+ixf3L2lw=="
#define HASH "lSrfV15cpx95/sZS2W9c9Kp6i/LVgQNDNC/qzrCnh1SAyZvqmZqAjTdn3aoItz+VHjoZilo78198JAdRuid5lQ=="
#define KEY "0191e8a0-0000-7000-8000-00000000000a"

static void test_firebase(void)
{
	char *stored = imported_firebase(&tx.arena, 14, 8, "Bw==", KEY, SALT, HASH), *signer, *changed;

	is_str(stored,
	       "$firebase-scrypt$ln=14,r=8,ss=Bw,key=" KEY "$42xEC+ixf3L2lw$"
	       "lSrfV15cpx95/sZS2W9c9Kp6i/LVgQNDNC/qzrCnh1SAyZvqmZqAjTdn3aoItz+VHjoZilo78198JAdRuid5lQ",
	       "as it is stored");
	is_str(imported_firebase(&tx.arena, 14, 8, "Bw", KEY, "42xEC-ixf3L2lw",
				 "lSrfV15cpx95_sZS2W9c9Kp6i_LVgQNDNC_qzrCnh1SAyZvqmZqAjTdn3aoItz-"
				 "VHjoZilo78198JAdRuid5lQ"),
	       stored, "in the other alphabet it is the same");
	signer = imported_signer(&tx.arena, SIGNER);
	ok(signer && !strchr(signer, '='), "a signer key");
	is_str(imported_problem(&tx.arena, stored), NULL, "can be compared with");
	ok(imported_matches("user1password", stored, signer), "Firebase's vector matches");
	ok(imported_matches("user1password", stored, SIGNER), "with the key as it came, too");
	ok(!imported_matches("user1passwore", stored, signer), "another password does not");
	ok(!imported_matches("user1password", stored, NULL), "nor without the signer key");
	changed = arena_dup(&tx.arena, signer);
	changed[3] = 'A';
	ok(!imported_matches("user1password", stored, changed), "nor with another one");
	ok(!imported_matches("user1password", stored, "AAAAAAAAAAAAAAAAAAAAAA"),
	   "nor with one that is shorter");
	ok(!imported_matches("user1password", stored, "?"), "nor with what is none");
	is_str(imported_firebase(&tx.arena, 14, 8, "Bw==", KEY, "?", HASH), NULL,
	       "what is no base64 is no hash");
	is_str(imported_signer(&tx.arena, "AAAA"), NULL, "three bytes are no signer key");
	is_str(imported_signer(&tx.arena, "not base64 at all, but of some length"), NULL, "nor is that");
	is_str(imported_problem(&tx.arena, imported_firebase(&tx.arena, 14, 8, "", KEY, SALT, HASH)), NULL,
	       "there may be no separator");
	is_str(imported_problem(&tx.arena, imported_firebase(&tx.arena, 15, 8, "Bw", KEY, SALT, HASH)), NULL,
	       "32 MiB may be");
	is_str(imported_problem(&tx.arena, imported_firebase(&tx.arena, 16, 8, "Bw", KEY, SALT, HASH)),
	       "is of scrypt with N=2^16 and r=8, and the most is 32 MiB", "64 MiB may not");
	is_str(imported_problem(&tx.arena, imported_firebase(&tx.arena, 15, 9, "Bw", KEY, SALT, HASH)),
	       "is of scrypt with N=2^15 and r=9, and the most is 32 MiB", "nor what is a little more");
	has_str(imported_problem(&tx.arena, imported_firebase(&tx.arena, 16, 1, "Bw", KEY, SALT, HASH)),
		"none of Firebase's", "nor what scrypt is not defined for");
	ok(!imported_matches("user1password", imported_firebase(&tx.arena, 16, 8, "Bw", KEY, SALT, HASH),
			     SIGNER),
	   "nor is it computed");
}

/* Made by others' programs: npm's firebase-scrypt 2.2.0, with mem_cost 12 and rounds 6, and bcryptjs 3.0.3.
 */
static const struct {
	const char *text, *hash, *salt, *signer; /* bcryptjs has but a hash */
} made_elsewhere[] = {
	{ "p\303\244ssw\303\266rd-\316\251-\346\227\245\346\234\254",
	  "9P/z1Oo1ksTsaJV6djx4al9f1s0LXFJSLMADQSRu/tVM0Mc3/jfZkkCFfHIVDcmCFuXe+EU8Y01ySVA6gITzRg==",
	  "4c37fy1DoADWjQ==",
	  "g5FhGY8l+TTQHirbKUwnjOHEM6ht0X/P3mCEWL36dwJ9mnk8+NcHqJZOkx0+YBa67eBFcGgvnHZKfsFX2PHEoA==" },
	{ "zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz"
	  "zz",
	  "F+qdtNcFfgFzN6dlDh4FqJZSnxFK2Ra8hEaeo3iSst2Nhqqgn6BrMlKTWtqFBF/OB0RDX/61wXnJVSeDVfV9dA==",
	  "NeNKeL+7JsvOSg==",
	  "0eUfob3m49f5LU2ni5UCxYlblmg0H+c0QCSn92VMR2trOqBVkZcnla6jdR44XrkpqSXC2o2VGh50LM8efQS74w==" },
	{ "\360\237\220\216\360\237\224\213\360\237\223\216",
	  "GmUsiiG0q+ZD/GyPIIry9DiNx75xyAf/NbR37DEFw9esivBK/qG/IZjdN9B7qSuRvhtTCLeBr9go0vmBSeq7EQ==",
	  "SjCLg+4nq4XGnQ==",
	  "dbB0jRcTmfDF20wqtjqDFqCiAYfWvWW0Mnzfiub51KRXEuZXaSM3VGzrTNnsEMdTpVygmkzaqTQso3D6kkTRhA==" },
	{ "p\303\244ssw\303\266rd-\316\251-\346\227\245\346\234\254",
	  "$2b$06$2TmevHWFZ8oZS2MgMmhbHeM4iUMnjrGBkD61xjWAk.5dKhfBG4pZy" },
	{ "yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy",
	  "$2b$06$5xMmoFhm59IWgzC6kZm1POzfJK2SUm6QxKr2yTcpE2hH2HLhzVUBm" },
	{ "zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz"
	  "zz",
	  "$2b$06$pNQdZJMviKnIXEXB/K0zUeRcjnNHfBZkQl5aM8yaNwPCdffGEscPm" },
	{ "\303\251\303\251\303\251\303\251\303\251\303\251\303\251\303\251\303\251\303\251\303\251\303\251"
	  "\303\251\303\251\303\251\303\251\303\251\303\251\303\251\303\251\303\251\303\251\303\251\303\251"
	  "\303\251\303\251\303\251\303\251\303\251\303\251\303\251\303\251\303\251\303\251\303\251\303\251ta"
	  "il",
	  "$2b$06$WxgLy1tqO.iRxKJJlcsToe5h.ZcUNIedosFKp9Ul/38TskUhg9xSe" },
	{ "\360\237\220\216\360\237\224\213\360\237\223\216",
	  "$2b$06$iDvYypIs7OhVeaO.OLQaLuTohiX9fl1jKCsxuJDZrHdMH11pSHc3S" },
};

static void test_elsewhere(void)
{
	for (size_t i = 0; i < sizeof(made_elsewhere) / sizeof(*made_elsewhere); i++) {
		const char *text = made_elsewhere[i].text, *hash = made_elsewhere[i].hash,
			   *signer = made_elsewhere[i].signer;

		if (signer)
			hash = imported_firebase(&tx.arena, 12, 6, "Bw==", KEY, made_elsewhere[i].salt, hash);
		ok(imported_matches(text, hash, signer), "made elsewhere, of %s", text);
		ok(!imported_matches(arena_fmt(&tx.arena, ".%s", text), hash, signer),
		   "  and of nothing else");
	}
}

static void test_refused(void)
{
	static const char *const broken[] = {
		"",
		"$2a$10$",
		"$2x$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
		"$2a$0a$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
		"$2a$03$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
		"$2a$05$CCCCCCCCCCCCCCCCCCCC:.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
		"$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOe",
		"$2a$99$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
		"$2$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
		"$argon2id$v=19$m=32,t=3,p=2$SFVpOWJ0eXhjRzVkdGN1RQ$RXnb8rh7LaDcn07xsssqqulZYXOM/"
		"EUCEFMVcAcyYVk",
		"$1$abc$def",
		"password",
		"$firebase-scrypt$",
		"$firebase-scrypt$ln=1,r=1,ss=",
		"$firebase-scrypt$ln=1,r=1,ss=Bw",
		"$firebase-scrypt$ln=1,r=1,ss=Bw,key=",
		"$firebase-scrypt$ln=1,r=1,ss=Bw,key=" KEY,
		"$firebase-scrypt$ln=1,r=1,ss=Bw,key=" KEY "$",
		"$firebase-scrypt$ln=1,r=1,ss=Bw,key=" KEY "$c2FsdA$",
		"$firebase-scrypt$ln=1,r=1,ss=Bw,key=" KEY "$c2FsdA$c2hvcnQ",
		"$firebase-scrypt$ln=0,r=1,ss=Bw,key=" KEY "$c2FsdA$AAAAAAAAAAAAAAAAAAAAAA",
		"$firebase-scrypt$ln=1,r=-1,ss=Bw,key=" KEY "$c2FsdA$AAAAAAAAAAAAAAAAAAAAAA",
		"$firebase-scrypt$ln=99,r=99,ss=Bw,key=" KEY "$c2FsdA$AAAAAAAAAAAAAAAAAAAAAA",
		"$firebase-scrypt$ln=1,r=1,ss=Bw,key=nobody$c2FsdA$AAAAAAAAAAAAAAAAAAAAAA",
	};

	scrypts = bcrypts = 0;
	for (size_t i = 0; i < sizeof(broken) / sizeof(*broken); i++)
		ok(password_problem(&tx.arena, broken[i]) && !imported_matches("x", broken[i], SIGNER),
		   "no hash: \"%s\"", broken[i]);
	is_int(scrypts + bcrypts, 0, "none of them is computed");
	is_str(password_problem(&tx.arena, "$2b$14$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"),
	       NULL, "a cost of 14 may be");
	is_str(password_problem(&tx.arena, "$2b$15$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"),
	       "is of bcrypt's cost 15, and the highest is 14", "15 may not");
	is_str(password_problem(&tx.arena, "$scrypt$ln=14,r=8,p=5$c2FsdA$AAAAAAAAAAAAAAAAAAAAAA"), NULL,
	       "one like ours may be");
	is_str(password_problem(&tx.arena, "$scrypt$ln=15,r=8,p=10$c2FsdA$AAAAAAAAAAAAAAAAAAAAAA"), NULL,
	       "one of 32 MiB and four times the work, too");
	has_str(password_problem(&tx.arena, "$scrypt$ln=16,r=8,p=1$c2FsdA$AAAAAAAAAAAAAAAAAAAAAA"), "32 MiB",
		"one of 64 MiB may not");
	has_str(password_problem(&tx.arena, "$scrypt$ln=16,r=1,p=1$c2FsdA$AAAAAAAAAAAAAAAAAAAAAA"),
		"none of scrypt's", "nor one that scrypt is not defined for");
	has_str(password_problem(&tx.arena, "$scrypt$ln=15,r=8,p=99$c2FsdA$AAAAAAAAAAAAAAAAAAAAAA"),
		"times as much work", "nor one of more work");
	ok(password_problem(&tx.arena, "$scrypt$ln=14"), "nor half of one");
	ok(!imported_is(NULL) && !imported_is("$scrypt$ln=14,r=8,p=5$c2FsdA$AAAA"), "ours is not another's");
}

static const char bcrypt_hash[] = "$2b$04$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW";

/* scrypt's and bcrypt's calls of one comparison, as "1+1". */
static const char *work(const char *text, const char *hash, const char *decoy)
{
	scrypts = bcrypts = 0;
	if (password_verify(&tx, text,
			    &(struct password_stored){ .hash = hash, .decoy = decoy, .signer = SIGNER },
			    &matches, &outdated))
		return "failed";
	return arena_fmt(&tx.arena, "%d+%d", scrypts, bcrypts);
}

#define UNNORMAL "Cafe\xcc\x81-Noir-7"

static void test_verify(void)
{
	const char *firebase = imported_firebase(&tx.arena, 1, 1, "Bw==", KEY, SALT, HASH), *own;

	password_use_cost(QUICK);
	own = password_make(&tx.arena, "Zx7kqpwv");
	is_str(work("U*U", vectors[0].hash, NULL), "0+1", "a right password of bcrypt is one bcrypt");
	ok(matches && outdated, "  it matches, and is outdated");
	is_str(work("U*u", vectors[0].hash, bcrypt_hash), "1+1", "a wrong one is a scrypt, too");
	ok(!matches && !outdated, "  it does not match");
	is_str(work("U*u", own, bcrypt_hash), "1+1", "a wrong one of ours is as much");
	is_str(work("U*u", NULL, bcrypt_hash), "1+1", "so is one of nobody");
	is_str(work("U*u", own, NULL), "1+0", "where nobody came with a hash it is a scrypt");
	is_str(work("U*u", NULL, NULL), "1+0", "  of nobody, too");
	is_str(work(UNNORMAL, vectors[0].hash, bcrypt_hash), "2+2", "one that is not in NFC is twice that");
	is_str(work(UNNORMAL, own, bcrypt_hash), "2+2", "  of ours");
	is_str(work(UNNORMAL, NULL, bcrypt_hash), "2+2", "  and of nobody");
	is_str(work("Zx7kqpwv", own, bcrypt_hash), "1+0", "a right one of ours is a scrypt");
	ok(matches && !outdated, "  it matches");
	is_str(work("Zx7kqpwv", firebase, firebase), "2+0", "a wrong one of Firebase is two scrypts");
	is_str(work("Zx7kqpwv", NULL, firebase), "2+0", "  as of nobody beside it");
	is_str(work("wrong", own, firebase), "2+0", "  and of ours");
	is_str(work("U*U", NULL, vectors[0].hash), "1+1", "the decoy's own password");
	ok(!matches && !outdated, "  opens nothing");
	is_str(work("U*U", own, vectors[0].hash), "1+1", "  of another account");
	ok(!matches && !outdated, "  either");
	password_use_cost(0);
}

int main(void)
{
	arena_init(&tx.arena, 4096);
	test_bcrypt();
	test_firebase();
	test_elsewhere();
	test_refused();
	test_verify();
	arena_release(&tx.arena);
	return done_testing();
}
