/*
 * Which mails there are, and what they look like: templates/mail, compiled in,
 * or an operator's own files in MAIL_TEMPLATES.
 *
 *	layout.html          the page around the HTML part, for all of them
 *	de/footer.txt        what stands below each mail, in a language
 *	de/invitation.txt    a mail (see worker/template.h)
 *	de/notification_types.txt
 *	                     what its mails call kinds of events: lines of "name: words"
 *
 * A mail in "de-AT" is looked for in de-AT, de and en, each first in
 * MAIL_TEMPLATES and then here.
 */
#ifndef WORKER_MAIL_RENDER_H
#define WORKER_MAIL_RENDER_H

#include <stdbool.h>
#include <stdio.h>

#include "lib/base/arena.h"

struct json_object;

struct mail_file {
	const char *name; /* "de/invitation.txt" */
	const char *text;
};

extern const struct mail_file mail_templates[]; /* ends with NULLs; build/mail_templates.c */

/* A mail that some part of Ashlar sends. */
struct mail_kind {
	const char *name;
	const char *vars; /* the variables of its template beside those of all; "?" behind one: it may have no
			     value */
	long life_s;      /* as long as its link is good; 0: it has none */
};

extern const struct mail_kind mail_kinds[]; /* ends with a NULL name */

const struct mail_kind *mail_render_kind(const char *name);

enum { MAIL_CODE_LIFE_S = 600 }; /* a code's, which is in the same mail as a link that lives longer */

/* Whose mail it is: a tenant's. */
struct mail_brand {
	const char *name;
	const char *logo_url, *color, *support_email; /* or NULL */
};

struct mail_content {
	const char *language; /* of the template that was found: "de" */
	const char *subject;
	const char *unsubscribe; /* of a template that declares it, else NULL */
	const char *text, *html;
};

/*
 * Make a mail.  Its variables are members of data and, before them, of secrets
 * (either may be NULL), and of all mails brand, logo_url, color, on_color,
 * support_email, to and locale.  An object's value is lines of "name: value".
 * What is not from secrets, and the brand, a user has chosen: no link becomes of
 * it (template_unlink).
 *
 * NULL, or why not: a variable is missing, or an operator's template is wrong.
 * Everything is the arena's.
 */
const char *mail_render(struct arena *a, const struct mail_kind *kind, const char *locale,
			const struct mail_brand *brand, const char *to, struct json_object *data,
			struct json_object *secrets, struct mail_content *out);

/* The language that a mail to somebody who reads locale is in.  The arena's. */
const char *mail_render_language(struct arena *a, const struct mail_kind *kind, const char *locale);

/* A file of words beside the mails of a language, "de/notification_types.txt"; NULL: it has none. */
const char *mail_render_words(struct arena *a, const char *language, const char *name);

/*
 * Make every mail in every language once with all its variables and once with
 * those that it needs.  What is wrong is written to err, a line each; returns how
 * many that are.
 */
int mail_render_check(FILE *err);

#endif
