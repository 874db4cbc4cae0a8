#include "lib/db/statement.h"

#include "lib/db/tx.h"
#include "t/unit/tap.h"

const struct route *const route_tables[] = { NULL };

/* clang-format off */
static const struct query list = {
	.name = "list", .shape = SHAPE_PAGE,
	.nparams = 4, .params = (const char *const[]){ "kind", "from", "to", "limit" },
	.pieces = (const struct query_piece[]){
		{ PIECE_TEXT, "SELECT a", 0, 0, 0 },
		{ PIECE_TEXT, " K=\1" "0", 1, 0, 0 },
		{ PIECE_TEXT, " T=\1" "2 F=\1" "1 T=\1" "2", 2, 0, 0 },
		{ PIECE_TEXT, " some", 0, 3, 0 },
		{ PIECE_TEXT, " none", 0, 0, 3 },
		{ PIECE_TEXT, " BY ", 0, 0, 0 },
		{ PIECE_SORT, "", 0, 0, 0 },
		{ PIECE_TEXT, ",id", 0, 0, 0 },
		{ PIECE_DIRECTION, "", 0, 0, 0 },
		{ PIECE_TEXT, " L=\1" "3", 0, 0, 0 },
		{ PIECE_TEXT, NULL, 0, 0, 0 },
	},
	.total = (const struct query_piece[]){
		{ PIECE_TEXT, "TOTAL", 0, 0, 0 },
		{ PIECE_TEXT, " K=\1" "0", 1, 0, 0 },
		{ PIECE_TEXT, NULL, 0, 0, 0 },
	},
	.nparts = 2, .parts = (const uint64_t[]){ 0x1, 0x6 },
	.sorts = (const struct query_sort[]){ { "made_at", "made", true }, { "name", "lower(n)", false }, { NULL, NULL, false } },
};
static const struct query plain = {
	.name = "plain", .text = "SELECT $1, $2", .shape = SHAPE_ROW,
	.nparams = 2, .params = (const char *const[]){ "a", "b" },
};
/* clang-format on */

static struct arena arena;
static struct value values[8];
static size_t nvalues;

static void given(const char *name, const char *text)
{
	values[nvalues++] = (struct value){ .name = name, .given = true, .is_null = !text, .text = text };
}

static const char *text(const struct query *q, bool total)
{
	const char *gone;

	return statement_text(&arena, statement_find(q, values, nvalues, total, &gone));
}

static void test_text(void)
{
	const char *gone;
	struct statement *s;

	is_str(text(&plain, false), "SELECT $1, $2", "a query of one statement is that");
	is_str(text(&list, false), "SELECT a none BY made DESC,id DESC L=$1",
	       "of one with parts those that stand");
	given("kind", "x");
	is_str(text(&list, false), "SELECT a K=$1 some BY made DESC,id DESC L=$2",
	       "a value makes its part stand");
	is_str(text(&list, true), "TOTAL K=$1", "in the total, too");
	given("from", "1");
	is_str(text(&list, false), "SELECT a K=$1 some BY made DESC,id DESC L=$2", "one of two does not");
	given("to", "");
	is_str(text(&list, false), "SELECT a K=$1 some BY made DESC,id DESC L=$2",
	       "nor does a text without letters");
	nvalues--;
	given("to", "2");
	is_str(text(&list, false), "SELECT a K=$1 T=$2 F=$3 T=$2 some BY made DESC,id DESC L=$4",
	       "both do; a parameter has one number");
	s = statement_find(&list, values, nvalues, false, &gone);
	ok(s->nparams == 4 && s->params[1] == 2 && s->params[2] == 1, "which says what is bound to it");
	is_str(s->name, "list.3.made_at.desc", "the server can be asked for it by name");
	given("sort_by", "name");
	is_str(text(&list, false), "SELECT a K=$1 T=$2 F=$3 T=$2 some BY lower(n),id L=$4", "an order");
	given("sort_order", "DESC");
	is_str(text(&list, false), "SELECT a K=$1 T=$2 F=$3 T=$2 some BY lower(n) DESC,id DESC L=$4",
	       "the other way");
	nvalues = 0;
	given("kind", "{}");
	values[0].is_off = true;
	is_str(text(&list, false), "SELECT a none BY made DESC,id DESC L=$1", "an empty list is none");
	nvalues = 0;
	given("kind", "false");
	is_str(text(&list, false), "SELECT a K=$1 some BY made DESC,id DESC L=$2", "false is a value");
	nvalues = 0;
	given("sort_by", "made_at");
	given("sort_order", "asc");
	is_str(text(&list, false), "SELECT a none BY made,id L=$1", "and against what is usual");
	nvalues = 0;
}

static void test_room(void)
{
	static struct query many[STATEMENTS_PREPARED + 1];
	static char names[STATEMENTS_PREPARED + 1][16];
	struct statement *first, *s;
	const char *gone;
	bool none = true;

	statement_forget_all();
	for (int i = 0; i <= STATEMENTS_PREPARED; i++) {
		snprintf(names[i], sizeof(names[i]), "q%d", i);
		many[i] = (struct query){ .name = names[i], .text = "SELECT" };
	}
	first = statement_find(&many[0], values, nvalues, false, &gone);
	first->is_named = true;
	for (int i = 1; i < STATEMENTS_PREPARED; i++) {
		s = statement_find(&many[i], values, nvalues, false, &gone);
		s->is_named = s->is_prepared = true;
		none = none && !*gone;
	}
	ok(none, "there is room for so many");
	ok(statement_find(&many[0], values, nvalues, false, &gone) == first && !*gone, "each is found again");
	s = statement_find(&many[STATEMENTS_PREPARED], values, nvalues, false, &gone);
	is_str(gone, "q1", "one more takes the place of the least recently used");
	ok(!s->is_prepared && !s->is_named, "and is not prepared because that one was");
	ok(statement_find(&many[0], values, nvalues, false, &gone) == first,
	   "who was used since is still there");
	statement_find(&many[1], values, nvalues, false, &gone);
	is_str(gone, "q2", "who is gone comes back in another's place");
	statement_forget_all();
	ok(!statement_find(&many[0], values, nvalues, false, &gone)->is_named && !*gone,
	   "on a new connection nothing is there");
}

int main(void)
{
	arena_init(&arena, 4096);
	test_text();
	test_room();
	arena_release(&arena);
	return done_testing();
}
