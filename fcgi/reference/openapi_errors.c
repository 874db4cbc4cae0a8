/*
 * The reference's part about errors: which ones a row can answer with, and
 * what their bodies are like.
 */
#include <string.h>

#include "fcgi/reference/openapi.h"
#include "lib/base/jx.h"

/* Which errors a route can give, from what its row says. */

bool openapi_refuses(const struct route *r, enum err e)
{
	const struct caller *by = r->caller;
	/* What nginx sends from a file it may refuse to read the request for. */
	if (r->flags & STATIC)
		return e == ERR_BAD_REQUEST || e == ERR_URI_TOO_LONG || e == ERR_RATE_LIMIT ||
		       e == ERR_HEADERS_TOO_LARGE;
	for (const struct constraint *c = r->method == GET ? NULL : r->constraints; c && c->name; c++)
		if (c->err == e)
			return true;
	for (const enum err *more = r->errors; more && *more; more++)
		if (*more == e)
			return true;
	switch (e) {
	case ERR_BAD_REQUEST: return true; /* a line or a header that nginx cannot read, %00 in the path */
	case ERR_SIGN_IN_AGE: return r->flags & RECENT;
	case ERR_AUTHENTICATION: return by->token != TOKEN_UNREAD || by->is_project || r->flags & SIGNED;
	case ERR_API_KEY: return by->key != KEY_UNREAD;
	case ERR_ORIGIN: return by->key != KEY_UNREAD && by->key < KEY_SECRET && !by->is_team;
	case ERR_SCOPE: return r->scope;
	case ERR_AUTHORIZATION:
		return r->may || by->place != IN_TENANT || by->key == KEY_SECRET || by->is_installation ||
		       (by->least_role && !strcmp(by->least_role, "admin")) ||
		       (r->flags & BARE && r->content_type) || (r->sql && r->sql->is_forbidden);
	case ERR_CONFLICT: return r->sql && r->sql->is_conflict;
	case ERR_NOT_FOUND: return strchr(r->path, '{');
	case ERR_NOT_ACCEPTABLE: return true;
	case ERR_IDEMPOTENCY_RUNNING:
	case ERR_IDEMPOTENCY_MISMATCH: return r->method == POST && !(r->flags & (PRIVATE | SIGNED));
	case ERR_PRECONDITION: return route_has_if_match(r) || r->flags & SENDS_FILE;
	case ERR_RANGE: return r->flags & SENDS_FILE;
	case ERR_PAYLOAD_TOO_LARGE: return r->method != GET; /* a body is counted also where none is read */
	case ERR_UNSUPPORTED_MEDIA_TYPE: return r->parts || (r->body && !(r->flags & RAW));
	case ERR_VALIDATION:
		return r->query || r->parts || (r->body && !(r->flags & RAW)) || route_is_strict(r) ||
		       (r->sql && r->sql->is_invalid);
	case ERR_URI_TOO_LONG:
	case ERR_RATE_LIMIT:
	case ERR_HEADERS_TOO_LARGE:
	case ERR_INTERNAL:
	case ERR_BAD_GATEWAY:
	case ERR_UNAVAILABLE:
	case ERR_TIMEOUT: return true;
	case ERR_EXTERNAL: return r->flags & SLOW || r->slow_if;
	default: return false;
	}
}

/* The same, in the surface's own words. */
static bool may_fail(const struct route *r, enum err e)
{
	if (route_error(r, e) != e)
		return false;
	for (int other = ERR_OK + 1; other < ERR_COUNT; other++)
		if (other != (int)e && route_error(r, (enum err)other) == e &&
		    openapi_refuses(r, (enum err)other))
			return true;
	return openapi_refuses(r, e);
}

static int status_of(const struct route *r, enum err e)
{
	return e == ERR_VALIDATION ? surface_of(r->id)->validation_status : err_info(e)->status;
}

/* What rows refuse with at one status. */
struct openapi_refusal {
	struct openapi_refusal *next;
	/*
	 * Of the component: the status, and which of its codes, as bits in their order, where it is not the
	 * first alone.  An operation has fourteen of them, so it is short.
	 */
	const char *name;
	const char *description; /* the codes, and what they mean */
	const char *suffix;      /* of the schemas' names */
	int status;
	bool has_code;                  /* X-Error-Code */
	bool has_protobuf;              /* a google.rpc.Status, beside JSON */
	bool is_resumable;              /* Tus-Resumable */
	const struct err_info *example; /* the first of the codes */
};

void openapi_refusals_init(struct openapi_refusals *all, struct arena *a)
{
	map_init(&all->seen, a);
	all->first = NULL;
	all->end = &all->first;
}

/* state: the row whose answer the body may be instead, or NULL */
static void write_refusal(struct buf *b, const struct openapi_refusal *f, const struct route *state,
			  int version)
{
	buf_text(b, "{\"description\":");
	jx_str(b, f->description);
	openapi_error_headers(b, f->status, f->has_code, f->is_resumable);
	buf_text(b, ",\"content\":{\"application/json\":{\"schema\":");
	if (state) {
		buf_text(b, "{\"anyOf\":[");
		openapi_answer(b, state, version, false);
		buf_char(b, ',');
	}
	openapi_ref(b, "schemas", arena_fmt(b->arena, "Error%s", f->suffix));
	if (state)
		buf_text(b, "]}");
	buf_text(b, ",\"example\":{\"error\":{\"code\":");
	jx_str(b, f->example->code);
	jx_key_str(b, "message", f->example->message);
	buf_text(b, ",\"details\":{}},\"detail\":");
	jx_str(b, f->example->message);
	buf_text(b, "}},\"application/problem+json\":{\"schema\":");
	openapi_ref(b, "schemas", arena_fmt(b->arena, "Problem%s", f->suffix));
	buf_char(b, '}');
	if (f->has_protobuf) {
		jx_key(b, route_protobuf);
		buf_text(b, "{\"schema\":{\"type\":\"string\"}}");
	}
	buf_text(b, "}}");
}

/* can: which errors the row has, of which at least one is of this status */
static struct openapi_refusal refusal_of(struct arena *a, const struct route *r, int status,
					 const bool can[ERR_COUNT])
{
	struct openapi_refusal f = { .status = status,
				     .has_code = r->codes,
				     .has_protobuf = r->refuse,
				     .is_resumable = r->flags & RESUMABLE };
	unsigned its = 0, bit = 1;
	struct buf description;

	buf_init(&description, a, 128);
	for (int e = ERR_OK + 1; e < ERR_COUNT; e++) {
		const struct err_info *info = err_info((enum err)e);

		if (status_of(r, (enum err)e) != status)
			continue;
		its |= can[e] ? bit : 0;
		bit <<= 1;
		if (!can[e])
			continue;
		buf_fmt(&description, "%s%s: %s", f.example ? "; " : "", info->code, info->message);
		if (!f.example)
			f.example = info;
	}
	/* Where clients know the fields by the details' members, these have more of them. */
	f.suffix = surface_of(r->id)->maps_fields ? "OfField" : "";
	f.name = arena_fmt(a, its == 1 ? "%d%s%s%s" : "%d%s%s%s.%x", status, *f.suffix ? "F" : "",
			   f.has_code ? "C" : "",
			   f.has_protobuf   ? "P"
			   : f.is_resumable ? "T"
					    : "",
			   its);
	f.description = buf_str(&description);
	return f;
}

/* It is the same for all rows that have these codes: the first one brings it. */
static void remember(struct openapi_refusals *all, struct arena *a, const struct openapi_refusal *f)
{
	void **place = map_at(&all->seen, f->name, strlen(f->name));
	struct openapi_refusal *kept;

	if (*place)
		return;
	*place = kept = arena_alloc(a, sizeof(*kept));
	*kept = *f;
	*all->end = kept;
	all->end = &kept->next;
}

void openapi_errors(struct buf *b, const struct route *r, int version, struct openapi_refusals *all)
{
	bool can[ERR_COUNT] = { false };
	int status = 0, next;

	for (int e = ERR_OK + 1; e < ERR_COUNT; e++)
		can[e] = may_fail(r, (enum err)e);
	do { /* each status that they have, from the least */
		struct openapi_refusal f;

		next = 0;
		for (int e = ERR_OK + 1; e < ERR_COUNT; e++) {
			int its = can[e] ? status_of(r, (enum err)e) : 0;

			if (its > status && (!next || its < next))
				next = its;
		}
		status = next;
		if (!next)
			break;
		f = refusal_of(b->arena, r, status, can);
		jx_key(b, arena_fmt(b->arena, "%d", status));
		if (r->flags & PROBE && status == err_info(ERR_UNAVAILABLE)->status) {
			write_refusal(b, &f, r, version);
			continue;
		}
		openapi_ref(b, "responses", f.name);
		remember(all, b->arena, &f);
	} while (status);
}

void openapi_error_responses(struct buf *b, const struct openapi_refusals *all)
{
	for (const struct openapi_refusal *f = all->first; f; f = f->next) {
		jx_key(b, f->name);
		write_refusal(b, f, NULL, 1);
	}
}

/* Bodies */

static void write_error_codes(struct buf *b)
{
	buf_char(b, '[');
	for (int e = ERR_OK + 1; e < ERR_COUNT; e++) {
		jx_next(b);
		jx_str(b, err_info((enum err)e)->code);
	}
	buf_char(b, ']');
}

/* What details have, and what they have where each member of another name is a field's. */
static const char error_details[] =
	"{\"type\":\"object\",\"properties\":{"
	"\"field\":{\"type\":\"string\",\"description\":\"what is refused\"},"
	"\"resource\":{\"type\":\"string\",\"description\":\"what was not found\"},"
	"\"id\":{\"type\":\"string\"},"
	"\"permission\":{\"type\":\"string\",\"description\":\"which is missing\"},"
	"\"reason\":{\"type\":\"string\",\"description\":\"of a payment: why it was declined\"},"
	"\"balance\":{\"type\":\"integer\",\"description\":\"what there is\"},"
	"\"required\":{\"type\":\"integer\",\"description\":\"what it takes\"},"
	"\"violations\":{\"type\":\"array\",\"items\":{\"type\":\"object\"},\"description\":\"of what more "
	"is used "
	"than a tier allows\"},"
	"\"models\":{\"type\":\"array\",\"items\":{\"type\":\"string\"},\"description\":\"that there are\"},"
	"\"max_age\":{\"type\":\"integer\",\"description\":\"seconds since signing in that are recent "
	"enough\"},"
	"\"retry_after\":{\"type\":\"integer\",\"description\":\"in seconds\"},"
	"\"request_id\":{\"type\":\"string\",\"description\":\"also in the log; where something went wrong "
	"on our "
	"side\"}";

/* And of a record's values, of what runs already, and of a limit that is reached.  Not where fields stand
 * beside them: "limit" is one of those, too. */
static const char limit_details[] =
	",\"fields\":{\"type\":\"array\",\"description\":\"of a record: all values that do not "
	"fit\",\"items\":{\"type\":"
	"\"object\",\"required\":[\"field\",\"message\"],\"properties\":{\"field\":{\"type\":\"string\"},"
	"\"message\":{"
	"\"type\":\"string\"}}}}"
	",\"duplicate_count\":{\"type\":\"integer\",\"description\":\"of a field: values that are there more "
	"than once\"},"
	"\"duplicates\":{\"type\":\"array\",\"description\":\"20 of them\",\"items\":{\"type\":\"object\","
	"\"required\":[\"value\",\"count\",\"record_ids\"],\"properties\":{\"value\":{\"type\":\"string\"},"
	"\"count\":{\"type\":\"integer\"},\"record_ids\":{\"type\":\"array\",\"items\":{\"type\":\"string\"}}"
	"}}}"
	",\"job_id\":{\"type\":\"string\",\"description\":\"of what runs already\"},"
	"\"stream_url\":{\"type\":\"string\",\"description\":\"where that tells how far it is\"},"
	"\"metric\":{\"type\":\"string\",\"description\":\"whose limit is reached\"},"
	"\"used\":{\"type\":\"integer\",\"description\":\"of it, with what is reserved\"},"
	"\"limit\":{\"type\":\"integer\"},"
	"\"requested\":{\"type\":\"integer\"},"
	"\"resets_at\":{\"type\":[\"string\",\"null\"],\"format\":\"date-time\",\"description\":\"when "
	"there is more; null: not by itself\"}";

static const char field_details[] = ",\"additionalProperties\":{\"type\":\"string\",\"description\":"
				    "\"under the name of the field: the message\"}";

/* Members beside error and detail. */
static const char beside[] =
	"\"verification_required\":{\"type\":\"boolean\",\"description\":\"true beside EMAIL_NOT_VERIFIED\"},"
	"\"success\":{\"type\":\"boolean\",\"description\":\"false beside LIMIT_EXCEEDED, where something "
	"was to be "
	"used, as the members below\"},"
	"\"allowed\":{\"type\":\"boolean\"},\"consumed\":{\"type\":\"null\"},\"usage_type\":{\"type\":"
	"\"string\"},"
	"\"limits\":{\"type\":\"object\",\"description\":\"as in UsageConsumption\"}";

/* An error's body, and that of RFC 9457 in its place; suffix: of the schemas' names. */
static void write_error(struct buf *b, const char *suffix)
{
	buf_fmt(b,
		"{\"type\":\"object\",\"required\":[\"error\",\"detail\"],\"properties\":{"
		"\"error\":{\"type\":\"object\",\"required\":[\"code\",\"message\",\"details\"],"
		"\"properties\":{"
		"\"code\":{\"$ref\":\"#/components/schemas/ErrorCode\"},\"message\":{\"type\":\"string\"},"
		"\"details\":{\"$ref\":\"#/components/schemas/ErrorDetails%s\"}}},"
		"\"detail\":{\"type\":\"string\",\"description\":\"the same message\"},%s,"
		"\"code\":{\"type\":\"integer\",\"description\":\"google.rpc.Code, where OTLP is taken; and "
		"message, again\"},\"message\":{\"type\":\"string\"}}}",
		suffix, beside);
}

static void write_problem(struct buf *b, const char *suffix)
{
	buf_fmt(b,
		"{\"type\":\"object\",\"description\":\"RFC 9457, when Accept asks for it.\","
		"\"required\":[\"type\",\"title\",\"status\",\"detail\",\"instance\",\"code\",\"details\"],"
		"\"properties\":{"
		"\"type\":{\"type\":\"string\"},\"title\":{\"type\":\"string\"},\"status\":{\"type\":"
		"\"integer\"},"
		"\"detail\":{\"type\":\"string\"},\"instance\":{\"type\":\"string\"},"
		"\"code\":{\"$ref\":\"#/components/schemas/ErrorCode\"},"
		"\"details\":{\"$ref\":\"#/components/schemas/ErrorDetails%s\"},%s}}",
		suffix, beside);
}

static void write_details(struct buf *b, const char *suffix)
{
	buf_fmt(b, "%s%s}%s}", error_details, *suffix ? "" : limit_details, *suffix ? field_details : "");
}

static void write_code(struct buf *b, const char *suffix)
{
	(void)suffix;
	buf_text(b, "{\"type\":\"string\",\"enum\":");
	write_error_codes(b);
	buf_char(b, '}');
}

void openapi_error_schemas(struct buf *b, struct openapi_refs *refs)
{
	static const struct {
		const char *name;
		void (*write)(struct buf *b, const char *suffix);
	} schemas[] = { { "Error", write_error },
			{ "Problem", write_problem },
			{ "ErrorDetails", write_details },
			{ "ErrorCode", write_code } };
	static const char *const suffixes[] = { "", "OfField" };

	for (size_t i = 0; i < sizeof(schemas) / sizeof(*schemas); i++) {
		for (size_t k = 0; k < sizeof(suffixes) / sizeof(*suffixes); k++) {
			const char *name = arena_fmt(b->arena, "%s%s", schemas[i].name, suffixes[k]);

			if (!openapi_refs_have(refs, b, "schemas", name))
				continue;
			jx_key(b, name);
			schemas[i].write(b, suffixes[k]);
		}
	}
}
