/*
 * A product of 2,000 endpoints: what is made of the route tables is right, and
 * no part of it runs more often for each row than it does for 500.
 *
 * Work is counted, not timed: the router, the reference and what they stand on
 * are compiled once more for this test so that each basic block that runs calls
 * __sanitizer_cov_trace_pc() (Makefile, STEPS).  Each block is looked at by
 * itself, so a loop over all rows inside of another one is seen wherever it
 * stands, and however little of the whole it is.  bench/routes has the times.
 */
#include <json-c/json.h>
#include <stdint.h>
#include <sys/mman.h>

#include "fcgi/event.h"
#include "fcgi/metrics.h"
#include "fcgi/reference/openapi.h"
#include "fcgi/route_map.h"
#include "fcgi/router.h"
#include "t/lib/many_routes.h"
#include "t/unit/tap.h"

enum { MOST = 2000, FEW_ROWS = 500, SELDOM = 5 * MOST };

static struct route table[MOST + 1];
const struct route *const route_tables[] = { table, NULL };

static struct shape told = { "EventThing", many_line };
const struct event events[] = {
	{ "thing.created", EVENT_TENANT, "a thing was made", .data = &told },
	{ "thing.removed", EVENT_TENANT, "a thing was removed", .data = &told },
	{ NULL },
};

static struct arena arena;

/* How often each block has run, by where it returns to; the linker names the ends of the program's code. */
extern char __executable_start[], etext[];
static uint64_t *hits;

void __sanitizer_cov_trace_pc(void);
void __sanitizer_cov_trace_pc(void)
{
	if (hits)
		hits[(char *)__builtin_return_address(0) - __executable_start]++;
}

static void fill(int n)
{
	arena_init(&arena, 1 << 20);
	memcpy(table, many_routes(&arena, n), (size_t)(n + 1) * sizeof(*table));
}

/* All that is made of n rows: at the start, in the commands, and for a request to each of them. */
static void use(int n, uint64_t *where)
{
	const char *paths[MOST];
	struct arena memory;
	struct match m;
	struct buf b;

	fill(n);
	for (int i = 0; i < n; i++)
		paths[i] = many_path(&arena, &table[i]);
	arena_init(&memory, 1 << 20);
	buf_init(&b, &memory, 1 << 16);
	hits = where;
	router_init();
	openapi_write(&b, NULL);
	openapi_write(&b, surface_at(0));
	route_map_write(&b);
	for (int i = 0; i < n; i++) {
		openapi_route(&b, route_at(i));
		router_find(table[i].method, paths[i], &m);
	}
	metrics_version();
	hits = NULL;
}

/* Route tables are read once in a process, so each number of rows has a process.  NULL: it failed. */
static const uint64_t *count(int n)
{
	size_t bytes = (size_t)(etext - __executable_start) * sizeof(uint64_t);
	uint64_t *where =
		mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	int status = 1;
	pid_t pid;

	if (where == MAP_FAILED)
		return NULL;
	fflush(stdout);
	pid = fork();
	if (!pid) {
		use(n, where);
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status)
		return NULL;
	return where;
}

/*
 * How many blocks run more often for each row the more there are.  Half as often
 * again is allowed, since maps have just been doubled, or not; and a few times for
 * each row do not count: what is sorted is compared more often.
 */
static int growing(const uint64_t *few, const uint64_t *many)
{
	int n = 0;

	for (ptrdiff_t at = 0; at < etext - __executable_start; at++) {
		if (many[at] <= SELDOM || 2 * many[at] * FEW_ROWS <= 3 * few[at] * MOST)
			continue;
		n++;
		diag("ran %llu times for %d rows, %llu times for %d: addr2line -ife build/t/scale %#tx",
		     (unsigned long long)few[at], FEW_ROWS, (unsigned long long)many[at], MOST, at - 1);
	}
	return n;
}

static void test_work(void)
{
	const uint64_t *few = count(FEW_ROWS), *many = count(MOST);
	uint64_t all = 0, blocks = 0;

	ok(few && many, "work is counted");
	for (ptrdiff_t at = 0; at < etext - __executable_start; at++) {
		blocks += many[at] != 0;
		all += many[at];
	}
	diag("%llu blocks ran, %llu times in all", (unsigned long long)blocks, (unsigned long long)all);
	ok(blocks > 500 && all > 1000 * MOST, "  of what is made of the tables");
	is_int(growing(few, many), 0, "nothing runs more often for each of %d rows than for each of %d", MOST,
	       FEW_ROWS);
}

static void test_router(void)
{
	int found = 0, params = 0, refused = 0;

	for (int i = 0; i < MOST; i++) {
		const char *path = many_path(&arena, &table[i]);
		struct match m = { 0 };

		found += !router_find(table[i].method, path, &m) && m.index == i &&
			 m.route->path == table[i].path;
		params += !route_params(&table[i]) || m.params_len[0] == 36 || m.params_len[0] == 9;
		refused += router_find(GET, arena_fmt(&arena, "%sx", path), &m) == ERR_NOT_FOUND ||
			   route_params(&table[i]);
	}
	is_int(found, MOST, "each row is found by its path");
	is_int(params, MOST, "  with its parameters");
	is_int(refused, MOST, "  and no other path finds it");
}

static struct json_object *member(struct json_object *o, const char *name)
{
	return o ? json_object_object_get(o, name) : NULL;
}

/* How many operations there are, and how many of them have an id of their own. */
static int count_operations(struct json_object *paths, int *distinct)
{
	struct json_object *ids = json_object_new_object();
	int n = 0;

	json_object_object_foreach(paths, path, verbs)
	{
		(void)path;
		json_object_object_foreach(verbs, verb, operation)
		{
			(void)verb;
			n++;
			json_object_object_add(ids, json_object_get_string(member(operation, "operationId")),
					       NULL);
		}
	}
	*distinct = json_object_object_length(ids);
	json_object_put(ids);
	return n;
}

static void test_reference(void)
{
	enum { RESOURCES = (MOST + MANY_EACH - 1) / MANY_EACH };
	int versions = 0, distinct, schemas = 0;
	struct json_object *document, *all;
	struct buf b;

	for (int i = 0; i < MOST; i++)
		versions += surface_of(table[i].id)->versions;
	buf_init(&b, &arena, 1 << 16);
	openapi_write(&b, NULL);
	document = json_tokener_parse(buf_str(&b));
	ok(document, "the reference is JSON, of %zu KiB", b.n / 1024);
	is_int(count_operations(member(document, "paths"), &distinct), versions,
	       "each row is an operation of it, once for each version");
	is_int(distinct, versions, "  which has an id of its own");
	ok(b.n / (size_t)versions * 1050 < 2500000, "  of 1,050 there are %zu KiB",
	   b.n / (size_t)versions * 1050 / 1024);
	is_int((long long)json_object_array_length(member(document, "tags")), RESOURCES,
	       "each domain is a tag of it");
	all = member(member(document, "components"), "schemas");
	for (int i = 0; i < MOST; i += MANY_EACH)
		schemas += member(all, table[i].out->name) != NULL;
	is_int(schemas, RESOURCES, "each answer a schema");
	ok(member(all, "EventThing"), "  and so is what events tell");
	json_object_put(document);
}

static void test_map(void)
{
	int lines = 0, slow = 0;
	struct buf b;

	buf_init(&b, &arena, 1 << 16);
	route_map_write(&b);
	for (const char *p = buf_str(&b); (p = strchr(p, '\n')); p++)
		lines++;
	for (int i = 0; i < MOST; i++)
		slow += !strcmp(route_pool(&table[i]), "slow");
	diag("%d slow rows of %d are %d lines for nginx", slow, MOST, lines);
	ok(slow > 100 && lines <= 12, "nginx reads few lines");
}

int main(void)
{
	test_work();
	fill(MOST);
	router_init();
	test_router();
	test_reference();
	test_map();
	arena_release(&arena);
	return done_testing();
}
