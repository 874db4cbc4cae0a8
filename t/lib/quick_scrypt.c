/*
 * What the tests preload into ashlar: libcrypto's scrypt for a thousandth of
 * the work, and a line for each call.
 *
 * A password costs a quarter of a second on purpose, and the suite hashes
 * hundreds.  Parameters, salt, spelling and queue are the program's own, and
 * the key still depends on all that goes in; only N and p are smaller inside,
 * and only where they are what Ashlar hashes with: a hash from elsewhere is
 * the true one.  t/unit/password.c has RFC 7914's vector.
 *
 * ASHLAR_TEST_SCRYPT names a file that gets "N r p" for each call, for tests
 * that ask who hashes how much: to count is exact, a clock is not.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { N_OURS = 1 << 14, P_OURS = 5, N_QUICK = 16, P_QUICK = 1 };

static void note(uint64_t n, uint64_t r, uint64_t p)
{
	const char *path = getenv("ASHLAR_TEST_SCRYPT");
	int fd = path ? open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666) : -1;

	if (fd < 0)
		return;
	dprintf(fd, "%llu %llu %llu\n", (unsigned long long)n, (unsigned long long)r, (unsigned long long)p);
	close(fd);
}

int EVP_PBE_scrypt(const char *pass, size_t passlen, const unsigned char *salt, size_t saltlen, uint64_t N,
		   uint64_t r, uint64_t p, uint64_t maxmem, unsigned char *key, size_t keylen)
{
	int (*scrypt)(const char *, size_t, const unsigned char *, size_t, uint64_t, uint64_t, uint64_t,
		      uint64_t, unsigned char *, size_t);

	*(void **)&scrypt = dlsym(RTLD_NEXT, "EVP_PBE_scrypt");
	note(N, r, p);
	if (N == N_OURS && p == P_OURS) {
		N = N_QUICK;
		p = P_QUICK;
	}
	return scrypt(pass, passlen, salt, saltlen, N, r, p, maxmem, key, keylen);
}
