#include "lib/host/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <seccomp.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/clock.h"

/* Of the child: no task's, and no sanitizer's, which has 1. */
enum { EXIT_NO_MEMORY = 126, EXIT_NOT_STARTED = 127 };

#ifdef __SANITIZE_ADDRESS__
enum { HAS_SANITIZER = 1 };
#else
enum { HAS_SANITIZER = 0 };
#endif

/* The descriptor behind those that there always are. */
enum { SPILL = HAS_SANITIZER ? 3 : 2 };

static const char child_name[] = "ashlar-sandbox";
static bool has_spill; /* in the child */

/* The child */

/* A limit that cannot be raised again; one that is lower already stays. */
static bool limit(int resource, rlim_t soft, rlim_t hard)
{
	struct rlimit now;

	if (getrlimit(resource, &now))
		return false;
	if (hard > now.rlim_max)
		hard = now.rlim_max;
	if (soft > hard)
		soft = hard;
	return !setrlimit(resource, &(struct rlimit){ soft, hard });
}

/* Between fork and exec: nothing here may allocate, for another thread may have held the lock. */
static void child_start(pid_t parent, int in, int out, const struct sandbox_limits *limits, char **argv)
{
	static char *no_environment[] = { NULL };
	rlim_t cpu_s = (rlim_t)limits->cpu_s, spill = limits->spill_fd ? limits->spill_bytes : 0;
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	signal(SIGXFSZ, SIG_IGN); /* a write that goes too far fails */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) || getppid() != parent)
		return;
	/* Above what they become first, or one of them closes the other. */
	in = fcntl(in, F_DUPFD, SPILL + 1);
	out = fcntl(out, F_DUPFD, SPILL + 1);
	if (in < 0 || out < 0 || dup2(in, 0) != 0 || dup2(out, 1) != 1)
		return;
	/* dup2() of one to itself leaves it to be closed by exec. */
	if (limits->spill_fd && (dup2(limits->spill_fd, SPILL) != SPILL || fcntl(SPILL, F_SETFD, 0)))
		return;
	if (close_range(limits->spill_fd ? SPILL + 1 : SPILL, ~0U, 0))
		return;
	if (!limit(RLIMIT_CPU, cpu_s, cpu_s + 1) || !limit(RLIMIT_FSIZE, spill, spill) ||
	    !limit(RLIMIT_CORE, 0, 0))
		return;
	if (!HAS_SANITIZER && !limit(RLIMIT_AS, limits->memory_bytes, limits->memory_bytes))
		return;
	/* The program that runs, also when a newer one has taken its path. */
	execve("/proc/self/exe", argv, no_environment);
}

/* What is left: see the header. */
static bool confine(void)
{
	static const int always[] = {
		SCMP_SYS(brk),
		SCMP_SYS(munmap),
		SCMP_SYS(mremap),
		SCMP_SYS(madvise),
		SCMP_SYS(exit),
		SCMP_SYS(exit_group),
		SCMP_SYS(futex),
		SCMP_SYS(getrandom),
		SCMP_SYS(rt_sigreturn),
		SCMP_SYS(rt_sigprocmask),
		SCMP_SYS(clock_gettime),
		SCMP_SYS(gettimeofday),
		SCMP_SYS(restart_syscall),
		SCMP_SYS(sched_yield),
		SCMP_SYS(gettid),
		SCMP_SYS(getpid),
	};
	rlim_t descriptors = has_spill ? SPILL + 1 : SPILL;
	pid_t self = getpid();
	scmp_filter_ctx f;
	int rc = 0;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0))
		return false;
	/* Descriptors are numbers below this one, so there are no others. */
	if (!limit(RLIMIT_NOFILE, descriptors, descriptors) || !limit(RLIMIT_NPROC, 0, 0))
		return false;
	f = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	if (!f)
		return false;
	for (size_t i = 0; i < sizeof(always) / sizeof(*always); i++)
		rc |= seccomp_rule_add(f, SCMP_ACT_ALLOW, always[i], 0);
	rc |= seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(read), 1, SCMP_A0(SCMP_CMP_EQ, 0));
	rc |= seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(lseek), 1, SCMP_A0(SCMP_CMP_EQ, 0));
	rc |= seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(write), 1, SCMP_A0(SCMP_CMP_EQ, 1));
	if (has_spill) {
		rc |= seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(pread64), 1, SCMP_A0(SCMP_CMP_EQ, SPILL));
		rc |= seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(pwrite64), 1, SCMP_A0(SCMP_CMP_EQ, SPILL));
	}
	if (HAS_SANITIZER) {
		rc |= seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(write), 1, SCMP_A0(SCMP_CMP_EQ, 2));
		rc |= seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(sigaltstack), 0);
	}
	/* Not of a file: one that the caller has opened for writing would be written through it. */
	rc |= seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 2,
			       SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0),
			       SCMP_A3(SCMP_CMP_MASKED_EQ, MAP_ANONYMOUS, MAP_ANONYMOUS));
	rc |= seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1,
			       SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
	/* abort() is a signal to itself; to anybody else of the same user none goes. */
	rc |= seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1,
			       SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)self));
	rc |= seccomp_load(f);
	seccomp_release(f);
	return !rc;
}

void sandbox_no_memory(void)
{
	_exit(EXIT_NO_MEMORY);
}

int sandbox_spill(void)
{
	return SPILL;
}

static const struct sandbox_task *find(const char *name, const struct sandbox_task *const *tables)
{
	for (; *tables; tables++)
		for (const struct sandbox_task *task = *tables; task->name; task++)
			if (!strcmp(task->name, name))
				return task;
	return NULL;
}

void sandbox_main(int argc, char **argv, const struct sandbox_task *const *tables)
{
	const struct sandbox_task *task;

	if (argc != 3 || strcmp(argv[0], child_name) != 0)
		return;
	has_spill = fcntl(SPILL, F_GETFD) >= 0;
	task = find(argv[1], tables);
	if (!task)
		_exit(EXIT_NOT_STARTED);
	if (task->prepare)
		task->prepare(argv[2]);
	if (!confine())
		_exit(EXIT_NOT_STARTED);
	/* Not exit(): what the program does at its end is for another process. */
	_exit(task->run(argv[2]));
}

/* The caller */

/* Hand on until the child has closed its end; else it wrote too much, has no time left, or is wanted no more.
 */
static enum sandbox_end collect(int fd, const struct sandbox_limits *limits, int64_t until_ns,
				bool (*each)(void *to, const char *p, size_t n), void *to)
{
	size_t left = limits->output_bytes;

	for (;;) {
		struct pollfd ready = { .fd = fd, .events = POLLIN };
		int64_t left_ms = (until_ns - clock_ns()) / 1000000;
		char more[16384];
		ssize_t n;

		if (left_ms <= 0)
			return SANDBOX_TIME;
		if (poll(&ready, 1, (int)left_ms) <= 0)
			continue;
		n = read(fd, more, sizeof(more));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return SANDBOX_ENDED;
		if ((size_t)n > left) {
			each(to, more, left);
			return SANDBOX_OUTPUT;
		}
		left -= (size_t)n;
		if (!each(to, more, (size_t)n))
			return SANDBOX_STOPPED;
	}
}

/* Closing its end is not yet the end. */
static enum sandbox_end await(int pidfd, int64_t until_ns)
{
	struct pollfd ended = { .fd = pidfd, .events = POLLIN };

	for (;;) {
		int64_t left_ms = (until_ns - clock_ns()) / 1000000;

		if (left_ms <= 0)
			return SANDBOX_TIME;
		if (poll(&ended, 1, (int)left_ms) > 0)
			return SANDBOX_ENDED;
	}
}

/* What a child that nobody here ended died of. */
static enum sandbox_end cause(int wait_status, const struct rusage *used, const struct sandbox_limits *limits,
			      int *status)
{
	if (WIFEXITED(wait_status)) {
		*status = WEXITSTATUS(wait_status);
		if (*status == EXIT_NO_MEMORY)
			return SANDBOX_MEMORY;
		if (*status == EXIT_NOT_STARTED)
			return SANDBOX_FAILED;
		return *status && (*status < 10 || *status > 99) ? SANDBOX_CRASHED : SANDBOX_ENDED;
	}
	switch (WTERMSIG(wait_status)) {
	case SIGXCPU: return SANDBOX_TIME;
	case SIGKILL:
		/* The hard limit of CPU time, or the kernel is out of memory. */
		return used->ru_utime.tv_sec + used->ru_stime.tv_sec >= limits->cpu_s ? SANDBOX_TIME
										      : SANDBOX_MEMORY;
	default:
		/* A library that is given no memory may fall over: then much of it is taken. */
		return (size_t)used->ru_maxrss * 1024 >= limits->memory_bytes / 2 ? SANDBOX_MEMORY
										  : SANDBOX_CRASHED;
	}
}

static bool keep(void *to, const char *p, size_t n)
{
	buf_add(to, p, n);
	return true;
}

enum sandbox_end sandbox_run(const char *task, const char *arg, int fd, const struct sandbox_limits *limits,
			     struct buf *out, int *status)
{
	return sandbox_stream(task, arg, fd, limits, keep, out, status);
}

enum sandbox_end sandbox_stream(const char *task, const char *arg, int fd,
				const struct sandbox_limits *limits,
				bool (*each)(void *to, const char *p, size_t n), void *to, int *status)
{
	int64_t until_ns = clock_ns() + (int64_t)limits->wall_ms * 1000000;
	char *argv[] = { (char *)child_name, (char *)task, (char *)arg, NULL };
	struct rusage used = { 0 };
	enum sandbox_end end;
	pid_t pid, parent = getpid(), reaped;
	int ends[2], pidfd, wait_status = 0;

	*status = 0;
	if (pipe2(ends, O_CLOEXEC))
		return SANDBOX_FAILED;
	pid = fork();
	if (!pid) {
		child_start(parent, fd, ends[1], limits, argv);
		_exit(EXIT_NOT_STARTED);
	}
	close(ends[1]);
	if (pid < 0) {
		close(ends[0]);
		return SANDBOX_FAILED;
	}
	pidfd = pidfd_open(pid, 0);
	end = pidfd < 0 ? SANDBOX_FAILED : collect(ends[0], limits, until_ns, each, to);
	close(ends[0]);
	if (end == SANDBOX_ENDED)
		end = await(pidfd, until_ns);
	if (end != SANDBOX_ENDED)
		kill(pid, SIGKILL);
	if (pidfd >= 0)
		close(pidfd);
	do
		reaped = wait4(pid, &wait_status, 0, &used);
	while (reaped < 0 && errno == EINTR);
	if (end != SANDBOX_ENDED)
		return end;
	return reaped == pid ? cause(wait_status, &used, limits, status) : SANDBOX_FAILED;
}
