/*
 * A task in a child that may do nothing but read one file, compute and write
 * one answer: for parsers of what strangers sent.
 *
 * The child is this program, executed anew, so that nothing of the caller's
 * memory (settings, keys, other people's data) is in it.  It has an empty
 * environment, the file as descriptor 0 and a pipe as descriptor 1, limits of
 * CPU time, memory, written files (none) and processes (none), and dies with
 * its parent.  Before the file's first byte is read a seccomp filter leaves it
 * read(0), write(1), memory that is not executable, and its own end: no file
 * is opened, no socket of any family made, nothing started, signalled or
 * looked at.  A task that asks for it has one more file, to spill into.  What it tries besides fails with
 *EPERM.
 *
 * Namespaces are not used: the units forbid them, as they do the seccomp() call
 * in systemd 252; libseccomp then takes prctl().  Under AddressSanitizer memory
 * has no limit, since its shadow alone is terabytes of address space, and
 * descriptor 2 stays, for its reports.
 *
 *	static const struct sandbox_task tasks[] = { { "count", NULL, count }, { NULL } };
 *
 *	int main(int argc, char **argv)
 *	{
 *		sandbox_main(argc, argv, (const struct sandbox_task *const[]){ tasks, NULL });
 *		…
 *		end = sandbox_run("count", "", fd, &limits, &out, &status);
 */
#ifndef ASHLAR_SANDBOX_H
#define ASHLAR_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/buf.h"

struct sandbox_limits {
	int cpu_s;           /* at least 1 */
	int wall_ms;         /* from the start to the end, whatever the child does */
	size_t memory_bytes; /* of address space; the program itself takes about 64 MiB */
	size_t output_bytes;

	/* A file that it may write, too, at places that it names, up to so many bytes: for what is too much
	 * for its memory.  0: none. */
	int spill_fd;
	size_t spill_bytes;
};

struct sandbox_task {
	const char *name;

	/* Runs first and unconfined, and must not read the file: what needs other files, as dlopen().  Or
	 * NULL.
	 */
	void (*prepare)(const char *arg);

	/* Reads descriptor 0, writes descriptor 1; returns the status, 0 or 10 to 99. */
	int (*run)(const char *arg);
};

enum sandbox_end {
	SANDBOX_ENDED,  /* by itself: *status says how */
	SANDBOX_TIME,   /* it took more CPU or wall time than it may */
	SANDBOX_MEMORY, /* it took more memory than it may, or than there is */
	SANDBOX_OUTPUT, /* it wrote more than it may; what it may is in out */
	SANDBOX_CRASHED,
	SANDBOX_FAILED,  /* it could not be started: nothing is known about the file */
	SANDBOX_STOPPED, /* who took what it wrote wanted no more */
};

/* What a task calls that has got no memory; it ends there. */
void sandbox_no_memory(void) __attribute__((noreturn));

/* In a task: the descriptor of limits.spill_fd, for pread() and pwrite(), which fails where it has too many
 * bytes. */
int sandbox_spill(void);

/*
 * In main(), before anything else: where this process is the child of a
 * sandbox_run, does its task and ends.  tables ends with NULL, and each of them with a row without
 * a name.
 */
void sandbox_main(int argc, char **argv, const struct sandbox_task *const *tables);

/*
 * Run a task on a file.
 *
 * task, arg  a row of sandbox_main's, and what it is told
 * fd         stays the caller's, whatever it was opened for; the offset is moved
 * out        what the child wrote is added; it is as hostile as the file
 * status     of SANDBOX_ENDED
 *
 * Waits for the end; no process and no descriptor is left.
 */
enum sandbox_end sandbox_run(const char *task, const char *arg, int fd, const struct sandbox_limits *limits,
			     struct buf *out, int *status);

/*
 * The same, with what the child writes handed on as it comes, so that it may be any amount.
 *
 * each  takes the next n bytes, and may take its time: the child waits then. False: no more is
 *       wanted, and the child ended.
 */
enum sandbox_end sandbox_stream(const char *task, const char *arg, int fd,
				const struct sandbox_limits *limits,
				bool (*each)(void *to, const char *p, size_t n), void *to, int *status);

#endif
