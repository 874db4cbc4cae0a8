#include "fcgi/child.h"

#include <errno.h>
#include <fcgiapp.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fcgi/answer.h"
#include "fcgi/serve.h"
#include "fcgi/share.h"
#include "lib/base/clock.h"
#include "lib/db/db.h"
#include "lib/host/config.h"
#include "lib/host/log.h"
#include "lib/host/scoreboard.h"
#include "lib/host/spool.h"

/*
 * libfcgi reads and writes the protocol; the waiting is ours.  Its own
 * FCGX_Accept_r waits either for a new connection or on the one it keeps, and
 * a child that holds an idle kept connection while others queue at the
 * listening socket starves them.  So the child waits for both, gives the idle
 * connection up as soon as another client is waiting, and hands libfcgi an
 * accepted connection as if it had been kept.  Without a listening socket to
 * accept from, libfcgi fails instead of waiting.
 */

enum {
	ARENA_BYTES = 48 * 1024,
	HURRIED = 16, /* connections taken in a row without looking for anything else, such as a signal */
};

static volatile sig_atomic_t stopping, draining;

static void on_stop(int signo)
{
	stopping = 1;
	draining = signo == SIGQUIT;
}

/* The request and its memory, made once. */
static struct req rq;
static FCGX_Request fcgx;

static int listen_fd, epoll_fd;
static bool is_watched;       /* the connection, for its next request */
static int next_fd = -1;      /* a connection that was taken when the last answer was sent */
static sigset_t waiting_mask; /* of signals while waiting: those that stop us are let in */

static void watch(int fd, uint32_t events)
{
	struct epoll_event e = { .events = events, .data.fd = fd };

	if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &e))
		log_msg(LOG_ERROR, NULL, "epoll_ctl: %s", strerror(errno));
}

/* Connections */

/*
 * Close the connection.  libfcgi would shut it down first and then wait up to
 * two seconds for the other side to close; the next request in the queue would wait
 * too.  All was read, so nothing is lost by closing at once.
 */
static void close_connection(void)
{
	if (fcgx.ipcFd >= 0)
		close(fcgx.ipcFd);
	fcgx.ipcFd = -1;
}

static bool somebody_waits(void)
{
	struct pollfd p = { .fd = listen_fd, .events = POLLIN };

	return poll(&p, 1, 0) > 0;
}

/* The next waiting connection; -1: there is none, or another child was faster. */
static int accept_next(void)
{
	int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);

	if (fd < 0 && errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
		log_msg(LOG_ERROR, NULL, "accept: %s", strerror(errno));
	return fd;
}

/* Go on with a connection; false: there is none. */
static bool take(int fd)
{
	if (fd < 0)
		return false;
	fcgx.ipcFd = fd;
	fcgx.keepConnection = 1;
	is_watched = false;
	return true;
}

/*
 * Behind an answer: does another one wait, to whom the connection that is kept has
 * to make room?  Their connection is taken at once, without asking epoll first; but
 * not for ever, since signals come in only while the child waits.  7 % more
 * requests at 64 connections.
 */
static bool others_wait(bool is_last)
{
	static unsigned times;

	if (is_last || ++times % HURRIED == 0)
		return somebody_waits();
	next_fd = accept_next();
	return next_fd >= 0;
}

/* The connection that was taken behind the last answer. */
static bool take_next(void)
{
	int fd = next_fd;

	next_fd = -1;
	return take(fd);
}

/* One request */

struct mapping {
	void *p;
	size_t n;
};

static void unmap(void *ptr)
{
	struct mapping *m = ptr;

	munmap(m->p, m->n);
}

static bool write_whole(int fd, const char *p, size_t n)
{
	while (n) {
		ssize_t k = write(fd, p, n);

		if (k <= 0)
			return false;
		p += k;
		n -= (size_t)k;
	}
	return true;
}

static void close_spool(void *fd)
{
	close((int)(intptr_t)fd);
}

/*
 * A form with files, or a body that is one, goes into a file without a name, beside where they will be
 * stored, and is looked at there: a child's memory does not grow with it.
 */
static enum err spool_body(unsigned long long n)
{
	int fd = spool_open(&rq.tx.arena), error = fd < 0 ? errno : 0;
	struct mapping *m = arena_alloc(&rq.tx.arena, sizeof(*m));
	bool ok = fd >= 0;
	char piece[16384];
	int k;

	m->p = MAP_FAILED;
	m->n = 0;
	while ((k = FCGX_GetStr(piece, sizeof(piece), fcgx.in)) > 0) {
		m->n += (size_t)k;
		if (ok && m->n <= n)
			ok = write_whole(fd, piece, (size_t)k);
		error = ok ? error : errno;
	}
	if (ok && m->n == n && rq.asked.route->flags & SPOOLED && !lseek(fd, 0, SEEK_SET)) {
		arena_defer(&rq.tx.arena, close_spool, (void *)(intptr_t)fd);
		rq.asked.body_fd = fd;
		rq.asked.body_len = m->n;
		return ERR_OK;
	}
	if (ok && m->n == n) {
		m->p = mmap(NULL, m->n, PROT_READ, MAP_PRIVATE, fd, 0);
		error = errno;
	}
	if (fd >= 0)
		close(fd);
	if (ok && m->n != n)
		return req_fail(&rq, ERR_BAD_REQUEST, "the body ends after %zu of %llu bytes", m->n, n);
	if (m->p == MAP_FAILED)
		return req_fail_inside(&rq, ERR_UNAVAILABLE, "the body cannot be kept in %s: %s",
				       spool_place(&rq.tx.arena), strerror(error));
	arena_defer(&rq.tx.arena, unmap, m);
	rq.asked.body = m->p;
	rq.asked.body_len = m->n;
	return ERR_OK;
}

/* Read the whole body, so that a kept connection stays in step; keep up to the route's limit of it. */
static enum err read_body(enum err rc)
{
	bool is_held = rq.asked.route && rq.asked.route->flags & HELD_BODY;
	const char *length = is_held ? NULL : FCGX_GetParam("CONTENT_LENGTH", fcgx.envp);
	unsigned long long n = length ? strtoull(length, NULL, 10) : 0, got = 0;
	size_t max = serve_max_body(&rq);
	bool keep = !rc && n <= max;
	char scrap[8192], *body = scrap;
	int k;

	if (keep && n && rq.asked.route && (rq.asked.route->parts || rq.asked.route->flags & SPOOLED))
		return spool_body(n);
	if (keep)
		body = arena_alloc_raw(&rq.tx.arena, n + 1);

	while ((k = FCGX_GetStr(keep ? body + got : scrap, keep ? (int)(n - got) : (int)sizeof(scrap),
				fcgx.in)) > 0) {
		got += (unsigned)k;
		if (keep && got == n)
			break;
	}
	if (keep) {
		/* The record that ends the stream is still to come. */
		while (FCGX_GetStr(scrap, sizeof(scrap), fcgx.in) > 0)
			;
		body[got] = '\0';
		rq.asked.body = body;
		rq.asked.body_len = got;
	}
	if (rc)
		return rc;
	if (!keep)
		return req_fail(&rq, ERR_PAYLOAD_TOO_LARGE, "the body may have at most %zu bytes", max);
	if (got < n)
		return req_fail(&rq, ERR_BAD_REQUEST, "the body ends after %llu of %llu bytes", got, n);
	return ERR_OK;
}

/* Has nginx closed the connection, since the client has gone? */
static bool asker_has_gone(void)
{
	struct pollfd p = { .fd = fcgx.ipcFd, .events = POLLRDHUP };

	return poll(&p, 1, 0) > 0 && p.revents & (POLLRDHUP | POLLHUP);
}

static struct scoreboard_child *me;
static const _Atomic int64_t *ends_at; /* when whoever waits for others has to be told */

static void put_head(void)
{
	struct buf head;

	buf_init(&head, &rq.tx.arena, 2048);
	answer_head(&rq, &head);
	FCGX_PutStr(head.p, (int)head.n, fcgx.out);
}

/* The handler waits for others. */
static bool is_awaited(struct req *r)
{
	int64_t ends_at_ns = atomic_load_explicit(ends_at, memory_order_relaxed);

	atomic_store_explicit(&me->busy_since_ns, clock_ns(), memory_order_release);
	share_keep();
	if (asker_has_gone())
		return false;
	r->answer.is_ending = ends_at_ns && clock_ns() >= ends_at_ns;
	return !r->answer.is_ending;
}

/* A chunk of an answer whose length is not known yet. */
static bool send_chunk(struct req *r)
{
	struct answer *a = &r->answer;
	bool ok = true;

	if (!a->is_sent) {
		a->is_sent = true;
		put_head();
	}
	if (r->asked.method != HEAD && a->out.n)
		ok = FCGX_PutStr(a->out.p, (int)a->out.n, fcgx.out) == (int)a->out.n &&
		     !FCGX_GetError(fcgx.out);
	if (ok && a->is_stream)
		ok = FCGX_FFlush(fcgx.out) == 0;
	a->sent += a->out.n;
	a->out.n = 0;
	/* It is busy, and does not hang. */
	atomic_store_explicit(&me->busy_since_ns, clock_ns(), memory_order_release);
	return ok && !asker_has_gone();
}

static void answer(void)
{
	rq.asked.params = NULL;
	if (rq.answer.is_sent && rq.tx.fail.err) {
		/* Half of it is out: that it ends here must not look like its end. */
		close_connection();
		FCGX_Free(&fcgx, 0);
		return;
	}
	rq.asked.params = fcgx.envp;
	if (!rq.answer.is_sent) {
		put_head();
		if (rq.asked.method != HEAD && rq.answer.out.n)
			FCGX_PutStr(rq.answer.out.p, (int)rq.answer.out.n, fcgx.out);
	}
	FCGX_Finish_r(&fcgx); /* sends it, and frees the environment */
	rq.asked.params = NULL;
}

/* is_last: this process takes no other one. */
static void serve(struct scoreboard_child *slot, bool is_last)
{
	atomic_store_explicit(&slot->busy_since_ns, clock_ns(), memory_order_release);
	if (FCGX_Accept_r(&fcgx) == 0) {
		struct arena arena = rq.tx.arena;
		bool keep = fcgx.keepConnection;
		enum err rc;

		fcgx.keepConnection = 1; /* closing is ours */
		rq = (struct req){ .tx.arena = arena,
				   .asked.params = fcgx.envp,
				   .answer.send = send_chunk,
				   .answer.is_awaited = is_awaited,
				   .tx.peer_fd = fcgx.ipcFd };
		me = slot;
		rc = serve_begin(&rq);
		rc = read_body(rc);
		/* A quarter of a second of a core is too much for nobody. */
		if (!rc && scoreboard_pool == POOL_HASH && asker_has_gone())
			rc = req_fail_inside(&rq, ERR_UNAVAILABLE, "nobody waits for the answer");
		serve_answer(&rq, rc);
		share_give_back(); /* before the answer, which may be followed by the next request at once */
		answer();
		/*
		 * Now, and not after the log: nginx is just reading the answer, and
		 * sees the end of the connection before it could use it again.
		 */
		if (others_wait(is_last) || !keep)
			close_connection();
		serve_end(&rq);
		arena_reset(&rq.tx.arena);
		atomic_fetch_add_explicit(&slot->requests, 1, memory_order_relaxed);
	}
	atomic_store_explicit(&slot->busy_since_ns, 0, memory_order_release);
	db_watch(epoll_fd);
}

/*
 * Wait for a request, on the kept connection or on a new one; false: it is
 * time to stop.
 */
static bool wait_for_request(void)
{
	struct epoll_event events[8];

	if (fcgx.ipcFd >= 0 && !is_watched)
		watch(fcgx.ipcFd, EPOLLIN | EPOLLRDHUP);
	is_watched = true;
	for (;;) {
		bool kept = false, fresh = false;
		int n;

		log_flush();
		n = epoll_pwait(epoll_fd, events, 8, stopping ? 0 : -1, &waiting_mask);
		for (int i = 0; i < n; i++) {
			int fd = events[i].data.fd;

			if (fd == listen_fd)
				fresh = true;
			else if (fd == fcgx.ipcFd)
				kept = true;
			else
				db_idle_input();
		}
		if (kept)
			return true;
		if (stopping && !(draining && fresh))
			return false;
		if (fresh) {
			close_connection();
			if (take(accept_next()))
				return true;
		}
	}
}

static void prepare(void)
{
	struct sigaction sa = { .sa_handler = on_stop };

	sigprocmask(SIG_SETMASK, NULL, &waiting_mask);
	sigdelset(&waiting_mask, SIGTERM);
	sigdelset(&waiting_mask, SIGQUIT);
	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGQUIT, &sa, NULL);
	signal(SIGPIPE, SIG_IGN); /* before FCGX_Init, which would install its own handler */
	FCGX_Init();
	FCGX_InitRequest(&fcgx, -1, 0);
	arena_init(&rq.tx.arena, ARENA_BYTES);
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	/* Exclusive: a new connection wakes one child, not all. */
	watch(listen_fd, EPOLLIN | EPOLLEXCLUSIVE);
	db_open();
	db_watch(epoll_fd);
}

_Noreturn void child_run(int socket_fd, struct scoreboard_child *slot, const _Atomic int64_t *ends_at_ns)
{
	long left = cfg.max_requests ? cfg.max_requests + getpid() % (cfg.max_requests / 10 + 1) : -1;

	listen_fd = socket_fd;
	ends_at = ends_at_ns;
	prepare();
	while (left && (take_next() || wait_for_request())) {
		serve(slot, left == 1);
		left -= left > 0;
	}
	close_connection();
	db_close();
	log_flush();
	exit(0);
}
