#include "fcgi/accept.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "fcgi/outputs.h"

/* One media range. */
struct range {
	const char *type;
	size_t len;
	bool accepted; /* its quality is not 0 */
	double quality;
};

const char *const accept_problem_json = "application/problem+json";

/* Is the quality that stands behind "q=" zero? */
static bool is_zero(const char *q)
{
	if (*q++ != '0')
		return false;
	if (*q == '.')
		q += 1 + strspn(q + 1, "0");
	return !*q || strchr(",; \t", *q);
}

static bool next_range(const char **accept, struct range *out)
{
	const char *p = *accept + strspn(*accept, " ,\t");

	*out = (struct range){ p, strcspn(p, ",; \t"), true, 1 };
	p += out->len;
	while (*p && *p != ',') {
		p += strspn(p, "; \t");
		if (!strncasecmp(p, "q=", 2)) {
			out->accepted = !is_zero(p + 2);
			out->quality = strtod(p + 2, NULL);
		}
		for (; *p && !strchr(",;", *p); p++) {
			/* What stands in quotes may hold a comma. */
			const char *closing = *p == '"' ? strchr(p + 1, '"') : NULL;

			if (closing)
				p = closing;
		}
	}
	*accept = p;
	return out->len > 0;
}

static bool names(const struct range *r, const char *type)
{
	size_t n = strcspn(type, "; ");

	return r->len == n && !strncasecmp(r->type, type, n);
}

/* How closely a range fits a media type; 0: not at all. */
static int fit(const struct range *r, const char *type)
{
	size_t n = strcspn(type, "/") + 1;

	if (names(r, type))
		return 4;
	if (r->len == n + 1 && r->type[n] == '*' && !strncasecmp(r->type, type, n))
		return 3;
	if (names(r, "*/*"))
		return 2;
	return names(r, accept_problem_json); /* a client that names only the form of errors takes the rest as
						 it comes */
}

/* The range that fits best decides. */
bool accept_allows(const char *accept, const char *type)
{
	bool accepted = true;
	struct range r;
	int best = 0;

	while (accept && next_range(&accept, &r)) {
		int how = fit(&r, type);

		if (how > best || !best)
			accepted = how && r.accepted;
		else if (how == best)
			accepted = accepted || r.accepted;
		best = how > best ? how : best;
	}
	return accepted;
}

const struct output *accept_choose(const char *accept, unsigned allowed)
{
	const struct output *best = NULL;
	double quality = 0;
	struct range r;

	while (allowed && accept && next_range(&accept, &r)) {
		if (!r.accepted || r.quality <= quality)
			continue;
		for (const struct output *o = outputs; o->type; o++) {
			if (!(o->bit & allowed) || !names(&r, o->type))
				continue;
			best = o;
			quality = r.quality;
		}
		if (names(&r, "application/json")) {
			best = NULL;
			quality = r.quality;
		}
	}
	return best;
}

bool accept_names_problem(const char *accept)
{
	struct range r;

	while (accept && next_range(&accept, &r))
		if (names(&r, accept_problem_json))
			return r.accepted;
	return false;
}
