#include "fcgi/route.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fcgi/choice.h"
#include "lib/base/arena.h"
#include "lib/base/map.h"
#include "lib/host/config.h"

/* What is made of the tables: there for as long as the program runs. */
static struct arena *memory(void)
{
	static struct arena a;

	if (!a.chunks)
		arena_init(&a, 32 * 1024);
	return &a;
}

/* One of its maps, which is empty at first. */
static struct map *made(struct map *m)
{
	if (!m->arena)
		map_init(m, memory());
	return m;
}

bool route_is_slow(const struct route *r)
{
	return r->flags & SLOW || (r->slow_if && *r->slow_if && **r->slow_if);
}

const char *route_pool(const struct route *r)
{
	return r->flags & REALTIME ? "realtime"
	       : route_is_slow(r)  ? "slow"
	       : r->flags & HASHES ? "hash"
				   : "main";
}

bool route_is_strict(const struct route *r)
{
	return surface_of(r->id)->is_strict && !(r->flags & (SIGNED | OPEN_QUERY | STATIC | REALTIME));
}

bool route_has_if_match(const struct route *r)
{
	const struct query *q = r->sql != NULL ? r->sql : NULL;

	for (int i = 0; q && i < q->nparams; i++)
		if (!strcmp(q->params[i], "if_match"))
			return true;
	return r->flags & IF_MATCH;
}

const struct budget *route_budget(const struct route *r)
{
	const struct budget *usual = surface_of(r->id)->budget;

	return r->budget ? r->budget : usual ? usual : &budget_default;
}

const char *const route_protobuf = "application/x-protobuf";

size_t route_max_body(const struct route *r)
{
	size_t usual = surface_of(r->id)->max_body;

	if (r->parts || r->flags & SPOOLED)
		return ((size_t)cfg.storage_form_max_mib << 20) + ROUTE_FORM_FRAME;
	return r->max_body ? r->max_body : usual ? usual : ROUTE_MAX_BODY;
}

enum err route_error(const struct route *r, enum err e)
{
	for (const struct alias *a = surface_of(r->id)->aliases; a->err; a++)
		if (a->err == e)
			return a->as;
	return e;
}

int route_status(const struct route *r)
{
	if (r->status)
		return r->status;
	if (r->redirect)
		return 302;
	if (r->method == POST)
		return 201;
	return r->out || r->content_type ? 200 : 204;
}

int route_params(const struct route *r)
{
	int n = 0;

	for (const char *p = r->path; (p = strchr(p, '{')); p++)
		n++;
	return n;
}

/* A parameter's name out of its path, as a string that is made once for all routes that have it. */
static const char *param_name(const char *p, size_t len)
{
	static struct map names;
	void **name = map_at(made(&names), p, len);

	if (!*name)
		*name = arena_dup_n(memory(), p, len);
	return *name;
}

struct field route_param(const struct route *r, int i)
{
	const char *p = r->path;
	size_t len;

	do
		p = strchr(p, '{') + 1;
	while (i--);
	len = strcspn(p, "}");
	for (const struct field *own = r->params; own && own->name; own++)
		if (strlen(own->name) == len && !strncmp(own->name, p, len))
			return *own;
	if (len >= 2 && !strncmp(p + len - 2, "id", 2))
		return (struct field){ .name = param_name(p, len), .type = F_UUID, .flags = F_REQUIRED };
	return (struct field){
		.name = param_name(p, len), .type = F_TEXT, .flags = F_REQUIRED, .min = 1, .max = 255
	};
}

bool route_param_is_secret(const struct route *r, int i)
{
	static const char *const words[] = { "token", "secret", "code" };
	struct field param = route_param(r, i);
	const char *name = param.name, *last = strrchr(name, '_');

	if (param.flags & F_SECRET)
		return true;
	last = last ? last + 1 : name;
	for (size_t w = 0; w < sizeof(words) / sizeof(*words); w++)
		if (!strcmp(last, words[w]))
			return true;
	return false;
}

/* The rows, with what they say once filled in */

_Noreturn void route_bad(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fputs("ashlar: route tables: ", stderr);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	va_end(ap);
	exit(70);
}

static struct route *rows;
static int nrows;

/* A shape as answers use it. */
static struct made_shape {
	struct made_shape *next;
	const struct shape *from;
	const struct route *first; /* row that has it; NULL: none has */
	struct shape shape;
} * shapes, **last_shape = &shapes;

static struct map rows_by_id, shapes_by_source, shapes_by_schema;

static struct made_shape *make_shape(const struct shape *from, const struct route *r)
{
	void **place = map_at(made(&shapes_by_source), &from, sizeof(from));
	struct made_shape *m = *place;

	if (m)
		return m;
	*place = m = arena_alloc(memory(), sizeof(*m));
	*m = (struct made_shape){ NULL, from, r, *from };
	m->shape.fields = field_use(from->fields, from->as ? from->as : OUT);
	*last_shape = m;
	last_shape = &m->next;
	return m;
}

/* A twin is what the other one is, but for what it says itself. */
static struct route twin_of(const struct route *r)
{
	const struct route *other = map_find(&rows_by_id, r->alias_of, strlen(r->alias_of));
	struct route twin;

	if (!other || other->alias_of)
		route_bad("%s is an alias of %s, which is %s", r->id, r->alias_of,
			  other ? "one itself" : "no row");
	twin = *other;
	twin.method = r->method;
	twin.path = r->path;
	twin.id = r->id;
	twin.alias_of = r->alias_of;
	if (r->caller)
		twin.caller = r->caller;
	if (r->summary)
		twin.summary = r->summary;
	if (r->about)
		twin.about = r->about;
	if (r->list)
		twin.list = r->list, twin.items = r->items, twin.size = r->size;
	if (r->status)
		twin.status = r->status;
	return twin;
}

static void make_row(struct route *r)
{
	const char *problem = route_list_problem(r);

	if (!surface_of(r->id))
		route_bad("%s: there is no surface of that name", r->id);
	if (problem)
		route_bad("%s: %s", r->id, problem);
	if (r->as && (!r->body || (r->as != NEW && r->as != SET)))
		route_bad("%s: .as is NEW or SET, of a .body", r->id);
	if (field_has_marks(r->body) && !r->as)
		route_bad("%s: its body's fields have marks: .as says which ones it takes", r->id);
	r->body = field_use(r->body, r->as ? r->as : NEW);
	r->query = route_query(r);
	r->out = r->out ? &make_shape(r->out, r)->shape : NULL;
}

static const struct made_shape *find_schema(const char *name)
{
	return map_find(&shapes_by_schema, name, strlen(name));
}

static void name_shape(struct made_shape *m, const char *name)
{
	m->shape.schema = name;
	*map_at(made(&shapes_by_schema), name, strlen(name)) = m;
}

/* Where two surfaces have different things of one name, the latter's has the surface in front. */
static void name_shapes(const struct surface *s)
{
	for (struct made_shape *m = shapes; m; m = m->next) {
		const char *name = m->shape.name;
		const struct made_shape *other = find_schema(name);

		if (surface_of(m->first->id) != s)
			continue;
		if (other && surface_of(other->first->id) != s) {
			name = arena_fmt(memory(), "%c%s%s", toupper((unsigned char)*s->name), s->name + 1,
					 name);
			other = find_schema(name);
		}
		if (other)
			route_bad("%s and %s have different shapes of the name %s", other->first->id,
				  m->first->id, name);
		name_shape(m, name);
	}
}

static void make_rows(void)
{
	int n = 0;

	for (const struct route *const *table = route_tables; *table; table++)
		for (const struct route *r = *table; r->path; r++)
			n++;
	rows = arena_alloc(memory(), (size_t)(n + 1) * sizeof(*rows));
	for (const struct route *const *table = route_tables; *table; table++)
		for (const struct route *r = *table; r->path; r++)
			rows[nrows++] = *r;
	for (int i = n; i--;) /* of several of one id the first is meant */
		*map_at(made(&rows_by_id), rows[i].id, strlen(rows[i].id)) = &rows[i];
	for (int i = 0; i < n; i++)
		if (rows[i].alias_of)
			rows[i] = twin_of(&rows[i]);
	for (int i = 0; i < n; i++)
		make_row(&rows[i]);
	for (int i = 0; i < SURFACES; i++)
		name_shapes(surface_at(i));
}

const struct route *route_at(int index)
{
	if (!rows)
		make_rows();
	return index < nrows ? &rows[index] : NULL;
}

const struct shape *route_shape(const struct shape *from)
{
	struct made_shape *m;

	if (!rows)
		make_rows();
	m = make_shape(from, NULL);
	if (!m->shape.schema && find_schema(from->name))
		route_bad("there are different shapes of the name %s", from->name);
	if (!m->shape.schema)
		name_shape(m, from->name);
	return &m->shape;
}

/* A path is segments, none of them empty, each either literal or one {name}. */
static void check_path(const struct route *r)
{
	const char *p = r->path;

	do {
		size_t len = *p == '/' ? strcspn(p + 1, "/") : 0;

		if (!len)
			route_bad("%s: %s is no path, or has an empty segment", r->id, r->path);
		if (strcspn(p + 1, "{}") < len &&
		    (p[1] != '{' || p[len] != '}' || len < 3 || strcspn(p + 2, "{}") != len - 2))
			route_bad("%s: a parameter of %s is not a {name} between slashes", r->id, r->path);
		p += 1 + len;
	} while (*p);
}

static bool has_field(const struct field *table, const char *name)
{
	for (; table && table->type != F_END; table++)
		if (!strcmp(table->name, name))
			return true;
	return false;
}

/* Is there a {name} in the path? */
static bool has_param(const struct route *r, const char *name)
{
	size_t n = strlen(name);

	for (const char *p = r->path; (p = strstr(p, "/{")); p += 2)
		if (!strncmp(p + 2, name, n) && p[2 + n] == '}')
			return true;
	return false;
}

/* What the door is asked about must be what the query gets: the path's organization, and no other. */
static void check_organization(const struct route *r)
{
	const char *name = caller_organization(r->caller);

	if (!has_param(r, name))
		route_bad("%s: its caller is in an %s that is not in %s", r->id, name, r->path);
	if (has_field(r->query, name) || has_field(r->body, name))
		route_bad("%s: a field would hide the path's %s", r->id, name);
}

static void check_caller(const struct route *r)
{
	const struct caller *c = r->caller;

	if (!c)
		route_bad("%s: nobody may call it", r->id);
	if (c->place == IN_ORGANIZATION)
		check_organization(r);
	if (c->place == IN_ORGANIZATION && !r->may)
		route_bad("%s: .may says what a member of the organization must be", r->id);
	if (r->may && (r->may->place != c->place || !caller_is_asked(c, "permission")))
		route_bad("%s: %s is no permission of %s", r->id, r->may->name, c->name);
	if (r->scope && !caller_is_asked(c, "scope"))
		route_bad("%s: .scope is a key's, and there is none", r->id);
	if (r->flags & RECENT && !caller_may_be_user(c) && !c->is_team)
		route_bad("%s: RECENT asks about who signed in", r->id);
}

/* A query that answers many has a form for them, and no other has. */
static void check_list(const struct route *r)
{
	enum query_shape shape = r->sql ? r->sql->shape : SHAPE_EXEC;
	bool is_many = shape == SHAPE_ROWS || shape == SHAPE_PAGE;

	if (is_many && !r->list && !(r->flags & ONE_OR_MANY))
		route_bad("%s: its query answers many rows, in what form says .list", r->id);
	if (r->list && !r->out)
		route_bad("%s: of what is its list?", r->id);
	if (r->list && r->sql && !is_many)
		route_bad("%s: its query answers no list", r->id);
}

/* Two fields of one name whose marks let both into one use: a query would get the latter, a client see both.
 */
static void check_once(const struct route *r, const struct field *table)
{
	for (const struct field *f = table; f && f->type != F_END; f++)
		if (has_field(f + 1, f->name))
			route_bad("%s: there are two fields of the name %s", r->id, f->name);
}

static void check_fields(const struct route *r)
{
	const char *problem = field_compile(r->query);

	check_once(r, r->query);
	check_once(r, r->body);
	check_once(r, r->out ? r->out->fields : NULL);

	for (const struct field *f = r->query; f && f->type != F_END; f++)
		if (f->flags & MARKS || f->type == F_OBJECT || f->type == F_JSON ||
		    (f->type == F_LIST && !(f->flags & F_CSV && field_is_array(f))))
			route_bad("%s: a query string cannot carry %s", r->id, f->name);
	problem = problem ? problem : field_compile(r->params);
	problem = problem ? problem : field_compile(r->body);
	if (!problem && r->choice)
		problem = choice_problem(r->choice, r->body);
	if (problem)
		route_bad("%s: %s", r->id, problem);
}

/* Is there a field of this name: in the path, the query string or the body? */
static bool is_field(const struct route *r, const char *name)
{
	for (int i = route_params(r); i--;)
		if (!strcmp(route_param(r, i).name, name))
			return true;
	return has_field(r->query, name) || has_field(r->body, name);
}

/* What the runtime makes of fields: of which one, or "" of the request itself; NULL: nothing of that name. */
static const char *made_of(const char *name)
{
	static const char *const made[][2] = {
		{ "if_match", "" },
		{ "email_key", "email" },
		{ "email_sent", "email" },
		{ "token_hash", "token" },
		{ "invitation_token_hash", "invitation_token" },
	};

	for (size_t i = 0; i < sizeof(made) / sizeof(*made); i++)
		if (!strcmp(made[i][0], name))
			return made[i][1];
	return strncmp(name, "has_", 4) ? NULL : name + 4;
}

/*
 * A name that is no field would be bound to nothing.  A row with a handler is not
 * looked at: that may give its query names of its own (req_set).
 */
static void check_query(const struct route *r, const struct query *q)
{
	for (int i = 0; q && i < q->nparams; i++) {
		const char *name = q->params[i], *of = made_of(name);

		if (r->list && (!strcmp(name, "limit") || !strcmp(name, "skip")))
			continue; /* list_bind() */
		if (*name == '@')
			continue; /* bound by db.c */
		if (!is_field(r, name) && !(of && (!*of || is_field(r, of))))
			route_bad("%s: its query %s has :%s, which is no field of the row", r->id, q->name,
				  name);
	}
	if (q && q->sorts && !is_field(r, "sort_by"))
		route_bad("%s: its query %s can be sorted, but there is no field sort_by", r->id, q->name);
}

static void check_queries(const struct route *r)
{
	int n = 0;

	if (!r->run)
		check_query(r, r->sql);
	for (const struct child *c = r->children; c && c->member; c++, n++)
		check_query(r, c->sql);
	if (n > MAX_CHILDREN)
		route_bad("%s has more than %d children", r->id, MAX_CHILDREN);
}

/* Where to go is in one row. */
static void check_redirect(const struct route *r)
{
	if (r->redirect && !r->run && r->sql && r->sql->shape != SHAPE_ROW && r->sql->shape != SHAPE_MAYBE)
		route_bad("%s: its query %s answers no row to be redirected by", r->id, r->sql->name);
	if (r->redirect != (route_status(r) == 302))
		route_bad("%s: .redirect says that its status is 302", r->id);
}

void route_check(const struct route *r)
{
	int params = route_params(r);

	check_queries(r);

	check_path(r);
	check_caller(r);
	check_list(r);
	check_redirect(r);
	check_fields(r);
	if ((r->done || r->says) && (!surface_of(r->id)->object_head || (r->done && r->says)))
		route_bad("%s: its surface's answers have no meta to say .done in, or .says, or both", r->id);
	if (r->because && !r->says)
		route_bad("%s: .because stands beside .says", r->id);
	if (r->flags & HASHES && (r->flags & REALTIME || r->slow_if))
		route_bad("%s: HASHES is for a pool that waits for nobody, or, of what does both, SLOW",
			  r->id);
	if (r->slow_if && r->flags & (SLOW | REALTIME | STATIC))
		route_bad("%s: .slow_if is for a row that is the main pool's otherwise", r->id);
	if (r->parts && (!(r->flags & RAW) || !(r->flags & SLOW) || r->body))
		route_bad("%s: .parts are in the place of .body, of a row that is RAW, and SLOW, since that "
			  "pool may write files",
			  r->id);
	if (r->flags & SPOOLED && (!(r->flags & RAW) || !(r->flags & SLOW)))
		route_bad("%s: a SPOOLED body is RAW, and written by the pool slow", r->id);
	if (!r->run && r->sql == NULL)
		route_bad("%s has neither a query nor a handler", r->id);
	if (params > (int)(sizeof(((struct match *)0)->params) / sizeof(char *)))
		route_bad("%s has too many parameters", r->id);
	if (r->method == HEAD || r->method == OPTIONS)
		route_bad("%s: the runtime answers %s by itself", r->id, method_name(r->method));
	while (params--)
		route_param(r, params); /* before the first fork, so that all children share the names */
}
