/*
 * smtp: a server that is down is left alone.  What servers say of mails is in
 * t/clients/mail.t.
 */
#include "providers/smtp.h"

#include <arpa/inet.h>
#include <sys/socket.h>

#include "lib/host/config.h"
#include "lib/host/shm.h"
#include "lib/host/span.h"
#include "lib/host/span_ring.h"
#include "lib/net/http.h"
#include "t/unit/span_shown.h"
#include "t/unit/tap.h"

static struct arena a;

/* A port of this host that is bound, so that no other process can come to listen at it. */
static int closed_port(void)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&at, size) ||
	    getsockname(fd, (struct sockaddr *)&at, &size))
		at.sin_port = 0;
	return ntohs(at.sin_port);
}

static void test_breaker(void)
{
	const struct smtp_mail mail = {
		.from = "a@example.com", .to = "b@example.com", .text = "Subject: x\r\n\r\nx\r\n", .n = 17
	};
	const struct smtp_mail wrong = { .from = "a@example.com", .to = "b", .text = "", .n = 0 };
	struct http_breaker *breaker;
	const char *reason;

	cfg.mail_url = arena_fmt(&a, "smtp://127.0.0.1:%d", closed_port());
	for (int i = 0; i < HTTP_BREAKER_FAILURES; i++) {
		is_int(smtp_send(&a, &mail, &reason), ERR_EXTERNAL, "nobody answers");
		ok(strstr(reason, "Failed to connect"), "… and the server was asked: %s", reason);
	}
	is_int(smtp_send(&a, &mail, &reason), ERR_EXTERNAL, "after five in a row");
	ok(strstr(reason, "circuit breaker"), "… it is not asked: %s", reason);
	is_int(smtp_send(&a, &wrong, &reason), ERR_VALIDATION, "what is no address is told all the same");

	breaker = http_breaker_find("smtp");
	atomic_store(&breaker->state, HTTP_BREAKER_FAILURES); /* as when its time is over */
	smtp_send(&a, &mail, &reason);
	ok(strstr(reason, "Failed to connect"), "then one is the probe: %s", reason);
	smtp_send(&a, &mail, &reason);
	ok(strstr(reason, "circuit breaker"), "… which has failed: %s", reason);

	cfg.mail_url = "";
	is_int(smtp_send(&a, &mail, &reason), ERR_UNAVAILABLE, "no server is no failure of one");
}

/* What a span tells of a mail: which server, and nothing else. */
static void test_trace(void)
{
	const struct smtp_mail mail = {
		.from = "a@example.com", .to = "b@example.com", .text = "Subject: x\r\n\r\nx\r\n", .n = 17
	};
	char want[200], got[1024], url[100];
	int port = closed_port();
	const char *reason;
	struct span s;

	shm_map(NULL, 0);
	cfg.otel_enabled = true;
	cfg.otel_traces_sampler = "always_on";
	cfg.otel_traces_sampler_arg = "";
	cfg.otel_traces_exporter = "otlp";
	span_init("worker");
	snprintf(url, sizeof(url), "smtp://user:hidden@127.0.0.1:%d", port);
	cfg.mail_url = url;
	span_enter(&s, SPAN_CONSUMER, NULL, NULL);
	is_int(smtp_send(&a, &mail, &reason), ERR_EXTERNAL, "nobody answers");
	span_leave(&s, "process");
	ok(span_ring_take(&s, 0) && s.is_error, "the attempt is a span, and an error");
	is_str(span_data_name(&s), "SMTP", "  its name");
	snprintf(want, sizeof(want),
		 "ashlar.provider=smtp server.address=127.0.0.1 server.port=%d "
		 "error.type=EXTERNAL_SERVICE_ERROR",
		 port);
	is_str(span_shown(&s, got), want, "  and which server, without its user");
	shm_unmap();
}

int main(void)
{
	arena_init(&a, 16 * 1024);
	cfg.mail_ca_file = "";
	cfg.mail_timeout_s = 2;
	test_breaker();
	test_trace();
	arena_release(&a);
	return done_testing();
}
