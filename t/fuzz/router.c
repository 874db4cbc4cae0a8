/*
 * The first byte picks a method, what follows is a path.  What the router finds
 * must lie inside that path, and be the parameters of the route.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "fcgi/router.h"
#include "lib/base/arena.h"
#include "lib/base/qs.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check_params(struct arena *a, const struct match *m, const char *path)
{
	const char *end = path + strlen(path), *problem;
	const char *behind = path;

	for (int i = 0; i < route_params(m->route); i++) {
		const char *p = m->params[i];
		size_t len = m->params_len[i];
		char *text;

		if (p <= behind || p[-1] != '/' || !len || p + len > end || memchr(p, '/', len) ||
		    !route_param(m->route, i).name)
			abort();
		problem = NULL;
		text = qs_decode(a, p, len, false, &problem);
		if (!text == !problem)
			abort();
		behind = p + len;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static bool ready;
	struct match m = { 0 };
	enum method method;
	const char *path;
	struct arena a;

	if (!ready)
		router_init();
	ready = true;
	if (!n)
		return 0;
	arena_init(&a, 4096);
	method = (enum method)(data[0] % (METHOD_COUNT + 1));
	path = arena_dup_n(&a, data + 1, n - 1);
	switch (router_find(method, path, &m)) {
	case ERR_OK:
		if (!m.route || route_at(m.index) != m.route || !(m.allowed & 1u << method))
			abort();
		check_params(&a, &m, path);
		break;
	case ERR_NOT_FOUND:
		if (m.allowed || m.route)
			abort();
		break;
	case ERR_METHOD_NOT_ALLOWED:
		if (!m.allowed || m.route || (method < METHOD_COUNT && m.allowed & 1u << method))
			abort();
		break;
	default: abort();
	}
	arena_release(&a);
	return 0;
}
