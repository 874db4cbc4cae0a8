#include "fcgi/list.h"

#include <string.h>

/* clang-format off */
const struct list
	skipped   = { "items", NULL, { "total", "skip", "limit" }, { "skip", "limit" }, { 20, 100 } },
	numbered  = { "items", NULL, { "total", "page", "page_size", "total_pages" }, { "page", "page_size" }, { 20, 100 } },
	sized     = { "items", NULL, { "total", "page", "size", "pages" }, { "page", "size" }, { 20, 100 } },
	turned    = { "items", NULL, { "total", "page", "per_page", "has_next", "has_prev" }, { "page", "per_page" }, { 20, 100 } },
	windowed  = { "items", NULL, { "total", "limit", "offset", "has_more" }, { "limit", "offset" }, { 20, 100 } },
	enveloped = { "data", "meta", { "total", "limit", "offset" }, { "limit", "offset" }, { 50, 200 }, .clamps = true },
	leafed    = { "data", "meta", { "total", "limit", "offset", "page", "pages" }, { "page", "limit" }, { 50, 200 }, .clamps = true },
	unpaged   = { "data", "meta", { "total", "limit", "offset" } },
	tailed    = { "data", "meta", { "total", "limit", "offset" }, { "limit" }, { 100, 1000 }, .clamps = true },
	capped    = { "data", "meta", { "total", "limit", "offset" }, .size = { 100, 100 } },
	counted   = { "items", NULL, { "total" } },
	sliced    = { NULL, NULL, { NULL }, { "limit", "skip" }, { LIST_MOST, LIST_MOST } },
	shifted   = { NULL, NULL, { NULL }, { "limit", "offset" }, { 20, 100 } },
	unwrapped = { NULL },
	followed  = { "items", NULL, { "next_cursor" }, { "limit" }, { 100, 1000 } };
/* clang-format on */

enum list_kind list_kind(const char *name)
{
	static const struct {
		const char *name;
		enum list_kind kind;
	} words[] = { { "size", LIST_LIMIT },    { "pages", LIST_PAGES },       { "total", LIST_TOTAL },
		      { "limit", LIST_LIMIT },   { "page_size", LIST_LIMIT },   { "per_page", LIST_LIMIT },
		      { "skip", LIST_SKIP },     { "offset", LIST_SKIP },       { "page", LIST_PAGE },
		      { "has_more", LIST_NEXT }, { "has_next", LIST_NEXT },     { "total_pages", LIST_PAGES },
		      { "has_prev", LIST_PREV }, { "next_cursor", LIST_CURSOR } };

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (!strcmp(words[i].name, name))
			return words[i].kind;
	return LIST_COLUMN;
}
