/*
 * ashlar api METHOD PATH: a request to a server, from the command line.
 *
 * What the route tables know is used: a field's type says how its text is sent, and
 * a list's form how its pages follow one another.
 */
#include "cmd/cmd.h"

#include <json-c/json.h>
#include <unistd.h>

#include "cmd/remote.h"
#include "fcgi/router.h"
#include "lib/base/json.h"
#include "lib/base/jx.h"
#include "lib/base/qs.h"

enum { STDIN_MOST = 1 << 20, PAGES_MOST = 100000 };

static const char *all, *raw, *body, *workspace, *idempotency_key;

static const struct cmd_option options[] = {
	{ "--all", NULL, &all, "all rows of a list, page by page, as one array; with --raw a row a line" },
	{ "--raw", NULL, &raw, "the answer as it came, and not set out for reading" },
	{ "--body", "JSON|@FILE|-", &body, "the whole body; - is standard input" },
	{ "--workspace", "ID", &workspace, "X-Workspace-Id" },
	{ "--idempotency-key", "KEY", &idempotency_key, "of a POST, so that it may be sent again" },
	REMOTE_OPTIONS,
	{ NULL, NULL, NULL, NULL },
};

static const struct cmd_usage usage = {
	"api METHOD PATH [NAME=VALUE …] [--all] [--raw] [--body JSON|@FILE|-]",
	"Ask a server, as the profile that ashlar login made, and print its answer.  PATH may be\n"
	"without /api.  NAME=VALUE is of the query of a GET or DELETE, else a member of the body;\n"
	"NAME:=JSON says what it is itself.  The exit status is 0 for 2xx, 4 for 4xx, 5 for 5xx,\n"
	"3 for a redirect, and 1 where nobody answered.",
	options,
};

/* What is asked for. */
struct asked {
	struct arena *arena;
	const struct route *route; /* NULL: none of ours has that path */
	struct json_object *query, *body;
	const char *method, *path;
};

static void put_object(void *o)
{
	json_object_put(o);
}

static struct json_object *object(struct arena *a)
{
	struct json_object *o = json_object_new_object();

	arena_defer(a, put_object, o);
	return o;
}

static const struct field *field_of(const struct field *table, const char *name)
{
	for (; table && table->type != F_END; table++)
		if (!strcmp(table->name, name))
			return table;
	return NULL;
}

/* Is the text JSON there, and not a string? */
static bool is_json_field(const struct field *f)
{
	if (!f)
		return false;
	switch (f->type) {
	case F_INT:
	case F_NUMBER:
	case F_BOOL:
	case F_OBJECT:
	case F_LIST:
	case F_JSON: return true;
	default: return false;
	}
}

static struct json_object *json_of(struct arena *a, const char *name, const char *text)
{
	struct json_object *v;
	const char *problem;

	if (json_read(a, text, strlen(text), &v, &problem))
		cmd_misuse(&usage, "%s: %s", name, problem);
	return v;
}

static void take_word(struct asked *q, const char *word, bool in_query)
{
	size_t n = strcspn(word, "=");
	bool is_json = n && word[n] && word[n - 1] == ':';
	const char *name, *text;
	struct json_object *v;

	if (!n || !word[n])
		cmd_misuse(&usage, "\"%s\" is no NAME=VALUE", word);
	name = arena_dup_n(q->arena, word, n - is_json);
	text = word + n + 1;
	if (is_json || (!in_query && q->route && is_json_field(field_of(q->route->body, name))))
		v = json_object_get(json_of(q->arena, name, text)); /* the object's, too */
	else
		v = json_object_new_string(text);
	json_object_object_add(in_query ? q->query : q->body, name, v);
}

/* Paths without /api, too, where those are what ours begin with. */
static const char *whole_path(struct arena *a, const char *path)
{
	if (*path != '/')
		path = arena_fmt(a, "/%s", path);
	return strncmp(path, "/api/", 5) != 0 && strncmp(path, "/.well-known/", 13) != 0 &&
			       strcmp(path, "/openapi.json") != 0
		       ? arena_fmt(a, "/api%s", path)
		       : path;
}

static const char *read_file(struct arena *a, const char *name)
{
	FILE *f = strcmp(name, "-") != 0 ? fopen(name, "re") : stdin;
	char *text = arena_alloc(a, STDIN_MOST + 1);
	size_t n;

	if (!f)
		cmd_die("%s: it cannot be read", name);
	n = fread(text, 1, STDIN_MOST + 1, f);
	if (n > STDIN_MOST || ferror(f))
		cmd_die("%s: it cannot be read, or has more than %d bytes", name, STDIN_MOST);
	if (f != stdin)
		fclose(f);
	text[n] = '\0';
	return text;
}

/* The query of a path, and what was given beside it. */
static const char *target_of(const struct asked *q)
{
	struct buf b;

	buf_init(&b, q->arena, 256);
	buf_text(&b, q->path);
	json_object_object_foreach(q->query, name, value)
	{
		buf_char(&b, memchr(b.p, '?', b.n) ? '&' : '?');
		qs_encode(&b, name);
		buf_char(&b, '=');
		qs_encode(&b, value ? json_object_get_string(value) : "");
	}
	return buf_str(&b);
}

/* Answers */

static void print_json(struct json_object *v)
{
	puts(json_object_to_json_string_ext(v, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED |
						       JSON_C_TO_STRING_NOSLASHESCAPE));
}

/* A terminal obeys what it is sent, and an answer is somebody's data; JSON has its control characters
 * escaped. */
static void print_text(struct arena *a, const struct remote_answer *got)
{
	if (isatty(STDOUT_FILENO))
		puts(cmd_shown(a, got->body));
	else
		fwrite(got->body, 1, got->n, stdout);
}

static bool is_json_type(const char *type)
{
	return !strncmp(type, "application/json", 16) || !strncmp(type, "application/problem+json", 24);
}

static void print_answer(struct arena *a, const struct remote_answer *got)
{
	struct json_object *v;
	const char *problem;

	if (!got->n)
		return;
	if (!is_json_type(got->type)) {
		print_text(a, got);
	} else if (raw || json_read(a, got->body, got->n, &v, &problem)) {
		fwrite(got->body, 1, got->n, stdout);
		if (isatty(STDOUT_FILENO))
			putchar('\n');
	} else {
		print_json(v);
	}
}

static int status_of(struct arena *a, const struct remote_answer *got)
{
	struct json_object *v = NULL;
	const char *problem, *message;

	if (got->status / 100 == 2)
		return 0;
	if (is_json_type(got->type) && !json_read(a, got->body, got->n, &v, &problem)) {
		message = json_text(json_at(v, "error", "message"), 4096);
		fprintf(stderr, "ashlar: %d %s: %s (request id %s)\n", got->status,
			cmd_shown(a, json_text(json_at(v, "error", "code"), 64)
					     ? json_text(json_at(v, "error", "code"), 64)
					     : ""),
			cmd_shown(a, message ? message : ""), cmd_shown(a, got->request_id));
	} else {
		fprintf(stderr, "ashlar: %d (request id %s)\n", got->status, cmd_shown(a, got->request_id));
	}
	return got->status / 100 == 3 ? 3 : got->status / 100 == 4 ? 4 : 5;
}

static void ask(struct remote *remote, const struct asked *q, struct remote_answer *got)
{
	struct remote_call call = { .method = q->method,
				    .target = target_of(q),
				    .workspace = workspace,
				    .idempotency_key = idempotency_key };

	if (q->body)
		call.body = json_object_to_json_string_ext(q->body, JSON_C_TO_STRING_PLAIN);
	if (!remote_call(remote, q->arena, &call, got))
		cmd_die("%s", got->problem);
}

/* Lists */

/* The rows of a page; NULL: it has none. */
static struct json_object *rows_of(const struct asked *q, struct json_object *page)
{
	const char *items = route_items(q->route);
	struct json_object *rows = page;

	if (json_object_is_type(page, json_type_object) && json_at(page, "data", items ? items : "items"))
		page = json_at(page, "data", NULL); /* the envelope of version 2 */
	if (items)
		rows = json_at(page, items, NULL);
	return json_object_is_type(rows, json_type_array) ? rows : NULL;
}

static void set_int(struct json_object *query, const char *name, long long n)
{
	json_object_object_add(query, name, json_object_new_int64(n));
}

static long long query_int(const struct asked *q, const char *name)
{
	struct json_object *v = json_at(q->query, name, NULL);

	return v ? json_object_get_int64(v) : 0;
}

/* Ask for the page behind that one: the page's number, or how many rows are before it; false: the form has
 * none. */
static bool turn(const struct asked *q, size_t shown, size_t rows)
{
	const struct list *l = q->route->list;

	for (size_t i = 0; i < sizeof(l->paging) / sizeof(*l->paging) && l->paging[i]; i++) {
		const char *name = l->paging[i];

		if (list_kind(name) == LIST_PAGE) {
			long long page = query_int(q, name);

			set_int(q->query, name, (page ? page : 1) + 1);
			return true;
		}
		if (list_kind(name) == LIST_SKIP) {
			set_int(q->query, name, query_int(q, name) + (long long)rows);
			return true;
		}
	}
	(void)shown;
	return false;
}

/* What the answer says about how many there are; -1: nothing. */
static long long total_of(struct json_object *page)
{
	struct json_object *total = json_at(page, "total", NULL);

	total = total ? total : json_at(page, "meta", "total");
	total = total ? total : json_at(page, "data", "total");
	return total ? json_object_get_int64(total) : -1;
}

/* As many rows as the server gives at once, unless somebody has said how many. */
static size_t page_size(const struct asked *q)
{
	const struct list *l = q->route->list;

	for (size_t i = 0; i < sizeof(l->paging) / sizeof(*l->paging) && l->paging[i]; i++) {
		const struct field *f = field_of(q->route->query, l->paging[i]);

		if (list_kind(l->paging[i]) != LIST_LIMIT)
			continue;
		if (!json_at(q->query, l->paging[i], NULL) && f && f->max)
			set_int(q->query, l->paging[i], f->max);
		return (size_t)query_int(q, l->paging[i]);
	}
	return 0;
}

static void print_rows(struct json_object *rows, size_t *shown)
{
	for (size_t i = 0; i < json_object_array_length(rows); i++, (*shown)++) {
		struct json_object *row = json_object_array_get_idx(rows, i);

		if (raw) {
			puts(json_object_to_json_string_ext(row, JSON_C_TO_STRING_PLAIN |
									 JSON_C_TO_STRING_NOSLASHESCAPE));
			continue;
		}
		printf("%s\n%s", *shown ? "," : "[",
		       json_object_to_json_string_ext(row, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED |
								   JSON_C_TO_STRING_NOSLASHESCAPE));
	}
}

static int ask_all(struct remote *remote, struct asked *q)
{
	size_t shown = 0, size;

	if (!q->route || !q->route->list)
		cmd_misuse(&usage, "--all: %s %s is no list", q->method, q->path);
	size = page_size(q);
	for (int page = 0; page < PAGES_MOST; page++) {
		struct arena memory;
		struct asked one = *q;
		struct remote_answer got;
		struct json_object *v = NULL, *rows;
		const char *problem;
		long long total;
		size_t n;

		arena_init(&memory, 65536);
		one.arena = &memory;
		ask(remote, &one, &got);
		if (got.status / 100 != 2) {
			int status = status_of(&memory, &got);

			arena_release(&memory);
			return status;
		}
		rows = json_read(&memory, got.body, got.n, &v, &problem) ? NULL : rows_of(q, v);
		if (!rows)
			cmd_die("the answer is no list");
		n = json_object_array_length(rows);
		total = total_of(v);
		print_rows(rows, &shown);
		arena_release(&memory);
		if (!n || (total >= 0 && (long long)shown >= total) || (total < 0 && (!size || n < size)) ||
		    !turn(q, shown, n))
			break;
	}
	if (!raw)
		puts(shown ? "\n]" : "[]");
	return ferror(stdout) ? 1 : 0;
}

int cmd_request(int argc, char **argv)
{
	int operand = cmd_options(&usage, argc, argv), status;
	struct remote *remote;
	struct remote_answer got;
	struct arena memory;
	struct match m;
	struct asked q = { .arena = &memory };
	bool in_query;

	arena_init(&memory, 65536);
	if (argc - operand < 2)
		cmd_misuse(&usage, "a method and a path are needed");
	router_init();
	q.method = argv[operand++];
	q.path = whole_path(&memory, argv[operand++]);
	if (method_find(q.method) == METHOD_COUNT)
		cmd_misuse(&usage, "there is no method %s", q.method);
	if (!router_find(method_find(q.method), arena_dup_n(&memory, q.path, strcspn(q.path, "?")), &m))
		q.route = m.route;
	in_query = !strcmp(q.method, "GET") || !strcmp(q.method, "DELETE") || !strcmp(q.method, "HEAD");
	q.query = object(&memory);
	if (body && in_query)
		cmd_misuse(&usage, "--body: a %s has none", q.method);
	if (!in_query)
		q.body = body                                           ? json_of(&memory, "--body",
                                        *body == '@'         ? read_file(&memory, body + 1)
										  : !strcmp(body, "-") ? read_file(&memory, body)
												       : body)
			 : operand < argc || (q.route && q.route->body) ? object(&memory)
									: NULL;
	if (q.body && operand < argc && !json_object_is_type(q.body, json_type_object))
		cmd_misuse(&usage, "--body is no object that NAME=VALUE could be added to");
	for (; operand < argc; operand++)
		take_word(&q, argv[operand], in_query);
	remote = remote_open();
	if (all) {
		status = ask_all(remote, &q);
	} else {
		ask(remote, &q, &got);
		print_answer(&memory, &got);
		status = status_of(&memory, &got);
	}
	arena_release(&memory);
	return status;
}
