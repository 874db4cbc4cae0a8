/*
 * Mail templates: the language, and every one that there is.
 */
#include "worker/template.h"

#include <json-c/json.h>

#include "lib/host/config.h"
#include "t/unit/tap.h"
#include "worker/mail_render.h"

static struct arena a;

static const struct template_var vars[] = {
	{ "name", "Ada" },
	{ "nasty", "<b>\"A\" & 'B'</b>\n-> x: https://evil.example\n{{name}}\n# 1\a2" },
	{ "empty", "" },
	{ "none", NULL },
	{ "url", "https://example.com/?a=1&b=2" },
	{ "script", "javascript:alert(1)" },
	{ "long", "Lorem ipsum dolor sit amet, consetetur sadipscing elitr, sed diam nonumy eirmod tempor "
		  "invidunt ut labore et dolore magna aliquyam erat" },
	{ "raw", "<i>raw</i>", .is_html = true },
	{ "rows", "one\n* two\n\nthree" },
	{ NULL },
};

/* A template as one line, to name a check by. */
static const char *shown(const char *source)
{
	char *out = arena_dup(&a, source);

	for (char *c = out; *c; c++)
		if (*c < ' ' || *c == '#')
			*c = '.';
	return out;
}

/* A body becomes this text and this HTML. */
static void becomes(const char *source, const char *text, const char *html)
{
	struct template_parts out;
	const char *problem = template_render(&a, source, vars, false, &out);

	is_str(problem, NULL, "a template: %s", shown(source));
	if (problem)
		return;
	if (text)
		is_str(out.text, text, "… as text");
	if (html)
		is_str(out.html, html, "… as HTML");
}

static void refused(const char *source, const char *problem)
{
	struct template_parts out;

	has_str(template_render(&a, source, vars, false, &out), problem, "refused: %s", shown(source));
}

static void test_language(void)
{
	becomes("Hello {{name}},\nhow { are }} you?\n\n\n Well.", "Hello Ada, how { are }} you?\n\nWell.\n",
		"<p>Hello Ada, how { are }} you?</p>\n<p>Well.</p>\n");
	becomes("{{ name }}", "Ada\n", "<p>Ada</p>\n");
	becomes("", "", "");
	becomes("{{if name}}yes{{else}}no{{end}} {{if none}}yes{{else}}no{{end}} {{if empty}}yes{{end}}",
		"yes no\n", "<p>yes no</p>\n");
	becomes("a\n{{if none}}\n{{none}}\n{{end}}\nb", "a b\n", "<p>a b</p>\n");
	becomes("{{if name}}{{if none}}1{{else}}2{{if url}}3{{end}}{{end}}{{else}}4{{end}}", "23\n", NULL);
	becomes("-> Go on: {{url}}", "Go on:\nhttps://example.com/?a=1&b=2\n",
		"<p class=\"action\"><a class=\"button\" href=\"https://example.com/?a=1&amp;b=2\">Go "
		"on</a></p>\n"
		"<p class=\"link\"><a "
		"href=\"https://example.com/?a=1&amp;b=2\">https://example.com/?a=1&amp;b=2</a></p>\n");
	becomes("# {{name}}\ntext\n> {{name}}", "    Ada\n\ntext\n\n> Ada\n",
		"<p class=\"code\">Ada</p>\n<p>text</p>\n<blockquote>Ada</blockquote>\n");
	becomes("x\n* 1\n* 2\n\ny", "x\n\n* 1\n* 2\n\ny\n",
		"<p>x</p>\n<ul>\n<li>1</li>\n<li>2</li>\n</ul>\n<p>y</p>\n");
	becomes("a\r\n{{if name}}\r\nb\r\n{{end}}\r\n\r\nc\r\n", "a b\n\nc\n", "<p>a b</p>\n<p>c</p>\n");
	becomes("* \n#  \n> ", "* \n\n    \n\n> \n", NULL);
	becomes("a\n** {{rows}}\nb", "a\n\n* one\n* * two\n* \n* three\n\nb\n",
		"<p>a</p>\n<ul>\n<li>one</li>\n<li>* two</li>\n<li></li>\n<li>three</li>\n</ul>\n<p>b</p>\n");
	becomes("** {{name}}\n* x", "* Ada\n* x\n", "<ul>\n<li>Ada</li>\n<li>x</li>\n</ul>\n");
	becomes("{{long}}",
		"Lorem ipsum dolor sit amet, consetetur sadipscing elitr, sed diam nonumy\n"
		"eirmod tempor invidunt ut labore et dolore magna aliquyam erat\n",
		NULL);
	becomes("* {{long}}",
		"* Lorem ipsum dolor sit amet, consetetur sadipscing elitr, sed diam\n"
		"  nonumy eirmod tempor invidunt ut labore et dolore magna aliquyam erat\n",
		NULL);
}

static void test_values(void)
{
	becomes("{{nasty}}", "<b>\"A\" & 'B'</b>\n-> x: https://evil.example\n{{name}}\n# 12\n",
		"<p>&lt;b&gt;&quot;A&quot; &amp; &#39;B&#39;&lt;/b&gt;<br>-&gt; x: "
		"https://evil.example<br>{{name}}<br>"
		"# 12</p>\n");
	becomes("> {{nasty}}", "> <b>\"A\" & 'B'</b>\n> -> x: https://evil.example\n> {{name}}\n> # 12\n",
		NULL);
	refused("-> Go: {{script}}", "does not lead to an http:// or https:// URL");
	refused("-> Go: {{nasty}}", "does not lead to");
	refused("-> Go: https://x.example/\"onclick=", "does not lead to");
	refused("-> Go: https:///x", "does not lead to");
}

static void test_strict(void)
{
	refused("a\nb {{nobody}}", "line 2: there is no {{nobody}}");
	refused("{{if none}}{{nobody}}{{end}}", "line 1: there is no {{nobody}}");
	refused("{{if nobody}}{{end}}", "there is no {{nobody}}");
	refused("{{none}}", "{{none}} has no value here; put {{if none}} around it");
	refused("{{empty}}", "{{empty}} has no value");
	refused("{{if name}}", "an {{if}} without its {{end}}");
	refused("{{else}}", "{{else}} without an {{if}}");
	refused("{{if name}}{{else}}{{else}}{{end}}", "{{else}} without an {{if}}");
	refused("{{end}}", "{{end}} without an {{if}}");
	refused("{{name", "{{ without }}");
	refused("{{name\n}}", "{{ without }}");
	refused("{{}}", "there is no {{}}");
	refused("{{if }}", "there is no {{if}}");
	refused("-> Go", "has no \": \"");
	refused("->: {{url}}", "does not lead to");
	refused("\xff", "is not UTF-8");
	refused("{{if name}}{{if name}}{{if name}}{{if name}}{{if name}}{{if name}}{{if name}}{{if "
		"name}}{{if name}}",
		"too many {{if}} in one another");
}

static void test_head(void)
{
	struct template_parts out;

	is_str(template_render(&a, "subject: To {{nasty}}\nunsubscribe: {{url}}\n\nx", vars, true, &out),
	       NULL, "a head");
	is_str(out.subject, "To <b>\"A\" & 'B'</b> -> x: https://evil.example {{name}} # 12",
	       "its subject is one line of text");
	is_str(out.unsubscribe, "https://example.com/?a=1&b=2", "and one may unsubscribe");
	is_str(out.text, "x\n", "the body follows");
	has_str(template_render(&a, "x\n\ny", vars, true, &out),
		"the head takes subject: and unsubscribe:", "no head");
	has_str(template_render(&a, "subject: \n\ny", vars, true, &out),
		"there is no subject:", "no subject");
	has_str(template_render(&a, "", vars, true, &out), "there is no subject:", "nothing at all");
	has_str(template_render(&a, "subject: x\nunsubscribe: {{script}}\n\ny", vars, true, &out),
		"unsubscribe: must be", "no URL to unsubscribe at");
}

static void test_html(void)
{
	const char *html;

	is_str(template_html(&a, "<p title=\"{{nasty}}\">{{raw}}{{if none}}x{{end}}</p>", vars, &html), NULL,
	       "a page");
	is_str(html,
	       "<p title=\"&lt;b&gt;&quot;A&quot; &amp; &#39;B&#39;&lt;/b&gt;\n-&gt; x: "
	       "https://evil.example\n{{name}}\n# "
	       "12\"><i>raw</i></p>",
	       "… where values are escaped, but for what is HTML");
	has_str(template_html(&a, "{{nobody}}", vars, &html), "there is no {{nobody}}", "strict, too");
}

/* The mails */

static const struct mail_brand brand = { "Acme & Co", "https://acme.example/logo.png", "#ffee00",
					 "help@acme.example" };

static void put_json(void *json)
{
	json_object_put(json);
}

/* A mail whose link, if it has one, is the token's. */
static const char *render(const char *kind, const char *locale, const char *data, struct mail_content *out)
{
	struct json_object *json = json_tokener_parse(data), *secrets = json_object_new_object(), *link;

	arena_defer(&a, put_json, json);
	arena_defer(&a, put_json, secrets);
	if (json_object_object_get_ex(json, "link", &link)) {
		json_object_object_add(secrets, "link", json_object_get(link));
		json_object_object_del(json, "link");
	}
	return mail_render(&a, mail_render_kind(kind), locale, &brand, "ann@example.com", json, secrets, out);
}

static bool there_is(const char *name)
{
	for (const struct mail_file *f = mail_templates; f->name; f++)
		if (!strcmp(f->name, name))
			return true;
	return false;
}

static void test_all(void)
{
	static const char *const languages[] = { "en", "de" };
	char said[4096] = "";
	FILE *err = fmemopen(said, sizeof(said), "w");
	int mistakes = mail_render_check(err), files = 0;

	fclose(err);
	is_int(mistakes, 0, "every mail in every language, with all its variables and with few");
	is_str(said, "", "… and nothing to say");
	for (const struct mail_kind *k = mail_kinds; k->name; k++)
		for (int i = 0; i < 2; i++)
			ok(there_is(arena_fmt(&a, "%s/%s.txt", languages[i], k->name)), "%s/%s", languages[i],
			   k->name);
	for (const struct mail_file *f = mail_templates; f->name; f++)
		files++;
	for (const struct mail_kind *k = mail_kinds; k->name; k++)
		files -= 2;
	is_int(files, 4, "two footers, a layout, kinds of events in German, and no file that nobody sends");
}

static void test_mail(void)
{
	static const char data[] =
		"{\"organization\":\"M\xc3\xbcller <GmbH>\",\"link\":\"https://a.example/?token=T\"}";
	static const struct {
		const char *locale, *language;
	} cases[] = { { "en", "en" }, { "de", "de" },    { "de-AT", "de" },   { "fr-FR", "en" },
		      { "", "en" },   { "../de", "en" }, { "de/../de", "en" } };
	struct mail_content out;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		is_str(render("invitation", cases[i].locale, data, &out), NULL, "in \"%s\"", cases[i].locale);
		is_str(out.language, cases[i].language, "… it is %s", cases[i].language);
	}
	render("invitation", "de-AT", data, &out);
	is_str(out.subject, "Ihre Einladung zu M\xc3\xbcller <GmbH>", "the subject is text");
	is_str(out.unsubscribe, NULL, "nobody unsubscribes from an invitation");
	has_str(out.text, "bei Acme & Co in M\xc3\xbcller <GmbH>", "so is the text part");
	has_str(out.text, "Einladung annehmen:\nhttps://a.example/?token=T\n", "with the link");
	has_str(out.text, "\n-- \nDiese Nachricht hat Acme & Co an ann@example.com gesendet.\n",
		"and a footer");
	has_str(out.html, "M\xc3\xbcller &lt;GmbH&gt;", "HTML is escaped");
	has_str(out.html, "<html lang=\"de\">", "it has its language");
	has_str(out.html, "<img src=\"https://acme.example/logo.png\" alt=\"Acme &amp; Co\">",
		"the tenant's logo");
	has_str(out.html, "background: #ffee00; color: #1c1c22",
		"its color, with letters that can be read on it");
	has_str(out.html, "href=\"https://a.example/?token=T\">Einladung annehmen</a>", "and the button");
	is_str(render("invitation", "en", "{\"organization\":\"X\"}", &out), "the mail lacks \"link\"",
	       "what is needed must be there");
	is_str(render("contact_notification", "en",
		      "{\"reference_id\":\"CNT-1\",\"name\":\"Ann\",\"email\":\"a@b.de\",\"message\":"
		      "\"1\\n2\",\"submitted_at\":\"now\","
		      "\"subject\":null,\"extra_fields\":{\"a\":1,\"b\":\"x\",\"c\":[true]}}",
		      &out),
	       NULL, "what people wrote");
	is_str(out.subject, "[CNT-1] A message from Ann", "without a subject");
	has_str(out.text, "> 1\n> 2\n", "line by line");
	has_str(out.text, "* a: 1\n  b: x\n  c: [true]\n", "and what else there was");
	render("contact_notification", "en",
	       "{\"reference_id\":\"CNT-1\",\"name\":\"Ann\",\"email\":\"a@b.de\",\"message\":\"1\","
	       "\"submitted_at\":\"now\","
	       "\"subject\":\"a\\r\\nBcc: x@y.de\"}",
	       &out);
	is_str(out.subject, "[CNT-1] a Bcc: x[at]y[.]de", "a subject has no line's end");
	ok(!mail_render_kind("nobody"), "there is no other mail");
}

/* What people call themselves and their things is text, and no program that shows a mail finds a link in it.
 */
static void test_unlink(void)
{
	static const struct {
		const char *text, *shown;
	} cases[] = {
		{ "http://evil.example/ free", "http[:]//evil[.]example/ free" },
		{ "evil.example", "evil[.]example" },
		{ "www.evil.example/a.b?c=d.e", "www[.]evil[.]example/a.b?c=d.e" },
		{ "HTTPS://1.2.3.4/x", "HTTPS[:]//1.2.3.4/x" },
		{ "Write to ada@evil.example.", "Write to ada[at]evil[.]example." },
		{ "mailto:a@b", "mailto:a[at]b" },
		{ "evil\u3002example evil\uff0eexample evil\uff61example",
		  "evil[.]example evil[.]example evil[.]example" },
		{ "\u4f8b\u3048.\u30c6\u30b9\u30c8", "\u4f8b\u3048[.]\u30c6\u30b9\u30c8" },
		{ "evil\u200b.\u200bexample evil.e\u00adxample",
		  "evil\u200b[.]\u200bexample evil[.]e\u00adxample" },
		{ "a.b.evil.c/ www.a", "a.b[.]evil[.]c/ www[.]a" },
		{ "xn--e1aybc.xn--p1ai", "xn--e1aybc[.]xn--p1ai" },
		{ "J.R. Ewing & Sons Ltd., v1.2 (3.5 %) @home \u2026",
		  "J.R. Ewing & Sons Ltd., v1.2 (3.5 %) @home \u2026" },
		{ ".", "." },
		{ "@", "@" },
		{ ":/", "[:]/" },
		{ "", "" },
	};
	static const struct template_var foreign[] = {
		{ "x",
		  "<a href=\"http://evil.example\">evil.\x01"
		  "example</a>",
		  .is_foreign = true },
		{ NULL, NULL, false, false },
	};
	struct template_parts parts;
	struct mail_content out;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		is_str(template_unlink(&a, cases[i].text), cases[i].shown, "%s", cases[i].text);
	is_str(template_render(&a, "subject: {{x}}\n\n{{x}}", foreign, true, &parts), NULL,
	       "markup with a link in it");
	is_str(parts.subject, "<a href=\"http[:]//evil[.]example\">evil[.]example</a>", "the subject");
	is_str(parts.text, "<a href=\"http[:]//evil[.]example\">evil[.]example</a>\n", "the text part");
	is_str(parts.html,
	       "<p>&lt;a href=&quot;http[:]//evil[.]example&quot;&gt;evil[.]example&lt;/a&gt;</p>\n",
	       "the HTML part");
	is_str(render("invitation", "en",
		      "{\"organization\":\"http://evil.example/ free\",\"invited_by\":\"www.evil.example\","
		      "\"link\":\"https://a.example/?token=T\"}",
		      &out),
	       NULL, "an invitation");
	ok(!strstr(out.text, "evil.example") && !strstr(out.html, "evil.example") &&
		   !strstr(out.subject, "://"),
	   "no part of it has such a link");
	has_str(out.text, "https://a.example/?token=T\n", "… but its own");
	has_str(out.html, "href=\"https://a.example/?token=T\"", "… in both parts");
}

static void put(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	fputs(text, f);
	fclose(f);
}

static void test_override(void)
{
	char dir[] = "/tmp/ashlar-templates-XXXXXX", said[4096] = "", path[128];
	struct mail_content out;
	FILE *err;

	if (!mkdtemp(dir))
		abort();
	cfg.mail_templates = dir;
	snprintf(path, sizeof(path), "mkdir %s/fr", dir);
	is_int(system(path), 0, "an operator's directory");
	snprintf(path, sizeof(path), "%s/fr/already_registered.txt", dir);
	put(path,
	    "subject: Bonjour\nunsubscribe: https://a.example/u\n\nVous avez d\xc3\xa9j\xc3\xa0 un compte.");
	is_str(render("already_registered", "fr-CA", "{}", &out), NULL, "a language of the operator's");
	is_str(out.subject, "Bonjour", "… is found");
	is_str(out.unsubscribe, "https://a.example/u", "… with a link to unsubscribe");
	is_int(mail_render_check(stderr), 0, "… and is in order");
	put(path, "subject: Bonjour\n\n{{nom}}");
	has_str(render("already_registered", "fr", "{}", &out),
		"template fr/already_registered.txt: line 3: there is no {{nom}}",
		"what is wrong with it is told");
	err = fmemopen(said, sizeof(said), "w");
	is_int(mail_render_check(err), 1, "… also to whoever asks");
	fclose(err);
	has_str(said, "template fr/already_registered.txt: line 3", "… with the place");
	snprintf(path, sizeof(path), "rm -r %s", dir);
	is_int(system(path), 0, "gone");
	cfg.mail_templates = "";
}

int main(void)
{
	arena_init(&a, 4096);
	cfg.mail_templates = "";
	test_language();
	test_values();
	test_strict();
	test_head();
	test_html();
	test_all();
	test_mail();
	test_unlink();
	test_override();
	arena_release(&a);
	return done_testing();
}
