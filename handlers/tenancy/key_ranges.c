#include "handlers/tenancy/key_ranges.h"

#include <json-c/json.h>

#include "fcgi/req.h"
#include "lib/base/array.h"
#include "lib/host/address.h"

enum err key_ranges_read(struct req *rq, const char *name)
{
	const struct value *v = req_value(rq, name);
	size_t n = v->json ? json_object_array_length(v->json) : 0;
	struct buf b;

	req_set(rq, "ranges", NULL);
	if (!v->given)
		return ERR_OK;
	buf_init(&b, &rq->tx.arena, 256);
	buf_char(&b, '{');
	for (size_t i = 0; i < n; i++) {
		const char *text = json_object_get_string(json_object_array_get_idx(v->json, i));
		const char *range = address_range_text(&rq->tx.arena, text);

		if (!range)
			return req_fail_field(rq, ERR_VALIDATION, name,
					      "%s is no address, nor a range such as 192.0.2.0/24", text);
		array_add(&b, range);
	}
	buf_char(&b, '}');
	req_set(rq, "ranges", buf_str(&b));
	return ERR_OK;
}
