/*
 * Sending mail: to the server of MAIL_URL, by libcurl.
 *
 * The connection is kept for the next mail of the same process.
 */
#ifndef PROVIDERS_SMTP_H
#define PROVIDERS_SMTP_H

#include <stddef.h>

#include "lib/base/arena.h"
#include "lib/base/err.h"

struct smtp_mail {
	const char *from; /* of the envelope, where bounces go: an address */
	const char *to;   /* an address */
	const char *text; /* headers and body, lines ending with CRLF */
	size_t n;
};

/*
 * Hand a mail over, and wait until the server has taken it.
 *
 * ERR_OK: it has.  ERR_VALIDATION: it will never take this mail for this
 * address (5xx to the recipient or to the mail).  ERR_EXTERNAL: not now, which
 * is everything else: 4xx, no connection, no time, TLS that cannot be trusted,
 * a user or a sender that it does not know, all of which can be put right; and
 * after several of those in a row it is left alone for a while (the breaker
 * "smtp", see lib/net/http.h).
 * ERR_UNAVAILABLE: there is no MAIL_URL.
 *
 * *reason says what happened, the server's own words in it; it holds no password.
 */
enum err smtp_send(struct arena *a, const struct smtp_mail *mail, const char **reason);

#endif
