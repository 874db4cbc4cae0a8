/*
 * Shares of the slow pool: who gets one, who is told to come back, and what
 * becomes of a dead process's.
 */
#include "fcgi/share.h"

#include <signal.h>
#include <sys/mman.h>

#include "fcgi/req.h"
#include "lib/host/config.h"
#include "lib/host/shm.h"
#include "t/unit/tap.h"

static const struct route slow = { .method = POST, .path = "/slow", .id = "app.t.slow", .flags = SLOW };
static const struct route quick = { .method = POST, .path = "/quick", .id = "app.t.quick" };
static struct req rq;

/* What the request of a caller of a tenant gets; it keeps its share. */
static enum err ask(const struct route *r, const char *tenant, uint64_t caller)
{
	arena_reset(&rq.tx.arena);
	rq = (struct req){ .tx.arena = rq.tx.arena, .asked.route = r };
	rq.who.tenant_id = tenant;
	rq.who.key = caller;
	return share_take(&rq);
}

static enum err ask_once(const struct route *r, const char *tenant, uint64_t caller)
{
	enum err rc = ask(r, tenant, caller);

	share_give_back();
	return rc;
}

/* Another child of the pool, in the middle of such a request. */
static pid_t begin(const char *tenant, uint64_t caller)
{
	int ready[2];
	char c = 0;
	pid_t pid;

	if (pipe(ready) || (pid = fork()) < 0)
		abort();
	if (!pid) {
		c = ask(&slow, tenant, caller) ? 'n' : 'y';
		if (write(ready[1], &c, 1) == 1)
			pause();
		_exit(0);
	}
	if (read(ready[0], &c, 1) != 1 || c != 'y')
		diag("the other child has got no share");
	close(ready[0]);
	close(ready[1]);
	return pid;
}

static void end(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void test_shares(void)
{
	pid_t first, second;

	share_use(8);
	first = begin("acme", 1);
	is_int(ask_once(&slow, "acme", 1), ERR_RATE_LIMIT, "a caller has an eighth of the pool");
	has_str(rq.tx.fail.message, "of yours", "and is told so,");
	ok(rq.tx.fail.retry_after > 0, "and when to come back");
	is_int(ask_once(&slow, "acme", 2), ERR_OK, "which is no other's affair");
	is_int(ask_once(&slow, "other", 1), ERR_OK, "nor that of its namesake in another tenant");
	second = begin("acme", 2);
	is_int(ask_once(&slow, "acme", 3), ERR_RATE_LIMIT, "a tenant has a quarter");
	has_str(rq.tx.fail.message, "of this tenant", "and is told so");
	is_int(ask_once(&slow, "other", 3), ERR_OK, "another tenant has its own");
	is_int(ask_once(&quick, "acme", 1), ERR_OK, "what waits for nobody needs none");
	is_int((int)share_refusals(0), 1, "refusals are counted for the tenant");
	is_int((int)share_refusals(1), 1, "and for the caller");
	end(first);
	is_int(ask(&slow, "acme", 3), ERR_OK, "a process that died has none");
	is_int(ask(&slow, "acme", 3), ERR_OK, "a request takes one share, however often it asks");
	share_give_back();
	is_int(ask_once(&slow, "acme", 1), ERR_OK, "and gives it back");
	end(second);
}

static void test_settings(void)
{
	pid_t other;

	cfg.slow_per_tenant = cfg.slow_per_caller = 100;
	share_use(2);
	other = begin("acme", 1);
	is_int(ask_once(&slow, "acme", 2), ERR_RATE_LIMIT, "whatever is set, one child is left for others");
	end(other);
	share_use(3);
	other = begin("acme", 1);
	is_int(ask_once(&slow, "acme", 1), ERR_OK, "up to that it is as set");
	end(other);
	share_use(1);
	is_int(ask_once(&slow, "acme", 1), ERR_OK, "a pool of one serves everybody");
	share_use(0);
	other = begin("acme", 1);
	is_int(ask_once(&slow, "acme", 1), ERR_OK, "and the other pools have no shares");
	end(other);
}

int main(void)
{
	shm_map(NULL, 0);
	cfg.request_timeout_s = 30;
	arena_init(&rq.tx.arena, 4096);
	test_shares();
	test_settings();
	arena_release(&rq.tx.arena);
	return done_testing();
}
