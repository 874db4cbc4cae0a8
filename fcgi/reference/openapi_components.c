/*
 * The reference's components that no row brings, and which of them a document
 * needs.
 */
#include <string.h>

#include "fcgi/reference/openapi.h"
#include "lib/base/jx.h"

/* A section's members stand together; one that refers to another stands before it. */
static const struct component {
	const char *section, *name, *json;
} components[] = {
	{ "parameters", "Idempotency-Key",
	  "{\"name\":\"Idempotency-Key\",\"in\":\"header\",\"description\":"
	  "\"Sent twice with the same body, the request is carried out once; kept 24 hours.\","
	  "\"schema\":{\"type\":\"string\",\"minLength\":1,\"maxLength\":255}}" },
	{ "parameters", "X-Test-Mode",
	  "{\"name\":\"X-Test-Mode\",\"in\":\"header\",\"description\":"
	  "\"Work on the data of the test keys.\",\"schema\":{\"type\":\"boolean\"}}" },
	{ "parameters", "X-Workspace-Id",
	  "{\"name\":\"X-Workspace-Id\",\"in\":\"header\",\"description\":"
	  "\"The workspace (organization) that it is about; left out, it is the caller's default one.\","
	  "\"schema\":{\"type\":\"string\",\"format\":\"uuid\"}}" },
	{ "parameters", "X-Client-IP",
	  "{\"name\":\"X-Client-IP\",\"in\":\"header\",\"description\":"
	  "\"With a secret key: the address of the end user for whom the server calls. Limits of signing in, "
	  "sessions and the audit log go by it. Without a secret key it is not read.\","
	  "\"schema\":{\"type\":\"string\",\"anyOf\":[{\"format\":\"ipv4\"},{\"format\":\"ipv6\"}]}}" },
	{ "parameters", "If-Match",
	  "{\"name\":\"If-Match\",\"in\":\"header\",\"description\":"
	  "\"Only change the resource if its ETag is still this one.\",\"schema\":{\"type\":\"string\"}}" },
	{ "parameters", "If-None-Match",
	  "{\"name\":\"If-None-Match\",\"in\":\"header\",\"description\":"
	  "\"Only answer with the resource if its ETag is another one; else 304.\","
	  "\"schema\":{\"type\":\"string\"}}" },
	{ "parameters", "webhook-id",
	  "{\"name\":\"webhook-id\",\"in\":\"header\",\"required\":true,\"description\":"
	  "\"The message's: the same for all attempts to bring it.\",\"schema\":{\"type\":\"string\"}}" },
	{ "parameters", "webhook-timestamp",
	  "{\"name\":\"webhook-timestamp\",\"in\":\"header\",\"required\":true,\"description\":"
	  "\"Of this attempt, in seconds since 1970.\",\"schema\":{\"type\":\"integer\"}}" },
	{ "parameters", "webhook-signature",
	  "{\"name\":\"webhook-signature\",\"in\":\"header\",\"required\":true,\"description\":"
	  "\"v1, and base64 of HMAC-SHA256 over id, timestamp and body, joined by full stops; several are "
	  "separated by spaces.\",\"schema\":{\"type\":\"string\"}}" },
	{ "headers", "X-Request-ID",
	  "{\"description\":\"The request's id, also in the log: the client's own, where it sent "
	  "one.\",\"required\":true,\"schema\":{\"type\":\"string\"}}" },
	{ "headers", "X-API-Version",
	  "{\"description\":\"The version of the answer's "
	  "form.\",\"required\":true,\"schema\":{\"type\":\"string\",\"enum\":[\"v1\",\"v2\"]}}" },
	{ "headers", "X-API-Latest-Version",
	  "{\"description\":\"The newest version that there "
	  "is.\",\"required\":true,\"schema\":{\"type\":\"string\",\"enum\":[\"v2\"]}}" },
	{ "headers", "Limit",
	  "{\"description\":\"How many requests there may be in the window; while limits are "
	  "on.\",\"schema\":{\"type\":\"integer\",\"minimum\":0}}" },
	{ "headers", "Remaining",
	  "{\"description\":\"How many are left of "
	  "them.\",\"schema\":{\"type\":\"integer\",\"minimum\":0}}" },
	{ "headers", "Reset",
	  "{\"description\":\"When all of them are there again, in seconds since "
	  "1970.\",\"schema\":{\"type\":\"integer\",\"minimum\":0}}" },
	{ "headers", "RateLimit",
	  "{\"description\":\"The same in one: the name of the policy, r is what is left of it, t the "
	  "seconds until the "
	  "reset.\",\"schema\":{\"type\":\"string\",\"pattern\":\"^\\\"[a-z]+\\\";r=[0-9]+;t=[0-9]+$\"}}" },
	{ "headers", "RateLimit-Policy",
	  "{\"description\":\"The policy: its name, q the limit, w the window in "
	  "seconds.\",\"schema\":{\"type\":\"string\",\"pattern\":\"^\\\"[a-z]+\\\";q=[0-9]+;w=[0-9]+$\"}}" },
	{ "headers", "Deprecation",
	  "{\"description\":\"Where this version is deprecated: true, or @ and since when in seconds since "
	  "1970 (RFC 9745).\",\"schema\":{\"type\":\"string\",\"pattern\":\"^(true|@[0-9]+)$\"}}" },
	{ "headers", "Sunset",
	  "{\"description\":\"When this version ends (RFC 8594).\",\"schema\":{\"type\":\"string\"}}" },
	{ "headers", "X-Deprecation-Notice",
	  "{\"description\":\"What to do about it.\",\"schema\":{\"type\":\"string\"}}" },
	{ "headers", "Link",
	  "{\"description\":\"The version that follows.\",\"schema\":{\"type\":\"string\"}}" },
	{ "headers", "ETag",
	  "{\"description\":\"What If-Match and If-None-Match compare; of what has been changed "
	  "once.\",\"schema\":{\"type\":\"string\",\"pattern\":\"^(W/)?\\\".*\\\"$\"}}" },
	{ "headers", "Idempotent-Replayed",
	  "{\"description\":\"true: it is the answer to an earlier request with this "
	  "Idempotency-Key.\",\"schema\":{\"type\":\"string\",\"enum\":[\"true\"]}}" },
	{ "headers", "Content-Disposition",
	  "{\"description\":\"Of a file: its name.\",\"schema\":{\"type\":\"string\"}}" },
	{ "headers", "Content-Range",
	  "{\"description\":\"Which bytes, of how many.\",\"schema\":{\"type\":\"string\"}}" },
	{ "headers", "Tus-Resumable",
	  "{\"description\":\"The version of the tus protocol.\",\"schema\":{\"type\":\"string\"}}" },
	{ "headers", "Upload-Offset",
	  "{\"description\":\"How many bytes are there.\",\"schema\":{\"type\":\"integer\"}}" },
	{ "headers", "Upload-Length",
	  "{\"description\":\"Of how many.\",\"schema\":{\"type\":\"integer\"}}" },
	{ "headers", "Upload-Expires",
	  "{\"description\":\"Until when they are awaited.\",\"schema\":{\"type\":\"string\"}}" },
	{ "headers", "Location",
	  "{\"description\":\"Where "
	  "to.\",\"required\":true,\"schema\":{\"type\":\"string\",\"format\":\"uri\"}}" },
	{ "headers", "WWW-Authenticate",
	  "{\"description\":\"What would be taken.\",\"required\":true,\"schema\":{\"type\":\"string\"}}" },
	{ "headers", "Allow",
	  "{\"description\":\"The methods that there "
	  "are.\",\"required\":true,\"schema\":{\"type\":\"string\"}}" },
	{ "headers", "Accept",
	  "{\"description\":\"What would be taken.\",\"schema\":{\"type\":\"string\"}}" },
	{ "headers", "Upgrade",
	  "{\"description\":\"What would be taken; not over "
	  "HTTP/2.\",\"schema\":{\"type\":\"string\",\"enum\":[\"websocket\"]}}" },
	{ "headers", "Sec-WebSocket-Version",
	  "{\"description\":\"The version that would be "
	  "taken.\",\"schema\":{\"type\":\"string\",\"enum\":[\"13\"]}}" },
	{ "headers", "Retry-After",
	  "{\"description\":\"In how many seconds to try "
	  "again.\",\"schema\":{\"type\":\"integer\",\"minimum\":0}}" },
	{ "headers", "X-Error-Code",
	  "{\"description\":\"Which error it is, for programs.\",\"schema\":{\"type\":\"string\"}}" },
	{ "schemas", "Meta",
	  "{\"type\":\"object\",\"required\":[\"request_id\",\"timestamp\",\"version\"],\"properties\":{"
	  "\"request_id\":{\"type\":\"string\"},\"timestamp\":{\"type\":\"string\",\"format\":\"date-time\"},"
	  "\"version\":{\"type\":\"string\",\"enum\":[\"v2\"]}}}" },
	{ "schemas", "MessageMeta",
	  "{\"type\":\"object\",\"required\":[\"message\"],\"properties\":{\"message\":{\"type\":\"string\"}}"
	  "}" },
};

/* Who can come in: members of every caller's .security. */
static const struct component schemes[] = {
	{ "securitySchemes", "bearer",
	  "{\"type\":\"http\",\"scheme\":\"bearer\",\"bearerFormat\":\"JWT\",\"description\":"
	  "\"A user's token. Signing up and in answer with one (POST /api/v1/auth/register, "
	  "/api/v1/auth/login), and POST /api/v1/auth/refresh with the next; or it is one of an issuer that "
	  "the tenant trusts (/api/v1/dashboard/issuers). On a shell, ashlar token makes one.\"}" },
	{ "securitySchemes", "team",
	  "{\"type\":\"http\",\"scheme\":\"bearer\",\"bearerFormat\":\"JWT\",\"description\":"
	  "\"The token of a team user, who works on a tenant's dashboard: from POST "
	  "/api/v1/tenant-auth/login or /api/v1/tenant-auth/register.\"}" },
	{ "securitySchemes", "project",
	  "{\"type\":\"http\",\"scheme\":\"bearer\",\"description\":"
	  "\"What a program sends traces with: a project's token, from POST /api/v3/auth/token, or its API "
	  "key. The "
	  "same may be sent as X-API-Key.\"}" },
	{ "securitySchemes", "apiKey",
	  "{\"type\":\"apiKey\",\"in\":\"header\",\"name\":\"X-API-Key\",\"description\":"
	  "\"A tenant's key, which its dashboard makes (POST /api/v1/dashboard/api-keys), or ashlar key "
	  "create: pk_… for pages of the key's origins, sk_… for servers only.\"}" },
	{ "securitySchemes", "organizationKey",
	  "{\"type\":\"apiKey\",\"in\":\"header\",\"name\":\"X-API-Key\",\"description\":"
	  "\"A key of an organization (POST /api/organizations/{organization_id}/api-keys), which acts as "
	  "who has "
	  "made it and needs the scope *. It may also be the bearer.\"}" },
};

static const char ref[] = "{\"$ref\":\"#/components/";

void openapi_ref(struct buf *b, const char *section, const char *name)
{
	buf_fmt(b, "%s%s/%s\"}", ref, section, name);
}

void openapi_refs_init(struct openapi_refs *refs, const struct buf *b)
{
	map_init(&refs->seen, b->arena);
	refs->read = b->n;
}

/* Inside of a string the quotes would be escaped, so this is a reference wherever it stands. */
static void read_on(struct openapi_refs *refs, const struct buf *b)
{
	const char *p = b->p + refs->read, *end = b->p + b->n, *close;

	while ((p = memmem(p, (size_t)(end - p), ref, sizeof(ref) - 1))) {
		p += sizeof(ref) - 1;
		close = memchr(p, '"', (size_t)(end - p));
		*map_at(&refs->seen, p, (size_t)(close - p)) = refs;
		p = close;
	}
	refs->read = b->n;
}

bool openapi_refs_have(struct openapi_refs *refs, const struct buf *b, const char *section, const char *name)
{
	const char *key = arena_fmt(b->arena, "%s/%s", section, name);

	read_on(refs, b);
	return map_find(&refs->seen, key, strlen(key));
}

void openapi_members(struct buf *b, struct openapi_refs *refs, const char *section)
{
	for (size_t i = 0; i < sizeof(components) / sizeof(*components); i++) {
		const struct component *c = &components[i];

		if (strcmp(c->section, section) != 0 || !openapi_refs_have(refs, b, section, c->name))
			continue;
		jx_key(b, c->name);
		buf_text(b, c->json);
	}
}

void openapi_section(struct buf *b, struct openapi_refs *refs, const char *section)
{
	jx_key_open(b, section, '{');
	openapi_members(b, refs, section);
	buf_char(b, '}');
}

/* Does a row of the surface ask for it? */
static bool is_asked_for(const char *scheme, const struct surface *surface)
{
	const struct route *r;

	for (int i = 0; (r = route_at(i)); i++)
		if (openapi_is_of(r, surface) && strstr(r->caller->security, scheme))
			return true;
	return false;
}

void openapi_security_schemes(struct buf *b, const struct surface *surface)
{
	jx_key_open(b, "securitySchemes", '{');
	for (size_t i = 0; i < sizeof(schemes) / sizeof(*schemes); i++) {
		if (!is_asked_for(arena_fmt(b->arena, "\"%s\":", schemes[i].name), surface))
			continue;
		jx_key(b, schemes[i].name);
		buf_text(b, schemes[i].json);
	}
	buf_char(b, '}');
}
