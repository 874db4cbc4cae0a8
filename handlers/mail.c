#include "handlers/mail.h"

#include "fcgi/req.h"
#include "lib/base/jx.h"
#include "lib/crypto/seal.h"

char *mail_link(struct arena *a, const char *page, const char *ticket)
{
	size_t n = strcspn(page, "#");
	const char *question = memchr(page, '?', n), *between = "?";

	if (question)
		between = page[n - 1] == '?' || page[n - 1] == '&' ? "" : "&";
	return arena_fmt(a, "%.*s%stoken=%s%s", (int)n, page, between, ticket, page + n);
}

enum err mail_prepare(struct req *rq, const struct mail *m)
{
	struct buf b;
	const char *sealed;

	buf_init(&b, &rq->tx.arena, 512);
	buf_char(&b, '{');
	if (m->ticket && m->link)
		jx_key(&b, "link"), jx_str(&b, mail_link(&rq->tx.arena, m->link, m->ticket));
	if (m->ticket)
		jx_key(&b, "token"), jx_str(&b, m->ticket);
	if (m->code)
		jx_key(&b, "code"), jx_str(&b, m->code);
	buf_char(&b, '}');
	sealed = seal_text(&rq->tx.arena, "mail", m->tenant, buf_str(&b));
	if (!sealed)
		return req_fail_inside(rq, ERR_UNAVAILABLE, "no JWT_SECRET, so nothing to seal a mail with");

	buf_init(&b, &rq->tx.arena, 1024);
	buf_char(&b, '{');
	jx_key(&b, "template"), jx_str(&b, m->template);
	jx_key(&b, "to"), jx_str(&b, m->to);
	jx_key(&b, "locale"), jx_str(&b, m->locale ? m->locale : "en");
	if (m->data)
		jx_key(&b, "data"), buf_text(&b, m->data);
	jx_key(&b, "sealed"), jx_str(&b, sealed);
	buf_char(&b, '}');
	req_set(rq, "mail_payload", buf_str(&b));
	return ERR_OK;
}
