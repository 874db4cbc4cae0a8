/*
 * The reference's part about headers: which ones an answer can have.  What a
 * header says is a component (openapi_components.c).
 */
#include <string.h>

#include "fcgi/reference/openapi.h"
#include "lib/base/jx.h"

static void write_header(struct buf *b, const char *name)
{
	const char *of_limit = strstr(name, "X-RateLimit-"); /* each success has three of them */

	jx_key(b, name);
	openapi_ref(b, "headers", of_limit ? of_limit + strlen("X-RateLimit-") : name);
}

static void write_headers(struct buf *b, const char *const *names)
{
	while (*names)
		write_header(b, *names++);
}

/* What every answer has, whoever gives it. */
static void write_common(struct buf *b)
{
	static const char *const names[] = { "X-Request-ID", "X-API-Version", "X-API-Latest-Version", NULL };

	write_headers(b, names);
}

/* How often it may be asked, and whether its form is about to go. */
static void write_state(struct buf *b, bool may_be_deprecated)
{
	static const char *const limits[] = { "X-RateLimit-Limit", "X-RateLimit-Remaining",
					      "X-RateLimit-Reset", "RateLimit",
					      "RateLimit-Policy",  NULL };
	static const char *const deprecation[] = { "Deprecation", "Sunset", "X-Deprecation-Notice", "Link",
						   NULL };

	write_headers(b, limits);
	if (may_be_deprecated)
		write_headers(b, deprecation);
}

bool openapi_has_etag(const struct route *r)
{
	bool is_one = r->sql && (r->sql->shape == SHAPE_ROW || r->sql->shape == SHAPE_MAYBE);

	return r->flags & STATIC || (is_one && (!r->redirect || r->out));
}

void openapi_headers(struct buf *b, const struct route *r, int version, int status)
{
	bool redirects = status == 302;

	jx_key_open(b, "headers", '{');
	write_common(b);
	if (!(r->flags & STATIC))
		write_state(b, version < surface_of(r->id)->versions);
	/*
	 * What is alike but for these is one component, so an object has both wherever it is shown: they need
	 * not come.  A handler may show a row of a query that it alone knows.
	 */
	if (status == 304 || r->flags & STATIC || (r->out && !r->list && status / 100 == 2 && status != 204))
		write_header(b, "ETag");
	if (status / 100 == 2 && !(r->flags & (STATIC | REALTIME)) &&
	    (r->method == POST || (r->out && !r->list && !(r->flags & SENDS_FILE))))
		write_header(b, "Idempotent-Replayed");
	if (r->outputs || (r->flags & SENDS_FILE && !redirects))
		write_header(b, "Content-Disposition");
	if (r->flags & RESUMABLE && status / 100 == 2) {
		static const char *const names[] = { "Tus-Resumable", "Upload-Offset", "Upload-Length",
						     "Upload-Expires", NULL };

		write_headers(b, names);
		if (r->method == POST)
			write_header(b, "Location");
	}
	if (status == 206)
		write_header(b, "Content-Range");
	if (redirects)
		write_header(b, "Location");
	buf_char(b, '}');
}

void openapi_error_headers(struct buf *b, int status, bool has_code, bool is_resumable)
{
	jx_key_open(b, "headers", '{');
	write_common(b);
	write_state(b, true);
	if (has_code)
		write_header(b, "X-Error-Code");
	if (is_resumable)
		write_header(b, "Tus-Resumable");
	switch (status) {
	case 401: write_header(b, "WWW-Authenticate"); break;
	case 405: write_header(b, "Allow"); break;
	case 415: write_header(b, "Accept"); break;
	case 416: /* the head of the file's answer */
		write_header(b, "Content-Range");
		write_header(b, "Content-Disposition");
		write_header(b, "ETag");
		break;
	case 426:
		write_header(b, "Upgrade");
		write_header(b, "Sec-WebSocket-Version");
		break;
	case 429:
	case 503: write_header(b, "Retry-After"); break;
	}
	buf_char(b, '}');
}
