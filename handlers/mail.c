#include "handlers/mail.h"

#include "fcgi/req.h"

char *mail_link(struct arena *a, const char *page, const char *ticket)
{
	return mail_payload_link(a, page, ticket);
}

enum err mail_prepare(struct req *rq, const struct mail *m)
{
	const char *payload = mail_payload_make(&rq->tx.arena, m);

	if (!payload)
		return req_fail_inside(rq, ERR_UNAVAILABLE, "no JWT_SECRET, so nothing to seal a mail with");
	req_set(rq, "mail_payload", payload);
	return ERR_OK;
}
