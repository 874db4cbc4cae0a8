#include "providers/smtp.h"

#include <curl/curl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/base/clock.h"
#include "lib/base/mailbox.h"
#include "lib/host/config.h"
#include "lib/host/span.h"
#include "lib/net/http.h"

#define MS 1000000

enum { REPLY_MAX = 400, CONNECT_MAX_MS = 10000 };

/* How far the conversation is: what a refusal refuses. */
enum stage { GREETING, SENDER, RECIPIENT, CONTENT };

struct exchange {
	const struct smtp_mail *mail;
	size_t sent;
	enum stage stage;
	int code;                  /* of the last refusal; 0: none */
	char reply[REPLY_MAX + 1]; /* its text, of all lines */
	size_t reply_n;
	bool in_refusal; /* more lines of it follow */
};

static CURL *kept;

static size_t read_mail(char *to, size_t size, size_t count, void *data)
{
	struct exchange *x = data;
	size_t n = x->mail->n - x->sent;

	if (n > size * count)
		n = size * count;
	memcpy(to, x->mail->text + x->sent, n);
	x->sent += n;
	return n;
}

/* A command that we send; those with a password in them are not looked into. */
static void saw_command(struct exchange *x, const char *line, size_t n)
{
	if (n < 5)
		return;
	if (!strncasecmp(line, "MAIL ", 5))
		x->stage = SENDER;
	else if (x->stage == SENDER && !strncasecmp(line, "RCPT ", 5))
		x->stage = RECIPIENT;
	else if (x->stage == RECIPIENT && !strncasecmp(line, "DATA", 4))
		x->stage = CONTENT;
}

/* A line of the server's: "550 5.1.1 no such user", or "550-" with more to come. */
static void saw_reply(struct exchange *x, const char *line, size_t n)
{
	int code = 0;

	while (n && (line[n - 1] == '\r' || line[n - 1] == '\n'))
		n--;
	if (n < 3)
		return;
	for (int i = 0; i < 3; i++) {
		if (line[i] < '0' || line[i] > '9')
			return;
		code = 10 * code + line[i] - '0';
	}
	if (code < 400)
		return;
	if (!x->in_refusal || code != x->code)
		x->reply_n = 0;
	x->code = code;
	x->in_refusal = n > 3 && line[3] == '-';
	if (x->reply_n)
		line += 3, n -= 3; /* the code once */
	for (size_t i = 0; i < n && x->reply_n < REPLY_MAX; i++) {
		char c = i == 3 && line[i] == '-' ? ' ' : line[i];

		x->reply[x->reply_n++] = (unsigned char)c >= ' ' && (unsigned char)c < 127 ? c : '?';
	}
	x->reply[x->reply_n] = '\0';
}

static int saw(CURL *h, curl_infotype type, char *data, size_t n, void *ctx)
{
	(void)h;
	if (type == CURLINFO_HEADER_OUT)
		saw_command(ctx, data, n);
	else if (type == CURLINFO_HEADER_IN)
		saw_reply(ctx, data, n);
	return 0;
}

/* curl writes replies to stdout if no function takes them. */
static size_t ignore(char *data, size_t size, size_t count, void *ctx)
{
	(void)data, (void)ctx;
	return size * count;
}

static void set_options(CURL *h, const struct mail_server *server, struct exchange *x, struct curl_slist *to,
			const char *from)
{
	long total_ms = cfg.mail_timeout_s * 1000;

	curl_easy_reset(h); /* keeps the connection */
	curl_easy_setopt(h, CURLOPT_URL, server->url);
	curl_easy_setopt(h, CURLOPT_PROTOCOLS_STR, "smtp,smtps");
	curl_easy_setopt(h, CURLOPT_PROXY, "");
	curl_easy_setopt(h, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(h, CURLOPT_USE_SSL, server->has_tls ? (long)CURLUSESSL_ALL : (long)CURLUSESSL_NONE);
	curl_easy_setopt(h, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	if (*cfg.mail_ca_file)
		curl_easy_setopt(h, CURLOPT_CAINFO, cfg.mail_ca_file);
	curl_easy_setopt(h, CURLOPT_USERNAME, server->user);
	curl_easy_setopt(h, CURLOPT_PASSWORD, server->password);
	curl_easy_setopt(h, CURLOPT_TIMEOUT_MS, total_ms);
	curl_easy_setopt(h, CURLOPT_CONNECTTIMEOUT_MS,
			 total_ms < CONNECT_MAX_MS ? total_ms : (long)CONNECT_MAX_MS);
	curl_easy_setopt(h, CURLOPT_MAIL_FROM, from);
	curl_easy_setopt(h, CURLOPT_MAIL_RCPT, to);
	curl_easy_setopt(h, CURLOPT_UPLOAD, 1L);
	curl_easy_setopt(h, CURLOPT_READFUNCTION, read_mail);
	curl_easy_setopt(h, CURLOPT_READDATA, x);
	curl_easy_setopt(h, CURLOPT_INFILESIZE_LARGE, (curl_off_t)x->mail->n);
	curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, ignore);
	curl_easy_setopt(h, CURLOPT_HEADERFUNCTION, ignore);
	curl_easy_setopt(h, CURLOPT_VERBOSE, 1L); /* or the function below is not called */
	curl_easy_setopt(h, CURLOPT_DEBUGFUNCTION, saw);
	curl_easy_setopt(h, CURLOPT_DEBUGDATA, x);
}

static const char *describe(struct arena *a, CURLcode rc, const struct exchange *x, const char *problem)
{
	static const char *const what[] = { "the mail server", "the mail server, of the sender",
					    "the mail server, of the recipient",
					    "the mail server, of the mail" };

	if (rc == CURLE_LOGIN_DENIED)
		return arena_fmt(a, "the mail server refuses the user or password of MAIL_URL: %s",
				 x->code ? x->reply : "it offers no way to sign in");
	if (x->code)
		return arena_fmt(a, "%s: %s", what[x->stage], x->reply);
	return arena_fmt(a, "the mail server: %s", *problem ? problem : curl_easy_strerror(rc));
}

/* What it says of a recipient or a mail is no fault of the server's; 421 is "I am about to close". */
static bool server_works(CURLcode rc, const struct exchange *x)
{
	return !rc || (x->stage >= RECIPIENT && x->code && x->code != 421);
}

/* Which server, and what came of it; nothing of the mail. */
static void trace(struct span *s, const struct mail_server *server, CURLcode rc, const struct exchange *x)
{
	char code[12];
	CURLU *url = curl_url();
	char *host = NULL, *port = NULL;

	span_text(s, SPAN_PROVIDER, "smtp");
	curl_url_set(url, CURLUPART_URL, server->url, CURLU_NON_SUPPORT_SCHEME);
	if (!curl_url_get(url, CURLUPART_HOST, &host, 0))
		span_text(s, SPAN_SERVER_ADDRESS, host);
	if (!curl_url_get(url, CURLUPART_PORT, &port, 0))
		span_number(s, SPAN_SERVER_PORT, strtol(port, NULL, 10));
	curl_free(host);
	curl_free(port);
	curl_url_cleanup(url);
	s->is_error = rc;
	snprintf(code, sizeof(code), "%d", x->code);
	if (rc)
		span_text(s, SPAN_ERROR_TYPE, x->code ? code : err_info(ERR_EXTERNAL)->code);
	span_end(s);
}

enum err smtp_send(struct arena *a, const struct smtp_mail *mail, const char **reason)
{
	struct http_breaker *breaker = http_breaker_find("smtp");
	struct exchange x = { .mail = mail };
	char problem[CURL_ERROR_SIZE] = "";
	struct mail_server server;
	struct curl_slist *to;
	bool probe = false, is_traced;
	struct span span;
	CURLcode rc;

	*reason = NULL;
	if (!*cfg.mail_url || mailbox_server_parse(a, cfg.mail_url, &server)) {
		*reason = "there is no MAIL_URL to send mails to";
		return ERR_UNAVAILABLE;
	}
	/* They stand in commands: what is no address could be another command. */
	if (!mailbox_is_address(mail->from) || !mailbox_is_address(mail->to)) {
		*reason = "no address to send from or to";
		return ERR_VALIDATION;
	}
	if (breaker &&
	    !http_breaker_enter(breaker, clock_ns() / MS, cfg.mail_timeout_s * 1000 + 1000, &probe)) {
		*reason = "the mail server failed too often lately, it is not asked (circuit breaker)";
		return ERR_EXTERNAL;
	}
	if (!kept)
		kept = curl_easy_init();
	to = curl_slist_append(NULL, arena_fmt(a, "<%s>", mail->to));
	if (!kept || !to) {
		*reason = "out of memory";
		curl_slist_free_all(to);
		return ERR_EXTERNAL;
	}
	set_options(kept, &server, &x, to, arena_fmt(a, "<%s>", mail->from));
	curl_easy_setopt(kept, CURLOPT_ERRORBUFFER, problem);
	is_traced = span_begin(&span, SPAN_CLIENT, "SMTP");
	rc = curl_easy_perform(kept);
	if (is_traced)
		trace(&span, &server, rc, &x);
	if (breaker)
		http_breaker_leave(breaker, clock_ns() / MS, probe, server_works(rc, &x));
	/* Neither password nor pointers to what ends here stay behind. */
	curl_easy_reset(kept);
	curl_slist_free_all(to);
	if (!rc)
		return ERR_OK;
	*reason = describe(a, rc, &x, problem);
	return x.stage >= RECIPIENT && x.code / 100 == 5 ? ERR_VALIDATION : ERR_EXTERNAL;
}
