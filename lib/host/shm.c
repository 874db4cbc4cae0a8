#include "lib/host/shm.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/clock.h"

/* What the file begins with. */
struct head {
	uint64_t layout; /* differs between versions that lay it out differently */
	uint64_t seed;   /* of the hash that spreads keys over slots */
};

enum { LINE = 64 }; /* bytes of a cache line, which two regions never share */

static struct head *head;
static struct shm_region *regions; /* in the order of their names */
static size_t mapped;              /* bytes */

void shm_region(struct shm_region *region)
{
	struct shm_region **at = &regions;

	while (*at && strcmp((*at)->name, region->name) < 0)
		at = &(*at)->next;
	region->next = *at;
	*at = region;
}

static size_t in_lines(size_t bytes)
{
	return (bytes + LINE - 1) / LINE * LINE;
}

static size_t size(void)
{
	size_t n = LINE;

	for (const struct shm_region *r = regions; r; r = r->next)
		n += in_lines(r->bytes);
	return n;
}

uint64_t shm_mix(uint64_t start, const char *text)
{
	uint64_t h = 14695981039346656037u ^ start;

	for (; *text; text++)
		h = (h ^ (unsigned char)*text) * 1099511628211u;
	h ^= h >> 33;
	h *= 0xff51afd7ed558ccdu;
	h ^= h >> 33;
	return h;
}

static uint64_t layout(uint64_t version)
{
	uint64_t h = version;

	for (const struct shm_region *r = regions; r; r = r->next)
		h = shm_mix(h + r->bytes, r->name);
	return h;
}

/* fd is locked.  1: usable as it is or filled in now; 0: of another layout; -1: errno. */
static int prepare(int fd, uint64_t version)
{
	struct head h = { .layout = layout(version) };
	struct stat st;
	struct head there;

	if (fstat(fd, &st))
		return -1;
	if (st.st_size == 0) {
		if (getrandom(&h.seed, sizeof(h.seed), 0) != sizeof(h.seed))
			return -1;
		/* Its pages now: a full disk is an error here, and a signal in a child later. */
		errno = posix_fallocate(fd, 0, (off_t)size());
		if (errno || pwrite(fd, &h, sizeof(h), 0) != sizeof(h))
			return -1;
		return 1;
	}
	return pread(fd, &there, sizeof(there), 0) == sizeof(there) && there.layout == h.layout &&
	       st.st_size == (off_t)size();
}

/* Is it this file that the path names? */
static bool is_at(int fd, const char *path)
{
	struct stat here, there;

	return !fstat(fd, &here) && !lstat(path, &there) && here.st_ino == there.st_ino &&
	       here.st_dev == there.st_dev;
}

/* The file, open and unlocked, or -1 with errno. */
static int open_file(const char *path, uint64_t version)
{
	for (int tries = 0; tries < 8; tries++) {
		int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600), usable = 0, saved;

		if (fd < 0)
			return -1;
		if (flock(fd, LOCK_EX))
			usable = -1;
		else if (is_at(fd, path)) /* and no other process has replaced it before we had the lock */
			usable = prepare(fd, version);
		if (usable > 0) {
			/* A mapping keeps the open file, and with it the lock would stay. */
			flock(fd, LOCK_UN);
			return fd;
		}
		saved = errno;
		/* An older version's; its processes keep theirs until they end. */
		if (usable == 0 && is_at(fd, path))
			unlink(path);
		close(fd);
		errno = saved;
		if (usable < 0)
			return -1;
	}
	errno = EAGAIN;
	return -1;
}

int shm_map(const char *path, uint64_t version)
{
	int fd = path ? open_file(path, version) : -1, flags = path ? MAP_SHARED : MAP_SHARED | MAP_ANONYMOUS;
	char *p, *at;

	if (path && fd < 0)
		return -1;
	p = mmap(NULL, size(), PROT_READ | PROT_WRITE, flags, fd, 0);
	if (fd >= 0)
		close(fd);
	if (p == MAP_FAILED)
		return -1;
	head = (struct head *)(void *)p;
	mapped = size();
	at = p + LINE;
	for (struct shm_region *r = regions; r; r = r->next) {
		r->at = at;
		at += in_lines(r->bytes);
	}
	return 0;
}

void shm_unmap(void)
{
	if (head)
		munmap(head, mapped);
	head = NULL;
	for (struct shm_region *r = regions; r; r = r->next)
		r->at = NULL;
}

void *shm_at(const char *name)
{
	for (const struct shm_region *r = regions; r; r = r->next)
		if (!strcmp(r->name, name))
			return r->at;
	return NULL;
}

bool shm_pid_take(_Atomic int32_t *pid)
{
	int32_t there = atomic_load(pid);

	/* One that was killed could not clear it. */
	if (there && kill(there, 0) && errno == ESRCH)
		atomic_compare_exchange_strong(pid, &there, 0);
	there = 0;
	return atomic_compare_exchange_strong(pid, &there, (int32_t)getpid());
}

/* Is the place free, its process dead, or its time long over? */
static bool is_free(uint64_t held, int64_t now_s, long max_s)
{
	pid_t pid = (pid_t)(held >> 32);

	if (!held || (uint32_t)now_s - (uint32_t)held > (uint32_t)max_s)
		return true;
	return kill(pid, 0) && errno == ESRCH;
}

bool shm_place_take(_Atomic uint64_t *place, long max_s, uint64_t *held)
{
	int64_t now_s = clock_ns() / 1000000000;
	uint64_t there = atomic_load(place);

	*held = (uint64_t)(uint32_t)getpid() << 32 | (uint32_t)now_s;
	return is_free(there, now_s, max_s) && atomic_compare_exchange_strong(place, &there, *held);
}

void shm_place_keep(_Atomic uint64_t *place, uint64_t *held)
{
	uint64_t now = (uint64_t)(uint32_t)getpid() << 32 | (uint32_t)(clock_ns() / 1000000000);
	uint64_t was = *held;

	if (atomic_compare_exchange_strong(place, &was, now))
		*held = now;
}

void shm_place_free(_Atomic uint64_t *place, uint64_t held)
{
	atomic_compare_exchange_strong(place, &held, 0);
}

uint64_t shm_hash(uint64_t class, const char *text)
{
	uint64_t h = shm_mix((head ? head->seed : 0) ^ class * 0x9e3779b97f4a7c15u, text);

	return h ? h : 1;
}

uint64_t shm_hash_address(uint64_t class, const char *ip)
{
	struct in6_addr address;
	char text[INET6_ADDRSTRLEN];

	if (inet_pton(AF_INET6, ip, &address) != 1)
		return shm_hash(class, ip);
	memset(address.s6_addr + 8, 0, 8);
	return shm_hash(class, inet_ntop(AF_INET6, &address, text, sizeof(text)));
}
