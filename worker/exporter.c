#include "worker/exporter.h"

#include <curl/curl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/jx.h"
#include "lib/host/config.h"
#include "lib/host/log.h"
#include "lib/host/span_ring.h"
#include "lib/net/http.h"
#include "worker/otel.h"
#include "worker/span_otlp.h"
#include "worker/span_zipkin.h"

enum {
	LOOK_MS = 50,
	IDLE_MS = 1000,       /* another process takes them: until it has died */
	FIRST_PAUSE_MS = 500, /* before a batch is sent again; then twice as long each time, */
	LAST_PAUSE_MS = 30000,
	HELD_MS = 120000,  /* and for so long altogether: what comes meanwhile needs the room */
	LEAVING_MS = 2000, /* what the last tries may take, when it is told to end */
	MAX_ANSWER = 64 * 1024,
};

#define MS 1000000LL

static volatile sig_atomic_t stopping;
static struct arena kept;  /* settings as they are sent */
static struct arena batch; /* one batch */
static const struct otel_pair *resource;
static const char *const *headers;
static const char *url;
static struct span *spans; /* OTEL_BSP_MAX_EXPORT_BATCH_SIZE of them */
static bool is_failing;    /* it was said that they are not taken */

static void on_stop(int signo)
{
	(void)signo;
	stopping = 1;
}

static bool is_to(const char *exporter)
{
	return !strcmp(cfg.otel_traces_exporter, exporter);
}

static void write_batch(struct buf *b, size_t n)
{
	if (is_to("zipkin"))
		span_zipkin_json(b, resource, spans, n);
	else if (!strcmp(cfg.otel_protocol, "http/json"))
		span_otlp_json(b, resource, spans, n);
	else
		span_otlp_protobuf(b, resource, spans, n);
}

/* Once an outage, and not once a batch. */
static void say(bool fails, const char *what)
{
	if (fails && !is_failing)
		log_msg(LOG_WARNING, NULL, "spans are not taken: %s", what);
	else if (!fails && is_failing)
		log_msg(LOG_INFO, NULL, "spans are taken again");
	is_failing = fails;
}

/* Milliseconds that the answer asks to wait for; 0: it does not. */
static long retry_after_ms(const struct http_answer *answer)
{
	const char *text = answer->status ? http_header(answer, "Retry-After") : NULL;
	long s;
	char *end;

	if (!text)
		return 0;
	s = strtol(text, &end, 10);
	if (end == text) {
		time_t at = curl_getdate(text, NULL);

		s = at < 0 ? 0 : (long)(at - clock_unix_us() / 1000000);
	}
	return s < 0 ? 0 : s > HELD_MS / 1000 ? HELD_MS : s * 1000;
}

/* What came of a batch that was sent. */
enum verdict { TAKEN, REFUSED, PASSING };

static enum verdict judge(size_t n, const struct http_answer *answer)
{
	const char *why = NULL;
	int status = answer->status;
	int64_t rejected;

	if (status >= 200 && status < 300) {
		rejected =
			is_to("otlp") ? span_otlp_rejected(&batch, answer->body, answer->body_len, &why) : 0;
		if (rejected < 0 || rejected > (int64_t)n)
			rejected = (int64_t)n;
		span_ring_count_failed((uint64_t)rejected);
		span_ring_count_sent(n - (uint64_t)rejected);
		say(rejected, arena_fmt(&batch, "%lld of %zu: %s", (long long)rejected, n,
					why && *why ? why : "the collector does not say why"));
		return TAKEN;
	}
	say(true, status ? arena_fmt(&batch, "status %d", status) : answer->reason);
	return !status || status == 429 || status == 502 || status == 503 || status == 504 ? PASSING
											   : REFUSED;
}

/* True: it is time to end. */
static bool pause_ms(long ms)
{
	struct timespec t = { ms / 1000, ms % 1000 * 1000000 };

	if (!stopping)
		nanosleep(&t, NULL);
	return stopping;
}

/* As long as that, and still the one who takes them; false: it is time to end. */
static bool wait_ms(long ms)
{
	int64_t until = clock_ns() + ms * MS;

	while (clock_ns() < until) {
		long left = (long)((until - clock_ns()) / MS) + 1;

		span_ring_claim();
		if (pause_ms(left < IDLE_MS ? left : IDLE_MS))
			return false;
	}
	return true;
}

static void post(size_t n, const struct buf *body)
{
	struct http_call call = {
		.method = "POST",
		.url = url,
		.headers = headers,
		.ca_file = is_to("otlp") ? cfg.otel_certificate : NULL,
		.body = body->p,
		.body_len = body->n,
		.max_bytes = MAX_ANSWER,
		.timeout_ms = cfg.otel_timeout_ms,
		.flags = HTTP_CUT,
	};
	int64_t held_until = clock_ns() + HELD_MS * MS;
	long wait = FIRST_PAUSE_MS;
	bool was_stopping;

	for (;;) {
		struct http_answer answer;
		enum verdict v;
		long pause;

		was_stopping = stopping;
		if (was_stopping && call.timeout_ms > LEAVING_MS)
			call.timeout_ms = LEAVING_MS;
		http_do(&batch, &call, &answer);
		v = judge(n, &answer);
		if (v == TAKEN)
			return;
		pause = wait / 2 + (long)arc4random_uniform((uint32_t)wait);
		if (pause < retry_after_ms(&answer))
			pause = retry_after_ms(&answer);
		/* One that is told to end has tried once since. */
		if (v == REFUSED || was_stopping || clock_ns() + pause * MS > held_until)
			break;
		wait_ms(pause);
		wait = wait * 2 < LAST_PAUSE_MS ? wait * 2 : LAST_PAUSE_MS;
	}
	span_ring_count_failed(n);
}

/* A line each, among those of the log. */
static void print(size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct log_context about = { 0 };
		struct buf b;

		trace_context_hex(spans[i].trace, sizeof(spans[i].trace), about.trace_id);
		trace_context_hex(spans[i].id, sizeof(spans[i].id), about.span_id);
		log_begin(&b, &batch, LOG_INFO, "span", &about);
		jx_key(&b, "span");
		span_otlp_json_one(&b, &spans[i]);
		log_end(&b);
	}
	span_ring_count_sent(n);
}

/* Send as many as one batch has; false: there was none. */
static bool send_some(void)
{
	size_t n = 0;
	struct buf b;

	while (n < (size_t)cfg.otel_batch && span_ring_take(&spans[n], clock_ns()))
		n++;
	if (!n)
		return false;
	if (is_to("console")) {
		print(n);
	} else if (!is_to("none")) {
		buf_init(&b, &batch, n * 700 + 1024);
		write_batch(&b, n);
		post(n, &b);
	}
	arena_reset(&batch);
	return true;
}

static void prepare(void)
{
	struct sigaction sa = { .sa_handler = on_stop };

	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGQUIT, &sa, NULL);
	signal(SIGPIPE, SIG_IGN);
	prctl(PR_SET_NAME, "ashlar-spans");
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	arena_init(&kept, 4096);
	arena_init(&batch, 64 * 1024);
	resource = otel_resource(&kept);
	headers = otel_headers(&kept, is_to("otlp") && strcmp(cfg.otel_protocol, "http/json") != 0
					      ? "application/x-protobuf"
					      : "application/json");
	url = otel_url(&kept);
	spans = malloc((size_t)cfg.otel_batch * sizeof(*spans));
	if (!spans)
		abort();
}

void exporter_run(void)
{
	int64_t since_ns = 0, until;

	prepare();
	while (!stopping) {
		uint64_t waiting;

		if (!span_ring_claim()) {
			pause_ms(IDLE_MS);
			continue;
		}
		waiting = span_ring_waiting();
		if (!waiting)
			since_ns = 0;
		else if (!since_ns)
			since_ns = clock_ns();
		if (waiting >= (uint64_t)cfg.otel_batch ||
		    (waiting && clock_ns() - since_ns >= cfg.otel_delay_ms * MS)) {
			since_ns = 0;
			if (send_some())
				continue;
		}
		pause_ms(cfg.otel_delay_ms < LOOK_MS ? cfg.otel_delay_ms : LOOK_MS);
	}
	until = clock_ns() + LEAVING_MS * MS;
	while (span_ring_claim() && clock_ns() < until && send_some())
		;
	_exit(0);
}
