/*
 * The filter of system calls that systemd puts around a service of ours, put
 * around this process: the sets of systemd/ashlar-.service.d, no memory that is
 * both written and run, no namespaces.  What works here works in the unit.
 */
#ifndef ASHLAR_UNIT_FILTER_H
#define ASHLAR_UNIT_FILTER_H

#include <errno.h>
#include <seccomp.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

static const char unit_filter_names[] =
	"perl -e '"
	"my (%set, $at, %on);"
	"for (`systemd-analyze --no-pager syscall-filter 2>/dev/null`) {"
	"	if (/^(@\\S+)/) { $at = $1 } elsif (/^ +([@\\w-]+)/) { push @{ $set{$at} }, $1 }"
	"}"
	"sub expand { return map { /^@/ ? expand(@{ $set{$_} }) : $_ } @_ }"
	"open my $in, q{<}, q{systemd/ashlar-.service.d/10-hardening.conf} or die;"
	"while (<$in>) {"
	"	my ($not, $words) = /^SystemCallFilter=(~?)(.*)/ or next;"
	"	$on{$_} = !$not for expand(split q{ }, $words);"
	"}"
	"print map { qq{$_\\n} } grep { $on{$_} } keys %on;"
	"'";

/* True: this process and what it starts have it now. */
static bool unit_filter(void)
{
	scmp_filter_ctx f = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	FILE *names = popen(unit_filter_names, "r");
	char name[100];
	int rc = 0, n = 0;

	if (!f || !names)
		return false;
	while (fgets(name, sizeof(name), names)) {
		int call;

		name[strcspn(name, "\n")] = '\0';
		call = seccomp_syscall_resolve_name(name);
		if (call < 0) /* another machine's */
			continue;
		n++;
		if (call == SCMP_SYS(mmap)) {
			rc |= seccomp_rule_add(f, SCMP_ACT_ALLOW, call, 1,
					       SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
			rc |= seccomp_rule_add(
				f, SCMP_ACT_ALLOW, call, 1,
				SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC | PROT_WRITE, PROT_EXEC));
		} else if (call == SCMP_SYS(mprotect)) {
			rc |= seccomp_rule_add(f, SCMP_ACT_ALLOW, call, 1,
					       SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
		} else if (call == SCMP_SYS(clone3)) {
			rc |= seccomp_rule_add(f, SCMP_ACT_ERRNO(ENOSYS), call, 0);
		} else {
			rc |= seccomp_rule_add(f, SCMP_ACT_ALLOW, call, 0);
		}
	}
	if (pclose(names) || n < 100 || rc)
		return false;
	rc = seccomp_load(f);
	seccomp_release(f);
	return !rc;
}

#endif
