/*
 * HTML as its reader sees it: blocks on lines of their own, what is hidden, a
 * script or a style sheet left out.
 *
 * Elements nest as deep as the file wants them to, so the tree is walked by its
 * pointers and not by recursion.
 */
#include <gumbo.h>
#include <stdbool.h>

#include "worker/extractor.h"

/* How many line ends stand around an element; -1: it is not shown. */
static int breaks_of(const GumboElement *e)
{
	if (gumbo_get_attribute(&e->attributes, "hidden"))
		return -1;
	switch (e->tag) {
	case GUMBO_TAG_SCRIPT:
	case GUMBO_TAG_STYLE:
	case GUMBO_TAG_TEMPLATE:
	case GUMBO_TAG_NOSCRIPT:
	case GUMBO_TAG_NOEMBED:
	case GUMBO_TAG_NOFRAMES:
	case GUMBO_TAG_IFRAME:
	case GUMBO_TAG_OBJECT:
	case GUMBO_TAG_SVG:
	case GUMBO_TAG_MATH: return -1;
	case GUMBO_TAG_TITLE:
	case GUMBO_TAG_H1:
	case GUMBO_TAG_H2:
	case GUMBO_TAG_H3:
	case GUMBO_TAG_H4:
	case GUMBO_TAG_H5:
	case GUMBO_TAG_H6:
	case GUMBO_TAG_P:
	case GUMBO_TAG_PRE:
	case GUMBO_TAG_BLOCKQUOTE:
	case GUMBO_TAG_TABLE:
	case GUMBO_TAG_UL:
	case GUMBO_TAG_OL:
	case GUMBO_TAG_DL:
	case GUMBO_TAG_HR: return 2;
	case GUMBO_TAG_BODY:
	case GUMBO_TAG_DIV:
	case GUMBO_TAG_SECTION:
	case GUMBO_TAG_ARTICLE:
	case GUMBO_TAG_ASIDE:
	case GUMBO_TAG_NAV:
	case GUMBO_TAG_MAIN:
	case GUMBO_TAG_HEADER:
	case GUMBO_TAG_FOOTER:
	case GUMBO_TAG_ADDRESS:
	case GUMBO_TAG_FIGURE:
	case GUMBO_TAG_FIGCAPTION:
	case GUMBO_TAG_DETAILS:
	case GUMBO_TAG_SUMMARY:
	case GUMBO_TAG_FORM:
	case GUMBO_TAG_FIELDSET:
	case GUMBO_TAG_LEGEND:
	case GUMBO_TAG_OPTION:
	case GUMBO_TAG_TEXTAREA:
	case GUMBO_TAG_CAPTION:
	case GUMBO_TAG_TR:
	case GUMBO_TAG_LI:
	case GUMBO_TAG_DT:
	case GUMBO_TAG_DD:
	case GUMBO_TAG_BR:
	case GUMBO_TAG_CENTER: return 1;
	default: return 0;
	}
}

static bool is_cell(const GumboElement *e)
{
	return e->tag == GUMBO_TAG_TD || e->tag == GUMBO_TAG_TH;
}

/* Is its text kept as it stands? */
static bool is_kept(const GumboNode *node)
{
	for (; node && node->type == GUMBO_NODE_ELEMENT; node = node->parent) {
		if (node->v.element.tag == GUMBO_TAG_PRE || node->v.element.tag == GUMBO_TAG_TEXTAREA)
			return true;
		if (breaks_of(&node->v.element) > 0)
			return false;
	}
	return false;
}

static void around(const GumboElement *e)
{
	int breaks = breaks_of(e);

	if (breaks > 0)
		extractor_break(breaks);
	else if (is_cell(e))
		extractor_gap();
}

/* At a node, on the way down; are its children to be visited? */
static bool enter(const GumboNode *node)
{
	switch (node->type) {
	case GUMBO_NODE_TEXT:
	case GUMBO_NODE_CDATA:
		if (is_kept(node->parent))
			extractor_text(node->v.text.text, strlen(node->v.text.text));
		else
			extractor_flow(node->v.text.text, strlen(node->v.text.text));
		return false;
	case GUMBO_NODE_WHITESPACE:
		if (is_kept(node->parent))
			extractor_text(node->v.text.text, strlen(node->v.text.text));
		else
			extractor_gap();
		return false;
	case GUMBO_NODE_ELEMENT:
		if (breaks_of(&node->v.element) < 0)
			return false;
		around(&node->v.element);
		return true;
	default: /* comments, templates */ return false;
	}
}

static void walk(const GumboNode *root)
{
	const GumboNode *node = root;

	for (;;) {
		if (enter(node) && node->v.element.children.length) {
			node = node->v.element.children.data[0];
			continue;
		}
		for (;;) {
			const GumboNode *parent = node->parent;

			if (node->type == GUMBO_NODE_ELEMENT && breaks_of(&node->v.element) >= 0)
				around(&node->v.element);
			if (node == root)
				return;
			if (node->index_within_parent + 1 < parent->v.element.children.length) {
				node = parent->v.element.children.data[node->index_within_parent + 1];
				break;
			}
			node = parent;
		}
	}
}

int extractor_html(const char *arg)
{
	GumboOptions options = kGumboDefaultOptions;
	size_t max, n;
	char *p;

	/* Each mistake would keep the names of all elements around it: 3 GB for 100 KB of <div>. */
	options.max_errors = 0;
	extractor_begin(arg, &max);
	p = extractor_utf8(max, &n);
	walk(gumbo_parse_with_options(&options, p, n)->root);
	return extractor_end();
}
