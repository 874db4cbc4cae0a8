/*
 * The page on which a user picks one of their workspaces.
 *
 * It holds nobody's data: its script (docs/static/workspace-selector.js) asks with the token that the SDK
 * keeps in the browser.  Where it goes on to is a path of this origin, so that the page is no open redirect.
 */
#include "fcgi/answer.h"
#include "fcgi/req.h"
#include "lib/crypto/secret.h"

static enum err workspace_selector(struct req *rq);

/* clang-format off */
/* One slash: a browser takes a backslash for one, too, and leaves out what does not show. */
static const struct pattern local_path = { "^/([^/\\\\\x01-\x1f\x7f][^\x01-\x1f\x7f]*)?$", "a path of this origin, such as /goals," };

static const struct field find_in[] = {
	{ "return_to", F_TEXT, 0, .min = 1, .max = 1024, .fits = &local_path, .def = "/", .about = "a path of this origin, to which it goes on", .example = "/goals" },
	FIELD_END
};

const struct route workspace_selector_routes[] = {
	{ GET, "/api/v1/workspace-selector", "workspace.organizations.show_workspace_selector", &by_anyone, "A page to pick a workspace", "Its script reads the session that the TypeScript client keeps in "
	  "localStorage, lists the user's workspaces, switches to the one that is picked and goes on to return_to; whoever has no session signs in on it.",
	  .query = find_in, .run = workspace_selector, .status = 200, .flags = BARE, .content_type = "text/html; charset=utf-8" },
	ROUTE_END
};
/* clang-format on */

static void add_escaped(struct buf *b, const char *text)
{
	for (; *text; text++) {
		const char *name = *text == '&'   ? "&amp;"
				   : *text == '<' ? "&lt;"
				   : *text == '>' ? "&gt;"
				   : *text == '"' ? "&quot;"
						  : NULL;

		if (name)
			buf_text(b, name);
		else
			buf_char(b, *text);
	}
}

static enum err workspace_selector(struct req *rq)
{
	const char *to = req_text(rq, "return_to"), *nonce;
	struct buf *b;

	nonce = secret_random_text(&rq->tx.arena, "0123456789abcdef", 32);
	req_set_header(
		rq, "Content-Security-Policy",
		arena_fmt(&rq->tx.arena,
			  "default-src 'none'; script-src 'nonce-%s'; style-src 'nonce-%s'; connect-src "
			  "'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
			  nonce, nonce));
	b = answer_open(rq);
	buf_fmt(b,
		"<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta "
		"name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
		"<meta name=\"robots\" content=\"noindex\">\n<title>Your workspaces</title>\n<link "
		"rel=\"stylesheet\" nonce=\"%s\" href=\"/mailed.css\">\n"
		"<script nonce=\"%s\" src=\"/workspace-selector.js\" "
		"type=\"module\"></script>\n</head>\n<body class=\"open\">\n<main data-return-to=\"",
		nonce, nonce);
	add_escaped(b, to);
	buf_text(b, "\">\n<p class=\"whose\"></p>\n<h1>Your workspaces</h1>\n<div class=\"what\"></div>\n<p "
		    "role=\"status\"></p>\n<noscript><p>This page needs "
		    "JavaScript.</p></noscript>\n</main>\n</body>\n</html>\n");
	return answer_close(rq);
}
