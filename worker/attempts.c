#include "worker/attempts.h"

void attempts_init(struct attempts *list, struct arena *a)
{
	buf_init(&list->tenants, a, 1024);
	buf_init(&list->ids, a, 1024);
	buf_init(&list->numbers, a, 256);
	list->any = false;
}

void attempts_add(struct attempts *list, const struct attempt *attempt)
{
	const char between = list->any ? ',' : '{';

	buf_fmt(&list->tenants, "%c%s", between, attempt->tenant_id);
	buf_fmt(&list->ids, "%c%s", between, attempt->id);
	buf_fmt(&list->numbers, "%c%d", between, attempt->number);
	list->any = true;
}

void attempts_params(struct attempts *list, const char *params[3])
{
	struct buf *const bufs[] = { &list->tenants, &list->ids, &list->numbers };

	for (int i = 0; i < 3; i++) {
		buf_text(bufs[i], list->any ? "}" : "{}");
		params[i] = buf_str(bufs[i]);
	}
}
