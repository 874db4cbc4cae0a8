/*
 * A mail as it goes over the wire: RFC 5322 and MIME, with the same content as
 * text and as HTML.
 *
 * Made from the same values it is the same, byte for byte, so a mail that is
 * sent twice is recognized as one.  Whatever the values hold, it stays one mail
 * with these headers: line breaks and control characters do not get through.
 */
#ifndef PROVIDERS_MIME_H
#define PROVIDERS_MIME_H

#include <time.h>

#include "lib/base/buf.h"
#include "lib/base/mailbox.h"

struct mime_mail {
	const char *
		id; /* the Message-ID's left side, its right one is the host of from; letters, digits, "-." */
	time_t date;
	struct mailbox from;
	struct mailbox reply_to; /* without an address: none */
	const char *to;          /* an address */
	const char *subject;
	const char *language;    /* "de-AT", or NULL */
	const char *unsubscribe; /* URL that unsubscribes when posted to (RFC 8058), or NULL */
	const char *text, *html; /* UTF-8 */
};

void mime_write(struct buf *b, const struct mime_mail *m);

/*
 * A header of a mail that mime_write wrote, unfolded and decoded: UTF-8, "" when
 * it has none.  The arena's.
 */
const char *mime_header(struct arena *a, const char *mail, const char *name);

/* The text of such a mail, decoded; NULL when there is none.  The arena's. */
const char *mime_text(struct arena *a, const char *mail);

#endif
