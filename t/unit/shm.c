/*
 * The memory that processes share: one file, mapped by all, replaced when it is
 * of another layout.
 */
#include "lib/host/shm.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "t/unit/tap.h"

enum { COUNTERS = 1000, VERSION = 1 };

SHM_REGION(b_counters, _Atomic uint64_t, COUNTERS)
SHM_REGION(a_letters, char, 3)

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

/* What shm_map says: 0, or errno. */
static int map_as(const char *file, uint64_t version)
{
	errno = 0;
	return shm_map(file, version) ? errno : 0;
}

static int map(const char *file)
{
	return map_as(file, VERSION);
}

/* What keeps a hash of the file from being another file's. */
static uint64_t seed(void)
{
	return shm_hash(0, "");
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
	is_int(st.st_size, 64 + 64 + 8 * COUNTERS,
	       "with its head and the regions, each of whole cache lines");
	ok(st.st_blocks * 512 >= st.st_size, "with all its pages: a full disk is found out now");
	is_int((long long)b_counters()[COUNTERS - 1], 0, "and zeros up to its end");
	ok(a_letters() < (char *)b_counters() && a_letters() + 3 <= (char *)b_counters(),
	   "by the names of the regions");
	ok(shm_at("b_counters") == b_counters() && !shm_at("c"), "which find them");
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

static uint64_t seen;

static int map_and_count(void)
{
	if (shm_map(path, VERSION) || seed() != seen)
		return 1;
	atomic_fetch_add(&b_counters()[1], 7);
	a_letters()[2] = 'c';
	return 0;
}

static int map_nothing(void)
{
	return 0;
}

static void test_shared(void)
{
	int before = hold();

	seen = seed();
	is_int(elsewhere(map_and_count), 0, "another process maps the same file, with the same seed");
	is_int((long long)b_counters()[1], 7, "what it counts, this one sees");
	is_int(a_letters()[2], 'c', "in each region");
	ok(!was_replaced(before) && !is_locked(), "and the file is as it was");
	elsewhere(map_nothing);
	ok(!is_locked(), "a child that ends leaves no lock either");
	shm_unmap();
	ok(!b_counters() && !shm_at("b_counters"), "unmapped, it is nowhere");
	is_int(map(path), 0, "mapped again");
	is_int((long long)b_counters()[1], 7, "it has what it had");
}

static void test_layouts(void)
{
	_Atomic uint64_t *held = b_counters();
	int before = hold();

	is_int(map_as(path, VERSION + 1), 0, "of another version");
	ok(was_replaced(before) && b_counters()[1] == 0, "a new file takes the place of the old");
	atomic_fetch_add(&held[1], 1);
	ok(held[1] == 8 && b_counters()[1] == 0, "a process that has the old one keeps it");
	before = hold();
	shm_unmap();
	ok(!map_as(path, VERSION + 1) && !was_replaced(before), "the same version keeps the file");
	before = hold();
	shm_unmap();
	a_letters_region.bytes = 2;
	ok(!map_as(path, VERSION + 1) && was_replaced(before),
	   "a region of another size is another layout, even in as many lines");
	a_letters_region.bytes = 3;
	before = hold();
	shm_unmap();
	a_letters_region.name = "a_words";
	ok(!map_as(path, VERSION + 1) && was_replaced(before), "and one of another name");
	a_letters_region.name = "a_letters";
	shm_unmap();

	rubbish(64 + 64 + 8 * COUNTERS);
	before = hold();
	ok(!map(path) && was_replaced(before) && b_counters()[1] == 0,
	   "a file of something else is replaced");
	shm_unmap();
	rubbish(4);
	before = hold();
	ok(!map(path) && was_replaced(before), "a file of 4 bytes, too");
	shm_unmap();
	is_int(truncate(path, 64 + 64 + 8 * COUNTERS - 1), 0, "one that lacks a byte");
	before = hold();
	ok(!map(path) && was_replaced(before), "is replaced");
	shm_unmap();
	rubbish(0);
	before = hold();
	ok(!map(path) && !was_replaced(before), "an empty file is filled in");
	shm_unmap();
}

static void test_refusals(void)
{
	struct stat st;

	rubbish(4);
	ok(!rename(path, other) && !symlink(other, path), "a link in the file's place");
	is_int(map(path), ELOOP, "is refused");
	ok(!b_counters() && !stat(other, &st) && st.st_size == 4, "what it leads to is not touched");
	unlink(path);
	unlink(other);
	is_int(map("/nonexistent/folder/shared"), ENOENT, "a folder that is not there");
	is_int(map(dir), EISDIR, "a folder for a file");
	mkfifo(path, 0600);
	ok(map(path) && !b_counters(), "a pipe for a file");
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
			if (read(gate[0], &c, 1) == 0 && !shm_map(path, VERSION))
				seeds[i] = seed();
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

static int count_on(void)
{
	return atomic_fetch_add(&b_counters()[1], 1) != 1;
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
	shm_unmap();
	unlink(path);
	map(path);
	ok(a != shm_hash(1, "192.0.2.1"), "another file hashes otherwise");
	shm_unmap();
	is_int(map(NULL), 0, "without a file");
	b_counters()[1] = 1;
	is_int(elsewhere(count_on), 0, "it is this process's and its children's");
	is_int((long long)b_counters()[1], 2, "and shared with those");
	shm_unmap();
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
