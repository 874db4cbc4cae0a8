/*
 * What a confined child cannot do, and how one ends that does too much.
 */
#include "lib/host/sandbox.h"

#include <dirent.h>
#include <errno.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/mman.h>

#include "t/unit/tap.h"
#include "t/unit/unit_filter.h"
#include "t/unit/ways_out.h"

static struct arena a;
static const struct sandbox_limits usual = {
	.cpu_s = 5, .wall_ms = 60000, .memory_bytes = 256 << 20, .output_bytes = 4096
};

/* Tasks */

static int copy(const char *arg)
{
	char bytes[100];
	ssize_t n = read(0, bytes, sizeof(bytes));

	(void)arg;
	return n >= 0 && write(1, bytes, (size_t)n) == n ? 42 : 43;
}

static int spin(const char *arg)
{
	for (volatile int i = *arg; i >= 0; i &= 0xff)
		i++;
	return 0;
}

static int spin_silently(const char *arg)
{
	/* Its end of the pipe stays as it is: close() is nothing that it may. */
	close(1);
	return spin(arg);
}

static int hog(const char *arg)
{
	size_t step = strtoul(arg, NULL, 10);

	for (;;) {
		char *p = malloc(step);

		if (!p)
			sandbox_no_memory();
		memset(p, 1, step);
	}
}

static int hog_badly(const char *arg)
{
	size_t step = strtoul(arg, NULL, 10);

	for (volatile char *p = malloc(step); p || step; p = malloc(step))
		memset((char *)p, 1, step);
	return 0;
}

static int flood(const char *arg)
{
	for (;;) {
		if (write(1, arg, strlen(arg)) < 0)
			return 46;
	}
}

static int crash(const char *arg)
{
	raise(*arg == 'a' ? SIGABRT : SIGSEGV);
	abort();
}

static int lie(const char *arg)
{
	return (int)strtol(arg, NULL, 10);
}

/* 60,000 bytes at a place, and back; then behind what it may. */
static int spill(const char *arg)
{
	static char bytes[60000], again[60000];
	ssize_t most = (ssize_t)sizeof(bytes);

	memset(bytes, *arg, sizeof(bytes));
	if (pwrite(sandbox_spill(), bytes, sizeof(bytes), 4000) != most ||
	    pread(sandbox_spill(), again, sizeof(again), 4000) != most || memcmp(bytes, again, sizeof(again)))
		return 50;
	if (pwrite(sandbox_spill(), bytes, 1, 64000) != -1)
		return 51;
	return write(sandbox_spill(), bytes, 1) == -1 && pwrite(0, bytes, 1, 0) == -1 ? 52 : 53;
}

static const struct sandbox_task tasks[] = {
	{ "copy", NULL, copy },
	{ "try", ways_out_prepare, ways_out },
	{ "spin", NULL, spin },
	{ "spin_silently", NULL, spin_silently },
	{ "hog", NULL, hog },
	{ "hog_badly", NULL, hog_badly },
	{ "flood", NULL, flood },
	{ "crash", NULL, crash },
	{ "lie", NULL, lie },
	{ "spill", NULL, spill },
	{ NULL },
};

/* Checks */

static int file_of(const char *text)
{
	int fd = memfd_create("file", MFD_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text) || lseek(fd, 0, SEEK_SET))
		exit(2);
	return fd;
}

static struct buf out;
static int status;

static enum sandbox_end go(const char *task, const char *arg, const struct sandbox_limits *limits)
{
	int fd = file_of("what is in the file");
	enum sandbox_end end;

	buf_init(&out, &a, 64);
	end = sandbox_run(task, arg, fd, limits, &out, &status);
	close(fd);
	return end;
}

static int open_descriptors(void)
{
	int n = 0;
	DIR *dir = opendir("/proc/self/fd");

	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

static void test_what_is_left(void)
{
	char path[] = "/tmp/ashlar-sandbox-XXXXXX";
	int fd = mkstemp(path);

	if (fd < 0)
		exit(2);
	setenv("JWT_SECRET", "a secret of the caller", 1);
	is_int(go("copy", "", &usual), SANDBOX_ENDED, "a task ends by itself");
	is_int(status, 42, "with its status");
	is_str(buf_str(&out), "what is in the file", "and what it wrote");

	is_int(go("try", path, &usual), SANDBOX_ENDED, "a task tries what it can");
	is_int(status, WAYS_OUT_STATUS, "to its end");
	ok(ways_out_are_closed(buf_str(&out)), "nothing of it works, of all there is");
	ok(access(path, F_OK) == 0, "the file that it would remove is there");
	ok(access("/tmp/ashlar-sandbox-was-here", F_OK) != 0, "the file that it would write is not");
	close(fd);
	unlink(path);
}

static void test_limits(void)
{
	struct sandbox_limits one_second = usual, one_moment = usual, little = usual;

	one_second.cpu_s = 1;
	one_moment.wall_ms = 200;
	is_int(go("spin", "", &one_second), SANDBOX_TIME, "an endless loop ends with its CPU time");
	is_int(go("spin", "", &one_moment), SANDBOX_TIME, "or with the time it may take");
	is_int(go("spin_silently", "", &one_moment), SANDBOX_TIME, "also where it says that it wrote all");
	is_int(go("flood", "again and again ", &usual), SANDBOX_OUTPUT, "endless output ends");
	is_int((long long)out.n, 4096, "with what may be written");
	is_int(strncmp(buf_str(&out), "again and again again", 21), 0, "of what was");
	little.output_bytes = 19;
	is_int(go("copy", "", &little), SANDBOX_ENDED, "as much as may be is not too much");
	little.output_bytes = 18;
	is_int(go("copy", "", &little), SANDBOX_OUTPUT, "one byte more is");
#ifndef __SANITIZE_ADDRESS__
	is_int(go("hog", "1000000", &usual), SANDBOX_MEMORY, "memory ends, and the task says so");
	is_int(go("hog", "1000000000", &usual), SANDBOX_MEMORY, "at once, too");
	is_int(go("hog_badly", "1000000", &usual), SANDBOX_MEMORY, "or falls over it");
#endif
}

static void test_ends(void)
{
	is_int(go("crash", "s", &usual), SANDBOX_CRASHED, "a violation of memory is a crash");
	is_int(go("crash", "a", &usual), SANDBOX_CRASHED, "abort() is");
	is_int(go("lie", "3", &usual), SANDBOX_CRASHED, "so is a status that no task has");
	is_int(go("lie", "100", &usual), SANDBOX_CRASHED, "on either side");
	is_int(go("lie", "99", &usual), SANDBOX_ENDED, "the last that one has");
	is_int(status, 99, "is told");
	is_int(go("none", "", &usual), SANDBOX_FAILED, "a task that there is not cannot be started");
	buf_init(&out, &a, 64);
	is_int(sandbox_run("copy", "", 999, &usual, &out, &status), SANDBOX_FAILED, "nor one without a file");
}

/* The worker's own filter lets a child be started and confined, and it stays confined. */
static void test_in_the_unit(void)
{
	int wait_status = 0;
	pid_t pid = fork();

	if (!pid) {
		if (!unit_filter())
			_exit(1);
		if (socket(AF_UNIX, SOCK_STREAM, 0) < 0 || setpriority(PRIO_PROCESS, 0, 1) == 0)
			_exit(2); /* it is not the unit's */
		if (go("copy", "", &usual) != SANDBOX_ENDED || status != 42)
			_exit(3);
		if (go("try", "README.md", &usual) != SANDBOX_ENDED || status != WAYS_OUT_STATUS ||
		    !ways_out_are_closed(buf_str(&out)))
			_exit(4);
		_exit(0);
	}
	ok(pid > 0 && waitpid(pid, &wait_status, 0) == pid,
	   "a process under the filter of the worker's unit");
	is_int(wait_status, 0, "runs a task in a sandbox, which is as closed as without it");
}

static void test_spill(void)
{
	struct sandbox_limits limits = usual;
	char byte = 0;

	is_int(go("spill", "x", &usual), SANDBOX_ENDED, "without a file to spill into");
	is_int(status, 50, "there is none");
	limits.spill_fd = file_of("");
	limits.spill_bytes = 64000;
	is_int(go("spill", "x", &limits), SANDBOX_ENDED, "with one");
	is_int(status, 52, "it is written and read at any place, so far and no farther, and no other one is");
	is_int(pread(limits.spill_fd, &byte, 1, 63999), 1, "what was written is there");
	is_int(byte, 'x', "and what it was");
	close(limits.spill_fd);
}

int main(int argc, char **argv)
{
	int descriptors;

	sandbox_main(argc, argv, (const struct sandbox_task *const[]){ tasks, NULL });
	arena_init(&a, 65536);
	descriptors = open_descriptors();
	test_what_is_left();
	test_limits();
	test_ends();
	test_spill();
	test_in_the_unit();
	is_int(open_descriptors(), descriptors, "no descriptor is left open");
	is_int(waitpid(-1, NULL, WNOHANG), -1, "no process is left");
	is_int(errno, ECHILD, "not even a dead one");
	arena_release(&a);
	return done_testing();
}
