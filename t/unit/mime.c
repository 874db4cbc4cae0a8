/*
 * mime: what goes over the wire.
 */
#include "providers/mime.h"

#include "t/unit/tap.h"

static struct arena a;
static const char *text;

static const struct mime_mail plain = {
	.id = "0191e8a0-0000-7000-8000-00000000000a",
	.date = 1800000000,
	.from = { "Acme", "no-reply@acme.example" },
	.to = "ann@example.com",
	.subject = "Hello",
	.text = "text",
	.html = "<p>html</p>",
};

static void write_mail(const struct mime_mail *m)
{
	struct buf b;

	buf_init(&b, &a, 64);
	mime_write(&b, m);
	text = buf_str(&b);
}

static void test_whole(void)
{
	write_mail(&plain);
	is_str(text,
	       "Date: Fri, 15 Jan 2027 08:00:00 +0000\r\n"
	       "From: \"Acme\"\r\n <no-reply@acme.example>\r\n"
	       "To: <ann@example.com>\r\n"
	       "Subject: Hello\r\n"
	       "Message-ID: <0191e8a0-0000-7000-8000-00000000000a@acme.example>\r\n"
	       "Auto-Submitted: auto-generated\r\n"
	       "X-Auto-Response-Suppress: All\r\n"
	       "MIME-Version: 1.0\r\n"
	       "Content-Type: multipart/alternative;\r\n "
	       "boundary=\"=_0191e8a0-0000-7000-8000-00000000000a\"\r\n"
	       "\r\n"
	       "--=_0191e8a0-0000-7000-8000-00000000000a\r\n"
	       "Content-Type: text/plain; charset=utf-8\r\n"
	       "Content-Transfer-Encoding: quoted-printable\r\n"
	       "\r\n"
	       "text\r\n"
	       "\r\n"
	       "--=_0191e8a0-0000-7000-8000-00000000000a\r\n"
	       "Content-Type: text/html; charset=utf-8\r\n"
	       "Content-Transfer-Encoding: quoted-printable\r\n"
	       "\r\n"
	       "<p>html</p>\r\n"
	       "\r\n"
	       "--=_0191e8a0-0000-7000-8000-00000000000a--\r\n",
	       "a mail");
}

static void test_headers(void)
{
	struct mime_mail m = plain;

	m.reply_to = (struct mailbox){ NULL, "help@acme.example" };
	m.language = "de";
	m.unsubscribe = "https://a.example/u?t=1";
	m.from.name = "Acme \"Rockets\", \\Inc";
	write_mail(&m);
	has_str(text, "From: \"Acme \\\"Rockets\\\", \\\\Inc\"\r\n <no-reply@acme.example>\r\n",
		"quotes in a name");
	has_str(text, "Reply-To: <help@acme.example>\r\n", "where answers go");
	has_str(text, "Content-Language: de\r\n", "the language");
	has_str(text,
		"List-Unsubscribe: <https://a.example/u?t=1>\r\nList-Unsubscribe-Post: "
		"List-Unsubscribe=One-Click\r\n",
		"how to unsubscribe");

	m.from.name = "M\xc3\xbcller & S\xc3\xb6hne";
	m.subject = "Gr\xc3\xbc\xc3\x9f"
		    "e";
	write_mail(&m);
	has_str(text, "From: =?UTF-8?B?TcO8bGxlciAmIFPDtmhuZQ==?=\r\n <no-reply@acme.example>\r\n",
		"a name in UTF-8");
	has_str(text, "Subject: =?UTF-8?B?R3LDvMOfZQ==?=\r\n", "a subject in UTF-8");
	m.subject = "=?UTF-8?B?QQ==?=";
	write_mail(&m);
	has_str(text, "Subject: =?UTF-8?B?PT9VVEYtOD9CP1FRPT0/PQ==?=\r\n", "what looks encoded is not");
	m.subject = "\xff"
		    "A";
	write_mail(&m);
	has_str(text, "Subject: =?UTF-8?B?77+9QQ==?=\r\n", "what is not UTF-8 is replaced");
	m.subject = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen";
	write_mail(&m);
	has_str(text,
		"Subject: one two three four five six seven eight nine ten eleven twelve\r\n thirteen "
		"fourteen\r\n",
		"a long subject is folded");
}

/* Whatever a value holds, it adds no header, and no line is too long. */
static void test_injection(void)
{
	static const char evil[] = "x\r\nBcc: all@example.com\r\n\r\n<script>";
	struct mime_mail m = plain;
	char many[3000];
	const char *line;

	m.from = (struct mailbox){ evil, "a@b.de>\r\nBcc: x" };
	m.reply_to = m.from;
	m.to = "c@d.de>\r\nBcc: <y@z.de";
	m.subject = m.language = m.unsubscribe = evil;
	write_mail(&m);
	ok(!strstr(text, "\nBcc"), "no line of the values' own");
	is_int(strstr(text, "\r\n\r\n") - text, strstr(text, "\r\n\r\n--=_") - text, "one head");

	for (size_t i = 0; i + 3 < sizeof(many); i += 3)
		memcpy(many + i, "\xe2\x82\xac", 3);
	many[sizeof(many) - 3] = '\0';
	m = plain;
	m.subject = m.from.name = m.text = m.html = many;
	write_mail(&m);
	for (line = text; *line; line += strcspn(line, "\n") + 1)
		if (strcspn(line, "\r") > 76 || line[strcspn(line, "\r")] != '\r')
			break;
	is_str(line, "", "every line has at most 76 characters and ends with CRLF");
	ok(!strstr(text, "\xe2"), "and is ASCII");
	has_str(text, "=?UTF-8?B?4oKs4oKs4oKs4oKs4oKs4oKs4oKs4oKs4oKs4oKs4oKs4oKs4oKs?=\r\n =?UTF-8?B?4oKs",
		"encoded words have whole characters");
}

static void body(const char *in, const char *out)
{
	struct mime_mail m = plain;

	m.text = in;
	write_mail(&m);
	has_str(text, arena_fmt(&a, "printable\r\n\r\n%s\r\n--=_", out), "quoted-printable %d", tap_count);
}

static void test_body(void)
{
	body("a=b", "a=3Db\r\n");
	body("caf\xc3\xa9", "caf=C3=A9\r\n");
	body("a \nb\t\r\nc", "a=20\r\nb=09\r\nc\r\n");
	body("a b\n", "a b\r\n");
	body("\n.\n", "\r\n.\r\n");
	body("--=_0191e8a0", "--=3D_0191e8a0\r\n");
	body("a\rb", "a=0Db\r\n");
	body("", "");
	body("1234567890123456789012345678901234567890123456789012345678901234567890123456",
	     "123456789012345678901234567890123456789012345678901234567890123456789012345=\r\n6\r\n");
	body("12345678901234567890123456789012345678901234567890123456789012345678901234=",
	     "12345678901234567890123456789012345678901234567890123456789012345678901234=\r\n=3D\r\n");
}

int main(void)
{
	arena_init(&a, 4096);
	test_whole();
	test_headers();
	test_injection();
	test_body();
	arena_release(&a);
	return done_testing();
}
