#include "lib/db/statement.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/buf.h"
#include "lib/db/value.h"

enum { BUCKETS = 512 };

static struct statement statements[STATEMENTS_PREPARED];
static int nstatements;
static struct statement *buckets[BUCKETS];
static struct statement *newest, *oldest;

static bool has_value(const struct value *v)
{
	return v && !v->is_null && !v->is_off && v->text && *v->text;
}

static bool is_one_of(const char *text, const char *const *those)
{
	while (*those && strcmp(*those, text) != 0)
		those++;
	return *those;
}

static unsigned parts_of(const struct query *q, const struct value *values, size_t n)
{
	unsigned parts = 0;

	for (int i = 0; i < q->nparts; i++) {
		const char *const *those = q->values ? q->values[i] : NULL;
		bool stands = true;

		for (int p = 0; stands && p < q->nparams; p++) {
			const struct value *v;

			if (!(q->parts[i] >> p & 1))
				continue;
			v = value_find(values, n, q->params[p]);
			stands = has_value(v) && (!those || is_one_of(v->text, those));
		}
		parts |= (unsigned)stands << i;
	}
	return parts;
}

/* What is asked for, in the members that tell one statement from another. */
static struct statement asked(const struct query *q, const struct value *values, size_t n, bool total)
{
	struct statement s = { .query = q, .is_total = total };
	const char *by, *order;

	if (!q->pieces)
		return s;
	s.parts = parts_of(q, values, n);
	if (!q->sorts || total)
		return s;
	by = value_text(values, n, "sort_by");
	order = value_text(values, n, "sort_order");
	for (int i = 0; by && q->sorts[i].name; i++)
		if (!strcmp(q->sorts[i].name, by))
			s.sort = i;
	s.descends = order && *order ? *order == 'd' || *order == 'D' : q->sorts[s.sort].descends;
	return s;
}

static size_t bucket_of(const struct statement *s)
{
	uint64_t h = (uintptr_t)s->query ^ (uint64_t)s->parts << 20 ^ (uint64_t)s->sort << 8 ^
		     (uint64_t)s->descends << 1 ^ (uint64_t)s->is_total;

	return (h * 0x9e3779b97f4a7c15u >> 32) % BUCKETS;
}

static bool is_same(const struct statement *a, const struct statement *b)
{
	return a->query == b->query && a->parts == b->parts && a->sort == b->sort &&
	       a->descends == b->descends && a->is_total == b->is_total;
}

static void unlink_use(struct statement *s)
{
	*(s->newer ? &s->newer->older : &newest) = s->older;
	*(s->older ? &s->older->newer : &oldest) = s->newer;
}

static void link_newest(struct statement *s)
{
	s->newer = NULL;
	s->older = newest;
	*(newest ? &newest->newer : &oldest) = s;
	newest = s;
}

static void forget_oldest(void)
{
	struct statement **link = &buckets[bucket_of(oldest)];

	while (*link != oldest)
		link = &(*link)->next;
	*link = oldest->next;
}

static bool stands(const struct query_piece *p, unsigned parts)
{
	return (p->when & parts) == p->when && (!p->any || p->any & parts) && !(p->unless & parts);
}

static const struct query_piece *pieces_of(const struct statement *s)
{
	return s->is_total ? s->query->total : s->query->pieces;
}

/* Number the parameters of its pieces in the order in which they come. */
static void number_params(struct statement *s)
{
	const struct query *q = s->query;
	uint64_t seen = 0;

	if (!q->pieces)
		for (; s->nparams < q->nparams; s->nparams++)
			s->params[s->nparams] = (unsigned char)s->nparams;
	for (const struct query_piece *p = pieces_of(s); p && p->text; p++) {
		for (const char *c = p->text; stands(p, s->parts) && (c = strchr(c, '\1')); c += 2) {
			int i = c[1] - '0';

			if (!(seen >> i & 1))
				s->params[s->nparams++] = (unsigned char)i;
			seen |= UINT64_C(1) << i;
		}
	}
}

/* For people who look at the server: "project_list", or "project_list.3.name.desc". */
static void name_statement(struct statement *s)
{
	const struct query *q = s->query;
	int n = snprintf(s->name, sizeof(s->name), "%s%s", q->name, s->is_total ? ".total" : "");

	if (q->nparts)
		n += snprintf(s->name + n, sizeof(s->name) - (size_t)n, ".%x", s->parts);
	if (q->sorts && !s->is_total)
		n += snprintf(s->name + n, sizeof(s->name) - (size_t)n, ".%s%s", q->sorts[s->sort].name,
			      s->descends ? ".desc" : "");
	assert(n < (int)sizeof(s->name));
}

struct statement *statement_find(const struct query *q, const struct value *values, size_t n, bool total,
				 const char **gone)
{
	static char name_gone[sizeof(newest->name)];
	struct statement wanted = asked(q, values, n, total);
	struct statement **bucket = &buckets[bucket_of(&wanted)], *s;

	*gone = "";
	for (s = *bucket; s; s = s->next) {
		if (!is_same(s, &wanted))
			continue;
		unlink_use(s);
		link_newest(s);
		return s;
	}
	if (nstatements < STATEMENTS_PREPARED) {
		s = &statements[nstatements++];
	} else {
		s = oldest;
		forget_oldest();
		unlink_use(s);
		if (s->is_named) {
			memcpy(name_gone, s->name, sizeof(name_gone));
			*gone = name_gone;
		}
	}
	*s = wanted;
	number_params(s);
	name_statement(s);
	s->next = *bucket;
	*bucket = s;
	link_newest(s);
	return s;
}

const char *statement_text(struct arena *a, const struct statement *s)
{
	const struct query *q = s->query;
	int number[QUERY_MAX_PARAMS] = { 0 };
	struct buf b;

	if (!q->pieces)
		return q->text;
	for (int i = 0; i < s->nparams; i++)
		number[s->params[i]] = i + 1;
	buf_init(&b, a, 2048);
	for (const struct query_piece *p = pieces_of(s); p->text; p++) {
		if (!stands(p, s->parts))
			continue;
		if (p->what == PIECE_SORT)
			buf_text(&b, q->sorts[s->sort].text);
		if (p->what != PIECE_TEXT)
			buf_text(&b, s->descends ? " DESC" : "");
		for (const char *c = p->text; *c; c++) {
			if (*c != '\1')
				buf_char(&b, *c);
			else
				buf_fmt(&b, "$%d", number[*++c - '0']);
		}
	}
	return buf_str(&b);
}

void statement_forget_all(void)
{
	nstatements = 0;
	newest = oldest = NULL;
	memset(buckets, 0, sizeof(buckets));
}
