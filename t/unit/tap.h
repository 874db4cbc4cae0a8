/*
 * A unit test's vocabulary.  Each file in t/unit is a program that prints TAP:
 *
 *	#include "t/unit/tap.h"
 *
 *	int main(void)
 *	{
 *		is_int(add(1, 2), 3, "one and two make three");
 *		return done_testing();
 *	}
 *
 * The name of a check states the behavior; a check that fails prints where it
 * stands, what it got and what it wanted.
 */
#ifndef ASHLAR_TAP_H
#define ASHLAR_TAP_H

#include <ctype.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static int tap_count, tap_failures;

/* ok(claim, name, …): the claim holds. */
#define ok(claim, ...) tap_ok(__FILE__, __LINE__, (claim), __VA_ARGS__)
/* is_int(got, want, name, …) */
#define is_int(got, want, ...) tap_int(__FILE__, __LINE__, (got), (want), __VA_ARGS__)
/* is_str(got, want, name, …): C strings, either of which may be NULL. */
#define is_str(got, want, ...) tap_str(__FILE__, __LINE__, (got), (want), __VA_ARGS__)
/* is_bytes(got, n, want, name, …): n bytes against a C string. */
#define is_bytes(got, n, want, ...) tap_bytes(__FILE__, __LINE__, (got), (n), (want), __VA_ARGS__)
/* has_str(text, piece, name, …): the piece occurs in the text. */
#define has_str(text, piece, ...) tap_has(__FILE__, __LINE__, (text), (piece), __VA_ARGS__)
/* dies(fn, arg, name, …): fn(arg), run in a child, ends in abort(), or in a sanitizer's report where there is
 * one. */
#define dies(fn, arg, ...) tap_dies(__FILE__, __LINE__, (fn), (arg), __VA_ARGS__)

/* The n-th argument is a printf format, and a test need not use every function. */
#define TAP_PRINTF(n) __attribute__((format(printf, n, (n) + 1), unused))

/* A line for the reader of the output. */
TAP_PRINTF(1)
static void diag(const char *fmt, ...)
{
	va_list ap;

	fputs("# ", stdout);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
}

static bool tap_report(const char *file, int line, bool passed, const char *fmt, va_list ap)
{
	tap_count++;
	tap_failures += !passed;
	printf("%s %d - ", passed ? "ok" : "not ok", tap_count);
	vprintf(fmt, ap);
	putchar('\n');
	if (!passed)
		diag("at %s line %d", file, line);
	fflush(stdout);
	return passed;
}

/* n bytes as a C string, cut where it gets long, so that a wrong answer can be read. */
static void tap_show(const char *what, const char *p, size_t n)
{
	size_t i;

	if (!p) {
		diag("%6s: NULL", what);
		return;
	}
	printf("# %6s: \"", what);
	for (i = 0; i < n && i < 1000; i++) {
		if (p[i] == '"' || p[i] == '\\')
			printf("\\%c", p[i]);
		else if (isprint((unsigned char)p[i]))
			putchar(p[i]);
		else
			printf("\\x%02x", (unsigned char)p[i]);
	}
	printf("\"%s (%zu bytes)\n", i < n ? "…" : "", n);
}

TAP_PRINTF(4)
static bool tap_ok(const char *file, int line, bool claim, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	tap_report(file, line, claim, fmt, ap);
	va_end(ap);
	return claim;
}

TAP_PRINTF(5)
static bool tap_int(const char *file, int line, long long got, long long want, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	if (!tap_report(file, line, got == want, fmt, ap)) {
		diag("   got: %lld", got);
		diag("wanted: %lld", want);
	}
	va_end(ap);
	return got == want;
}

TAP_PRINTF(5)
static bool tap_str(const char *file, int line, const char *got, const char *want, const char *fmt, ...)
{
	bool same = got && want ? !strcmp(got, want) : got == want;
	va_list ap;

	va_start(ap, fmt);
	if (!tap_report(file, line, same, fmt, ap)) {
		tap_show("got", got, got ? strlen(got) : 0);
		tap_show("wanted", want, want ? strlen(want) : 0);
	}
	va_end(ap);
	return same;
}

TAP_PRINTF(6)
static bool tap_bytes(const char *file, int line, const void *got, size_t n, const char *want,
		      const char *fmt, ...)
{
	bool same = n == strlen(want) && !memcmp(got, want, n);
	va_list ap;

	va_start(ap, fmt);
	if (!tap_report(file, line, same, fmt, ap)) {
		tap_show("got", got, n);
		tap_show("wanted", want, strlen(want));
	}
	va_end(ap);
	return same;
}

TAP_PRINTF(5)
static bool tap_has(const char *file, int line, const char *text, const char *piece, const char *fmt, ...)
{
	bool found = text && strstr(text, piece);
	va_list ap;

	va_start(ap, fmt);
	if (!tap_report(file, line, found, fmt, ap)) {
		tap_show("got", text, text ? strlen(text) : 0);
		tap_show("to have", piece, strlen(piece));
	}
	va_end(ap);
	return found;
}

TAP_PRINTF(5)
static bool tap_dies(const char *file, int line, void (*fn)(void *), void *arg, const char *fmt, ...)
{
	bool aborted;
	int status = 0;
	va_list ap;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		struct rlimit none = { 0, 0 };

		setrlimit(RLIMIT_CORE, &none);
		if (!freopen("/dev/null", "w", stderr))
			_exit(2);
		fn(arg);
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		status = 0;
	aborted = WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
#ifdef __SANITIZE_ADDRESS__
	aborted |= WIFEXITED(status) && WEXITSTATUS(status) != 0;
#endif
	va_start(ap, fmt);
	if (!tap_report(file, line, aborted, fmt, ap))
		diag("the child's wait status is %#x", (unsigned)status);
	va_end(ap);
	return aborted;
}

/* The end of main: prints the plan and makes the exit status. */
__attribute__((unused)) static int done_testing(void)
{
	printf("1..%d\n", tap_count);
	if (tap_failures)
		diag("%d of %d failed", tap_failures, tap_count);
	return tap_failures ? 1 : 0;
}

#endif
