#include "fcgi/shm.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fcgi/clock.h"
#include "fcgi/route.h"

struct shm *shm;
enum pool shm_pool;

const char *const shm_pool_names[SHM_POOLS] = { "main", "slow", "hash", "worker" };

/* Raise when a field is added, moved or given another meaning. */
enum { LAYOUT = 5 };

/* FNV-1a over a start and a text, with a finalizer that mixes the high bits down. */
static uint64_t mix(uint64_t start, const char *text)
{
	uint64_t h = 14695981039346656037u ^ start;

	for (; *text; text++)
		h = (h ^ (unsigned char)*text) * 1099511628211u;
	h ^= h >> 33;
	h *= 0xff51afd7ed558ccdu;
	h ^= h >> 33;
	return h;
}

/*
 * Counters are kept by a route's number, so the routes and their order are part
 * of the layout: an upgrade must not count on under another route's name.
 */
static uint64_t layout(void)
{
	uint64_t h = LAYOUT;
	const struct route *r;

	for (int i = 0; (r = route_at(i)); i++)
		h = mix(h + r->method, r->id);
	return h ^ sizeof(struct shm);
}

/* fd is locked.  1: usable as it is or filled in now; 0: of another layout; -1: errno. */
static int prepare(int fd)
{
	struct stat st;
	uint64_t head[2];

	if (fstat(fd, &st))
		return -1;
	if (st.st_size == 0) {
		head[0] = layout();
		if (getrandom(&head[1], sizeof(head[1]), 0) != sizeof(head[1]))
			return -1;
		/* Its pages now: a full disk is an error here, and a signal in a child later. */
		errno = posix_fallocate(fd, 0, sizeof(struct shm));
		if (errno || pwrite(fd, head, sizeof(head), 0) != sizeof(head))
			return -1;
		return 1;
	}
	return pread(fd, head, sizeof(head), 0) == sizeof(head) && head[0] == layout() &&
	       st.st_size == sizeof(struct shm);
}

/* Is it this file that the path names? */
static bool is_at(int fd, const char *path)
{
	struct stat here, there;

	return !fstat(fd, &here) && !lstat(path, &there) && here.st_ino == there.st_ino &&
	       here.st_dev == there.st_dev;
}

/* The file, open and unlocked, or -1 with errno. */
static int open_file(const char *path)
{
	for (int tries = 0; tries < 8; tries++) {
		int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600), usable = 0, saved;

		if (fd < 0)
			return -1;
		if (flock(fd, LOCK_EX))
			usable = -1;
		else if (is_at(fd, path)) /* and no other process has replaced it before we had the lock */
			usable = prepare(fd);
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

int shm_map(const char *path)
{
	int fd = open_file(path);
	void *p;

	if (fd < 0)
		return -1;
	p = mmap(NULL, sizeof(struct shm), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (p == MAP_FAILED)
		return -1;
	shm = p;
	http_use_breakers(shm->breakers);
	jwks_use_flags(shm->jwks);
	return 0;
}

struct shm_child *shm_take_child(int pool)
{
	struct shm_child *children = shm->pools[pool].children;

	for (int i = 0; i < SHM_CHILDREN; i++) {
		int32_t pid = atomic_load(&children[i].pid);

		/* A master that was killed could not clear its children's lines. */
		if (pid && kill(pid, 0) && errno == ESRCH)
			atomic_compare_exchange_strong(&children[i].pid, &pid, 0);
		pid = 0;
		if (atomic_compare_exchange_strong(&children[i].pid, &pid, (int32_t)getpid())) {
			atomic_store(&children[i].busy_since_ns, 0);
			atomic_store(&children[i].requests, 0);
			return &children[i];
		}
	}
	return NULL;
}

void shm_free_child(struct shm_child *child)
{
	if (!child)
		return;
	atomic_store(&child->busy_since_ns, 0);
	atomic_store(&child->pid, 0);
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

void shm_place_free(_Atomic uint64_t *place, uint64_t held)
{
	atomic_compare_exchange_strong(place, &held, 0);
}

uint64_t shm_hash(uint64_t class, const char *text)
{
	uint64_t h = mix((shm ? shm->seed : 0) ^ class * 0x9e3779b97f4a7c15u, text);

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
