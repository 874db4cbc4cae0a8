/*
 * A mail as it waits to be sent: the payload of a job of kind "mail", which the worker renders.
 *
 * Link and code are sealed, so that neither the table nor a backup of it lets anybody in.
 */
#ifndef PROVIDERS_MAIL_PAYLOAD_H
#define PROVIDERS_MAIL_PAYLOAD_H

#include "lib/base/arena.h"

/* All borrowed. */
struct mail {
	const char *template; /* "verify_email", "reset_password", "invitation", "team_invitation", … */
	const char *tenant;   /* uuid of the tenant whose job it is */
	const char *to;
	const char *locale; /* NULL: "en" */
	const char *link;   /* the page that the link leads to, which gets ?token=; NULL: no link */
	const char *ticket; /* NULL: a mail without secrets */
	const char *code;   /* six digits, or another code for people; or NULL */
	const char
		*data; /* what else the template shows, as a JSON object and readable in the table; or NULL */
};

/*
 * {"template", "to", "locale", "data", "sealed"}, where sealed (seal.h, purpose "mail", of the tenant) is
 * {"link", "token", "code"}.  The arena's; NULL: there is no key to seal with (no JWT_SECRET).
 */
const char *mail_payload_make(struct arena *a, const struct mail *m);

/* A page's URL with token=ticket in its query, in front of a fragment.  The arena's. */
char *mail_payload_link(struct arena *a, const char *page, const char *ticket);

#endif
