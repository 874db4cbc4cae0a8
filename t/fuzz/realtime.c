/* Any bytes: what a client of realtime sends, the head of its handshake, and what the server makes of a row.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/json.h"
#include "lib/base/utf8.h"
#include "realtime/head.h"
#include "realtime/protocol.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void must(int ok)
{
	if (!ok)
		abort();
}

static void message(const uint8_t *data, size_t n)
{
	struct client_message m;
	struct problem why;
	struct json_object *tree;
	const char *problem;
	struct arena a;
	struct buf b;

	arena_init(&a, 4096);
	buf_init(&b, &a, 256);
	if (protocol_read(&a, (const char *)data, n, &m, &why)) {
		must(protocol_is_channel(m.channel));
		protocol_subscribed(&b, m.channel, m.has_last_event_id, m.last_event_id);
	} else {
		must(why.code && utf8_valid(why.message, strlen(why.message)));
		protocol_error(&b, &why);
	}
	must(!json_read(&a, b.p, b.n, &tree, &problem));
	arena_release(&a);
}

/* Text as PostgreSQL would write it, when it is JSON at all. */
static void row(const uint8_t *data, size_t n)
{
	struct published p = { .id = 7, .kind = "message", .channel = "a:b", .created_at = "now" };
	struct json_object *tree;
	const char *problem;
	struct arena a;
	struct buf b;

	arena_init(&a, 4096);
	p.payload = arena_dup_n(&a, data, n);
	if (!json_read(&a, p.payload, strlen(p.payload), &tree, &problem)) {
		buf_init(&b, &a, 256);
		protocol_published(&b, &p);
		p.sender = "ann";
		protocol_published(&b, &p);
	}
	arena_release(&a);
}

static void handshake(const uint8_t *data, size_t n)
{
	char *copy = malloc(n + 1);
	struct head h;

	must(copy != NULL);
	memcpy(copy, data, n);
	if (head_read(copy, n, &h) == HEAD_WHOLE) {
		must(h.n <= n && h.nfields <= HEAD_MAX_FIELDS && h.target[0] == '/');
		for (int i = 0; i < h.nfields; i++)
			must(head_field(&h, h.fields[i].name) != NULL);
	}
	free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	message(data, n);
	row(data, n);
	handshake(data, n);
	return 0;
}
