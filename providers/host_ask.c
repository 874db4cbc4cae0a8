#include "providers/host_ask.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/host/config.h"

enum { MOST = 8 << 20, PIECE = 65536, RETRY_S = 5 };

/* Wait until the socket is ready for it. */
static bool waits(int fd, short events, int64_t until)
{
	struct pollfd one = { .fd = fd, .events = events };
	int64_t left = (until - clock_ns()) / 1000000;

	return left > 0 && poll(&one, 1, (int)left) > 0;
}

/* A unix socket says EAGAIN where its queue is full, and poll() knows nothing of that. */
static int connect_until(const char *path, int64_t until)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	int fd;

	if (strlen(path) >= sizeof(to.sun_path))
		return -1;
	memcpy(to.sun_path, path, strlen(path));
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	while (fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof(to))) {
		if (errno != EAGAIN || clock_ns() > until) {
			close(fd);
			return -1;
		}
		usleep(5000);
	}
	return fd;
}

static bool talk(int fd, const struct buf *question, int64_t until, struct buf *out)
{
	size_t sent = 0;
	ssize_t n;

	while (sent < question->n) {
		if (!waits(fd, POLLOUT, until))
			return false;
		n = send(fd, question->p + sent, question->n - sent, MSG_NOSIGNAL);
		if (n <= 0)
			return false;
		sent += (size_t)n;
	}
	do {
		if (!waits(fd, POLLIN, until))
			return false;
		n = recv(fd, buf_room(out, PIECE), PIECE, 0);
		if (n > 0)
			out->n += (size_t)n;
	} while (n > 0 && out->n <= MOST);
	/* What has no line's end was broken off. */
	return !n && out->n && out->p[out->n - 1] == '\n';
}

enum err host_ask(struct arena *a, const struct buf *question, int timeout_ms, const char **answer,
		  struct failure *why)
{
	static const char refused[] = "{\"error\":";
	int64_t until = clock_ns() + timeout_ms * 1000000LL;
	struct buf line, out;
	bool is_whole;
	int fd;

	if (!*cfg.host_socket)
		return failure_retry(why, a, ERR_UNAVAILABLE, RETRY_S,
				     "no ashlar host runs beside the api (HOST_SOCKET)");
	buf_init(&line, a, question->n + 1);
	buf_add(&line, question->p, question->n);
	buf_char(&line, '\n');
	buf_init(&out, a, PIECE);
	fd = connect_until(cfg.host_socket, until);
	is_whole = fd >= 0 && talk(fd, &line, until, &out);
	if (fd >= 0)
		close(fd);
	if (!is_whole)
		return failure_retry(why, a, ERR_UNAVAILABLE, RETRY_S, "ashlar host does not answer");
	out.n--;
	*answer = buf_str(&out);
	if (!strncmp(*answer, refused, strlen(refused)))
		return failure_retry(why, a, ERR_UNAVAILABLE, RETRY_S, "ashlar host cannot: %s",
				     *answer + strlen(refused));
	return ERR_OK;
}
