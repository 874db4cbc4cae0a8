/*
 * Many calls at once, to a server on loopback that this program forks: it
 * answers after as many milliseconds as the path says.
 */
#include "lib/net/http_multi.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "lib/host/config.h"
#include "t/unit/tap.h"

enum { MAX = 8 };

static struct arena arena;
static struct http_answer answers[MAX];
static char urls[MAX][128];
static struct http_call calls[MAX];
static int port, closed_port;

static int listen_on(int *out)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (bind(fd, (struct sockaddr *)&at, sizeof(at)) || listen(fd, 64) ||
	    getsockname(fd, (struct sockaddr *)&at, &n))
		abort();
	*out = ntohs(at.sin_port);
	return fd;
}

static _Noreturn void serve(int fd)
{
	static const char text[] = "HTTP/1.1 200 OK\r\nX-A: b\r\nContent-Length: 10\r\n\r\n0123456789";

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGCHLD, SIG_IGN);
	for (;;) {
		int peer = accept(fd, NULL, NULL);
		char in[4096];

		if (peer < 0 || fork()) {
			close(peer);
			continue;
		}
		if (read(peer, in, sizeof(in)) > 0) {
			usleep((useconds_t)atoi(strchr(in, '/') + 1) * 1000);
			if (write(peer, text, sizeof(text) - 1) < 0)
				_exit(1);
		}
		_exit(0);
	}
}

/* Call number i: a path of a host and port. */
static void add(struct http_multi *m, int i, unsigned flags, const char *host, int at, const char *path)
{
	snprintf(urls[i], sizeof(urls[i]), "http://%s:%d/%s", host, at, path);
	calls[i] = (struct http_call){ .url = urls[i], .flags = flags, .timeout_ms = 20000, .max_bytes = 4 };
	http_multi_add(m, &arena, &calls[i], &answers[i], &answers[i]);
}

/* Wait for the next one that ends; which, and how. */
static int next(struct http_multi *m, enum err *rc)
{
	struct http_answer *a;

	while (!(a = http_multi_next(m, rc)))
		http_multi_wait(m, NULL, 0, 20000);
	return (int)(a - answers);
}

int main(void)
{
	struct http_multi *m;
	struct http_call none = { 0 }, broken = { .url = "http://x.example/" };
	enum err rc;
	pid_t pid;
	int fd, fds[2];

	setenv("JWT_SECRET", "the secret of the tests, 32 bytes or more", 1);
	setenv("DATABASE_URL", "postgresql:///x", 1);
	signal(SIGPIPE, SIG_IGN);
	arena_init(&arena, 4096);
	fd = listen_on(&port);
	setenv("HTTP_ALLOW_PRIVATE", arena_fmt(&arena, "127.0.0.1:%d", port), 1);
	is_int(config_load(stderr), 0, "(the configuration is good)");
	close(listen_on(&closed_port));
	pid = fork();
	if (!pid)
		serve(fd);
	m = http_multi_new(MAX);

	is_int(http_multi_room(m), MAX, "there is room");
	http_multi_add(m, &arena, &none, &answers[0], &answers[0]);
	is_int(next(m, &rc), 0, "a call without a URL ends at once");
	is_int(rc, ERR_UNAVAILABLE, "as not configured");
	broken.headers = (const char *const[]){ "X: a\r\nHost: evil", NULL };
	http_multi_add(m, &arena, &broken, &answers[0], &answers[0]);
	next(m, &rc);
	is_int(rc, ERR_VALIDATION, "a line break in a header is refused");
	add(m, 0, HTTP_USER_URL, "127.0.0.1", closed_port, "0");
	next(m, &rc);
	is_int(rc, ERR_VALIDATION, "a user's URL may not lead inside");
	has_str(answers[0].reason, "private address", "which is told");
	add(m, 0, HTTP_USER_URL, "localhost", closed_port, "0");
	is_int(http_multi_count(m), 1, "a name is looked up by somebody else");
	next(m, &rc);
	is_int(rc, ERR_VALIDATION, "and may not lead inside either");
	add(m, 0, HTTP_USER_URL, "[::ffff:127.0.0.1]", closed_port, "0");
	next(m, &rc);
	is_int(rc, ERR_VALIDATION, "nor may IPv4 in IPv6");
	add(m, 0, HTTP_USER_URL, "user@127.0.0.1", port, "0");
	next(m, &rc);
	is_int(rc, ERR_VALIDATION, "nor hold a user name");
	add(m, 0, 0, "127.0.0.1", closed_port, "0");
	next(m, &rc);
	is_int(rc, ERR_EXTERNAL, "nobody is there");
	is_int(answers[0].status, 0, "so there is no status");

	for (int i = 0; i < MAX; i++)
		add(m, i, HTTP_USER_URL | HTTP_CUT, "127.0.0.1", port, i ? "0" : "3000");
	is_int(http_multi_room(m), 0, "as many as it can take");
	for (int i = 1; i < MAX; i++) {
		int which = next(m, &rc);

		ok(which && !rc && answers[which].status == 200, "a quick one ends");
	}
	is_int(http_multi_count(m), 1, "while a slow one goes on");
	is_int(next(m, &rc), 0, "and ends");
	ok(!rc && answers[0].duration_ms >= 3000, "in its time");
	is_str(http_header(&answers[0], "x-a"), "b", "headers are kept");
	is_bytes(answers[0].body, answers[0].body_len, "0123", "of a long body the beginning, with HTTP_CUT");
	add(m, 0, HTTP_USER_URL, "127.0.0.1", port, "0");
	next(m, &rc);
	is_int(rc, ERR_EXTERNAL, "without it that is a failure");

	add(m, 0, HTTP_USER_URL, "127.0.0.1", port, "5000");
	if (pipe(fds) || write(fds[1], "x", 1) != 1)
		abort();
	http_multi_wait(m, fds, 1, 20000);
	http_multi_wait(m, fds, 1, 20000);
	ok(!http_multi_next(m, &rc), "a descriptor ends the wait");
	http_multi_free(m);
	ok(true, "what is under way is given up");
	kill(pid, SIGKILL);
	arena_release(&arena);
	return done_testing();
}
