/*
 * mailbox: addresses, senders, and the server's URL.
 */
#include "lib/base/mailbox.h"

#include "t/unit/tap.h"

static struct arena a;

static void test_address(void)
{
	static const char *const good[] = { "a@b.c", "ada.lovelace+x@mail.example.com",
					    "j\xc3\xb6rg@example.com", "a@xn--mnchen-3ya.example" };
	static const char *const bad[] = { "",
					   "@",
					   "a@",
					   "@b",
					   "a b@c.de",
					   "a@b@c.de",
					   "a\n@b.de",
					   "<a@b.de>",
					   "a@b.de\r\nRCPT TO:<c@d.de>",
					   "a@-b.de",
					   "a@b..de",
					   "a,b@c.de",
					   ".a@b.de",
					   "a..b@c.de",
					   "\"a\"@b.de",
					   "a@m\xc3\xbcnchen.example" };

	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++)
		ok(mailbox_is_address(good[i]), "an address: %s", good[i]);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		ok(!mailbox_is_address(bad[i]), "none: number %zu", i);
}

static void box(const char *text, const char *name, const char *address)
{
	struct mailbox out;

	ok(mailbox_parse(&a, text, &out), "taken: %s", text);
	is_str(out.name, name, "… the name");
	is_str(out.address, address, "… the address");
}

static void test_mailbox(void)
{
	static const char *const bad[] = { "",
					   "Ashlar",
					   "Ashlar <a@b.de",
					   "Ashlar <a@b.de> x",
					   "A \"B\" <a@b.de>",
					   "<>",
					   "A <x>",
					   "A\r\nBcc: c@d.de <a@b.de>",
					   "A\xff <a@b.de>",
					   "A <b@c.de> <d@e.de>" };
	struct mailbox out;

	box("a@b.de", NULL, "a@b.de");
	box("<a@b.de>", NULL, "a@b.de");
	box("Ashlar <a@b.de>", "Ashlar", "a@b.de");
	box("\"Acme, Inc.\" <a@b.de>", "Acme, Inc.", "a@b.de");
	box("J\xc3\xb6rg M\xc3\xbcller <a@b.de>", "J\xc3\xb6rg M\xc3\xbcller", "a@b.de");
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		ok(!mailbox_parse(&a, bad[i], &out), "refused: number %zu", i);
}

static void server(const char *text, const char *url, const char *user, const char *password, bool has_tls)
{
	struct mail_server out;

	is_str(mailbox_server_parse(&a, text, &out), NULL, "taken: %s", text);
	is_str(out.url, url, "… as curl wants it");
	is_str(out.user, user, "… the user");
	is_str(out.password, password, "… the password");
	is_int(out.has_tls, has_tls, "… with TLS?");
}

static void refused(const char *text, const char *problem)
{
	struct mail_server out;

	has_str(mailbox_server_parse(&a, text, &out), problem, "refused: %.*s", (int)strcspn(text, "\r\n"),
		text);
}

static void test_server(void)
{
	server("smtp://mail.example.com", "smtp://mail.example.com:587", NULL, NULL, true);
	server("smtps://u:p@mail.example.com", "smtps://mail.example.com:465", "u", "p", true);
	server("SMTP://u%40x:p%2F%3a%25@h:2525/app.example.com", "smtp://h:2525/app.example.com", "u@x",
	       "p/:%", true);
	server("smtp://u@x:p@ss@h:25", "smtp://h:25", "u@x", "p@ss", true);
	server("smtp://localhost", "smtp://localhost:25", NULL, NULL, false);
	server("smtp://u:p@127.0.0.1:25", "smtp://127.0.0.1:25", "u", "p", false);
	server("smtp://[::1]:25?tls=required", "smtp://[::1]:25", NULL, NULL, true);
	server("smtp://relay.internal?tls=off", "smtp://relay.internal:587", NULL, NULL, false);
	server("smtp://[fd00::1]", "smtp://[fd00::1]:587", NULL, NULL, true);
	refused("http://mail.example.com", "must begin with smtp://");
	refused("mail.example.com:25", "must begin with smtp://");
	refused("smtp://", "has no host");
	refused("smtp://u:p@", "has no host");
	refused("smtp://:25", "has no host");
	refused("smtp://[]", "has no host");
	refused("smtp://h:0", "has no port");
	refused("smtp://h:65536", "has no port");
	refused("smtp://h:", "has no port");
	refused("smtp://h:25x", "has no port");
	refused("smtp://u@h", "a user without a password");
	refused("smtp://u:%zz@h", "not percent-encoded");
	refused("smtp://u:%00@h", "not percent-encoded");
	refused("smtp://u:a b@h", "must be percent-encoded");
	refused("smtp://u:a\r\n@h", "must be percent-encoded");
	refused("smtp://h?tls=maybe", "takes no parameters but");
	refused("smtps://h?tls=off", "takes no parameters but");
	refused("smtp://u:p@h?tls=off", "everybody on the way could read it");
	refused("smtp://u:p@127.0.0.1.example.com?tls=off", "everybody on the way could read it");
}

int main(void)
{
	arena_init(&a, 4096);
	test_address();
	test_mailbox();
	test_server();
	arena_release(&a);
	return done_testing();
}
