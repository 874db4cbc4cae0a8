/*
 * Mail addresses, and the settings that are made of them: who a mail is from,
 * and which server takes it.
 */
#ifndef ASHLAR_MAILBOX_H
#define ASHLAR_MAILBOX_H

#include <stdbool.h>

#include "lib/base/arena.h"

/*
 * local@domain by RFC 5321's outline, without quotes and comments; the local part may be UTF-8
 * (RFC 6531), the domain is ASCII.  Whether the mailbox exists only a mail can tell.
 */
bool mailbox_is_address(const char *text);

/* "Ashlar <no-reply@example.com>" or a bare address. */
struct mailbox {
	const char *name; /* NULL: none */
	const char *address;
};

/* Read one; false when it is none.  A name in double quotes is taken without them.  The strings are the
 * arena's. */
bool mailbox_parse(struct arena *a, const char *text, struct mailbox *out);

/* smtp://user:password@host:587 and its like. */
struct mail_server {
	const char *url;             /* for libcurl: without user, password and query */
	const char *user, *password; /* NULL: none; decoded */
	bool has_tls;                /* by STARTTLS, or from the first byte (smtps) */
};

/*
 * Read MAIL_URL.
 *
 * User and password are percent-encoded in it.  A path is the name that we
 * greet the server with.  smtp:// insists on STARTTLS, but for a server on this
 * host; ?tls=required and ?tls=off say otherwise.
 *
 * NULL, or what is wrong with it, for people, without quoting it.
 */
const char *mailbox_server_parse(struct arena *a, const char *url, struct mail_server *out);

#endif
