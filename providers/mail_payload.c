#include "providers/mail_payload.h"

#include <string.h>

#include "lib/base/buf.h"
#include "lib/base/jx.h"
#include "lib/crypto/seal.h"

char *mail_payload_link(struct arena *a, const char *page, const char *ticket)
{
	size_t n = strcspn(page, "#");
	const char *question = memchr(page, '?', n), *between = "?";

	if (question)
		between = page[n - 1] == '?' || page[n - 1] == '&' ? "" : "&";
	return arena_fmt(a, "%.*s%stoken=%s%s", (int)n, page, between, ticket, page + n);
}

const char *mail_payload_make(struct arena *a, const struct mail *m)
{
	struct buf b;
	const char *sealed;

	buf_init(&b, a, 512);
	buf_char(&b, '{');
	if (m->ticket && m->link)
		jx_key(&b, "link"), jx_str(&b, mail_payload_link(a, m->link, m->ticket));
	if (m->ticket)
		jx_key(&b, "token"), jx_str(&b, m->ticket);
	if (m->code)
		jx_key(&b, "code"), jx_str(&b, m->code);
	buf_char(&b, '}');
	sealed = seal_text(a, "mail", m->tenant, buf_str(&b));
	if (!sealed)
		return NULL;

	buf_init(&b, a, 1024);
	buf_char(&b, '{');
	jx_key(&b, "template"), jx_str(&b, m->template);
	jx_key(&b, "to"), jx_str(&b, m->to);
	jx_key(&b, "locale"), jx_str(&b, m->locale ? m->locale : "en");
	if (m->data)
		jx_key(&b, "data"), buf_text(&b, m->data);
	jx_key(&b, "sealed"), jx_str(&b, sealed);
	buf_char(&b, '}');
	return buf_str(&b);
}
