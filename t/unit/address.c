/* IP addresses: one spelling each, and what limits take for one. */
#include "lib/base/arena.h"
#include "lib/host/address.h"
#include "t/unit/tap.h"

static struct arena arena;

static void test_text(void)
{
	static const struct {
		const char *text, *same;
	} good[] = {
		{ "192.0.2.1", "192.0.2.1" },
		{ "2001:db8::7", "2001:db8::7" },
		{ "2001:DB8:0:0:0:0:0:7", "2001:db8::7" },
		{ "::ffff:192.0.2.1", "192.0.2.1" },
		{ "::ffff:c000:201", "192.0.2.1" },
		{ "::1", "::1" },
	};
	static const char *const bad[] = { "",
					   "x",
					   "192.0.2",
					   "192.0.2.256",
					   "192.0.2.1:80",
					   "192.0.2.0/24",
					   "[2001:db8::7]",
					   "fe80::1%eth0",
					   " 192.0.2.1",
					   "192.0.2.1,192.0.2.2",
					   "2001:db8::7/64" };

	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++)
		is_str(address_text(&arena, good[i].text), good[i].same, "%s", good[i].text);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		ok(!address_text(&arena, bad[i]), "no address: \"%s\"", bad[i]);
}

static void test_range(void)
{
	static const struct {
		const char *text, *same;
	} good[] = {
		{ "192.0.2.77/24", "192.0.2.0/24" },
		{ "192.0.2.1", "192.0.2.1/32" },
		{ "192.0.2.255/31", "192.0.2.254/31" },
		{ "1.2.3.4/0", "0.0.0.0/0" },
		{ "2001:DB8::7", "2001:db8::7/128" },
		{ "2001:db8::ffff/113", "2001:db8::8000/113" },
		{ "2001:db8::7/0", "::/0" },
		{ "::ffff:192.0.2.1", "192.0.2.1/32" },
		{ "::ffff:192.0.2.1/120", "192.0.2.0/24" },
		{ "::ffff:192.0.2.1/96", "0.0.0.0/0" },
	};
	static const char *const bad[] = { "",
					   "/",
					   "/24",
					   "192.0.2.1/",
					   "192.0.2.1/33",
					   "192.0.2.1/-1",
					   "192.0.2.1/+8",
					   "192.0.2.1/ 8",
					   "192.0.2.1/8/8",
					   "192.0.2.1/0024",
					   "::1/129",
					   "::ffff:192.0.2.1/95",
					   "x/8",
					   "192.0.2/24" };

	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++)
		is_str(address_range_text(&arena, good[i].text), good[i].same, "the range %s", good[i].text);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		ok(!address_range_text(&arena, bad[i]), "no range: \"%s\"", bad[i]);
}

int main(void)
{
	arena_init(&arena, 1024);
	test_text();
	test_range();
	arena_release(&arena);
	return done_testing();
}
