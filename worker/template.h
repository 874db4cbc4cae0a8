/*
 * The language of mail templates: text with variables and conditions, from
 * which both parts of a mail are made.
 *
 *	subject: Your invitation to {{organization}}
 *
 *	{{if inviter}}
 *	{{inviter}} has invited you.
 *	{{else}}
 *	You are invited.
 *	{{end}}
 *
 *	-> Accept the invitation: {{link}}
 *
 * The head has lines "subject: …" and, for mails that one can unsubscribe from,
 * "unsubscribe: {{url}}"; behind an empty line come paragraphs, and lines that
 * begin with
 *
 *	-> label: url	a button; url must be http:// or https://
 *	# text		a code, large
 *	> text		a quotation
 *	* text		an element of a list
 *	** text		elements of a list: one for each line of the values in it
 *
 * What begins a line counts only where the template says it: the value of a
 * variable is text throughout, whatever it holds, and escaped in HTML.
 *
 * The language is strict: a variable that there is not, and one without a value
 * outside of its {{if}}, are errors.
 */
#ifndef WORKER_TEMPLATE_H
#define WORKER_TEMPLATE_H

#include <stdbool.h>

#include "lib/base/arena.h"

enum { TEMPLATE_MAX_DEPTH = 8, TEMPLATE_MAX_BYTES = 512 * 1024 };

struct template_var {
	const char *name;
	const char *value; /* NULL or "": none, {{if}} is false; UTF-8 */
	bool is_html;      /* in template_html: taken as it is */
	bool is_foreign;   /* a user wrote it who is not the mail's sender: see template_unlink */
};

struct template_parts {
	const char *subject;     /* one line; NULL without a head */
	const char *unsubscribe; /* or NULL */
	const char *text;        /* lines of 72 characters, where words allow it */
	const char *html;        /* to stand inside of <body> */
};

/*
 * Make a mail's parts; vars ends with a NULL name, and with has_head there must be
 * a subject.
 *
 * NULL, or what is wrong with the template, with the line.  Everything is the arena's.
 */
const char *template_render(struct arena *a, const char *source, const struct template_var *vars,
			    bool has_head, struct template_parts *out);

/* A page of HTML with variables and conditions in it, and nothing else of the above.  NULL, or what is wrong.
 */
const char *template_html(struct arena *a, const char *source, const struct template_var *vars,
			  const char **out);

/*
 * A text in which mail programs find nothing that they would make a link of, in
 * neither part: "http://www.evil.example/" becomes "http[:]//www[.]evil[.]example/",
 * "ada@example.com" "ada[at]example[.]com".  Characters that are not seen would break
 * links, too, but not those of programs that take all up to the next blank, for
 * browsers leave them out of a host's name again.  What is no part of a name stays:
 * "J.R. Ewing", "3.5", "Inc."  The arena's.
 */
const char *template_unlink(struct arena *a, const char *text);

#endif
