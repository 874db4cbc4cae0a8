/*
 * The outbound client against a stub on loopback that this program forks.
 */
#include "lib/host/shm.h"
#include "lib/net/http.h"
#include "lib/net/http_guard.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "lib/base/buf.h"
#include "lib/host/config.h"
#include "lib/net/http_trace.h"
#include "t/unit/span_shown.h"
#include "t/unit/tap.h"

/* What the stub saw, shared with it. */
static struct {
	atomic_int connections, requests;
	char last[8192]; /* the head of the last request */
} * seen;

static int port, closed_port;
static struct arena arena;

/*
 * The stub: one process per connection, the path says how to answer.
 */

static void say(int fd, const char *fmt, ...)
{
	char text[4096];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (send(fd, text, (size_t)n, MSG_NOSIGNAL) < 0)
		_exit(0);
}

static void say_status(int fd, const char *status, const char *header, const char *body)
{
	say(fd, "HTTP/1.1 %s\r\n%sContent-Length: %zu\r\n\r\n%s", status, header, strlen(body), body);
}

static void stub_answer(int fd, const char *path, int nth)
{
	if (!strcmp(path, "/slow")) {
		sleep(5);
		say_status(fd, "200 OK", "", "late");
	} else if (!strcmp(path, "/drip")) {
		int i;

		say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n");
		for (i = 0; i < 100; i++) {
			say(fd, "x");
			usleep(100000);
		}
	} else if (!strcmp(path, "/huge")) { /* no length given, so that only counting helps */
		int i;

		say(fd, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
		for (i = 0; i < 100000; i++)
			say(fd, "%0100d", 0);
		_exit(0);
	} else if (!strcmp(path, "/huge-claimed")) {
		say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n");
	} else if (!strcmp(path, "/huge-head")) {
		int i;

		say(fd, "HTTP/1.1 200 OK\r\n");
		for (i = 0; i < 2000; i++)
			say(fd, "X-%d: %0100d\r\n", i, 0);
		say(fd, "Content-Length: 0\r\n\r\n");
	} else if (!strncmp(path, "/ten", 4)) {
		say_status(fd, "200 OK", "", "0123456789");
	} else if (!strncmp(path, "/flaky", 6)) {
		if (nth == 1)
			say_status(fd, "503 Service Unavailable", "", "no");
		else
			say_status(fd, "200 OK", "", "yes");
	} else if (!strcmp(path, "/busy")) {
		say_status(fd, "503 Service Unavailable", "Retry-After: 3600\r\n", "later");
	} else if (!strcmp(path, "/wait")) {
		if (nth == 1)
			say_status(fd, "503 Service Unavailable", "Retry-After: 1\r\n", "later");
		else
			say_status(fd, "200 OK", "", "yes");
	} else if (!strcmp(path, "/down")) {
		say_status(fd, "500 Internal Server Error", "", "down");
	} else if (!strcmp(path, "/teapot")) {
		say_status(fd, "418 I'm a teapot", "X-Kind:  brown \r\nX-Kind: second\r\n",
			   "short and stout");
	} else if (!strcmp(path, "/continue")) {
		say(fd, "HTTP/1.1 100 Continue\r\nX-Early: 1\r\n\r\n");
		say_status(fd, "200 OK", "X-Late: 1\r\n", "done");
	} else if (!strcmp(path, "/hop")) {
		say_status(fd, "302 Found", "Location: /ten?hopped=1\r\n", "");
	} else if (!strcmp(path, "/loop")) {
		say_status(fd, "302 Found", "Location: loop\r\n", "");
	} else if (!strcmp(path, "/away")) {
		char header[128];

		snprintf(header, sizeof(header), "Location: http://localhost:%d/ten\r\n", port);
		say_status(fd, "307 Temporary Redirect", header, "");
	} else if (!strcmp(path, "/to-private")) {
		char header[128];

		snprintf(header, sizeof(header), "Location: http://127.0.0.1:%d/ten\r\n", closed_port);
		say_status(fd, "302 Found", header, "");
	} else if (!strcmp(path, "/to-metadata")) {
		say_status(fd, "302 Found", "Location: http://169.254.169.254/latest/meta-data/\r\n", "");
	} else if (!strcmp(path, "/to-file")) {
		say_status(fd, "302 Found", "Location: file:///etc/passwd\r\n", "");
	} else if (!strcmp(path, "/cookie")) {
		say_status(fd, "200 OK", "Set-Cookie: a=b\r\n", "");
	} else if (!strcmp(path, "/hangup")) {
		_exit(0);
	} else {
		say_status(fd, "404 Not Found", "", "?");
	}
}

static void stub_connection(int fd)
{
	char head[8192];
	int n = 0;

	for (;;) {
		char path[256] = "", *end, *length;
		ssize_t got = recv(fd, head + n, sizeof(head) - 1 - (size_t)n, 0);
		int body;

		if (got <= 0)
			_exit(0);
		n += (int)got;
		head[n] = '\0';
		while ((end = strstr(head, "\r\n\r\n"))) {
			length = strcasestr(head, "\r\nContent-Length: ");
			body = length && length < end ? atoi(length + 18) : 0;
			if (n < end + 4 - head + body)
				break;
			memcpy(seen->last, head, (size_t)n + 1);
			sscanf(head, "%*s %255[^? ]", path);
			stub_answer(fd, path, ++seen->requests);
			n = 0;
			head[0] = '\0';
		}
	}
}

static int listen_on_loopback(int *number)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&address, len) || listen(fd, 16) ||
	    getsockname(fd, (struct sockaddr *)&address, &len)) {
		perror("stub");
		exit(1);
	}
	*number = ntohs(address.sin_port);
	return fd;
}

static pid_t stub_start(void)
{
	int fd = listen_on_loopback(&port);
	pid_t pid;

	/* A port that no process listens on, nor is given while we hold it. */
	(void)shutdown(listen_on_loopback(&closed_port), SHUT_RDWR);
	fflush(stdout);
	pid = fork();
	if (pid) {
		close(fd);
		return pid;
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGCHLD, SIG_IGN);
	for (;;) {
		int c = accept4(fd, NULL, NULL, SOCK_CLOEXEC);

		seen->connections++;
		if (fork() == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			stub_connection(c);
		}
		close(c);
	}
}

/*
 * The tests
 */

static const char *url(const char *path)
{
	return arena_fmt(&arena, "http://127.0.0.1:%d%s", port, path);
}

static enum err get(const char *path, unsigned flags, struct http_answer *out)
{
	struct http_call call = { .url = url(path), .flags = flags, .timeout_ms = 3000 };

	seen->requests = 0;
	return http_do(&arena, &call, out);
}

static void test_answers(void)
{
	struct http_answer out;

	is_int(get("/ten", 0, &out), ERR_OK, "a GET is answered");
	is_int(out.status, 200, "with its status");
	is_str(out.body, "0123456789", "and its body");
	is_int(out.attempts, 1, "at the first attempt");
	ok(!out.reason, "and no reason to complain");
	is_int(get("/teapot", 0, &out), ERR_OK, "a 4xx is an answer");
	is_int(out.status, 418, "with its status");
	is_str(http_header(&out, "x-kind"), "brown ", "a header is found in any case, the first of two");
	is_str(http_header(&out, "X-Kin"), NULL, "and not by half its name");
	is_int(get("/continue", 0, &out), ERR_OK, "a 100 in front is passed over");
	is_str(http_header(&out, "X-Early"), NULL, "with its headers");
	is_str(http_header(&out, "X-Late"), "1", "and the real ones are kept");
}

static void test_requests(void)
{
	static const char *const headers[] = { "Authorization: Bearer s3cret", "Content-Type: text/plain",
					       NULL };
	static const char *const split[] = { "X-Name: a\r\nX-Other: b", NULL };
	struct http_call call = {
		.url = url("/ten?q=1"), .headers = headers, .body = "hello", .body_len = 5
	};
	struct http_answer out;

	call.timeout_ms = 3000;
	is_int(http_do(&arena, &call, &out), ERR_OK, "a call with a body");
	ok(!strncmp(seen->last, "POST /ten?q=1 HTTP/1.1\r\n", 24), "is a POST");
	has_str(seen->last, "\r\nAuthorization: Bearer s3cret\r\n", "with the headers given");
	has_str(seen->last, "\r\n\r\nhello", "and the body");
	ok(!strcasestr(seen->last, "\r\nExpect:"), "and no waiting for a 100");
	call.method = "DELETE";
	call.body = NULL;
	is_int(http_do(&arena, &call, &out), ERR_OK, "another method");
	ok(!strncmp(seen->last, "DELETE ", 7), "is sent as it is called");
	call.method = "HEAD";
	is_int(http_do(&arena, &call, &out), ERR_OK, "HEAD");
	is_int((long long)out.body_len, 0, "has no body");
	is_str(http_header(&out, "Content-Length"), "10", "but headers");
	call.headers = split;
	is_int(http_do(&arena, &call, &out), ERR_VALIDATION, "a line break in a header is refused");

	call = (struct http_call){ .url = "" };
	is_int(http_do(&arena, &call, &out), ERR_UNAVAILABLE, "no URL: the provider is not configured");
	call.url = "ftp://127.0.0.1/x";
	is_int(http_do(&arena, &call, &out), ERR_UNAVAILABLE,
	       "a configured URL of another protocol is not called");
	call.url = "http://";
	is_int(http_do(&arena, &call, &out), ERR_UNAVAILABLE, "nor one without a host");
}

static void test_reuse(void)
{
	struct http_answer out;
	int before, i;

	get("/ten", 0, &out);
	before = seen->connections;
	for (i = 0; i < 5; i++)
		get("/ten", 0, &out);
	is_int(seen->connections - before, 0, "a connection is used again");
	get("/cookie", 0, &out);
	get("/ten", 0, &out);
	ok(!strcasestr(seen->last, "\r\nCookie:"), "a cookie is not kept");
	setenv("http_proxy", arena_fmt(&arena, "http://127.0.0.1:%d", closed_port), 1);
	is_int(get("/ten", 0, &out), ERR_OK, "a proxy in the environment is not used");
	unsetenv("http_proxy");
}

/* What is taken while it comes, up to so many bytes; and how often one was asked whether it is wanted. */
struct taking {
	struct buf got;
	size_t enough;
	int asked, patience;
};

static bool take(void *to, const char *p, size_t n)
{
	struct taking *t = to;

	buf_add(&t->got, p, n);
	return !t->enough || t->got.n < t->enough;
}

static bool is_wanted(void *to)
{
	struct taking *t = to;

	return ++t->asked <= t->patience;
}

static void test_taking(void)
{
	struct taking t = { .patience = 1000000 };
	struct http_call call = { .timeout_ms = 4000, .take = take, .is_wanted = is_wanted, .to = &t };
	struct http_answer out;

	buf_init(&t.got, &arena, 64);
	call.url = url("/ten");
	is_int(http_do(&arena, &call, &out), ERR_OK, "a body that is taken while it comes");
	ok(t.got.n == 10 && out.body_len == 0 && out.status == 200, "is not kept");
	call.url = url("/teapot");
	t.got.n = 0;
	http_do(&arena, &call, &out);
	ok(t.got.n == 0 && out.body_len > 0, "that of a refusal is");
	call.url = url("/drip");
	call.method = "POST";
	t.enough = 3;
	is_int(http_do(&arena, &call, &out), ERR_CLIENT_CLOSED, "who has enough ends the call");
	ok(t.got.n >= 3 && t.got.n < 100 && out.status == 200 && out.attempts == 1, "and has what came");
	call.url = url("/huge");
	call.max_bytes = 1000;
	t = (struct taking){ .patience = 1000000 };
	buf_init(&t.got, &arena, 64);
	is_int(http_do(&arena, &call, &out), ERR_EXTERNAL, "there is a bound all the same");
	ok(t.got.n <= 1000, "which holds");
	call.url = url("/slow");
	t = (struct taking){ .patience = 1 };
	is_int(http_do(&arena, &call, &out), ERR_CLIENT_CLOSED, "what nobody wants any more ends");
	ok(out.status == 0 && t.asked == 2, "before there is an answer");
}

static void test_bounds(void)
{
	struct http_call call = { .url = url("/ten"), .max_bytes = 10, .timeout_ms = 3000 };
	struct http_answer out;

	is_int(http_do(&arena, &call, &out), ERR_OK, "a body of exactly max_bytes is taken");
	call.max_bytes = 9;
	is_int(http_do(&arena, &call, &out), ERR_EXTERNAL, "one byte more is too large");
	has_str(out.reason, "too large", "and says so");
	is_int(get("/huge", 0, &out), ERR_EXTERNAL, "an endless body is cut off");
	is_int(get("/huge-claimed", 0, &out), ERR_EXTERNAL,
	       "a body that claims to be too large is not waited for");
	ok(out.duration_ms < 1000, "not a second");
	is_int(get("/huge-head", 0, &out), ERR_EXTERNAL, "and so are endless headers");
}

static void test_times(void)
{
	struct http_call call = { .url = url("/slow?token=s3cret"), .timeout_ms = 400 };
	struct http_answer out;

	seen->requests = 0;
	is_int(http_do(&arena, &call, &out), ERR_EXTERNAL, "a slow provider is given up on");
	ok(out.duration_ms >= 390 && out.duration_ms < 1500, "after timeout_ms (%ld)", out.duration_ms);
	is_int(seen->requests, 1, "and not asked again");
	has_str(out.reason, "/slow: ", "the reason names the URL");
	ok(!strstr(out.reason, "s3cret"), "without its query string");
	call.url = url("/drip");
	is_int(http_do(&arena, &call, &out), ERR_EXTERNAL, "so is one that drips");
	ok(out.duration_ms < 1500, "after timeout_ms (%ld)", out.duration_ms);
}

static bool is_worth_it(const struct http_answer *out)
{
	return out->status == 418 || !out->status;
}

static void test_retries(void)
{
	struct http_call call = { .timeout_ms = 3000 };
	struct http_answer out;

	is_int(get("/flaky", 0, &out), ERR_OK, "503, then 200: the retry succeeds");
	is_int(out.attempts, 2, "at the second attempt");
	is_str(out.body, "yes", "with its body alone");
	is_int(get("/down", 0, &out), ERR_EXTERNAL, "500 is the provider's failure");
	is_int(out.attempts, 1, "and not retried");
	is_str(out.body, "down", "its body can be read");
	is_int(get("/busy", 0, &out), ERR_EXTERNAL, "a Retry-After of an hour");
	is_int(out.attempts, 1, "is not waited for");
	is_int(get("/wait", 0, &out), ERR_OK, "a Retry-After of a second");
	ok(out.duration_ms >= 1000, "is (%ld)", out.duration_ms);

	seen->requests = 0;
	call.url = url("/flaky");
	call.method = "POST";
	is_int(http_do(&arena, &call, &out), ERR_EXTERNAL, "a POST is not sent twice");
	is_int(seen->requests, 1, "really not");
	seen->requests = 0;
	call.flags = HTTP_RETRY;
	is_int(http_do(&arena, &call, &out), ERR_OK, "unless the caller says that it may be");

	call = (struct http_call){ .url = url("/teapot"), .timeout_ms = 3000, .is_passing = is_worth_it };
	is_int(http_do(&arena, &call, &out), ERR_OK, "an answer that this service's rule calls passing");
	is_int(out.attempts, 3, "is asked for again, within the same bound");
	call.url = url("/flaky");
	seen->requests = 0;
	is_int(http_do(&arena, &call, &out), ERR_EXTERNAL, "one that it does not, even a 503,");
	is_int(out.attempts, 1, "is not");
	call.url = url("/hangup");
	is_int(http_do(&arena, &call, &out), ERR_EXTERNAL, "no answer, to what was sent");
	is_int(out.attempts, 3, "is its to judge, too");
	call.url = url("/huge");
	call.max_bytes = 1000;
	is_int(http_do(&arena, &call, &out), ERR_EXTERNAL, "an answer that is too large");
	is_int(out.attempts, 1, "will not be smaller");
	call = (struct http_call){ .url = url("/teapot"), .method = "POST", .is_passing = is_worth_it };
	is_int(http_do(&arena, &call, &out), ERR_OK, "a POST that may not be sent twice");
	is_int(out.attempts, 1, "is not, whatever the rule says");

	call = (struct http_call){ .timeout_ms = 3000 };
	call.url = arena_fmt(&arena, "http://127.0.0.1:%d/", closed_port);
	is_int(http_do(&arena, &call, &out), ERR_EXTERNAL, "nobody listens");
	is_int(out.attempts, 3, "three attempts");
	ok(out.duration_ms >= 150, "with pauses between (%ld)", out.duration_ms);
	call.timeout_ms = 100;
	is_int(http_do(&arena, &call, &out), ERR_EXTERNAL, "with less time");
	ok(out.duration_ms < 300, "they stay inside it (%ld)", out.duration_ms);
}

static void test_redirects(void)
{
	static const char *const headers[] = { "Authorization: Bearer s3cret", NULL };
	struct http_call call = { .url = url("/hop"), .headers = headers, .timeout_ms = 3000 };
	struct http_answer out;

	is_int(http_do(&arena, &call, &out), ERR_OK, "a redirect that nobody asked to follow");
	is_int(out.status, 302, "is the answer");
	call.flags = HTTP_FOLLOW;
	is_int(http_do(&arena, &call, &out), ERR_OK, "one to follow");
	is_str(out.body, "0123456789", "is followed");
	has_str(seen->last, "GET /ten?hopped=1 ", "to where it points");
	has_str(seen->last, "s3cret", "with the caller's headers on the same origin");
	call.url = url("/away");
	is_int(http_do(&arena, &call, &out), ERR_OK, "one to another origin is followed");
	has_str(seen->last, "Host: localhost", "really");
	ok(!strstr(seen->last, "s3cret"), "without them");
	is_int(get("/loop", HTTP_FOLLOW, &out), ERR_EXTERNAL, "a loop ends");
	is_int(seen->requests, 4, "after three redirects");
	is_int(get("/to-file", HTTP_FOLLOW, &out), ERR_EXTERNAL, "a redirect to a file is not followed");
	call.url = url("/hop");
	call.method = "POST";
	is_int(http_do(&arena, &call, &out), ERR_OK, "a POST's redirect");
	is_int(out.status, 302, "is never followed");
}

static bool is_public(const char *text)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };

	if (inet_pton(AF_INET, text, &v4.sin_addr) == 1)
		return http_guard_is_public((struct sockaddr *)&v4);
	if (inet_pton(AF_INET6, text, &v6.sin6_addr) == 1)
		return http_guard_is_public((struct sockaddr *)&v6);
	ok(false, "%s is an address", text);
	return false;
}

static void test_addresses(void)
{
	/* clang-format off */
	static const char *const public[] = {
		"1.1.1.1", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255",
		"128.0.0.0", "168.63.129.15", "169.253.255.255", "169.255.0.0", "172.15.255.255",
		"172.32.0.0", "192.0.1.0", "192.167.255.255", "192.169.0.0", "198.17.255.255",
		"198.20.0.0", "223.255.255.255", "2606:4700:4700::1111", "2001:200::1",
		"2001:4860:4860::8888", "2a00::1", "3ffe::1", "::ffff:1.1.1.1", "64:ff9b::1.1.1.1",
	};
	static const char *const private[] = {
		"0.0.0.0", "0.255.255.255", "10.0.0.0", "10.255.255.255", "100.64.0.0", "100.100.100.200",
		"100.127.255.255", "127.0.0.1", "127.255.255.255", "168.63.129.16", "169.254.0.0",
		"169.254.169.254", "169.254.255.255", "172.16.0.0", "172.31.255.255", "192.0.0.192",
		"192.0.2.1", "192.88.99.1", "192.168.0.0", "192.168.255.255", "198.18.0.0",
		"198.19.255.255", "198.51.100.1", "203.0.113.255", "224.0.0.0", "239.255.255.255",
		"240.0.0.0", "255.255.255.255", "::", "::1", "::127.0.0.1", "::1.1.1.1",
		"::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::ffff:0:127.0.0.1",
		"64:ff9b::127.0.0.1", "64:ff9b::10.0.0.1", "64:ff9b:1::1.1.1.1", "100::1", "2001::1",
		"2001:0:4136:e378:8000:63bf:3fff:fdd2", "2001:2::1", "2001:db8::1", "2001:1ff:ffff::",
		"2002:7f00:1::", "2002:a00:1::1", "2002:101:101::1", "3fff::1", "4000::1", "5f00::1",
		"fc00::1", "fd00:ec2::254", "fe80::1", "febf::1", "fec0::1", "ff02::1",
	};
	/* clang-format on */
	struct sockaddr local = { .sa_family = AF_UNIX };
	size_t i;

	for (i = 0; i < sizeof(public) / sizeof(*public); i++)
		ok(is_public(public[i]), "%s is public", public[i]);
	for (i = 0; i < sizeof(private) / sizeof(*private); i++)
		ok(!is_public(private[i]), "%s is not public", private[i]);
	ok(!http_guard_is_public(&local), "no other family is");
}

static void test_guard(void)
{
	/* clang-format off */
	static const char *const hosts[] = {
		"127.0.0.1", "localhost", "LOCALHOST", "2130706433", "0x7f000001", "0x7f.1",
		"0177.0.0.1", "017700000001", "127.1", "0", "[::1]", "[::]", "[::ffff:127.0.0.1]",
		"[::ffff:7f00:1]", "[0:0:0:0:0:ffff:127.0.0.1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]",
		"169.254.169.254", "[fd00:ec2::254]", "10.0.0.1", "%31%32%37.0.0.1",
		"\xef\xbc\x91\xef\xbc\x92\xef\xbc\x97.0.0.1",
		"\xe2\x91\xa0\xe2\x91\xa1\xe2\x91\xa6.\xe2\x93\xaa.\xe2\x93\xaa.\xe2\x91\xa0",
		"user@1.1.1.1", "user:password@1.1.1.1", "1.1.1.1@127.0.0.1",
	};
	/* clang-format on */
	struct http_call call = { .flags = HTTP_USER_URL | HTTP_FOLLOW, .timeout_ms = 3000 };
	const char *allowed[2] = { arena_fmt(&arena, "127.0.0.1:%d", port), NULL }, *reason;
	struct http_answer out;
	int connections = seen->connections;
	size_t i;

	for (i = 0; i < sizeof(hosts) / sizeof(*hosts); i++) {
		call.url = arena_fmt(&arena, "http://%s:%d/ten", hosts[i], port);
		is_int(http_do(&arena, &call, &out), ERR_VALIDATION, "a user's URL may not lead to %s",
		       hosts[i]);
	}
	call.url = "file:///etc/passwd";
	is_int(http_do(&arena, &call, &out), ERR_VALIDATION, "nor to a file");
	call.url = "gopher://1.1.1.1/";
	is_int(http_do(&arena, &call, &out), ERR_VALIDATION, "nor to another protocol");
	call.url = "http://no-such-host.invalid/";
	is_int(http_do(&arena, &call, &out), ERR_EXTERNAL, "a name that nobody knows is a failure");
	is_int(seen->connections - connections, 0, "and no connection was made for any of them");
	is_int(http_check_url(&arena, "http://127.0.0.1/", &reason), ERR_VALIDATION,
	       "a URL can be checked alone");
	is_str(reason, "the host has a private address", "and the reason is fit for the user");
	is_int(http_check_url(&arena, "https://1.1.1.1/hook", &reason), ERR_OK, "a public one passes");

	cfg.http_allow_private = allowed;
	call.url = url("/ten");
	is_int(http_do(&arena, &call, &out), ERR_OK, "HTTP_ALLOW_PRIVATE lets one address and port through");
	is_str(out.body, "0123456789", "with its answer");
	call.url = arena_fmt(&arena, "http://127.0.0.1:%d/", closed_port);
	is_int(http_do(&arena, &call, &out), ERR_VALIDATION, "and not another port");
	call.url = url("/hop");
	is_int(http_do(&arena, &call, &out), ERR_OK, "a redirect to an allowed place is followed");
	call.url = url("/to-private");
	is_int(http_do(&arena, &call, &out), ERR_VALIDATION, "one to a private address is not");
	call.url = url("/to-metadata?key=s3cret");
	is_int(http_do(&arena, &call, &out), ERR_VALIDATION, "nor one to the metadata service");
	call.url = url("/to-file");
	is_int(http_do(&arena, &call, &out), ERR_VALIDATION, "nor one to a file");
	call.url = url("/down/s3cret");
	call.method = "DELETE";
	http_do(&arena, &call, &out);
	call.url = url("/hangup");
	is_int(http_do(&arena, &call, &out), ERR_EXTERNAL, "a user's server that hangs up");
	ok(!strstr(out.reason, "/hangup"), "is named in the log without its path (%s)", out.reason);
	cfg.http_allow_private = NULL;
}

static void test_breaker(void)
{
	struct http_breaker b = { 0 };
	bool probe, second;
	int64_t now = 1000000;
	int i;

	for (i = 0; i < HTTP_BREAKER_FAILURES - 1; i++) {
		http_breaker_enter(&b, now, 1000, &probe);
		http_breaker_leave(&b, now, probe, false);
	}
	ok(http_breaker_enter(&b, now, 1000, &probe) && !probe,
	   "closed: calls pass, one failure short of opening");
	http_breaker_leave(&b, now, probe, true);
	for (i = 0; i < HTTP_BREAKER_FAILURES - 1; i++)
		http_breaker_leave(&b, now, false, false);
	ok(http_breaker_enter(&b, now, 1000, &probe), "a success starts the count anew");
	http_breaker_leave(&b, now, probe, false);
	ok(!http_breaker_enter(&b, now, 1000, &probe),
	   "open: the failure that reaches the number refuses the next call");
	for (i = 0; i < 100; i++)
		http_breaker_leave(&b, now, false, false);
	ok(!http_breaker_enter(&b, now + 4999, 1000, &probe), "still open to the last millisecond");
	ok(http_breaker_enter(&b, now + 5000, 1000, &probe),
	   "then a call passes; late failures do not add to the time");
	ok(probe, "as the probe");
	ok(!http_breaker_enter(&b, now + 5500, 1000, &second), "half-open: no second one passes beside it");
	ok(http_breaker_enter(&b, now + 6000, 1000, &second) && second,
	   "until its lease is up: it may have died");
	http_breaker_leave(&b, now + 6500, true, false);
	ok(!http_breaker_enter(&b, now + 6500 + 9999, 1000, &probe), "a failed probe doubles the time");
	ok(http_breaker_enter(&b, now + 6500 + 10000, 1000, &probe) && probe,
	   "and then there is another probe");
	http_breaker_leave(&b, now + 17000, true, true);
	ok(http_breaker_enter(&b, now + 17000, 1000, &probe) && !probe, "a probe that works closes it");
	for (i = 0; i < 5; i++)
		http_breaker_leave(&b, now, false, false);
	for (i = 0; i < 100; i++)
		http_breaker_leave(&b, now, true, false);
	ok(http_breaker_enter(&b, now + 60000, 1000, &probe),
	   "however often it fails, it is open a minute at most");
	atomic_store(&b.state, (uint64_t)(now + 100000000) << 16 | 9);
	ok(http_breaker_enter(&b, now, 1000, &probe), "a time from another boot does not keep it open");
}

static void test_breaker_of_provider(void)
{
	struct http_call call = { .provider = "stub", .url = url("/down"), .timeout_ms = 3000 };
	struct http_answer out;
	char name[16];
	int i, found = 0;

	shm_map(NULL, 0); /* none that another test has used */
	seen->requests = 0;
	for (i = 0; i < HTTP_BREAKER_FAILURES; i++)
		http_do(&arena, &call, &out);
	is_int(http_do(&arena, &call, &out), ERR_UNAVAILABLE, "a provider that keeps failing is not called");
	is_int(seen->requests, HTTP_BREAKER_FAILURES, "really not");
	is_int(out.attempts, 0, "and the answer says so");
	call.provider = "other";
	call.url = url("/teapot");
	is_int(http_do(&arena, &call, &out), ERR_OK, "another provider is");
	call.provider = NULL;
	call.url = url("/down");
	is_int(http_do(&arena, &call, &out), ERR_EXTERNAL, "and so is one without a breaker");
	ok(http_breaker_find("stub") == http_breaker_find("stub"), "a provider keeps its breaker");
	for (i = 0; i < 2 * HTTP_BREAKERS; i++) {
		snprintf(name, sizeof(name), "p%d", i);
		found += http_breaker_find(name) != NULL;
	}
	is_int(found, HTTP_BREAKERS - 2, "there are HTTP_BREAKERS, and no more");
	shm_unmap();
}

/* Eight processes fail and probe the same breaker at once: never two probes under one lease. */
static void test_breaker_race(void)
{
	struct shared {
		struct http_breaker b;
		atomic_int inside, worst, probes;
	} *s = mmap(NULL, sizeof(*s), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int i;

	fflush(stdout);
	for (i = 0; i < 5; i++)
		http_breaker_leave(&s->b, 1000, false, false);
	for (i = 0; i < 8; i++) {
		if (fork() == 0) {
			int64_t now;

			for (now = 2000; now < 22000; now++) {
				bool probe;
				int in;

				if (!http_breaker_enter(&s->b, now, 100000, &probe))
					continue;
				in = ++s->inside;
				if (in > s->worst)
					s->worst = in;
				s->probes++;
				sched_yield();
				s->inside--;
				http_breaker_leave(&s->b, now, probe, false);
			}
			_exit(0);
		}
	}
	while (wait(NULL) > 0 && i-- > 1)
		;
	ok(s->probes >= 1, "probes were made (%d)", s->probes);
	is_int(s->worst, 1, "and never two at a time");
	munmap(s, sizeof(*s));
}

/* What the span of a call tells, and what it does not. */
static void test_trace(void)
{
	const char *const secret[] = { "Authorization: Bearer hidden", NULL };
	struct span s = { .kind = SPAN_CLIENT, .n = 1 };
	struct http_call call = { .provider = "stub",
				  .url = "http://user:hidden@stub.example:8080/path?key=hidden#hidden",
				  .headers = secret };
	struct http_answer out = { .status = 503, .attempts = 3 };
	char text[1024];

	http_trace(&s, &call, &out, ERR_EXTERNAL);
	is_str(span_shown(&s, text),
	       "http.request.method=GET ashlar.provider=stub http.response.status_code=503 "
	       "http.request.resend_count=2 error.type=503 server.address=stub.example "
	       "server.port=8080 url.full=http://stub.example:8080/path",
	       "a call's span has no query, no user and no header");
	ok(s.is_error, "a 503 is an error");
	s.n = 1;
	s.is_error = false;
	call.flags = HTTP_USER_URL;
	out = (struct http_answer){ .status = 200, .attempts = 1 };
	http_trace(&s, &call, &out, ERR_OK);
	is_str(span_shown(&s, text),
	       "http.request.method=GET ashlar.provider=stub http.response.status_code=200 "
	       "server.address=stub.example server.port=8080 "
	       "url.full=http://stub.example:8080/",
	       "of a URL that a user chose not even the path");
	ok(!s.is_error, "a 200 is none");
}

static void test_origins(void)
{
	static const char at[] = "https://tools.example/mcp/sse?key=x";
	static const char *const elsewhere[] = { "http://tools.example/m",
						 "https://tools.example:8443/m",
						 "https://other.example/m",
						 "//other.example/m",
						 "https://tools.example.evil.example/m",
						 "ftp://tools.example/m",
						 "https://tools.example@evil.example/" };
	int refused = 0;

	is_str(http_same_origin(&arena, at, "/messages?id=1"), "https://tools.example/messages?id=1",
	       "a path is the server's own");
	is_str(http_same_origin(&arena, at, "messages"), "https://tools.example/mcp/messages",
	       "also a relative one");
	is_str(http_same_origin(&arena, at, "https://TOOLS.example:443/m"), "https://TOOLS.example:443/m",
	       "or its own address");
	for (size_t i = 0; i < sizeof(elsewhere) / sizeof(*elsewhere); i++)
		refused += !http_same_origin(&arena, at, elsewhere[i]);
	is_int(refused, (long long)(sizeof(elsewhere) / sizeof(*elsewhere)),
	       "another scheme, host or port is not");
}

int main(void)
{
	pid_t stub;

	signal(SIGPIPE, SIG_IGN);
	cfg.http_connect_timeout_ms = 1000;
	cfg.http_timeout_ms = 3000;
	seen = mmap(NULL, sizeof(*seen), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	arena_init(&arena, 65536);
	test_breaker_race(); /* before there is another child to wait for */
	stub = stub_start();

	test_answers();
	test_requests();
	test_reuse();
	test_taking();
	test_bounds();
	test_times();
	test_retries();
	test_redirects();
	test_addresses();
	test_guard();
	test_origins();
	test_breaker();
	test_breaker_of_provider();
	test_trace();

	kill(stub, SIGKILL);
	waitpid(stub, NULL, 0);
	arena_release(&arena);
	return done_testing();
}
