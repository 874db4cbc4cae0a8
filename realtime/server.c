#include "realtime/server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ev.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <strings.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fcgi/metrics.h"
#include "lib/base/clock.h"
#include "lib/crypto/secret.h"
#include "lib/crypto/tok.h"
#include "lib/db/notifier.h"
#include "lib/host/config.h"
#include "lib/host/host.h"
#include "lib/host/log.h"
#include "lib/host/shm.h"
#include "realtime/admission.h"
#include "realtime/channel.h"
#include "realtime/commands.h"
#include "realtime/conn.h"
#include "realtime/counter.h"
#include "realtime/feed.h"
#include "realtime/fold.h"
#include "realtime/head.h"
#include "realtime/outbox.h"
#include "realtime/sse.h"
#include "realtime/upkeep.h"
#include "realtime/ws.h"

enum {
	BACKLOG = 4096,
	ACCEPT_AT_ONCE = 64,
	HANDSHAKE_S = 10,  /* for the head to come, and then for admission */
	OTHER_FILES = 256, /* descriptors that are not connections */
	START_S = 5,       /* for the outbox to be found */
	STOP_S = 10,
	CHILDREN_S = 5,
};

/* A handshake. */
struct guest {
	struct guest *next, **at;
	ev_io io;
	char *p; /* its head, which grows */
	size_t n, cap;
	struct head head;
	struct counter_row *address;
	int64_t deadline_ns;
	bool is_at_door;
};

static const struct server_options *opt;
static struct ev_loop *loop;
static struct pg *pg;
static char process[37];
static int listen_fd = -1;
static struct stat socket_stat;
static bool is_unix, is_open, is_stopping;
static ev_io accepts;
static ev_timer tick, accept_again;
static ev_prepare sweep;
static ev_signal on_term, on_int, on_hup, on_chld;
static pid_t notifier;
static int64_t opens_ns, stopping_ns, notifier_at_ns;
static long max_connections;
static struct guest *guests;
static long nguests;
static struct counter addresses, users;
static struct metrics_realtime *slot;

/* Handshakes */

static void guest_free(struct guest *g, bool closes)
{
	admission_forget(g);
	ev_io_stop(loop, &g->io);
	if (closes)
		close(g->io.fd);
	if (g->address)
		counter_remove(&addresses, g->address);
	*g->at = g->next;
	if (g->next)
		g->next->at = g->at;
	nguests--;
	free(g->p);
	free(g);
}

/* A whole response; then the end. */
static void answer(struct guest *g, const char *text, size_t n)
{
	/* A few kilobytes: the kernel takes them, or the client has gone. */
	if (send(g->io.fd, text, n, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)n)
		shutdown(g->io.fd, SHUT_WR);
	guest_free(g, true);
}

static void answer_bad(struct guest *g, const char *status, const char *code, const char *message)
{
	char body[256], text[512];
	int n = snprintf(body, sizeof(body),
			 "{\"error\":{\"code\":\"%s\",\"message\":\"%s\",\"details\":{}},\"detail\":\"%s\"}",
			 code, message, message);

	n = snprintf(text, sizeof(text),
		     "HTTP/1.1 %s \r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: "
		     "%d\r\n"
		     "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n\r\n%s",
		     status, n, body);
	answer(g, text, (size_t)n);
}

static void welcome(struct guest *g, const struct pass *pass, const char *fields, size_t n,
		    struct counter_row *user)
{
	const char *protocols = head_field(&g->head, "Sec-WebSocket-Protocol");
	struct ws_handshake h = {
		.key = head_field(&g->head, "Sec-WebSocket-Key"),
		.offers_bearer =
			protocols && !strncasecmp(protocols, "bearer", 6) && strspn(protocols + 6, ", \t"),
		.fields = fields,
		.nfields = n,
		.early = g->p + g->head.n,
		.nearly = g->n - g->head.n,
	};
	struct counter_row *address = g->address;
	int fd = g->io.fd;
	struct conn *c;

	ev_io_stop(loop, &g->io); /* before another watcher gets it */
	c = pass->is_stream ? sse_accept(fd, fields, n, pass) : ws_accept(fd, &h, pass);
	if (!c) {
		counter_remove(&users, user);
		guest_free(g, false);
		return;
	}
	c->address = address;
	c->user = user;
	g->address = NULL;
	guest_free(g, false);
	if (pass->is_stream)
		commands_begin_stream(c, pass);
	else
		commands_begin(c);
}

static const char *address_of(const struct guest *g)
{
	const char *ip = head_field(&g->head, "X-Real-IP");
	struct in6_addr any;

	/* Only nginx, and others of this host, can reach the socket. */
	return ip && (inet_pton(AF_INET, ip, &any) == 1 || inet_pton(AF_INET6, ip, &any) == 1) ? ip
											       : "127.0.0.1";
}

static void looked_at(void *arg, const struct pass *pass, const char *text, size_t n)
{
	struct guest *g = arg;
	struct counter_row *user;

	if (!pass) {
		answer(g, text, n);
		return;
	}
	user = counter_add(&users, pass->tenant_id, pass->subject);
	if (cfg.realtime_connections_per_user && user->n > cfg.realtime_connections_per_user) {
		counter_remove(&users, user);
		admission_ask(&g->head, address_of(g), PASS_USER_FULL, looked_at, g);
		return;
	}
	welcome(g, pass, text, n, user);
}

static void to_the_door(struct guest *g)
{
	enum pass_refusal refusal = PASS_OPEN;
	const char *ip = address_of(g);

	g->address = counter_add(&addresses, ip, "");
	if ((long)conn_counts.open + nguests > max_connections || !feed_is_ready() || is_stopping)
		refusal = PASS_FULL;
	else if (cfg.realtime_connections_per_ip && g->address->n > cfg.realtime_connections_per_ip)
		refusal = PASS_ADDRESS_FULL;
	g->is_at_door = true;
	g->deadline_ns = clock_ns() + 2 * HANDSHAKE_S * 1000000000LL; /* admission has its own limit */
	admission_ask(&g->head, ip, refusal, looked_at, g);
}

static void on_guest(struct ev_loop *l, ev_io *w, int events)
{
	struct guest *g = w->data;
	ssize_t k;

	(void)l;
	(void)events;
	if (g->n == g->cap) {
		g->cap = g->cap ? g->cap * 2 : 2048;
		g->p = realloc(g->p, g->cap);
		if (!g->p)
			abort();
	}
	k = recv(w->fd, g->p + g->n, g->cap - g->n, MSG_DONTWAIT);
	if (k < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (k <= 0) {
		guest_free(g, true);
		return;
	}
	g->n += (size_t)k;
	switch (head_read(g->p, g->n, &g->head)) {
	case HEAD_MORE: return;
	case HEAD_WHOLE: break;
	case HEAD_BAD: answer_bad(g, "400", "BAD_REQUEST", "the request is malformed"); return;
	case HEAD_LARGE:
		answer_bad(g, "431", "HEADERS_TOO_LARGE", "the request headers are too large");
		return;
	}
	ev_io_stop(loop, w);
	to_the_door(g);
}

static void on_accept(struct ev_loop *l, ev_io *w, int events)
{
	(void)l;
	(void)events;
	for (int i = 0; i < ACCEPT_AT_ONCE; i++) {
		int fd = accept4(w->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK), on = 1;
		struct guest *g;

		if (fd < 0) {
			if (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED)
				return;
			/* No descriptor is free: to be asked again at once would be of no use. */
			log_msg(LOG_ERROR, NULL, "accept: %s", strerror(errno));
			ev_io_stop(loop, &accepts);
			ev_timer_set(&accept_again, 0.5, 0);
			ev_timer_start(loop, &accept_again);
			return;
		}
		if (!is_unix)
			setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		g = calloc(1, sizeof(*g));
		if (!g)
			abort();
		g->deadline_ns = clock_ns() + HANDSHAKE_S * 1000000000LL;
		g->next = guests;
		g->at = &guests;
		if (guests)
			guests->at = &g->next;
		guests = g;
		nguests++;
		ev_io_init(&g->io, on_guest, fd, EV_READ);
		g->io.data = g;
		ev_io_start(loop, &g->io);
	}
}

static void on_accept_again(struct ev_loop *l, ev_timer *w, int events)
{
	(void)l;
	(void)w;
	(void)events;
	if (!is_stopping)
		ev_io_start(loop, &accepts);
}

static void on_gone(struct conn *c)
{
	if (c->address)
		counter_remove(&addresses, c->address);
	if (c->user)
		counter_remove(&users, c->user);
}

/* The listening socket */

/* "127.0.0.1:8090", "[::1]:8090": the loopback, since the peer is believed about X-Real-IP. */
static int listen_tcp(const char *text)
{
	char host[64], *colon;
	struct sockaddr_in v4 = { .sin_family = AF_INET };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };
	int fd, on = 1, port;
	bool is_v6 = text[0] == '[';
	const struct sockaddr *to = is_v6 ? (struct sockaddr *)&v6 : (struct sockaddr *)&v4;

	snprintf(host, sizeof(host), "%s", text + is_v6);
	colon = strrchr(host, ':');
	port = colon ? atoi(colon + 1) : 0;
	errno = EINVAL;
	if (port < 1 || port > 65535)
		return -1;
	*colon = '\0';
	host[strcspn(host, "]")] = '\0';
	v4.sin_port = v6.sin6_port = htons((uint16_t)port);
	if (is_v6 ? inet_pton(AF_INET6, host, &v6.sin6_addr) != 1 || !IN6_IS_ADDR_LOOPBACK(&v6.sin6_addr)
		  : inet_pton(AF_INET, host, &v4.sin_addr) != 1 || ntohl(v4.sin_addr.s_addr) >> 24 != 127) {
		errno = EADDRNOTAVAIL;
		return -1;
	}
	fd = socket(to->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, to, is_v6 ? sizeof(v6) : sizeof(v4)) || listen(fd, BACKLOG)) {
		int saved = errno;

		close(fd);
		errno = saved;
		return -1;
	}
	return fd;
}

static bool open_socket(void)
{
	struct sockaddr_storage own;
	socklen_t n = sizeof(own);

	if (host_inherited()) {
		listen_fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
	} else if (!opt->socket) {
		fputs("ashlar realtime: --socket is needed, unless standard input is a listening socket\n",
		      stderr);
		return false;
	} else {
		listen_fd = opt->socket[0] == '/' || opt->socket[0] == '.' || !strchr(opt->socket, ':')
				    ? host_listen(opt->socket, &socket_stat)
				    : listen_tcp(opt->socket);
	}
	if (listen_fd < 0) {
		fprintf(stderr, "ashlar realtime: %s: %s\n", opt->socket ? opt->socket : "standard input",
			strerror(errno));
		return false;
	}
	is_unix = !getsockname(listen_fd, (struct sockaddr *)&own, &n) && own.ss_family == AF_UNIX;
	return !fcntl(listen_fd, F_SETFL, fcntl(listen_fd, F_GETFL) | O_NONBLOCK);
}

/* As many descriptors as connections are allowed, or fewer connections. */
static void raise_limit(void)
{
	rlim_t want = (rlim_t)cfg.realtime_connections + OTHER_FILES;
	struct rlimit had, limit;

	getrlimit(RLIMIT_NOFILE, &had);
	limit = had;
	if (limit.rlim_max < want && geteuid() == 0)
		limit.rlim_max = want; /* a privileged process may */
	limit.rlim_cur = want < limit.rlim_max ? want : limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit)) {
		limit = had;
		limit.rlim_cur = want < had.rlim_max ? want : had.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
	getrlimit(RLIMIT_NOFILE, &limit);
	max_connections = (long)limit.rlim_cur - OTHER_FILES;
	if (max_connections > cfg.realtime_connections)
		max_connections = cfg.realtime_connections;
	log_msg(max_connections < cfg.realtime_connections ? LOG_WARNING : LOG_INFO, NULL,
		"file descriptors: %llu, raised from %llu; connections: %ld of REALTIME_CONNECTIONS=%ld",
		(unsigned long long)limit.rlim_cur, (unsigned long long)had.rlim_cur, max_connections,
		cfg.realtime_connections);
}

/* Other processes */

/* This host's notifier, or one who waits to be it (lib/db/notifier.h). */
static void spawn_notifier(void)
{
	pid_t server = getpid();

	notifier_at_ns = clock_ns() + 1000000000;
	notifier = fork();
	if (notifier == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != server)
			_exit(0);
		close_range(3, ~0u, 0);
		signal(SIGHUP, SIG_IGN);
		signal(SIGINT, SIG_IGN);
		notifier_run();
	}
	if (notifier < 0)
		notifier = 0;
}

static void on_child(struct ev_loop *l, ev_signal *w, int events)
{
	int status;
	pid_t pid;

	(void)l;
	(void)w;
	(void)events;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		if (!admission_reaped(pid, status) && pid == notifier)
			notifier = 0;
}

/* No child is left behind: what they do takes no longer than a request. */
static void wait_for_children(void)
{
	const struct timespec pause = { .tv_nsec = 10000000 };
	int64_t deadline = clock_ns() + CHILDREN_S * 1000000000LL;
	pid_t pid;

	while ((pid = waitpid(-1, NULL, WNOHANG)) >= 0 && clock_ns() < deadline)
		if (!pid)
			nanosleep(&pause, NULL);
}

/* Metrics */

static void write_slot(void)
{
	if (!slot)
		return;
	atomic_store(&slot->connections, conn_counts.open);
	atomic_store(&slot->streams, conn_counts.streams);
	atomic_store(&slot->subscriptions, channel_places);
	atomic_store(&slot->opened, conn_counts.opened);
	atomic_store(&slot->received, conn_counts.received);
	atomic_store(&slot->delivered, conn_counts.delivered);
	atomic_store(&slot->dropped, conn_counts.dropped);
	atomic_store(&slot->slow, conn_counts.slow);
}

/* The loop */

static void on_tick(struct ev_loop *l, ev_timer *w, int events)
{
	int64_t now = clock_ns();
	struct guest *next;

	(void)l;
	(void)w;
	(void)events;
	for (struct guest *g = guests; g; g = next) {
		next = g->next;
		if (now > g->deadline_ns)
			guest_free(g, true);
	}
	conn_tick(now);
	write_slot();
	host_notify("WATCHDOG=1");
	if (!notifier && !is_stopping && now > notifier_at_ns)
		spawn_notifier();
}

/*
 * A client that comes while this server starts waits in the socket, and is not told to
 * come again: systemd keeps it open while one server follows another.  With
 * PostgreSQL away they are told, before nginx gives up on them.
 */
static void open_the_gate(void)
{
	if (is_open || is_stopping || (!feed_is_ready() && clock_ns() < opens_ns))
		return;
	is_open = true;
	ev_io_start(loop, &accepts);
}

static void on_sweep(struct ev_loop *l, ev_prepare *w, int events)
{
	(void)l;
	(void)w;
	(void)events;
	conn_sweep();
	open_the_gate();
	if (!is_stopping)
		return;
	if ((!conns && !pg_pending(pg) && !outbox_pending()) ||
	    clock_ns() - stopping_ns > STOP_S * 1000000000LL)
		ev_break(loop, EVBREAK_ALL);
}

/* What clients sent before is published; then each is told to come back. */
static void on_stop(struct ev_loop *l, ev_signal *w, int events)
{
	(void)l;
	(void)w;
	(void)events;
	if (is_stopping)
		return;
	host_notify("STOPPING=1");
	log_msg(LOG_INFO, NULL, "stopping");
	is_stopping = true;
	stopping_ns = clock_ns();
	ev_io_stop(loop, &accepts);
	if (socket_stat.st_ino)
		host_unlisten(opt->socket, &socket_stat);
	for (struct guest *g = guests, *next; g; g = next) {
		next = g->next;
		guest_free(g, true);
	}
	outbox_flush();
	for (struct conn *c = conns; c; c = c->next)
		conn_doom(c, CLOSE_RESTART, NULL, NULL);
	conn_sweep();
	outbox_flush();
	upkeep_goodbye();
}

static void on_reload(struct ev_loop *l, ev_signal *w, int events)
{
	(void)l;
	(void)w;
	(void)events;
	host_notify_reloading();
	log_msg(LOG_INFO, NULL, "reloading");
	admission_renew();
	host_notify("READY=1");
}

static void watch_signal(ev_signal *w, void (*fn)(struct ev_loop *, ev_signal *, int), int signo)
{
	ev_signal_init(w, fn, signo);
	ev_signal_start(loop, w);
}

static void make_id(void)
{
	unsigned char r[16];

	secret_random(r, sizeof(r));
	r[6] = (unsigned char)(0x40 | (r[6] & 0x0f));
	r[8] = (unsigned char)(0x80 | (r[8] & 0x3f));
	snprintf(process, sizeof(process),
		 "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", r[0], r[1], r[2],
		 r[3], r[4], r[5], r[6], r[7], r[8], r[9], r[10], r[11], r[12], r[13], r[14], r[15]);
}

static void published(const char *tenant_id, const struct published *row)
{
	if (!fold_take(tenant_id, row))
		channel_tell(tenant_id, row);
}

int server_run(const struct server_options *options)
{
	static const struct pg_events none = { NULL, NULL };
	static const struct feed_events told = { published, commands_recover_all };
	static const struct conn_listener listeners[] = {
		{ .closing = channel_leave_all },
		{ .gone = on_gone },
		{ .gone = upkeep_gone },
		{ NULL },
	};

	opt = options;
	if (shm_map(cfg.shm_file, metrics_version())) {
		fprintf(stderr, "ashlar realtime: SHM_FILE %s: %s\n", cfg.shm_file, strerror(errno));
		return 1;
	}
	if (!open_socket())
		return 1;
	raise_limit();
	signal(SIGPIPE, SIG_IGN);
	tok_init();
	make_id();
	slot = metrics_realtime_take();
	loop = ev_loop_new(EVBACKEND_EPOLL);
	if (!loop)
		return 1;
	spawn_notifier();
	admission_open(loop);
	if (!ws_open(loop))
		return 1;
	sse_open(loop);
	conn_open(listeners);
	pg = pg_new(loop, "questions", &none);
	commands_open(pg);
	outbox_open(loop, process);
	fold_open(loop, channel_tell);
	feed_open(loop, &told);
	upkeep_open(loop, pg, process);
	watch_signal(&on_term, on_stop, SIGTERM);
	watch_signal(&on_int, on_stop, SIGINT);
	watch_signal(&on_hup, on_reload, SIGHUP);
	watch_signal(&on_chld, on_child, SIGCHLD);
	ev_prepare_init(&sweep, on_sweep);
	ev_prepare_start(loop, &sweep);
	ev_timer_init(&tick, on_tick, 1, 1);
	ev_timer_start(loop, &tick);
	ev_timer_init(&accept_again, on_accept_again, 0, 0);
	ev_io_init(&accepts, on_accept, listen_fd, EV_READ);
	opens_ns = clock_ns() + START_S * 1000000000LL;
	host_notify("READY=1");
	log_msg(LOG_INFO, NULL, "realtime: process %s", process);
	ev_run(loop, 0);

	admission_close();
	if (notifier)
		kill(notifier, SIGTERM);
	wait_for_children();
	ws_close();
	feed_close();
	fold_close();
	outbox_close();
	pg_free(pg);
	if (slot)
		atomic_store(&slot->pid, 0);
	log_msg(LOG_INFO, NULL, "stopped");
	return 0;
}
