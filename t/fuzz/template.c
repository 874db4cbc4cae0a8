/* Any bytes as an operator's mail template, and as the value of a variable. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/utf8.h"
#include "worker/template.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check(const char *text)
{
	if (!utf8_valid(text, strlen(text)))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct template_parts parts;
	const char *html, *source;
	struct arena a;

	arena_init(&a, 4096);
	source = arena_dup_n(&a, data, n);
	{
		const struct template_var vars[] = {
			{ "a", utf8_valid(source, strlen(source)) ? source : "a" },
			{ "b", "<&>\n* \"'" },
			{ "c", NULL },
			{ "u", "https://example.com/?a&b" },
			{ NULL },
		};

		for (int has_head = 0; has_head < 2; has_head++) {
			const char *problem = template_render(&a, source, vars, has_head, &parts);

			if (problem)
				continue;
			check(parts.text);
			check(parts.html);
			/* Neither the template nor a value can write HTML. */
			if (strstr(parts.html, "<script") || strstr(parts.html, "<&"))
				abort();
			if (has_head && strpbrk(parts.subject, "\r\n"))
				abort();
		}
		if (!template_html(&a, source, vars, &html))
			check(html);
	}
	arena_release(&a);
	return 0;
}
