/*
 * Mails: rows in jobs, of kind "mail", that the request's own transaction adds.
 *
 * The worker renders the template and sends it; "ashlar mails" shows what waits.
 * Link and code are sealed, so that neither the table nor a backup of it lets
 * anybody in.  A handler prepares, and its query inserts:
 *
 *	rc = mail_prepare(rq, &(struct mail){ .template = "verify_email", .tenant = tenant, .to = email,
 *					      .link = return_to, .ticket = ticket, .code = code });
 *	if (rc)
 *		return rc;
 *	return answer_rows(rq, &q_resend);
 *
 *	INSERT INTO jobs (tenant_id, queue, kind, payload)
 *	VALUES (:tenant_id, 'ashlar.mail', 'mail', :mail_payload::jsonb)
 *
 * A new mail is a row of mail_kinds in worker/mail_render.c, with the variables
 * that its template has, and a file in each language under templates/mail.
 *
 * Where there is no recipient, the same is done with the kind
 * 'mail.decoy', so that the answer takes as long.
 */
#ifndef HANDLERS_MAIL_H
#define HANDLERS_MAIL_H

#include "lib/base/err.h"
#include "providers/mail_payload.h"

struct req;

/*
 * Set the request's value mail_payload, as mail_payload_make() has it.
 *
 * ERR_OK; ERR_UNAVAILABLE, recorded: there is no key to seal with (no JWT_SECRET).
 */
enum err mail_prepare(struct req *rq, const struct mail *m);

/* mail_payload_link(). */
char *mail_link(struct arena *a, const char *page, const char *ticket);

#endif
