#include "realtime/sse.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct ev_loop *loop;

/* A stream's socket, and what of it is half sent. */
struct stream {
	struct conn *conn;
	ev_io reads, writes;
	struct broadcast *post; /* its event; or */
	char *text;             /* the head; NULL: nothing waits */
	size_t n, sent;
	bool is_ending;
};

static void end(struct stream *s)
{
	struct conn *c = s->conn;

	ev_io_stop(loop, &s->reads);
	ev_io_stop(loop, &s->writes);
	close(s->reads.fd);
	if (s->post)
		broadcast_unref(s->post);
	free(s->text);
	free(s);
	conn_gone(c);
}

static bool is_busy(const struct stream *s)
{
	return s->post || s->text;
}

/* Send what waits; false: the other side is gone. */
static bool go_on(struct stream *s)
{
	while (is_busy(s)) {
		size_t n = s->n;
		const char *text = s->post ? broadcast_event(s->post, &n) : s->text;
		ssize_t k = send(s->writes.fd, text + s->sent, n - s->sent, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (k < 0 && (errno == EAGAIN || errno == EINTR)) {
			ev_io_start(loop, &s->writes);
			return true;
		}
		if (k < 0)
			return false;
		s->sent += (size_t)k;
		if (s->sent < n)
			continue;
		if (s->post)
			broadcast_unref(s->post);
		free(s->text);
		s->post = NULL;
		s->text = NULL;
		s->sent = 0;
	}
	return true;
}

static void on_writable(struct ev_loop *l, ev_io *w, int events)
{
	struct stream *s = w->data;

	(void)l;
	(void)events;
	ev_io_stop(loop, w);
	if (!go_on(s) || (!is_busy(s) && !conn_writable(s->conn) && !is_busy(s) && s->is_ending))
		end(s);
}

static void on_readable(struct ev_loop *l, ev_io *w, int events)
{
	char scrap[1024];
	ssize_t n = recv(w->fd, scrap, sizeof(scrap), MSG_DONTWAIT);

	(void)l;
	(void)events;
	/* There is nothing to say in this direction; but its end is. */
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		end(w->data);
}

static bool sse_write(struct conn *c, struct broadcast *p)
{
	struct stream *s = c->wire;

	if (is_busy(s))
		return false;
	s->post = broadcast_ref(p);
	if (!go_on(s))
		conn_broken(c);
	return true;
}

static void sse_end(struct conn *c)
{
	struct stream *s = c->wire;

	s->is_ending = true;
	if (!is_busy(s) && !c->nqueue)
		end(s);
}

static void sse_kill(struct conn *c)
{
	end(c->wire);
}

/* A comment, which keeps proxies from closing an idle connection. */
static void sse_ping(struct conn *c)
{
	struct stream *s = c->wire;

	if (is_busy(s))
		return;
	s->text = strdup(":\n\n");
	s->n = 3;
	if (!s->text || !go_on(s))
		conn_broken(c);
}

static const struct transport transport = { sse_write, sse_end, sse_kill, sse_ping };

struct conn *sse_accept(int fd, const char *fields, size_t n, const struct pass *pass)
{
	static const char status[] = "HTTP/1.1 200 \r\nConnection: close\r\nX-Accel-Buffering: no\r\n";
	static const char first[] = "\r\nretry: 3000\n\n";
	struct stream *s = calloc(1, sizeof(*s));
	char *p;

	if (!s)
		abort();
	s->n = sizeof(status) - 1 + n + sizeof(first) - 1;
	s->text = p = malloc(s->n);
	if (!p)
		abort();
	p = mempcpy(p, status, sizeof(status) - 1);
	p = mempcpy(p, fields, n);
	memcpy(p, first, sizeof(first) - 1);
	ev_io_init(&s->reads, on_readable, fd, EV_READ);
	ev_io_init(&s->writes, on_writable, fd, EV_WRITE);
	s->reads.data = s->writes.data = s;
	s->conn = conn_new(&transport, s, pass);
	ev_io_start(loop, &s->reads);
	if (!go_on(s))
		conn_broken(s->conn);
	return s->conn;
}

void sse_open(struct ev_loop *l)
{
	loop = l;
}
