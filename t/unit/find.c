/*
 * A search over 1,050 operations and the guide: what it finds, and in which order.
 * With FIND_TIMES=n in the environment it says how long one takes (bench/CLIENTS.md).
 */
#include "fcgi/event.h"
#include "fcgi/reference/find.h"
#include "lib/base/clock.h"
#include "t/lib/many_routes.h"
#include "t/unit/tap.h"

enum { ROUTES = 1050 };

static struct route table[ROUTES + 1];
const struct route *const route_tables[] = { table, NULL };
const struct event events[] = { { NULL } };

static struct find_hit hits[FIND_MOST];

static const char *address(const struct find_hit *h)
{
	return h->route ? h->route->path : h->page->name;
}

static void test_words(void)
{
	static const char *const queries[] = { "", " ", "…", "zyxwv", "a/b", "\xff\xfe", "the" };
	int n = find_words("send invoices", hits);

	is_int(n, FIND_MOST, "many fit");
	for (int i = 1; i < n; i++)
		ok(hits[i].score <= hits[i - 1].score, "number %d is no better than the one before it", i);
	ok(hits[0].route && strstr(hits[0].route->path, "/invoices-") && strstr(hits[0].route->path, "/send"),
	   "what has both words is first");
	n = find_words("INVOICE sending", hits);
	ok(n && hits[0].route && strstr(hits[0].route->path, "/invoices-"), "case and number do not matter");
	n = find_words("how do I send somebody a receipt?", hits);
	ok(n && hits[0].route && strstr(hits[0].route->path, "/invoices-") &&
		   strstr(hits[0].route->path, "/send"),
	   "nor whether it is called so");
	n = find_words("new invoice", hits);
	ok(n && hits[0].route && hits[0].route->method == POST, "a verb is the method that does it");
	n = find_words("invoices", hits);
	ok(n && hits[0].route && hits[0].route->method == GET, "  and a thing alone is looked at");
	n = find_words("second factor authenticator", hits);
	is_str(address(&hits[0]), "second-factor", "a page of the guide is found, too");
	ok(hits[0].heading_len > 0 && hits[0].heading[0] != '#', "  by its heading");
	for (size_t i = 0; i < sizeof(queries) / sizeof(*queries); i++)
		ok(find_words(queries[i], hits) <= FIND_MOST, "nothing comes of the query number %zu", i);
	is_int(find_words("zyxwv", hits), 0, "a word that is nowhere finds nothing");
}

static void test_length(void)
{
	char query[4096];

	memset(query, 'a', sizeof(query) - 1);
	query[sizeof(query) - 1] = '\0';
	is_int(find_words(query, hits), 0, "a word that is too long");
	for (size_t i = 0; i + 1 < sizeof(query); i += 2)
		query[i] = ' ';
	ok(find_words(query, hits) <= FIND_MOST, "and too many");
}

int main(void)
{
	const char *times = getenv("FIND_TIMES");
	struct arena arena;
	int64_t from;

	arena_init(&arena, 1 << 20);
	memcpy(table, many_routes(&arena, ROUTES), sizeof(table));
	test_words();
	test_length();
	if (times) {
		from = clock_ns();
		for (int i = 0; i < atoi(times); i++)
			find_words("reset the password of a member of an organization", hits);
		diag("%.2f ms each", (double)(clock_ns() - from) / 1e6 / atoi(times));
	}
	arena_release(&arena);
	return done_testing();
}
