/*
 * What an attacker in the child of a sandbox would try.  "ways_out_prepare" runs in front of the filter,
 * "ways_out" behind it: it tells of each way whether it works; ways_out_are_closed() reads that, in the
 * caller.
 */
#ifndef ASHLAR_WAYS_OUT_H
#define ASHLAR_WAYS_OUT_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "t/unit/tap.h"

enum { WAYS_OUT = 32, WAYS_OUT_STATUS = 10 };

static void told(const char *what, long rc)
{
	char line[100];
	int n = snprintf(line, sizeof(line), "%s %s\n", what, rc < 0 ? strerrorname_np(errno) : "WORKS");

	if (write(1, line, (size_t)n) != n)
		_exit(44);
}

extern char **environ;

static int is_prepared;

static void ways_out_prepare(const char *arg)
{
	is_prepared = open(arg, O_RDONLY | O_CLOEXEC) >= 0;
}

/* arg: a file that there is. */
static int ways_out(const char *arg)
{
	static char *const words[] = { "/bin/true", NULL };
	char *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char byte;
	struct stat st;

	if (!is_prepared)
		return 45;
	told("socket unix", socket(AF_UNIX, SOCK_STREAM, 0));
	told("socket inet", socket(AF_INET, SOCK_STREAM, 0));
	told("socket inet6", socket(AF_INET6, SOCK_DGRAM, 0));
	told("socket netlink", socket(AF_NETLINK, SOCK_RAW, 0));
	told("socketpair", socketpair(AF_UNIX, SOCK_STREAM, 0, (int[2]){ 0 }));
	told("open", open(arg, O_RDONLY));
	told("open to write", open("/tmp/ashlar-sandbox-was-here", O_WRONLY | O_CREAT, 0600));
	told("openat2", syscall(SYS_openat2, AT_FDCWD, arg, &(uint64_t[3]){ 0 }, 24));
	told("stat", stat(arg, &st));
	told("opendir", opendir("/") ? 0 : -1);
	told("unlink", unlink(arg));
	told("read what is no file", read(3, &byte, 1));
	told("write the file", write(0, "x", 1));
	told("pwrite the file", pwrite(0, "x", 1, 0));
	told("truncate the file", ftruncate(0, 0));
	told("map the file",
	     mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, 0, 0) == MAP_FAILED ? -1 : 0);
	told("fork", syscall(SYS_fork));
	told("clone", fork());
	told("clone3", syscall(SYS_clone3, NULL, 0));
	told("exec", execv(words[0], words));
	told("kill", kill(getppid(), 0));
	told("kill its parent", syscall(SYS_tgkill, prctl(PR_GET_PDEATHSIG, &byte) ? 1 : 1, 1, 0));
	told("ptrace", syscall(SYS_ptrace, 0, 0, 0, 0));
	told("read another's memory", syscall(SYS_process_vm_readv, 1, NULL, 0, NULL, 0, 0));
	told("run what it wrote", mprotect(page, 4096, PROT_READ | PROT_EXEC));
	told("map what can run",
	     mmap(NULL, 4096, PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? -1 : 0);
	told("raise a limit", setrlimit(RLIMIT_CPU, &(struct rlimit){ 60, 60 }));
	told("duplicate", dup(0));
	told("sleep", usleep(1));
	told("io_uring", syscall(SYS_io_uring_setup, 1, NULL));
	told("wait for a message", syscall(SYS_msgget, 0, 0));
	told("environment", environ && *environ ? 0 : (errno = ENOENT, -1));
	return WAYS_OUT_STATUS;
}

/* Was all of it tried, and refused?  What was not is shown. */
static bool ways_out_are_closed(char *told_lines)
{
	int refused = 0, works = 0;
	char *line, *rest;

	for (line = strtok_r(told_lines, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		bool is_errno = strstr(line, " EPERM") || strstr(line, "environment ENOENT");

		refused += is_errno;
		works += !is_errno;
		if (!is_errno)
			diag("%s", line);
	}
	return !works && refused == WAYS_OUT;
}

#endif
