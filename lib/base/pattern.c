#include "lib/base/pattern.h"

#include <assert.h>
#include <regex.h>

#include "lib/base/arena.h"

static struct compiled {
	struct compiled *next;
	const struct pattern *pattern;
	regex_t regex;
} * all;

static struct arena memory; /* for as long as the program runs */

static const struct compiled *find(const struct pattern *p)
{
	const struct compiled *c = all;

	while (c && c->pattern != p)
		c = c->next;
	return c;
}

const char *pattern_compile(const struct pattern *p)
{
	struct compiled *c;
	char problem[128];
	int rc;

	if (find(p))
		return NULL;
	if (!memory.chunks)
		arena_init(&memory, 4096);
	c = arena_alloc(&memory, sizeof(*c));
	rc = regcomp(&c->regex, p->regex, REG_EXTENDED | REG_NOSUB);
	if (rc) {
		regerror(rc, &c->regex, problem, sizeof(problem));
		return arena_fmt(&memory, "%s: %s", p->regex, problem);
	}
	c->pattern = p;
	c->next = all;
	all = c;
	return NULL;
}

bool pattern_fits(const struct pattern *p, const char *text)
{
	const char *problem = pattern_compile(p);

	assert(!problem); /* the router has compiled it (route.c) */
	(void)problem;
	return !regexec(&find(p)->regex, text, 0, NULL, 0);
}
