/*
 * The load of bench/realtime: thousands of WebSocket clients in one process,
 * which does next to nothing with what it gets: of a frame it looks for the
 * time that its sender put in, and takes the difference.
 *
 *	realtime-load SOCKET PATH CONNECTIONS GROUPS
 *
 * opens so many connections (the request PATH, on a unix socket).  Each is on
 * the channel "all" of standard input's first line, and in turn on one of the
 * following GROUPS lines' channels.  One more connection is on all of them and
 * sends.  Then it does what further lines say, and answers each with a line:
 *
 *	one N PAUSE_MS         N messages to the first group's, one at a time: microseconds until a
 *	                       subscriber has it, p50 p99 max
 *	all N PAUSE_MS         N messages to "all", one at a time: microseconds until the last one of the
 *	                       connections has it, median max
 *	flood RATE SECONDS     so many messages a second, to the groups in turn: deliveries a second that
 *	                       were due, that came, p50 p99 max in microseconds, CPU of this process in %
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { FRAME = 4096, MAX_GROUPS = 100, OPENING = 64 };

struct client {
	int fd, subscribed, wants;
	size_t n;
	char buf[FRAME];
};

static struct client *clients;
static int nclients, ngroups, ready, epoll_fd;
static char *channels[MAX_GROUPS + 1]; /* the first one is everybody's */
static const char *socket_path, *request;

static uint32_t *samples; /* microseconds */
static size_t nsamples, cap;

static int64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000LL + t.tv_nsec / 1000;
}

static void die(const char *what)
{
	fprintf(stderr, "realtime-load: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void send_all(int fd, const char *p, size_t n)
{
	while (n) {
		ssize_t done = write(fd, p, n);

		if (done < 0 && errno == EAGAIN) {
			usleep(100);
			continue;
		}
		if (done <= 0)
			die("write");
		p += done;
		n -= (size_t)done;
	}
}

/* A frame as a client sends it; the mask is zero, which is one. */
static void send_frame(const struct client *c, int opcode, const char *p, size_t n)
{
	char frame[FRAME + 8] = { (char)(0x80 | opcode) };
	size_t head = n < 126 ? 2 : 4;

	frame[1] = (char)(0x80 | (n < 126 ? n : 126));
	if (n >= 126)
		frame[2] = (char)(n >> 8), frame[3] = (char)n;
	memset(frame + head, 0, 4);
	memcpy(frame + head + 4, p, n);
	send_all(c->fd, frame, head + 4 + n);
}

static void subscribe(struct client *c, const char *channel)
{
	char text[512];
	int n = snprintf(text, sizeof(text), "{\"type\":\"subscribe\",\"channel\":\"%s\"}", channel);

	c->wants++;
	send_frame(c, 1, text, (size_t)n);
}

static void publish(int group)
{
	char text[512];
	int n = snprintf(text, sizeof(text),
			 "{\"type\":\"message\",\"channel\":\"%s\",\"data\":{\"t\":%lld}}", channels[group],
			 (long long)now_us());

	send_frame(&clients[nclients], 1, text, (size_t)n);
}

/* Each is on its channels before the next ones come. */
static void welcome(struct client *c)
{
	int i = (int)(c - clients);

	subscribe(c, channels[0]);
	if (i < nclients)
		subscribe(c, channels[1 + i % ngroups]);
	else
		for (int g = 1; g <= ngroups && g < MAX_GROUPS; g++)
			subscribe(c, channels[g]);
}

static void took(const char *text, size_t n)
{
	const char *t = memmem(text, n, "\"t\":", 4);

	if (!t)
		return;
	if (nsamples == cap) {
		cap = cap ? 2 * cap : 1 << 20;
		samples = realloc(samples, cap * sizeof(*samples));
		if (!samples)
			die("memory");
	}
	samples[nsamples++] = (uint32_t)(now_us() - strtoll(t + 4, NULL, 10));
}

static void frame(struct client *c, int opcode, const char *p, size_t n)
{
	if (opcode == 9) {
		send_frame(c, 10, p, n);
	} else if (opcode == 8) {
		fprintf(stderr, "realtime-load: closed: %.*s\n", (int)n, p);
		exit(1);
	} else if (memmem(p, n, "\"channel_message\"", 17)) {
		took(p, n);
	} else if (memmem(p, n, "\"subscribed\"", 12)) {
		if (++c->subscribed == c->wants)
			ready++;
	} else if (memmem(p, n, "\"connected\"", 11)) {
		welcome(c);
	} else {
		fprintf(stderr, "realtime-load: %.*s\n", (int)n, p);
		exit(1);
	}
}

static void input(struct client *c)
{
	ssize_t got = read(c->fd, c->buf + c->n, sizeof(c->buf) - 1 - c->n);
	size_t at = 0;

	if (got < 0 && errno == EAGAIN)
		return;
	if (got <= 0)
		die("a connection ended");
	c->n += (size_t)got;
	c->buf[c->n] = '\0';
	if (!c->wants && c->buf[0] == 'H') {
		char *end = strstr(c->buf, "\r\n\r\n");

		if (!end)
			return;
		if (strncmp(c->buf, "HTTP/1.1 101", 12) != 0) {
			fprintf(stderr, "realtime-load: %s\n", c->buf);
			exit(1);
		}
		at = (size_t)(end + 4 - c->buf);
	}
	while (c->n - at >= 2) {
		const unsigned char *p = (const unsigned char *)c->buf + at;
		size_t n = p[1] & 127, head = 2;

		if (n == 126 && c->n - at >= 4)
			n = (size_t)(p[2] << 8 | p[3]), head = 4;
		else if (n >= 126)
			break;
		if (c->n - at < head + n)
			break;
		frame(c, p[0] & 15, (const char *)p + head, n);
		at += head + n;
	}
	memmove(c->buf, c->buf + at, c->n - at);
	c->n -= at;
}

static bool turn(int timeout_ms)
{
	struct epoll_event events[512];
	int n = epoll_wait(epoll_fd, events, 512, timeout_ms);

	for (int i = 0; i < n; i++)
		input(events[i].data.ptr);
	return n > 0;
}

static void run_until(int64_t until_us)
{
	for (int64_t left; (left = until_us - now_us()) > 0;)
		turn(left > 1000 ? (int)(left / 1000) : 0);
}

static void open_client(struct client *c)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	struct epoll_event e = { .events = EPOLLIN, .data.ptr = c };
	char text[FRAME];
	int n = snprintf(text, sizeof(text),
			 "GET %s HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
			 "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
			 request);

	snprintf(a.sun_path, sizeof(a.sun_path), "%s", socket_path);
	c->fd = socket(AF_UNIX, SOCK_STREAM, 0);
	if (c->fd < 0)
		die("socket");
	while (connect(c->fd, (struct sockaddr *)&a, sizeof(a)))
		if (errno != EAGAIN && errno != EINTR)
			die("connect");
	fcntl(c->fd, F_SETFL, O_NONBLOCK);
	send_all(c->fd, text, (size_t)n);
	epoll_ctl(epoll_fd, EPOLL_CTL_ADD, c->fd, &e);
}

static int compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static uint32_t part(double p)
{
	return nsamples ? samples[(size_t)((double)(nsamples - 1) * p)] : 0;
}

static void wait_for(size_t n, int seconds)
{
	int64_t until = now_us() + seconds * 1000000LL;

	while (nsamples < n && now_us() < until)
		turn(10);
	if (nsamples < n) {
		fprintf(stderr, "realtime-load: %zu of %zu deliveries after %d s\n", nsamples, n, seconds);
		exit(1);
	}
}

/* How many are on a group, the sender included. */
static size_t members(int group)
{
	return (size_t)((nclients - group + ngroups) / ngroups) + (group < MAX_GROUPS);
}

static void one(int n, int pause_ms)
{
	uint32_t *first = calloc((size_t)n, sizeof(*first));

	for (int i = 0; i < n; i++) {
		nsamples = 0;
		publish(1);
		wait_for(members(1), 30);
		first[i] = samples[0];
		run_until(now_us() + pause_ms * 1000LL);
	}
	memcpy(samples, first, (size_t)n * sizeof(*first));
	nsamples = (size_t)n;
	qsort(samples, nsamples, sizeof(*samples), compare);
	printf("%u %u %u\n", part(0.5), part(0.99), part(1));
	free(first);
}

static void all(int n, int pause_ms)
{
	uint32_t *last = calloc((size_t)n, sizeof(*last));

	for (int i = 0; i < n; i++) {
		nsamples = 0;
		publish(0);
		wait_for((size_t)nclients + 1, 30);
		for (size_t k = 0; k < nsamples; k++)
			if (samples[k] > last[i])
				last[i] = samples[k];
		run_until(now_us() + pause_ms * 1000LL);
	}
	memcpy(samples, last, (size_t)n * sizeof(*last));
	nsamples = (size_t)n;
	qsort(samples, nsamples, sizeof(*samples), compare);
	printf("%u %u\n", part(0.5), part(1));
	free(last);
}

static double cpu_s(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
	       (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static void flood(int rate, int seconds)
{
	int64_t from = now_us(), n = 0, total = (int64_t)rate * seconds;
	size_t due = 0, came;
	double cpu = cpu_s(), took_s;

	nsamples = 0;
	while (n < total) {
		int64_t until = (now_us() - from) * rate / 1000000;

		for (; n < until && n < total; n++) {
			int group = 1 + (int)(n % ngroups);

			publish(group);
			due += members(group);
		}
		turn(1);
	}
	took_s = (double)(now_us() - from) / 1e6;
	came = nsamples;
	wait_for(due, 60);
	cpu = (cpu_s() - cpu) / ((double)(now_us() - from) / 1e6) * 100;
	qsort(samples, nsamples, sizeof(*samples), compare);
	printf("%.0f %.0f %u %u %u %.0f\n", (double)due / took_s, (double)came / took_s, part(0.5),
	       part(0.99), part(1), cpu);
}

int main(int argc, char **argv)
{
	struct rlimit files;
	char line[512];
	int a, b;

	if (argc < 5)
		return 2;
	socket_path = argv[1];
	request = argv[2];
	nclients = atoi(argv[3]);
	ngroups = atoi(argv[4]);
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	if (ngroups < 1 || ngroups > MAX_GROUPS || files.rlim_cur < (rlim_t)nclients + 16) {
		fprintf(stderr,
			"realtime-load: %d connections need as many file descriptors; there are %llu\n",
			nclients, (unsigned long long)files.rlim_cur);
		return 1;
	}
	for (int i = 0; i <= ngroups; i++) {
		if (!fgets(line, sizeof(line), stdin))
			return 2;
		line[strcspn(line, "\n")] = '\0';
		channels[i] = strdup(line);
	}
	clients = calloc((size_t)nclients + 1, sizeof(*clients));
	epoll_fd = epoll_create1(0);
	for (int i = 0; i <= nclients; i++) {
		open_client(&clients[i]);
		while (i - ready >= OPENING)
			turn(1000);
	}
	while (ready <= nclients)
		turn(1000);
	puts("ready");
	fflush(stdout);
	while (true) {
		struct epoll_event e = { .events = EPOLLIN };
		static bool is_watched;

		/* pings have their answers between commands, too */
		if (!is_watched && epoll_ctl(epoll_fd, EPOLL_CTL_ADD, 0, &e) && errno != EPERM)
			die("standard input");
		is_watched = true;
		struct epoll_event got[64];
		int n = epoll_wait(epoll_fd, got, 64, -1);
		bool is_asked = false;

		for (int i = 0; i < n; i++)
			if (got[i].data.ptr)
				input(got[i].data.ptr);
			else
				is_asked = true;
		if (!is_asked)
			continue;
		if (!fgets(line, sizeof(line), stdin))
			return 0;
		epoll_ctl(epoll_fd, EPOLL_CTL_DEL, 0, NULL);
		is_watched = false;
		if (sscanf(line, "one %d %d", &a, &b) == 2)
			one(a, b);
		else if (sscanf(line, "all %d %d", &a, &b) == 2)
			all(a, b);
		else if (sscanf(line, "flood %d %d", &a, &b) == 2)
			flood(a, b);
		else
			return 2;
		fflush(stdout);
	}
}
