/* A span's attributes as text, for tests: "name=value name=value". */
#ifndef ASHLAR_SPAN_SHOWN_H
#define ASHLAR_SPAN_SHOWN_H

#include <stdio.h>

#include "lib/host/span.h"

__attribute__((unused)) static const char *span_shown(const struct span *s, char text[1024])
{
	struct span_item item;
	size_t at = 0, n = 0;

	text[0] = '\0';
	while (span_data_next(s, &at, &item) && n < 900) {
		const char *name = item.name ? item.name : item.what == SPAN_LINK ? "link" : "state";

		if (item.what == SPAN_LINK)
			n += (size_t)snprintf(text + n, 1024 - n, "%slink", n ? " " : "");
		else if (item.text)
			n += (size_t)snprintf(text + n, 1024 - n, "%s%s=%.*s", n ? " " : "", name,
					      (int)item.n, item.text);
		else
			n += (size_t)snprintf(text + n, 1024 - n, "%s%s=%lld", n ? " " : "", name,
					      (long long)item.number);
	}
	return text;
}

#endif
