/*
 * Passwords: which are refused, what is stored, who gets to hash.
 */
#include "lib/crypto/password.h"

#include <dlfcn.h>
#include <openssl/evp.h>
#include <signal.h>
#include <sys/mman.h>

#include "lib/base/base64.h"
#include "lib/base/clock.h"
#include "lib/db/tx.h"
#include "lib/host/shm.h"
#include "t/unit/tap.h"

enum { QUICK = 4 }; /* valgrind cannot wait for 16 MiB */

static struct tx tx;
static int hashes;

/* libcrypto's, counted. */
int EVP_PBE_scrypt(const char *pass, size_t passlen, const unsigned char *salt, size_t saltlen, uint64_t N,
		   uint64_t r, uint64_t p, uint64_t maxmem, unsigned char *key, size_t keylen)
{
	int (*scrypt)(const char *, size_t, const unsigned char *, size_t, uint64_t, uint64_t, uint64_t,
		      uint64_t, unsigned char *, size_t);

	hashes++;
	*(void **)&scrypt = dlsym(RTLD_NEXT, "EVP_PBE_scrypt");
	return scrypt(pass, passlen, salt, saltlen, N, r, p, maxmem, key, keylen);
}

static char *times(const char *piece, int n)
{
	struct buf b;

	buf_init(&b, &tx.arena, 64);
	while (n-- > 0)
		buf_text(&b, piece);
	return buf_str(&b);
}

static void refused(const char *text, const char *why)
{
	has_str(password_check(&tx.arena, text, NULL), why, "refused: %.40s", text);
}

static void fine(const char *text)
{
	is_str(password_check(&tx.arena, text, "ann.lee@example.com"), NULL, "fine: %.40s", text);
}

static void test_policy(void)
{
	refused("", "8 to 128");
	refused("Zx7kqpw", "8 to 128");
	fine("Zx7kqpwv");
	fine(times("Zx7kqpwv", 16));
	refused(times("Zx7kqpwv", 17), "8 to 128");
	refused(arena_fmt(&tx.arena, "%sa", times("Zx7kqpwv", 16)), "8 to 128");
	refused("Zx7kqp\xc3\xa9", "8 to 128 characters");
	fine("Zx7kqpw\xc3\xa9");
	refused("Zx7kqpe\xcc\x81", "8 to 128 characters");
	fine("Zx7kqpwe\xcc\x81");
	fine(arena_fmt(&tx.arena, "Zx7%s", times("\xf0\x9f\x94\x91", 125)));
	refused(arena_fmt(&tx.arena, "Zx7%s", times("\xf0\x9f\x94\x91", 126)), "8 to 128 characters");
	fine(arena_fmt(&tx.arena, "Zx7%s", times("e\xcc\x82\xcc\x81", 125)));
	refused(arena_fmt(&tx.arena, "Zx7%s", times("e\xcc\x82\xcc\x81", 126)), "8 to 128 characters");
	refused(arena_fmt(&tx.arena, "Zx7%s", times("\xf0\x9d\x85\xa0", 42)), "8 to 128 characters");
	refused(arena_fmt(&tx.arena, "Zx7%s", times("x", 1 << 20)), "8 to 128 characters");
	refused("Zx7kqpwv\xff", "UTF-8");
	refused("Zx7kqpwv\xed\xa0\x80", "UTF-8");
	refused("zx7kqpwv", "upper-case");
	refused("ZX7KQPWV", "lower-case");
	refused("Zxvkqpwv", "digit");
	refused("Ä7kqpwvxü", "upper-case");
	fine("Ä7kqpwvxüÄQ");

	refused("Password1", "most common");
	refused("pASSWORD1", "most common");
	refused("Qwerty123", "most common");
	refused("Abcd1234", "most common");
	refused("1Q2w3e4r5t", "most common");
	refused("Dragon42", "most common");
	refused("Dragon!421", "most common");
	fine("Dragon!4217");
	fine("Dragon42x");
	fine("Dragons-Eat-7");
	refused("Iloveyou2", "most common");

	has_str(password_check(&tx.arena, "Ann.Lee26", "ann.lee@example.com"), "e-mail",
		"the e-mail's local part with a tail");
	has_str(password_check(&tx.arena, "Ann.Lee.26", "ANN.LEE@example.com"), "e-mail", "in any case");
	has_str(password_check(&tx.arena, "Ren\xc3\xa9.Le26", "rene\xcc\x81.le@example.com"), "e-mail",
		"however it is spelled");
	is_str(password_check(&tx.arena, "Ann.Lee26", "ann.le@example.com"), NULL, "another's is fine");
	is_str(password_check(&tx.arena, "Zx7kqpwv", "@"), NULL, "an e-mail without one matches nothing");
}

static void test_words(void)
{
	int total = 0, disorder = 0;

	for (int n = 1; n <= PASSWORD_WORD_MAX; n++) {
		const struct words *w = &password_words[n];

		total += w->count;
		for (int i = 1; i < w->count; i++)
			disorder += memcmp(w->text + (i - 1) * n, w->text + i * n, (size_t)n) >= 0;
		if (w->count)
			disorder += strlen(w->text) != (size_t)w->count * (size_t)n;
	}
	ok(total > 9000 && total <= 10000, "the common ones that have a letter: %d of 10,000", total);
	is_int(disorder, 0, "are in order");
}

static bool matches, outdated;

static enum err verify(const char *text, const char *stored)
{
	return password_verify(&tx, text, &(struct password_stored){ .hash = stored }, &matches, &outdated);
}

/* RFC 7914 12: scrypt("pleaseletmein", "SodiumChloride", 16384, 8, 1), its first 32 bytes. */
static const char rfc[] =
	"$scrypt$ln=14,r=8,p=1$U29kaXVtQ2hsb3JpZGU$cCO9yzr9c0hGHAbNgf046/2o+7qQT44+qbVD9lRdofI";

static void test_hash(void)
{
	const char *one = NULL, *two = NULL;
	static const char *const broken[] = {
		"",
		"$scrypt$",
		"$scrypt$ln=4,r=8,p=3$",
		"$scrypt$ln=4,r=8,p=3$c2FsdA",
		"$scrypt$ln=4,r=8,p=3$c2FsdA$",
		"$scrypt$ln=4,r=8,p=3$c2FsdA$c2hvcnQ",
		"$scrypt$ln=0,r=8,p=3$c2FsdA$cCO9yzr9c0hGHAbNgf04/2o+6qQbOb9n4lQHsoVXljs",
		"$scrypt$ln=17,r=8,p=3$c2FsdA$cCO9yzr9c0hGHAbNgf04/2o+6qQbOb9n4lQHsoVXljs",
		"$scrypt$ln=4,r=-8,p=3$c2FsdA$cCO9yzr9c0hGHAbNgf04/2o+6qQbOb9n4lQHsoVXljs",
		"$scrypt$ln=4,r=8,p=3$c2FsdA$cCO9yzr9c0hGHAbNgf04_2o-6qQbOb9n4lQHsoVXljs",
		"$2b$12$abcdefghijklmnopqrstuv",
	};

	is_int(password_hash(&tx, "Zx7kqpwv", &one), ERR_OK, "hashed");
	is_int(strncmp(one, "$scrypt$ln=4,r=8,p=5$", 21), 0, "as a PHC string");
	is_int((long long)strlen(one), 21 + 22 + 1 + 43, "of 16 bytes of salt and 32 of hash");
	password_hash(&tx, "Zx7kqpwv", &two);
	ok(strcmp(one, two) != 0, "twice, with another salt");
	is_int(verify("Zx7kqpwv", one), ERR_OK, "verified");
	ok(matches && !outdated, "the right one matches");
	verify("Zx7kqpwv", two);
	ok(matches, "the other hash, too");
	verify("Zx7kqpwV", one);
	ok(!matches && !outdated, "a wrong one does not");
	verify("", one);
	ok(!matches, "nor does nothing");
	is_int(verify("Zx7kqpwv", NULL), ERR_OK, "no hash at all");
	ok(!matches && !outdated, "matches nothing");
	is_int(verify("pleaseletmein", rfc), ERR_OK, "RFC 7914's vector");
	ok(matches && outdated, "matches, and is outdated");
	verify("pleaseletmeiN", rfc);
	ok(!matches && !outdated, "what does not match is not outdated");
	for (size_t i = 0; i < sizeof(broken) / sizeof(*broken); i++)
		ok(!verify("x", broken[i]) && !matches && !outdated, "matches nothing: \"%s\"", broken[i]);
	verify("Zx7kqpwv", password_make(&tx.arena, "Zx7kqpwv"));
	ok(matches, "a command's hash matches");
	password_use_cost(QUICK + 1);
	verify("Zx7kqpwv", one);
	ok(matches && outdated, "a hash of before the cost was raised is outdated");
	password_use_cost(QUICK);
}

/* As releases before have hashed a password: the bytes as they came. */
static const char *made_before(const char *text)
{
	static const unsigned char salt[16] = "SodiumChloride16";
	unsigned char hash[32];
	char encoded[2][64];

	if (!EVP_PBE_scrypt(text, strlen(text), salt, sizeof(salt), 1 << QUICK, 8, 5, 64 << 20, hash,
			    sizeof(hash)))
		abort();
	base64_encode(salt, sizeof(salt), encoded[0]);
	base64_encode(hash, sizeof(hash), encoded[1]);
	encoded[0][strcspn(encoded[0], "=")] = encoded[1][strcspn(encoded[1], "=")] = '\0';
	return arena_fmt(&tx.arena, "$scrypt$ln=%d,r=8,p=5$%s$%s", QUICK, encoded[0], encoded[1]);
}

#define COMPOSED "Caf\xc3\xa9-Noir-7"
#define DECOMPOSED "Cafe\xcc\x81-Noir-7"

static void test_spellings(void)
{
	const char *hash = NULL;

	password_hash(&tx, DECOMPOSED, &hash);
	verify(COMPOSED, hash);
	ok(matches && !outdated, "set decomposed, it matches composed");
	verify(DECOMPOSED, hash);
	ok(matches && !outdated, "  and as it was sent");
	password_hash(&tx, COMPOSED, &hash);
	verify(DECOMPOSED, hash);
	ok(matches && !outdated, "set composed, it matches decomposed");
	verify(COMPOSED, password_make(&tx.arena, DECOMPOSED));
	ok(matches && !outdated, "a command's, too");
	verify("Cafe-Noir-7", hash);
	ok(!matches, "without its accent it is another");

	hash = made_before(DECOMPOSED);
	verify(DECOMPOSED, hash);
	ok(matches && outdated,
	   "one that was hashed decomposed matches as it was sent then, and is outdated");
	verify(COMPOSED, hash);
	ok(!matches && !outdated, "  and composed only when it is replaced");
	password_hash(&tx, DECOMPOSED, &hash);
	verify(COMPOSED, hash);
	ok(matches && !outdated, "  as it then is");
	verify(COMPOSED, made_before(COMPOSED));
	ok(matches && !outdated, "one that was hashed composed stays");
	verify("Zx7kqpwv", made_before("Zx7kqpwv"));
	ok(matches && !outdated, "so does one of ASCII");
	verify("caf\xe9", made_before("caf\xe9"));
	ok(matches && !outdated, "what is not UTF-8 is compared as it is");
}

/* How many hashes a comparison takes. */
static int hashes_for(const char *text, const char *stored)
{
	hashes = 0;
	verify(text, stored);
	return hashes;
}

static void test_work(void)
{
	const char *hash = NULL;

	password_hash(&tx, COMPOSED, &hash);
	is_int(hashes_for(COMPOSED, hash), 1, "a right password takes one hash");
	is_int(hashes_for(DECOMPOSED, hash), 1, "  however it is spelled");
	is_int(hashes_for(DECOMPOSED, made_before(DECOMPOSED)), 2,
	       "  and two where it was hashed as it came");
	is_int(hashes_for("Wrong-Caf\xc3\xa9-7", hash), 1, "a wrong one in NFC takes one");
	is_int(hashes_for("Wrong-Caf\xc3\xa9-7", NULL), 1, "  for nobody, too");
	is_int(hashes_for("Wrong-Cafe\xcc\x81-7", hash), 2, "a wrong one that is not takes two");
	is_int(hashes_for("Wrong-Cafe\xcc\x81-7", NULL), 2, "  for nobody, too");
	is_int(hashes_for("Wrong-Cafe\xcc\x81-7", "$2b$12$"), 2, "  and where the hash is none of ours");
}

/* The settings as they are, once. */
static void test_cost(void)
{
	const char *hash;

	password_use_cost(0);
	password_hash(&tx, "Zx7kqpwv", &hash);
	is_int(strncmp(hash, "$scrypt$ln=14,r=8,p=5$", 22), 0,
	       "without the test's quick setting it is OWASP's");
	password_use_cost(QUICK);
}

static _Atomic uint64_t *hashers;

static uint64_t place(pid_t pid, int64_t since_s)
{
	return (uint64_t)(uint32_t)pid << 32 | (uint32_t)since_s;
}

/* Fill all places with a process that lives, or not. */
static void fill(pid_t pid, int64_t since_s)
{
	for (int i = 0; i < PASSWORD_PLACES; i++)
		hashers[i] = place(pid, since_s);
}

static void test_places(void)
{
	int64_t now_s = clock_ns() / 1000000000, before_ns;
	const char *hash = NULL;
	pid_t dead = fork();

	if (dead == 0)
		_exit(0);
	waitpid(dead, NULL, 0);
	shm_map(NULL, 0);
	hashers = shm_at("hashers");

	is_int(password_hash(&tx, "Zx7kqpwv", &hash), ERR_OK, "a free place is taken");
	is_int((long long)hashers[0], 0, "and given back");

	fill(getppid(), now_s);
	before_ns = clock_ns();
	is_int(password_hash(&tx, "Zx7kqpwv", &hash), ERR_UNAVAILABLE, "none is free");
	ok(clock_ns() - before_ns >= PASSWORD_WAIT_MS * 1000000LL, "after two seconds of waiting");
	is_int(tx.fail.retry_after, 1, "the client learns when to come again");
	is_int(verify("Zx7kqpwv", NULL), ERR_UNAVAILABLE, "an unknown user waits for a place like others");

	hashers[0] = place(dead, now_s);
	is_int(password_hash(&tx, "Zx7kqpwv", &hash), ERR_OK,
	       "the place of a process that died is taken over");
	is_int((long long)hashers[0], 0, "and given back");
	hashers[0] = place(getppid(), now_s - 3600);
	is_int(password_hash(&tx, "Zx7kqpwv", &hash), ERR_OK, "so is one that was held for an hour");
	shm_unmap();
}

/* How many places are held by processes other than this one. */
static int held(void)
{
	int n = 0;

	for (int i = 0; i < PASSWORD_PLACES; i++)
		n += hashers[i] != 0;
	return n;
}

/* Processes that hash and hash; killed in the middle of it. */
static void test_processes(void)
{
	enum { PROCESSES = 6, LOOKS = 200 };
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	const char *hash;
	pid_t pids[PROCESSES];
	int most = 0;

	shm_map(NULL, 0);
	hashers = shm_at("hashers");
	for (int i = 0; i < PROCESSES; i++) {
		fflush(stdout);
		pids[i] = fork();
		if (pids[i] == 0) {
			password_use_cost(10);
			for (;;)
				password_hash(&tx, "Zx7kqpwv", &hash);
		}
	}
	for (int i = 0; i < LOOKS || (!held() && i < 100 * LOOKS); i++) {
		int n = held();

		most = n > most ? n : most;
		nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
	}
	for (int i = 0; i < PROCESSES; i++)
		kill(pids[i], SIGKILL);
	while (wait(NULL) > 0)
		;
	ok(most >= 1 && most <= cores, "of %d processes no more hash at once than there are cores: %d",
	   PROCESSES, most);
	is_int(password_hash(&tx, "Zx7kqpwv", &hash), ERR_OK,
	       "killed in the middle of it, they leave their places to others");
	shm_unmap();
}

int main(void)
{
	arena_init(&tx.arena, 4096);
	password_use_cost(QUICK);
	test_policy();
	test_words();
	test_hash();
	test_spellings();
	test_work();
	test_places();
	test_processes();
	test_cost();
	arena_release(&tx.arena);
	return done_testing();
}
