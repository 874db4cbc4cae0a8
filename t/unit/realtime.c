/* What realtime reads and writes: handshakes, messages, rows, arrays. */
#include "realtime/broadcast.h"
#include "realtime/head.h"
#include "realtime/pgarray.h"
#include "realtime/protocol.h"

#include "t/unit/tap.h"

static struct arena arena;

/* Handshakes */

static enum head_found head(const char *text, struct head *out)
{
	size_t n = strlen(text);
	char *copy = memcpy(malloc(n), text, n); /* of its size: a sanitizer sees what is read behind it */
	enum head_found found = head_read(copy, n, out);

	static char *before;

	free(before);
	before = copy;
	return found;
}

static void heads(void)
{
	static const char *const bad[] = {
		"GET /\r\n\r\n",
		"GET / HTTP/1.0\r\n\r\n",
		"GET  / HTTP/1.1\r\n\r\n",
		"GET x HTTP/1.1\r\n\r\n",
		" / HTTP/1.1\r\n\r\n",
		"GET / HTTP/1.1\r\nA b\r\n\r\n",
		"GET / HTTP/1.1\r\nA : b\r\n\r\n",
		"GET / HTTP/1.1\r\n folded\r\n\r\n",
		"GET / HTTP/1.1\r\nA: b\001\r\n\r\n",
		"GET / HTTP/1.1\nA: b\r\n\r\n",
		"GET / HTTP/1.1\r\nContent-Length: 1\r\n\r\n",
		"GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
		"\r\n\r\n",
	};
	struct head h;
	struct buf b;

	is_int(head("GET /a?b=c HTTP/1.1\r\nHost:  x \r\nEmpty:\r\nhost: y\r\n\r\nmore", &h), HEAD_WHOLE,
	       "a head");
	is_str(h.method, "GET", "its method");
	is_str(h.target, "/a?b=c", "its target");
	is_str(head_field(&h, "HOST"), "x", "a field, without the blanks around it");
	is_str(head_field(&h, "empty"), "", "one of nothing");
	is_str(head_field(&h, "other"), NULL, "none");
	is_int((long long)h.n,
	       (long long)strlen("GET /a?b=c HTTP/1.1\r\nHost:  x \r\nEmpty:\r\nhost: y\r\n\r\n"),
	       "where it ends");
	is_int(head("GET / HTTP/1.1\r\n\r\n", &h), HEAD_WHOLE, "one without fields");
	is_int(head("GET / HTTP/1.1\r\nA: b\r\n\r", &h), HEAD_MORE, "one that is not all there");
	is_int(head("POST / HTTP/1.1\r\nContent-Length: 1\r\n\r\n", &h), HEAD_WHOLE,
	       "another method, to be refused by what it is");
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		is_int(head(bad[i], &h), HEAD_BAD, "malformed head %zu", i);

	buf_init(&b, &arena, 1024);
	buf_text(&b, "GET / HTTP/1.1\r\n");
	for (int i = 0; i < HEAD_MAX_FIELDS; i++)
		buf_fmt(&b, "F%d: v\r\n", i);
	is_int(head(arena_fmt(&arena, "%s\r\n", buf_str(&b)), &h), HEAD_WHOLE,
	       "as many fields as there may be");
	is_int(head(arena_fmt(&arena, "%sA: b\r\n\r\n", buf_str(&b)), &h), HEAD_LARGE, "one more");
	while (b.n < HEAD_MAX_BYTES)
		buf_char(&b, 'x');
	is_int(head(buf_str(&b), &h), HEAD_LARGE, "one that never ends");
}

/* Messages */

static const char *code_of(const char *text)
{
	struct client_message m;
	struct problem why;

	return protocol_read(&arena, text, strlen(text), &m, &why) ? "OK" : why.code;
}

static void messages(void)
{
	const char *text =
		"{\"type\":\"subscribe\",\"channel\":\"project:1\",\"last_event_id\":9,\"presence\":true}";
	struct client_message m;
	struct problem why;

	ok(protocol_read(&arena, text, strlen(text), &m, &why), "subscribe");
	is_int(m.type, CLIENT_SUBSCRIBE, "is known");
	is_str(m.channel, "project:1", "the channel");
	ok(m.has_last_event_id && m.last_event_id == 9 && m.wants_presence, "and what goes with it");
	is_str(code_of("{\"type\":\"unsubscribe\",\"channel\":\"a:b\"}"), "OK", "unsubscribe");
	is_str(code_of("{\"type\":\"message\",\"channel\":\"a:b\",\"data\":{}}"), "OK", "message");
	is_str(code_of("{\"type\":\"message\",\"channel\":\"a:b\"}"), "INVALID_MESSAGE", "without data");
	is_str(code_of("{\"type\":\"subscribe\",\"channel\":\"a\"}"), "INVALID_CHANNEL", "no channel");
	is_str(code_of("{\"type\":\"subscribe\",\"channel\":\"a:b\",\"last_event_id\":-1}"),
	       "INVALID_MESSAGE", "a position below 0");
	is_str(code_of("{\"type\":\"subscribe\",\"channel\":\"a:b\",\"last_event_id\":null}"), "OK", "none");
	is_str(code_of("[]"), "INVALID_MESSAGE", "an array");
	is_str(code_of("\xff"), "INVALID_MESSAGE", "not UTF-8");
}

static void channels(void)
{
	static const char *const good[] = { "a:b", "user_2:x", "project:\xc3\xa9", "a:b:c" };
	static const char *const bad[] = { "",      ":",     "a:",     ":b",     "A:b", "2a:b",
					   "a b:c", "a:b c", "a:\x7f", "a:\xff", "ab" };

	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++)
		ok(protocol_is_channel(good[i]), "%s", good[i]);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		ok(!protocol_is_channel(bad[i]), "not \"%s\"", bad[i]);
}

/* Rows */

static const char *told(const char *kind, const char *payload, const char *sender, const char **event)
{
	struct published row = { .id = 7,
				 .kind = kind,
				 .channel = "a:b",
				 .payload = payload,
				 .sender = sender,
				 .event = "progress",
				 .created_at = "T" };
	struct buf b;

	buf_init(&b, &arena, 256);
	*event = protocol_published(&b, &row);
	return buf_str(&b);
}

static void rows(void)
{
	const char *event;

	is_str(told("message", "{\"n\": 1}", "ann", &event),
	       "{\"type\":\"channel_message\",\"sender_id\":\"ann\",\"data\":{\"n\": "
	       "1},\"channel\":\"a:b\",\"event_id\":7,\"timestamp\":\"T\"}",
	       "a client's message");
	is_str(event, "channel_message", "by its type");
	has_str(told("message", "{\"type\": \"x\"}", "ann", &event), "\"data\":{\"type\": \"x\"}",
		"which has no type of its own");
	is_str(told("message", "{\"type\": \"x\"}", NULL, &event),
	       "{\"channel\":\"a:b\",\"event_id\":7,\"timestamp\":\"T\",\"type\": \"x\"}",
	       "the server's may");
	is_str(told("message", "{\"type\": \"x\", \"channel\": 1, \"timestamp\": 2, \"event_id\": 3}", NULL,
		    &event),
	       "{\"type\": \"x\", \"channel\": 1, \"timestamp\": 2, \"event_id\": 3}",
	       "and is then sent as given");
	has_str(told("message", "{\"a\": {\"type\": 1}, \"b\": \"\\\"type\\\": 1\"}", NULL, &event),
		"channel_message", "a type further inside, or in a string, is none");
	has_str(told("message", "[1]", NULL, &event), "\"sender_id\":null,\"data\":[1]", "what is no object");
	has_str(told("notification", "{}", NULL, &event), "{\"type\":\"notification\",\"data\":{}",
		"a notification");
	has_str(told("event", "{}", NULL, &event), "{\"type\":\"event\",\"event\":\"progress\",\"data\":{}",
		"an event");
	is_str(event, "progress", "by its name");
	has_str(told("presence", "{\"event\": \"join\"}", NULL, &event),
		"{\"type\":\"presence\",\"channel\":\"a:b\",\"event_id\":7,\"timestamp\":\"T\",\"event\": "
		"\"join\"}",
		"somebody comes");
}

static void posts(void)
{
	struct broadcast *p = broadcast_new("channel_message", 7, "{}", 2);
	const char *text;
	size_t n;

	text = broadcast_event(p, &n);
	is_bytes(text, n, "id: 7\nevent: channel_message\ndata: {}\n\n", "as an event of a stream");
	broadcast_unref(broadcast_ref(p));
	broadcast_unref(p);
}

static void arrays(void)
{
	struct pgarray a;

	pgarray_init(&a, &arena);
	is_str(pgarray_text(&a), "{}", "an empty array");
	pgarray_add(&a, "a\"b\\c");
	pgarray_add(&a, NULL);
	pgarray_add(&a, "");
	pgarray_add_int(&a, -7);
	is_str(pgarray_text(&a), "{\"a\\\"b\\\\c\",NULL,\"\",-7}", "elements of all kinds");
}

int main(void)
{
	arena_init(&arena, 4096);
	heads();
	messages();
	channels();
	rows();
	posts();
	arrays();
	head("", &(struct head){ 0 });
	arena_release(&arena);
	return done_testing();
}
