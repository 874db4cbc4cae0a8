/*
 * Traffic of tenants is counted once, in places that are few.
 */
#include "fcgi/traffic.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/host/shm.h"
#include "t/unit/tap.h"

enum { PROCESSES = 4, EACH = 20000, MANY = 20000 };

static struct taken {
	int tenants;
	struct traffic all, acme;
} taken;

static void add_up(struct traffic *to, const struct traffic *more)
{
	to->requests += more->requests;
	to->client_errors += more->client_errors;
	to->server_errors += more->server_errors;
	to->us += more->us;
	for (int i = 0; i < TRAFFIC_TOOK; i++)
		to->took[i] += more->took[i];
}

static void each(void *to, const struct traffic_who *who, const struct traffic *sum)
{
	struct taken *t = to;

	t->tenants++;
	add_up(&t->all, sum);
	if (!strcmp(who->tenant, "acme"))
		add_up(&t->acme, sum);
}

static const struct taken *take(void)
{
	taken = (struct taken){ 0 };
	traffic_take(each, &taken);
	return &taken;
}

static bool count(const char *tenant, int status, int64_t ns)
{
	struct traffic_who who = { 0 };
	struct traffic one = traffic_of(status, ns);

	snprintf(who.tenant, sizeof(who.tenant), "%s", tenant);
	return traffic_add(&who, &one);
}

static void one_request(void)
{
	struct traffic t = traffic_of(200, 1000000);

	is_int((long long)t.requests, 1, "one request");
	is_int((long long)t.took[0], 1, "  of a millisecond, which the first part takes");
	t = traffic_of(404, 1001000);
	is_int((long long)t.took[1], 1, "  of a bit more");
	is_int((long long)t.client_errors, 1, "  refused");
	is_int((long long)t.server_errors, 0, "  and no failure");
	t = traffic_of(503, 10000001000);
	is_int((long long)t.took[TRAFFIC_TOOK - 1], 1, "  of more than ten seconds");
	is_int((long long)t.server_errors, 1, "  failed");
}

static void one_after_another(void)
{
	struct traffic_who key = { .key = "acme" };
	struct traffic one = traffic_of(200, 1000);

	count("acme", 200, 2000000);
	count("acme", 500, 3000000);
	count("other", 200, 1000);
	traffic_add(&key, &one);
	take();
	is_int(taken.tenants, 3, "a tenant, another, and a key that tells one");
	is_int((long long)taken.all.requests, 4, "and each has its own count");
	is_int((long long)taken.acme.requests, 2, "  as this one");
	is_int((long long)taken.acme.us, 5000, "  with the time that they took");
	is_int((long long)taken.acme.server_errors, 1, "  and how they ended");
	is_int(take()->tenants, 0, "what was taken is not there again");
	count("acme", 200, 1000);
	is_int((long long)take()->acme.requests, 1, "where a place was retired, there is another");
	for (int i = 0; i < 5; i++)
		take();
	count("acme", 200, 1000);
	is_int((long long)take()->acme.requests, 1, "and one that is free is taken again");
}

static void too_many(void)
{
	char name[16];
	int counted = 0;

	for (int i = 0; i < MANY; i++) {
		snprintf(name, sizeof(name), "t%d", i);
		counted += count(name, 200, 1000);
	}
	take();
	is_int((long long)taken.all.requests, counted,
	       "of more tenants than places, those that have one are counted");
	ok(counted > 1000 && counted < MANY, "  which are not all (%d)", counted);
	for (int i = 0; i < 3; i++)
		take();
	ok(count("t19999", 200, 1000), "and places are free again when those have gone");
	take();
}

static void at_once(void)
{
	struct traffic sum = { 0 };
	int running = PROCESSES;

	for (int i = 0; i < PROCESSES; i++)
		if (fork() == 0) {
			for (int k = 0; k < EACH; k++)
				count("acme", k % 10 ? 200 : 404, 1000);
			_exit(0);
		}
	while (running) {
		running -= waitpid(-1, NULL, WNOHANG) > 0;
		add_up(&sum, &take()->acme);
	}
	for (int i = 0; i < 3; i++)
		add_up(&sum, &take()->acme);
	is_int((long long)sum.requests, PROCESSES * EACH, "many at once, while they are taken: none is lost");
	is_int((long long)sum.client_errors, PROCESSES * EACH / 10, "  nor how it ended");
	is_int((long long)sum.took[0], PROCESSES * EACH, "  nor how long it took");
}

int main(void)
{
	ok(!count("acme", 200, 1000), "without the memory nothing is counted");
	take();
	if (shm_map(NULL, 1))
		return 1;
	one_request();
	one_after_another();
	too_many();
	at_once();
	return done_testing();
}
