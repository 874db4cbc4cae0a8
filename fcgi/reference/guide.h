/*
 * The guide's pages, as text (Markdown): tools/guide makes them of docs/pages, in
 * their reading order.
 */
#ifndef ASHLAR_GUIDE_H
#define ASHLAR_GUIDE_H

struct guide_page {
	const char *name;  /* "quick-start": nginx serves it at /quick-start.html */
	const char *title; /* as it is listed */
	const char *group; /* the heading that it is listed under */
	const char *about; /* its first sentences; "" where it has none */
	const char *text;
};

/* Ends with a NULL name. */
extern const struct guide_page guide_pages[];

#endif
