#include "host/host_server.h"

#include <errno.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host/agents_clock.h"
#include "host/host_verbs.h"
#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/clock.h"
#include "lib/base/json.h"
#include "lib/base/jx.h"
#include "lib/host/config.h"
#include "lib/host/host.h"
#include "lib/host/log.h"

enum {
	CHILDREN = 8, /* more questions wait in the socket's queue */
	QUESTION_BYTES = 8192,
	QUESTION_MS = 500, /* for the whole of it to come */
	ANSWER_S = 10,     /* a child that takes longer is killed by its alarm */
	CHILD_BYTES = 256 << 20,
	TICK_MS = 5000,
};

static volatile sig_atomic_t is_stopping;
static int nchildren;
static pid_t clock_pid; /* of agents_clock; 0: it does not run */

static void on_stop(int number)
{
	(void)number;
	is_stopping = 1;
}

static void on_child(int number)
{
	(void)number; /* it only has poll() return */
}

static void catch_signal(int number, void (*how)(int))
{
	struct sigaction act = { .sa_handler = how };

	sigaction(number, &act, NULL);
}

/* Not by what it says, but by what the kernel says of it. */
static bool may_ask(int fd, uid_t peer)
{
	struct ucred who;
	socklen_t n = sizeof(who);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &n))
		return false;
	if (who.uid == peer || who.uid == geteuid() || who.uid == 0)
		return true;
	log_msg(LOG_WARNING, NULL, "user %u may not ask here", (unsigned)who.uid);
	return false;
}

/* The line, within its time; 0: there is none. */
static size_t read_question(int fd, char *p)
{
	int64_t until = clock_ns() + QUESTION_MS * 1000000LL;
	size_t n = 0;

	while (n < QUESTION_BYTES) {
		struct pollfd one = { .fd = fd, .events = POLLIN };
		int left = (int)((until - clock_ns()) / 1000000);
		ssize_t got;

		if (left <= 0 || poll(&one, 1, left) <= 0)
			return 0;
		got = recv(fd, p + n, QUESTION_BYTES - n, MSG_DONTWAIT);
		if (got <= 0)
			return 0;
		n += (size_t)got;
		if (p[n - 1] == '\n')
			return n - 1;
	}
	return 0;
}

static void write_all(int fd, const char *p, size_t n)
{
	while (n) {
		ssize_t sent = send(fd, p, n, MSG_NOSIGNAL);

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent <= 0)
			return;
		p += sent;
		n -= (size_t)sent;
	}
}

static void refuse(struct buf *out, const char *why)
{
	out->n = 0;
	buf_char(out, '{');
	jx_key_str(out, "error", why);
	buf_char(out, '}');
}

/* The child's whole life. */
static void answer(int fd)
{
	struct rlimit memory = { CHILD_BYTES, CHILD_BYTES };
	char question[QUESTION_BYTES];
	struct json_object *asked = NULL;
	const char *problem = NULL, *verb;
	const struct host_verb *v = NULL;
	struct arena a;
	struct buf out;
	size_t n;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	alarm(ANSWER_S);
#ifndef __SANITIZE_ADDRESS__ /* whose shadow alone is terabytes */
	setrlimit(RLIMIT_DATA, &memory);
#else
	(void)memory;
#endif
	n = read_question(fd, question);
	if (!n)
		return;
	arena_init(&a, 65536);
	buf_init(&out, &a, 65536);
	if (json_read(&a, question, n, &asked, &problem) == ERR_OK) {
		verb = json_text(json_at(asked, "verb", NULL), 64);
		v = verb ? host_verbs_find(verb) : NULL;
	}
	if (!v)
		refuse(&out, problem ? problem : "there is no such verb");
	else if ((problem = v->run(&a, asked, &out)))
		refuse(&out, problem);
	/* Only an answer that ends with it is whole. */
	buf_char(&out, '\n');
	write_all(fd, out.p, out.n);
	arena_release(&a);
}

static void reap(void)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid == clock_pid)
			clock_pid = 0;
		else
			nchildren--;
		if (WIFSIGNALED(status) && !is_stopping)
			log_msg(LOG_WARNING, NULL, "child %d: killed by signal %d", (int)pid,
				WTERMSIG(status));
	}
}

static void take(int listen_fd, uid_t peer, const sigset_t *usual)
{
	int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);
	pid_t pid;

	if (fd < 0)
		return;
	if (may_ask(fd, peer)) {
		pid = fork();
		if (!pid) {
			close(listen_fd);
			catch_signal(SIGTERM, SIG_DFL);
			catch_signal(SIGINT, SIG_DFL);
			catch_signal(SIGCHLD, SIG_DFL);
			sigprocmask(SIG_SETMASK, usual, NULL);
			answer(fd);
			_exit(0);
		}
		if (pid < 0)
			log_msg(LOG_ERROR, NULL, "fork: %s", strerror(errno));
		else
			nchildren++;
	}
	close(fd);
}

/* Beside those that answer, and begun anew when it has ended. */
static void start_clock(int listen_fd, const sigset_t *usual)
{
	if (clock_pid || !*cfg.database_url)
		return;
	clock_pid = fork();
	if (!clock_pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(listen_fd);
		catch_signal(SIGTERM, SIG_DFL);
		catch_signal(SIGINT, SIG_DFL);
		catch_signal(SIGCHLD, SIG_DFL);
		sigprocmask(SIG_SETMASK, usual, NULL);
		agents_clock_run();
	}
	if (clock_pid < 0) {
		log_msg(LOG_ERROR, NULL, "fork: %s", strerror(errno));
		clock_pid = 0;
	}
}

static void stop_clock(void)
{
	if (clock_pid > 0 && !kill(clock_pid, SIGTERM))
		waitpid(clock_pid, NULL, 0);
	clock_pid = 0;
}

static bool find_peer(const char *name, uid_t *uid)
{
	const struct passwd *who = name ? getpwnam(name) : NULL;

	*uid = who ? who->pw_uid : geteuid();
	if (name && !who)
		log_msg(LOG_ERROR, NULL, "there is no user %s", name);
	return who || !name;
}

int host_server_run(const struct host_server_options *o)
{
	sigset_t during, before;
	struct stat made;
	uid_t peer;
	int fd = host_inherited() ? STDIN_FILENO : -1;
	bool is_ours = fd < 0;

	if (!find_peer(o->peer, &peer))
		return 1;
	if (is_ours)
		fd = host_listen(o->socket, &made);
	if (fd < 0) {
		log_msg(LOG_ERROR, NULL, "%s: %s", o->socket, strerror(errno));
		return 1;
	}
	sigemptyset(&during);
	sigaddset(&during, SIGTERM);
	sigaddset(&during, SIGINT);
	sigaddset(&during, SIGCHLD);
	sigprocmask(SIG_BLOCK, &during, &before);
	catch_signal(SIGTERM, on_stop);
	catch_signal(SIGINT, on_stop);
	catch_signal(SIGCHLD, on_child);
	log_msg(LOG_INFO, NULL, "ready");
	host_notify("READY=1");
	while (!is_stopping) {
		struct pollfd one = { .fd = fd, .events = POLLIN };
		struct timespec tick = { TICK_MS / 1000, 0 };

		start_clock(fd, &before);
		/* Signals come here alone. */
		if (ppoll(&one, nchildren < CHILDREN, &tick, &before) > 0) {
			take(fd, peer, &before);
		}
		reap();
		host_notify("WATCHDOG=1");
	}
	host_notify("STOPPING=1");
	stop_clock();
	if (is_ours)
		host_unlisten(o->socket, &made);
	close(fd);
	while (nchildren > 0 && waitpid(-1, NULL, 0) > 0)
		nchildren--;
	return 0;
}
