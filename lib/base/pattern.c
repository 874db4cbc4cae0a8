#include "lib/base/pattern.h"

#include <assert.h>
#include <regex.h>

#include "lib/base/arena.h"
#include "lib/base/map.h"

static struct arena memory; /* for as long as the program runs */
static struct map compiled; /* regex_t, by the pattern's address */

const char *pattern_compile(const struct pattern *p)
{
	char problem[128];
	regex_t *regex;
	int rc;

	if (map_find(&compiled, &p, sizeof(p)))
		return NULL;
	if (!memory.chunks) {
		arena_init(&memory, 4096);
		map_init(&compiled, &memory);
	}
	regex = arena_alloc(&memory, sizeof(*regex));
	rc = regcomp(regex, p->regex, REG_EXTENDED | REG_NOSUB);
	if (rc) {
		regerror(rc, regex, problem, sizeof(problem));
		return arena_fmt(&memory, "%s: %s", p->regex, problem);
	}
	*map_at(&compiled, &p, sizeof(p)) = regex;
	return NULL;
}

bool pattern_fits(const struct pattern *p, const char *text)
{
	const char *problem = pattern_compile(p);

	assert(!problem); /* the router has compiled it (route.c) */
	(void)problem;
	return !regexec(map_find(&compiled, &p, sizeof(p)), text, 0, NULL, 0);
}
