#include "realtime/admission.h"

#include <errno.h>
#include <signal.h>
#include <strings.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/crypto/tok.h"
#include "lib/host/log.h"
#include "realtime/authorizer.h"

enum {
	AUTHORIZERS = 2,
	AT_ONCE = 16, /* messages on their way to one authorizer; more wait here, not in a socket's buffer */
	TIMEOUT_S = 10,
	BACKOFF_LAST_MS = 5000,
	YOUNG_MS = 1000,
};

/* A handshake that waits. */
struct visit {
	struct visit *next;
	uint64_t number;
	int64_t deadline_ns;
	struct authorizer *authorizer; /* who looks at it; NULL: nobody yet */
	admission_done *done;          /* NULL: forgotten */
	void *arg;
	size_t n;
	char *message;        /* until it is sent */
	char request_id[129]; /* as nginx has put it into the head; past it there is none */
};

struct authorizer {
	ev_io io;
	pid_t pid; /* 0: none */
	int nvisits;
	bool is_leaving; /* finishes what it has */
	int64_t started_ns;
	int backoff_ms;
	ev_timer respawn;
};

/* Twice as many: while some leave others have taken over. */
static struct authorizer authorizers[2 * AUTHORIZERS];
static struct visit *first, **last = &first;
static struct ev_loop *loop;
static uint64_t numbers;
static ev_timer timeouts;
static bool is_closed;

static void on_answer(struct ev_loop *l, ev_io *w, int events);

/* Processes */

static void spawn(struct authorizer *k)
{
	pid_t server = getpid();
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends)) {
		log_msg(LOG_ERROR, NULL, "socketpair: %s", strerror(errno));
		ev_timer_set(&k->respawn, 1, 0);
		ev_timer_start(loop, &k->respawn);
		return;
	}
	k->started_ns = clock_ns();
	k->pid = fork();
	if (k->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != server)
			_exit(0);
		/* Clients' sockets are the server's alone: one that it closes must be closed. */
		dup2(ends[1], 3);
		close_range(4, ~0u, 0);
		signal(SIGHUP, SIG_IGN);
		signal(SIGINT, SIG_IGN);
		signal(SIGTERM, SIG_IGN); /* it ends with its socket */
		authorizer_run(3);
	}
	close(ends[1]);
	if (k->pid < 0) {
		log_msg(LOG_ERROR, NULL, "fork: %s", strerror(errno));
		close(ends[0]);
		k->pid = 0;
		ev_timer_set(&k->respawn, 1, 0);
		ev_timer_start(loop, &k->respawn);
		return;
	}
	k->is_leaving = false;
	ev_io_init(&k->io, on_answer, ends[0], EV_READ);
	k->io.data = k;
	ev_io_start(loop, &k->io);
}

static void on_respawn(struct ev_loop *l, ev_timer *w, int events)
{
	(void)l;
	(void)events;
	spawn(w->data);
}

/* Visits */

static void unlink_visit(struct visit **at)
{
	struct visit *v = *at;

	*at = v->next;
	if (last == &v->next)
		last = at;
	if (v->authorizer)
		v->authorizer->nvisits--;
	free(v->message);
	free(v);
}

/* Too soon, or never: nobody could look.  The fields are those of every answer (fcgi/answer.c). */
static void turn_away(struct visit *v)
{
	static const char body[] = "{\"error\":{\"code\":\"SERVICE_UNAVAILABLE\",\"message\":\"the service "
				   "is temporarily unavailable\","
				   "\"details\":{}},\"detail\":\"the service is temporarily unavailable\"}";
	char response[1024];
	int n = snprintf(
		response, sizeof(response),
		"HTTP/1.1 503 \r\nConnection: close\r\nContent-Type: application/json\r\n"
		"Content-Length: %zu\r\nRetry-After: 1\r\nCache-Control: no-store\r\nX-API-Version: v1\r\n"
		"X-API-Latest-Version: v2\r\nX-Content-Type-Options: nosniff\r\nX-Frame-Options: "
		"DENY\r\n%s%s%s\r\n%s",
		sizeof(body) - 1, *v->request_id ? "X-Request-ID: " : "", v->request_id,
		*v->request_id ? "\r\n" : "", body);

	if (v->done)
		v->done(v->arg, NULL, response, (size_t)n);
}

static struct authorizer *free_authorizer(void)
{
	struct authorizer *best = NULL;

	for (int i = 0; i < 2 * AUTHORIZERS; i++) {
		struct authorizer *k = &authorizers[i];

		if (k->pid && !k->is_leaving && k->nvisits < AT_ONCE && (!best || k->nvisits < best->nvisits))
			best = k;
	}
	return best;
}

static void send_more(void)
{
	for (struct visit *v = first; v; v = v->next) {
		struct authorizer *k;

		if (v->authorizer || !v->message)
			continue;
		k = free_authorizer();
		/* A full buffer is tried again with the next answer; a dead authorizer is reaped. */
		if (!k || send(k->io.fd, v->message, v->n, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
			return;
		v->authorizer = k;
		k->nvisits++;
		free(v->message);
		v->message = NULL;
	}
}

static void on_answer(struct ev_loop *l, ev_io *w, int events)
{
	static char message[AUTHORIZER_ANSWER_BYTES];
	struct authorizer_answer head;
	struct authorizer *k = w->data;
	ssize_t n;

	(void)l;
	(void)events;
	while (k->pid && (n = recv(w->fd, message, sizeof(message), MSG_DONTWAIT)) != -1) {
		if (n < (ssize_t)sizeof(head)) { /* its end; SIGCHLD tells the rest */
			ev_io_stop(loop, w);
			return;
		}
		memcpy(&head, message, sizeof(head));
		for (struct visit **at = &first; *at; at = &(*at)->next) {
			struct visit *v = *at;

			if (v->number != head.number)
				continue;
			if (v->done)
				v->done(v->arg, head.is_admitted ? &head.pass : NULL, message + sizeof(head),
					(size_t)n - sizeof(head));
			/* done may have asked again: the list has grown, at its end. */
			unlink_visit(at);
			break;
		}
	}
	if (k->is_leaving && !k->nvisits)
		shutdown(w->fd, SHUT_WR);
	send_more();
}

static void on_timeouts(struct ev_loop *l, ev_timer *w, int events)
{
	int64_t now = clock_ns();

	(void)l;
	(void)w;
	(void)events;
	for (struct visit **at = &first; *at;) {
		if ((*at)->deadline_ns > now) {
			at = &(*at)->next;
			continue;
		}
		turn_away(*at);
		(*at)->done = NULL;
		/* What an authorizer has it may still answer; who has none has waited long enough. */
		(*at)->deadline_ns = INT64_MAX;
		if ((*at)->authorizer)
			at = &(*at)->next;
		else
			unlink_visit(at);
	}
	send_more();
}

/* The environment */

static void put(char *message, size_t *n, const char *name, const char *value)
{
	size_t size = AUTHORIZER_ASKED_BYTES - *n;
	int k = snprintf(message + *n, size, "%s=%s", name, value);

	if (k > 0 && (size_t)k < size)
		*n += (size_t)k + 1;
}

/* Only what a subscriber looks at. */
static const char *const fields[] = {
	"Accept",
	"Accept-Version",
	"Authorization",
	"Last-Event-ID",
	"Origin",
	"Sec-WebSocket-Protocol",
	"Sec-WebSocket-Version",
	"Traceparent",
	"Tracestate",
	"User-Agent",
	"X-API-Key",
	"X-API-Version",
	"X-Protocol",
	"X-Request-ID",
	"X-Workspace-Id",
	"Access-Control-Request-Method",
	"Access-Control-Request-Headers",
};

static size_t write_message(char *message, const struct head *h, const char *ip,
			    const struct authorizer_asked *asked)
{
	size_t n = sizeof(*asked);
	const char *upgrade = head_field(h, "Upgrade");
	char name[64];

	memcpy(message, asked, sizeof(*asked));
	put(message, &n, "REALTIME", "on");
	put(message, &n, "REQUEST_METHOD", h->method);
	put(message, &n, "REQUEST_URI", h->target);
	put(message, &n, "REMOTE_ADDR", ip);
	if (upgrade && !strcasecmp(upgrade, "websocket") && head_field(h, "Sec-WebSocket-Key"))
		put(message, &n, "REALTIME_UPGRADE", "websocket");
	for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++) {
		const char *value = head_field(h, fields[i]);

		/* A browser's handshake takes anything, and says so nowhere. */
		if (!value || (upgrade && !strcmp(fields[i], "Accept")))
			continue;
		snprintf(name, sizeof(name), "HTTP_%s", fields[i]);
		for (char *p = name; *p; p++)
			*p = *p == '-' ? '_' : *p >= 'a' && *p <= 'z' ? (char)(*p - 32) : *p;
		put(message, &n, name, value);
	}
	return n;
}

void admission_ask(const struct head *h, const char *ip, enum pass_refusal refusal, admission_done *done,
		   void *arg)
{
	static char message[AUTHORIZER_ASKED_BYTES];
	struct authorizer_asked asked = { .number = ++numbers, .refusal = refusal };
	struct visit *v = calloc(1, sizeof(*v));
	const char *id = head_field(h, "X-Request-ID");

	if (!v)
		abort();
	*v = (struct visit){ .number = asked.number,
			     .deadline_ns = clock_ns() + TIMEOUT_S * 1000000000LL,
			     .done = done,
			     .arg = arg,
			     .n = write_message(message, h, ip, &asked) };
	v->message = malloc(v->n);
	if (!v->message)
		abort();
	memcpy(v->message, message, v->n);
	if (id && strlen(id) < sizeof(v->request_id))
		memcpy(v->request_id, id, strlen(id));
	*last = v;
	last = &v->next;
	send_more();
}

void admission_forget(const void *arg)
{
	for (struct visit *v = first; v; v = v->next)
		if (v->arg == arg)
			v->done = NULL;
}

/* Start and end */

void admission_open(struct ev_loop *l)
{
	loop = l;
	is_closed = false;
	for (int i = 0; i < 2 * AUTHORIZERS; i++) {
		ev_timer_init(&authorizers[i].respawn, on_respawn, 0, 0);
		authorizers[i].respawn.data = &authorizers[i];
	}
	for (int i = 0; i < AUTHORIZERS; i++)
		spawn(&authorizers[i]);
	ev_timer_init(&timeouts, on_timeouts, 0.25, 0.25);
	ev_timer_start(loop, &timeouts);
}

void admission_renew(void)
{
	int started = 0;

	tok_init();
	for (int i = 0; i < 2 * AUTHORIZERS; i++) {
		struct authorizer *k = &authorizers[i];

		if (!k->pid && !ev_is_active(&k->respawn) && started < AUTHORIZERS) {
			spawn(k);
			started++;
		} else if (k->pid && !k->is_leaving) {
			k->is_leaving = true;
			if (!k->nvisits)
				shutdown(k->io.fd, SHUT_WR);
		}
	}
	send_more();
}

bool admission_reaped(int pid, int status)
{
	struct authorizer *k = NULL;
	bool lived;

	for (int i = 0; i < 2 * AUTHORIZERS; i++)
		if (authorizers[i].pid == pid)
			k = &authorizers[i];
	if (!k)
		return false;
	ev_io_stop(loop, &k->io);
	close(k->io.fd);
	k->pid = 0;
	for (struct visit **at = &first; *at;) {
		if ((*at)->authorizer != k) {
			at = &(*at)->next;
			continue;
		}
		turn_away(*at);
		unlink_visit(at);
	}
	k->nvisits = 0;
	if (k->is_leaving || is_closed)
		return true;
	if (status)
		log_msg(LOG_ERROR, NULL, "authorizer %d ended: status %d", pid, status);
	lived = clock_ns() - k->started_ns > YOUNG_MS * 1000000LL;
	k->backoff_ms = lived ? 0 : k->backoff_ms ? k->backoff_ms * 2 : 100;
	if (k->backoff_ms > BACKOFF_LAST_MS)
		k->backoff_ms = BACKOFF_LAST_MS;
	ev_timer_set(&k->respawn, k->backoff_ms / 1e3, 0);
	ev_timer_start(loop, &k->respawn);
	return true;
}

void admission_close(void)
{
	is_closed = true;
	ev_timer_stop(loop, &timeouts);
	for (int i = 0; i < 2 * AUTHORIZERS; i++) {
		ev_timer_stop(loop, &authorizers[i].respawn);
		if (authorizers[i].pid) {
			ev_io_stop(loop, &authorizers[i].io);
			close(authorizers[i].io.fd); /* which it sees when it has finished what it does */
			authorizers[i].pid = 0;
		}
	}
}
