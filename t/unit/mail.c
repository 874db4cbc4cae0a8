/*
 * Mails: where the token goes, and what is in the job.
 */
#include "handlers/mail.h"

#include "fcgi/req.h"
#include "lib/crypto/seal.h"
#include "lib/host/config.h"
#include "t/unit/tap.h"

#define TID "0191e8a0-0000-7000-8000-00000000000a"

static struct req rq;

static void test_link(void)
{
	static const struct {
		const char *page, *link;
	} cases[] = {
		{ "https://a.example/verify", "https://a.example/verify?token=T" },
		{ "https://a.example/verify?lang=en", "https://a.example/verify?lang=en&token=T" },
		{ "https://a.example/verify?", "https://a.example/verify?token=T" },
		{ "https://a.example/verify?lang=en&", "https://a.example/verify?lang=en&token=T" },
		{ "https://a.example/#/verify?x=1", "https://a.example/?token=T#/verify?x=1" },
		{ "https://a.example/?x=1#top", "https://a.example/?x=1&token=T#top" },
		{ "app:verify", "app:verify?token=T" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		is_str(mail_link(&rq.tx.arena, cases[i].page, "T"), cases[i].link, "%s", cases[i].page);
}

/* The payload, and what is sealed in it. */
static const char *payload, *secrets;

static enum err prepare(const struct mail *m)
{
	static const char before[] = "\"sealed\":\"";
	const char *at;
	enum err rc = mail_prepare(&rq, m);

	payload = req_text(&rq, "mail_payload");
	at = payload ? strstr(payload, before) : NULL;
	at = at ? at + strlen(before) : "";
	secrets = seal_open(&rq.tx.arena, "mail", TID, arena_dup_n(&rq.tx.arena, at, strcspn(at, "\"")));
	return rc;
}

static void test_prepare(void)
{
	is_int(prepare(&(struct mail){ .template = "verify_email",
				       .tenant = TID,
				       .to = "ann@example.com",
				       .locale = "de",
				       .link = "https://a.example/verify",
				       .ticket = "T1CK3T",
				       .code = "012345",
				       .data = "{\"organization\":\"Acme\"}" }),
	       ERR_OK, "prepared");
	has_str(payload,
		"{\"template\":\"verify_email\",\"to\":\"ann@example.com\",\"locale\":\"de\",\"data\":"
		"{\"organization\":\"Acme\"},\"sealed\":\"v1.0.",
		"the job says which mail, to whom and in which language");
	ok(!strstr(payload, "T1CK3T") && !strstr(payload, "012345"),
	   "neither token nor code can be read in it");
	is_str(secrets,
	       "{\"link\":\"https://a.example/"
	       "verify?token=T1CK3T\",\"token\":\"T1CK3T\",\"code\":\"012345\"}",
	       "they are sealed");
	prepare(&(struct mail){
		.template = "invitation", .tenant = TID, .to = "a\"b@example.com", .ticket = "T" });
	has_str(payload,
		"{\"template\":\"invitation\",\"to\":\"a\\\"b@example.com\",\"locale\":\"en\",\"sealed\"",
		"without a language it is English");
	is_str(secrets, "{\"token\":\"T\"}", "without a page there is no link");
	prepare(&(struct mail){ .template = "password_changed", .tenant = TID, .to = "ann@example.com" });
	is_str(secrets, "{}", "and there may be no secret at all");
	cfg.jwt_secret = "";
	is_int(prepare(&(struct mail){ .template = "x", .tenant = TID, .to = "y" }), ERR_UNAVAILABLE,
	       "without a key there is no mail");
}

int main(void)
{
	arena_init(&rq.tx.arena, 4096);
	cfg.jwt_secret = "0123456789abcdef0123456789abcdef";
	cfg.encryption_keys = "";
	test_link();
	test_prepare();
	arena_release(&rq.tx.arena);
	return done_testing();
}
