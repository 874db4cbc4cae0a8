/*
 * The memory that processes share: one file, mapped by all, replaced when it is
 * of another layout.
 */
#include "fcgi/shm.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "fcgi/route.h"
#include "t/unit/tap.h"

static struct route rows[3] = {
	{ GET, "/a", "app.t.a", &by_anyone, "" },
	{ GET, "/b", "app.t.b", &by_anyone, "" },
};
const struct route *const route_tables[] = { rows, NULL };

/* The router looks at its tables once: what it has made of them is changed here. */
static struct route *made(int i)
{
	return (struct route *)(uintptr_t)route_at(i);
}

static char dir[] = "/tmp/ashlar-shm.XXXXXX", path[64], other[64];

/* Keep the file that is there open, so that its inode is not given to another one. */
static int hold(void)
{
	return open(path, O_RDWR);
}

/* Has the held file lost its name?  Lets go of it. */
static bool was_replaced(int fd)
{
	struct stat st = { .st_nlink = 1 };

	fstat(fd, &st);
	close(fd);
	return !st.st_nlink;
}

/* Fill the file with n bytes of rubbish. */
static void rubbish(size_t n)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	for (size_t i = 0; i < n; i += 4)
		if (write(fd, "junk", 4) != 4)
			break;
	close(fd);
}

static void unmap(void)
{
	munmap((void *)shm, sizeof(*shm));
	shm = NULL;
}

/* What shm_map says: 0, or errno. */
static int map(const char *file)
{
	errno = 0;
	return shm_map(file) ? errno : 0;
}

static bool is_locked(void)
{
	int fd = open(path, O_RDWR);
	bool locked = flock(fd, LOCK_EX | LOCK_NB) != 0;

	close(fd);
	return locked;
}

static void test_new(void)
{
	struct stat st;

	is_int(map(path), 0, "a file that is not there is made");
	ok(!stat(path, &st) && (st.st_mode & 07777) == 0600, "for its owner alone");
	is_int(st.st_size, sizeof(*shm), "in its whole size");
	ok(st.st_blocks * 512 >= (blkcnt_t)sizeof(*shm), "with all its pages: a full disk is found out now");
	ok(shm->seed, "with a seed");
	is_int((long long)shm->limits[SHM_LIMITS - 1].key, 0, "and zeros up to its end");
	ok(!is_locked(), "no lock is left on it");
}

/* Run in another process; its exit status. */
static int elsewhere(int (*fn)(void))
{
	int status = 0;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0)
		_exit(fn());
	return waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static uint64_t seed;

static int map_and_count(void)
{
	shm = NULL;
	if (shm_map(path) || shm->seed != seed)
		return 1;
	atomic_fetch_add(&shm->pools[1].respawns, 7);
	shm->limits[5].key = 5;
	return 0;
}

static int map_nothing(void)
{
	return 0;
}

static void test_shared(void)
{
	int before = hold();

	seed = shm->seed;
	is_int(elsewhere(map_and_count), 0, "another process maps the same file, with the same seed");
	is_int((long long)shm->pools[1].respawns, 7, "what it counts, this one sees");
	is_int((long long)shm->limits[5].key, 5, "to the end");
	ok(!was_replaced(before) && !is_locked(), "and the file is as it was");
	elsewhere(map_nothing);
	ok(!is_locked(), "a child that ends leaves no lock either");
	unmap();
	is_int(map(path), 0, "mapped again");
	is_int((long long)shm->pools[1].respawns, 7, "it has what it had");
}

static void test_layouts(void)
{
	struct shm *held = shm;
	int before = hold();

	made(1)->id = "app.t.c";
	is_int(map(path), 0, "with other routes");
	ok(was_replaced(before) && shm->pools[1].respawns == 0, "a new file takes the place of the old");
	atomic_fetch_add(&held->pools[1].respawns, 1);
	ok(held->pools[1].respawns == 8 && shm->pools[1].respawns == 0,
	   "whoever has the old one keeps it for himself");
	before = hold();
	unmap();
	made(0)->method = POST;
	ok(!map(path) && was_replaced(before), "another method is another route");
	unmap();
	before = hold();
	ok(!map(path) && !was_replaced(before), "the same routes keep the file");
	unmap();
	munmap((void *)held, sizeof(*held));

	rubbish(sizeof(struct shm));
	before = hold();
	ok(!map(path) && was_replaced(before) && shm->pools[1].respawns == 0,
	   "a file of something else is replaced");
	unmap();
	rubbish(4);
	before = hold();
	ok(!map(path) && was_replaced(before), "a file of 4 bytes, too");
	unmap();
	is_int(truncate(path, sizeof(struct shm) - 1), 0, "one that lacks a byte");
	before = hold();
	ok(!map(path) && was_replaced(before), "is replaced");
	unmap();
	rubbish(0);
	before = hold();
	ok(!map(path) && !was_replaced(before) && shm->seed, "an empty file is filled in");
	unmap();
}

static void test_refusals(void)
{
	struct stat st;

	rubbish(4);
	ok(!rename(path, other) && !symlink(other, path), "a link in the file's place");
	is_int(map(path), ELOOP, "is refused");
	ok(!shm && !stat(other, &st) && st.st_size == 4, "what it leads to is not touched");
	unlink(path);
	unlink(other);
	is_int(map("/nonexistent/folder/shared"), ENOENT, "a folder that is not there");
	is_int(map(dir), EISDIR, "a folder for a file");
	mkfifo(path, 0600);
	ok(map(path) && !shm, "a pipe for a file");
	unlink(path);
}

/* Pools that are started at once, on a file that an older version has left. */
static void test_race(void)
{
	enum { PROCESSES = 8, ROUNDS = 30 };
	uint64_t *seeds = mmap(NULL, PROCESSES * sizeof(*seeds), PROT_READ | PROT_WRITE,
			       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int different = 0;

	for (int round = 0; round < ROUNDS; round++) {
		int gate[2];
		char c;

		if (round % 2)
			rubbish(64);
		else
			unlink(path);
		if (pipe(gate))
			return;
		fflush(stdout);
		for (int i = 0; i < PROCESSES; i++) {
			seeds[i] = 0;
			if (fork() != 0)
				continue;
			close(gate[1]);
			if (read(gate[0], &c, 1) == 0 && !shm_map(path))
				seeds[i] = shm->seed;
			_exit(0);
		}
		close(gate[0]);
		close(gate[1]);
		while (wait(NULL) > 0)
			;
		for (int i = 0; i < PROCESSES; i++)
			different += !seeds[i] || seeds[i] != seeds[0];
	}
	is_int(different, 0, "processes that start at once all share one file");
	munmap(seeds, PROCESSES * sizeof(*seeds));
}

static void test_hash(void)
{
	uint64_t a;

	unlink(path);
	map(path);
	a = shm_hash(1, "192.0.2.1");
	ok(a == shm_hash(1, "192.0.2.1"), "a text has one hash");
	ok(a != shm_hash(2, "192.0.2.1"), "in each class another");
	ok(a != shm_hash(1, "192.0.2.2") && a >> 48 != shm_hash(1, "192.0.2.2") >> 48 &&
		   (a & 0xffff) != (shm_hash(1, "192.0.2.2") & 0xffff),
	   "another text another, in all its bits");
	ok(shm_hash(1, "") != 0, "none is 0");
	unmap();
	unlink(path);
	map(path);
	ok(a != shm_hash(1, "192.0.2.1"), "another file hashes otherwise");
	unmap();
}

int main(void)
{
	if (!mkdtemp(dir))
		return 1;
	snprintf(path, sizeof(path), "%s/shared", dir);
	snprintf(other, sizeof(other), "%s/other", dir);
	test_new();
	test_shared();
	test_layouts();
	test_refusals();
	test_race();
	test_hash();
	unlink(path);
	is_int(rmdir(dir), 0, "nothing else was made in the folder");
	return done_testing();
}
