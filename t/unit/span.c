/*
 * Spans: how they hang together, which are recorded, what they hold, and the ring that they
 * wait in, with many who put, one who takes, and some who die.
 */
#include "lib/host/span.h"

#include <signal.h>
#include <sys/wait.h>

#include "lib/base/clock.h"
#include "lib/host/config.h"
#include "lib/host/shm.h"
#include "lib/host/span_ring.h"
#include "t/unit/span_shown.h"
#include "t/unit/tap.h"

static const struct trace_context sampled = { .trace = { 1, [15] = 2 },
					      .span = { 3, [7] = 4 },
					      .is_sampled = true };
static const struct trace_context unsampled = { .trace = { 1, [15] = 2 }, .span = { 3, [7] = 4 } };

static void setup(bool is_enabled, const char *sampler, const char *ratio)
{
	cfg.otel_enabled = is_enabled;
	cfg.otel_traces_sampler = sampler;
	cfg.otel_traces_sampler_arg = ratio;
	cfg.otel_traces_exporter = "otlp";
	span_init("api-main");
}

static bool take(struct span *out)
{
	return span_ring_take(out, clock_ns());
}

static void drain(void)
{
	struct span s;

	while (take(&s))
		;
}

static void test_off(void)
{
	struct trace_context c;
	struct span s, inner;

	setup(false, "parentbased_always_on", "");
	span_enter(&s, SPAN_SERVER, &sampled, "a=1");
	ok(!memcmp(s.trace, sampled.trace, 16), "off, a trace has its ids");
	ok(!trace_context_is_none(s.id, 8), "  and a span's");
	ok(!span_begin(&inner, SPAN_CLIENT, "x") && !span_context(&c), "  and nothing is begun or passed on");
	span_leave(&s, "x");
	is_int(span_ring_waiting(), 0, "  or recorded");
}

static void test_family(void)
{
	struct span root, query, call, got[3];
	struct trace_context c;
	int64_t before = clock_unix_ns();
	char text[1024];

	setup(true, "parentbased_always_on", "");
	span_enter(&root, SPAN_SERVER, &sampled, "a=1");
	span_number(&root, SPAN_HTTP_STATUS, 200);
	ok(span_begin(&query, SPAN_CLIENT, "project_list"), "a part of a trace is begun");
	span_end(&query);
	ok(span_begin(&call, SPAN_CLIENT, "GET") && span_context(&c), "another one; who is called");
	ok(!memcmp(c.span, call.id, 8) && c.is_sampled, "  is a part of that one");
	is_str(span_state(), "a=1", "  and gets the state along");
	span_text(&call, SPAN_URL_FULL, "http://x/");
	span_end(&call);
	span_text(&root, SPAN_HTTP_ROUTE, "/x");
	span_leave(&root, "GET /x");
	ok(!span_context(&c) && !*span_state(), "afterwards there is no trace");
	is_int(span_ring_waiting(), 3, "three spans");
	ok(take(&got[0]) && take(&got[1]) && take(&got[2]) && !take(&got[0]),
	   "  in the order in which they ended");
	ok(!memcmp(got[1].trace, sampled.trace, 16) && !memcmp(got[2].trace, sampled.trace, 16),
	   "all of one trace");
	ok(!memcmp(got[2].parent, sampled.span, 8) && got[2].is_remote,
	   "the first is a part of another program's");
	ok(!memcmp(got[1].parent, got[2].id, 8) && !got[1].is_remote, "the others of that one");
	ok(!memcmp(got[0].parent, got[2].id, 8) && memcmp(got[0].id, got[1].id, 8) != 0,
	   "  beside each other");
	is_str(span_data_name(&got[2]), "GET /x", "its name");
	is_str(span_shown(&got[2], text), "state=a=1 http.response.status_code=200 http.route=/x",
	       "its attributes");
	is_str(span_shown(&got[1], text), "url.full=http://x/", "another's");
	is_str(span_process(got[2].process), "api-main", "whose it is");
	ok(got[2].start_ns >= before - 1000000 && got[2].start_ns <= got[1].start_ns &&
		   got[1].start_ns + got[1].duration_ns <= got[2].start_ns + got[2].duration_ns,
	   "times are since 1970, and the parts lie within the whole");
}

static bool is_recorded(const struct trace_context *parent)
{
	struct span s;
	bool yes;

	span_enter(&s, SPAN_SERVER, parent, NULL);
	yes = span_is_recorded;
	span_leave(&s, "x");
	drain();
	return yes;
}

static int share_of(int n)
{
	int recorded = 0;

	for (int i = 0; i < n; i++)
		recorded += is_recorded(NULL);
	return recorded;
}

static void test_sampling(void)
{
	struct trace_context low = sampled, high = sampled;
	struct trace_context c;
	struct span s;
	int n;

	setup(true, "parentbased_always_on", "");
	ok(is_recorded(NULL) && is_recorded(&sampled) && !is_recorded(&unsampled), "parentbased_always_on");
	setup(true, "parentbased_always_off", "");
	ok(!is_recorded(NULL) && is_recorded(&sampled) && !is_recorded(&unsampled), "parentbased_always_off");
	setup(true, "always_on", "");
	ok(is_recorded(NULL) && is_recorded(&sampled) && is_recorded(&unsampled), "always_on");
	setup(true, "always_off", "");
	ok(!is_recorded(NULL) && !is_recorded(&sampled), "always_off");
	setup(true, "traceidratio", "0.25");
	n = share_of(4000);
	ok(n > 800 && n < 1200, "traceidratio 0.25: %d of 4000", n);
	memset(low.trace + 9, 0, 7);
	low.trace[9] = 0xbf;
	memset(high.trace + 9, 0, 7);
	high.trace[9] = 0xc0;
	ok(!is_recorded(&low) && is_recorded(&high), "  by the last 56 bits of the id, as all programs do");
	setup(true, "parentbased_traceidratio", "0");
	ok(!is_recorded(NULL) && is_recorded(&sampled), "parentbased_traceidratio 0: none but the caller's");
	setup(true, "traceidratio", "");
	ok(is_recorded(NULL), "without a share: all");

	cfg.otel_traces_exporter = "none";
	span_init("api-main");
	span_enter(&s, SPAN_SERVER, &sampled, NULL);
	ok(!span_is_recorded && span_context(&c) && c.is_sampled,
	   "without an exporter a trace is passed on only");
	span_leave(&s, "x");

	setup(true, "always_on", "");
	span_enter(&s, SPAN_SERVER, &sampled, NULL);
	span_forget();
	ok(!span_is_recorded && span_context(&c) && !c.is_sampled, "one that is forgotten goes on unsampled");
	span_leave(&s, "x");
	is_int(span_ring_waiting(), 0, "  and is not recorded");
	ok(!span_check_ratio("") && !span_check_ratio("0.1") && !span_check_ratio("1"), "shares");
	ok(span_check_ratio("1.1") && span_check_ratio("-0.1") && span_check_ratio("x") &&
		   span_check_ratio("nan"),
	   "  and what is none");
}

static void test_room(void)
{
	struct span s, got;
	char long_text[SPAN_DATA + 1], text[1024];

	setup(true, "always_on", "");
	memset(long_text, 'x', SPAN_DATA);
	long_text[SPAN_DATA] = '\0';
	span_enter(&s, SPAN_CONSUMER, NULL, NULL);
	span_text(&s, SPAN_URL_FULL, long_text);
	span_text(&s, SPAN_ERROR_TYPE, NULL);
	span_number(&s, SPAN_JOB_ATTEMPT, -1);
	for (int i = 0; i < 40; i++)
		span_link(&s, &sampled);
	span_leave(&s, long_text);
	ok(take(&got), "a span that is full is recorded");
	is_int(got.lost, 1, "  with the number of attributes that found no room,");
	ok(got.lost_links > 20 && got.lost_links < 40, "  and of links");
	ok(strlen(span_data_name(&got)) <= SPAN_DATA / 2, "  and as much of its name as there is room for");
	has_str(span_shown(&got, text), "ashlar.job.attempt=-1 link link", "  and what did find room");
}

/* Whatever bytes there are: reading ends, and stays inside. */
static void test_torn(void)
{
	struct span s;
	struct span_item item;
	unsigned seed = 1;

	for (int round = 0; round < 20000; round++) {
		size_t at = 0;
		int n = 0;

		for (size_t i = 0; i < sizeof(s); i++)
			((unsigned char *)&s)[i] = (unsigned char)((seed = seed * 1103515245 + 12345) >> 16);
		while (span_data_next(&s, &at, &item) && n <= SPAN_DATA)
			n++;
		if (n > SPAN_DATA || at > SPAN_DATA || strlen(span_data_name(&s)) >= SPAN_DATA) {
			ok(false, "a span of noise is read to its end");
			return;
		}
	}
	ok(true, "a span of noise is read to its end");
}

static void put_numbered(int64_t number)
{
	struct span s = { .kind = SPAN_INTERNAL, .n = 1 };

	span_number(&s, SPAN_JOB_ATTEMPT, number);
	span_ring_put(&s);
}

static int64_t number_of(const struct span *s)
{
	struct span_item item = { 0 };
	size_t at = 0;

	return span_data_next(s, &at, &item) ? item.number : -1;
}

static void test_overflow(void)
{
	struct span_counts before = span_ring_counts(), after;
	struct span got;
	int64_t expected = 0;

	for (int64_t i = 0; i < SPAN_SLOTS + 100; i++)
		put_numbered(i);
	after = span_ring_counts();
	is_int(after.dropped - before.dropped, 100, "a full ring takes no more, and counts");
	is_int(span_ring_waiting(), SPAN_SLOTS, "as many wait as it has places");
	while (take(&got))
		expected += number_of(&got) == expected;
	is_int(expected, SPAN_SLOTS, "those that came first are there, in their order");
	put_numbered(7);
	ok(take(&got) && number_of(&got) == 7, "and it goes on");
}

/* Four processes put at once, and one is killed again and again. */
static void test_race(void)
{
	enum { WRITERS = 4, EACH = 50000 };
	struct span_counts before = span_ring_counts(), after;
	int64_t last[WRITERS] = { 0 };
	int alive = WRITERS, taken = 0, disordered = 0;
	pid_t pids[WRITERS];
	struct span got;

	fflush(stdout);
	for (int w = 0; w < WRITERS; w++)
		if (!(pids[w] = fork())) {
			for (int64_t i = 1; i <= EACH; i++)
				put_numbered(w * 1000000LL + i);
			_exit(0);
		}
	while (alive || span_ring_waiting()) {
		while (take(&got)) {
			int64_t n = number_of(&got);
			int w = (int)(n / 1000000);

			if (n < 0 || w >= WRITERS || n % 1000000 <= last[w])
				disordered++;
			else
				last[w] = n % 1000000;
			taken++;
		}
		while (alive && waitpid(-1, NULL, WNOHANG) > 0)
			alive--;
	}
	after = span_ring_counts();
	is_int(disordered, 0, "of four who put at once each one's come in their order, and whole");
	is_int((int64_t)(after.dropped - before.dropped) + taken, WRITERS * EACH,
	       "and each is there, or counted as dropped (%d taken)", taken);
	is_int(after.torn - before.torn, 0, "none was left out");
}

static void test_killed(void)
{
	struct span_counts before = span_ring_counts(), after;
	struct span got;
	int64_t later = clock_ns();
	int taken = 0;

	fflush(stdout);
	for (int i = 0; i < 200; i++) {
		pid_t pid = fork();

		if (!pid)
			for (;;)
				put_numbered(1);
		usleep(200);
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		while (take(&got))
			taken++;
		/* What it had not filled stands in the way no longer than that. */
		later = clock_ns();
		span_ring_take(&got, later);
		if (span_ring_take(&got, later + 2000000000LL))
			taken++;
	}
	put_numbered(42);
	while (span_ring_waiting() && (take(&got) || span_ring_take(&got, later += 2000000000LL)))
		taken++;
	after = span_ring_counts();
	is_int(span_ring_waiting(), 0, "who is killed while it puts stops nobody");
	is_int(number_of(&got), 42, "  and what is put behind is there (%d taken, %d left out)", taken,
	       (int)(after.torn - before.torn));
}

static void test_ids(void)
{
	uint64_t mine, theirs = 0;
	int fds[2];
	pid_t pid;

	span_random();
	if (pipe(fds))
		abort();
	fflush(stdout);
	pid = fork();
	if (!pid) {
		theirs = span_random();
		_exit(write(fds[1], &theirs, sizeof(theirs)) != sizeof(theirs));
	}
	waitpid(pid, NULL, 0);
	mine = span_random();
	ok(read(fds[0], &theirs, sizeof(theirs)) == sizeof(theirs) && mine != theirs,
	   "a child's ids are not its parent's");
}

static void test_beside(void)
{
	struct span s, got;
	char text[1024];

	setup(true, "parentbased_always_on", "");
	ok(!span_of(&s, SPAN_CLIENT, "POST", &unsampled, 5),
	   "one beside others, of a trace that is not recorded");
	ok(span_of(&s, SPAN_CLIENT, "POST", &sampled, clock_ns() - 1000), "and of one that is");
	span_text(&s, SPAN_HTTP_METHOD, "POST");
	span_put(&s, clock_ns());
	ok(take(&got) && !memcmp(got.parent, sampled.span, 8) && got.duration_ns >= 1000, "  is recorded");
	is_str(span_shown(&got, text), "http.request.method=POST", "  with its attributes");
}

static void test_claim(void)
{
	pid_t pid;
	int fds[2], status = 0;
	char c;

	if (pipe(fds))
		abort();
	fflush(stdout);
	pid = fork();
	if (!pid) {
		c = span_ring_claim() ? 'y' : 'n';
		if (write(fds[1], &c, 1) == 1)
			pause();
		_exit(0);
	}
	ok(read(fds[0], &c, 1) == 1 && c == 'y', "one process takes");
	ok(!span_ring_claim(), "  and no other one");
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	ok(span_ring_claim() && span_ring_claim(), "  until it has died");
}

int main(void)
{
	shm_map(NULL, 0);
	test_off();
	test_family();
	test_sampling();
	test_room();
	test_torn();
	test_beside();
	drain();
	test_overflow();
	test_race();
	test_killed();
	test_ids();
	test_claim();
	shm_unmap();
	return done_testing();
}
