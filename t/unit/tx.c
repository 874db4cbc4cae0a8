/*
 * The pipeline to PostgreSQL, against a server that does what it is told:
 * refuses, talks in between, hangs, or goes away.  It speaks the protocol's
 * version 3 just as far as libpq needs it.
 */
#include "build/sql/runtime/runtime.h"
#include "build/sql/work/projects.h"
#include "lib/db/db.h"

#include <arpa/inet.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "fcgi/auth.h"
#include "fcgi/req.h"
#include "lib/base/clock.h"
#include "lib/db/column.h"
#include "lib/host/config.h"
#include "lib/host/log.h"
#include "t/unit/tap.h"

static const struct constraint constraints[] = { { "things_name_unique", ERR_CONFLICT, "name", NULL },
						 { NULL } };
static const struct route route = { GET, "/api/v1/app/things", "app.t.x", &by_user, "" };
const struct route *const route_tables[] = { NULL };

/* The server */

/* What the test tells the server, and what it tells the test. */
static struct stage {
	/* At this message ('P'arse, 'E'xecute, 'S'ync) of this statement, so many times: */
	char at, of[64];
	int times;
	enum { REFUSE, HANG, DROP, REFUSE_AND_DROP } act;
	char state[6], constraint[32], hint[32];
	bool talks; /* sends notices and parameters in front of every answer */
	/* What it saw: "P enter_user|B enter_user|E|S|" */
	char seen[4096];
	int connections;
} * stage;

static char dir[] = "/tmp/ashlar-db.XXXXXX", socket_path[80];
static pid_t server_pid;

static void see(const char *what, const char *name)
{
	size_t n = strlen(stage->seen);

	snprintf(stage->seen + n, sizeof(stage->seen) - n, "%s%s%s|", what, *name ? " " : "", name);
}

static void send_all(int fd, const void *p, size_t n)
{
	if (send(fd, p, n, MSG_NOSIGNAL) < 0)
		_exit(0);
}

static void reply(int fd, char type, const void *p, size_t n)
{
	uint32_t length = htonl((uint32_t)n + 4);

	send_all(fd, &type, 1);
	send_all(fd, &length, 4);
	if (n)
		send_all(fd, p, n);
}

/* An error or a notice. */
static void say(int fd, char type, const char *state, const char *constraint, const char *hint)
{
	char text[300];
	int n = snprintf(text, sizeof(text), "S%s%cC%s%cMmade up%c", type == 'E' ? "ERROR" : "WARNING", 0,
			 state, 0, 0);

	if (*constraint)
		n += snprintf(text + n, sizeof(text) - (size_t)n, "n%s%c", constraint, 0);
	if (*hint)
		n += snprintf(text + n, sizeof(text) - (size_t)n, "H%s%c", hint, 0);
	text[n++] = '\0';
	reply(fd, type, text, (size_t)n);
}

static bool is_on_stage(char at, const char *statement)
{
	return stage->times > 0 && stage->at == at && (at == 'S' || !strcmp(stage->of, statement)) &&
	       stage->times--;
}

/* Act as told; true when the statement is refused. */
static bool act(int fd)
{
	if (stage->act == HANG)
		pause();
	if (stage->act != DROP)
		say(fd, 'E', stage->state, stage->constraint, stage->hint);
	if (stage->act != REFUSE)
		_exit(0);
	return true;
}

static void answer_row(int fd)
{
	static const char row[] = "\0\1\0\0\0\1\1";

	reply(fd, 'D', row, sizeof(row) - 1);
	reply(fd, 'C', "SELECT 1", 9);
}

/* One connection, behind its start-up. */
static void serve(int fd)
{
	static const char columns[] = "\0\1ready\0\0\0\0\0\0\0\0\0\0\20\0\1\xff\xff\xff\xff\0\1";
	static char body[65536];
	char statement[64] = "", type;
	bool skips = false;
	uint32_t n;

	while (recv(fd, &type, 1, MSG_WAITALL) == 1 && recv(fd, &n, 4, MSG_WAITALL) == 4) {
		n = ntohl(n) - 4;
		if (n >= sizeof(body) || (n && recv(fd, body, n, MSG_WAITALL) != (ssize_t)n))
			return;
		body[n] = '\0';
		if (stage->talks) {
			say(fd, 'N', "01000", "", "");
			reply(fd, 'S', "TimeZone\0UTC", 13);
		}
		if (type == 'P') {
			/* A statement without a name is known by its text. */
			snprintf(statement, sizeof(statement), "%.60s", *body ? body : body + 1);
			see(*body ? "P" : "Q", statement);
		} else if (type == 'B' && body[1 + strlen(body)]) {
			snprintf(statement, sizeof(statement), "%.60s", body + 1 + strlen(body));
			see("B", statement);
		} else if (type == 'S') {
			see("S", "");
		}
		if (type == 'S') {
			if (!skips && is_on_stage('S', ""))
				act(fd);
			skips = false;
			reply(fd, 'Z', "I", 1);
		} else if (skips || type == 'H') {
			continue;
		} else if (is_on_stage(type, statement)) {
			skips = act(fd);
		} else if (type == 'E') {
			answer_row(fd);
		} else if (type == 'D') {
			reply(fd, 'T', columns, sizeof(columns) - 1);
		} else if (type == 'P' || type == 'B') {
			reply(fd, type == 'P' ? '1' : '2', NULL, 0);
		}
	}
}

/* A process for each connection, so that one which hangs is in no other's way. */
static void run_server(int listen_fd)
{
	signal(SIGCHLD, SIG_IGN);
	for (;;) {
		int fd = accept(listen_fd, NULL, NULL);
		char start[1024];
		uint32_t n;

		if (fd < 0)
			_exit(0);
		stage->connections++;
		if (fork() == 0) {
			if (recv(fd, &n, 4, MSG_WAITALL) == 4 && ntohl(n) < sizeof(start) &&
			    recv(fd, start, ntohl(n) - 4, MSG_WAITALL) > 0) {
				reply(fd, 'R', "\0\0\0\0", 4);
				reply(fd, 'S', "server_version\00015.0", 20);
				reply(fd, 'S', "client_encoding\0UTF8", 21);
				reply(fd, 'K', "\0\0\0\1\0\0\0\1", 8);
				reply(fd, 'Z', "I", 1);
				serve(fd);
			}
			_exit(0);
		}
		close(fd);
	}
}

static void start_server(void)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(to.sun_path, sizeof(to.sun_path), "%s", socket_path);
	if (bind(fd, (struct sockaddr *)&to, sizeof(to)) || listen(fd, 16))
		exit(1);
	fflush(stdout);
	server_pid = fork();
	if (server_pid == 0) {
		setpgid(0, 0);
		run_server(fd);
	}
	setpgid(server_pid, server_pid);
	close(fd);
}

static void stop_server(void)
{
	kill(-server_pid, SIGKILL);
	while (wait(NULL) > 0)
		;
	unlink(socket_path);
}

/* The client */

static struct req rq;

static void begin(enum method method)
{
	struct arena arena = rq.tx.arena;

	arena_reset(&arena);
	rq = (struct req){
		.tx.arena = arena, .asked.route = &route, .asked.method = method, .tx.timeout_ms = 5000
	};
	rq.who.kind = BEARER;
	rq.who.tenant_id = "00000000-0000-7000-8000-000000000001";
	rq.tx.constraints = constraints;
	rq.tx.writes = req_writes(&rq);
	auth_door(&rq);
	stage->seen[0] = '\0';
	stage->times = 0;
	stage->constraint[0] = stage->hint[0] = '\0';
}

/* What the server is to do at a message of a statement. */
static void tell(char at, const char *of, int what, const char *state)
{
	stage->at = at;
	snprintf(stage->of, sizeof(stage->of), "%.60s", of);
	stage->act = what;
	snprintf(stage->state, sizeof(stage->state), "%s", state);
	stage->times = 1;
}

static const char *seen(void)
{
	return stage->seen;
}

/* Run the query that the tests run; the error's code, or "t" for the row. */
static const char *call(bool last)
{
	PGresult *res;
	enum err rc = tx_call(&rq.tx, &q_ready_check, last, &res);

	if (!rc != !!res || rc != rq.tx.fail.err)
		return "(rc, result and failure do not agree)";
	return rc ? err_info(rc)->code : column_bool(res, 0, "ready") ? "t" : "f";
}

/* Whatever has happened before, this request has a connection with everything prepared. */
static void reconnect(void)
{
	db_close();
	begin(GET);
	is_str(call(true), "t", "a new connection");
	begin(GET);
}

static void test_order(void)
{
	unsigned number, again;
	int fd;

	begin(GET);
	is_str(call(true), "t", "a query, with the door in front");
	is_str(seen(), "P enter_user|P ready_check|B enter_user|B ready_check|S|",
	       "what must be prepared is so before the door, and one sync ends it");
	ok(!rq.tx.is_open && rq.tx.ns > 0, "the transaction is over, its time counted");
	begin(GET);
	is_str(call(true), "t", "again");
	is_str(seen(), "B enter_user|B ready_check|S|", "what is prepared is not prepared again");
	fd = db_socket(&number);
	ok(fd >= 0 && db_socket(&again) == fd && again == number && stage->connections == 1,
	   "on the same connection");
}

static void test_open_transaction(void)
{
	begin(POST);
	is_str(call(false), "t", "a query that is not the last");
	is_str(seen(), "B enter_user|B ready_check|", "has no sync");
	ok(rq.tx.is_open, "the transaction is open");
	is_str(call(false), "t", "another one");
	is_str(seen(), "B enter_user|B ready_check|B ready_check|", "does not enter again");
	is_int(tx_finish(&rq.tx, true), ERR_OK, "the end");
	is_str(seen(), "B enter_user|B ready_check|B ready_check|S|", "is a sync, which commits");
	ok(!rq.tx.is_open, "and the transaction is over");
	is_int(tx_finish(&rq.tx, true), ERR_OK, "which it is only once");

	begin(POST);
	call(false);
	is_int(tx_finish(&rq.tx, false), ERR_OK, "taken back");
	is_str(seen(), "B enter_user|B ready_check|Q ROLLBACK|S|", "it is rolled back in front of the sync");

	begin(POST);
	call(false);
	req_fail(&rq, ERR_CONFLICT, "no");
	is_int(tx_finish(&rq.tx, false), ERR_CONFLICT,
	       "a handler that fails behind a statement that did not");
	is_str(seen(), "B enter_user|B ready_check|Q ROLLBACK|S|",
	       "is rolled back, too: a sync alone would commit");
	ok(!rq.tx.is_open, "and over");
	begin(POST);
	call(false);
	req_fail(&rq, ERR_CONFLICT, "no");
	tx_finish(&rq.tx, true);
	has_str(seen(), "Q ROLLBACK", "whatever is asked for");
}

static void test_refusal(void)
{
	begin(POST);
	call(false);
	req_refuse(&rq, ERR_CREDENTIALS, "no");
	is_int(tx_finish(&rq.tx, true), ERR_CREDENTIALS, "a refusal that is to stay");
	is_str(seen(), "B enter_user|B ready_check|S|", "is committed");
	is_str(rq.tx.fail.message, "no", "and remains the failure");
	begin(POST);
	call(false);
	req_refuse(&rq, ERR_CREDENTIALS, "no");
	is_int(tx_finish(&rq.tx, false), ERR_CREDENTIALS, "unless the transaction is not to be");
	has_str(seen(), "Q ROLLBACK", "then it is rolled back");
	begin(POST);
	call(false);
	req_refuse(&rq, ERR_CREDENTIALS, "no");
	tell('S', "", REFUSE, "40001");
	is_int(tx_finish(&rq.tx, true), ERR_UNAVAILABLE, "when it cannot be committed, that is the failure");
	ok(rq.tx.may_rerun, "which may be run again");

	begin(POST);
	is_str(call(true), "t", "what is behind a commit");
	ok(rq.tx.committed, "of a request that writes");
	tell('E', "ready_check", REFUSE, "40001");
	is_str(call(true), "SERVICE_UNAVAILABLE", "may fail as well");
	ok(!rq.tx.may_rerun, "but then the first half is not done twice");
	begin(GET);
	call(true);
	ok(!rq.tx.committed, "to read leaves nothing behind");
}

static void test_frame(void)
{
	static const char *const values[] = { "p", "r", "k", "\\x00" };

	begin(POST);
	tx_frame(&rq.tx, &q_idempotency_begin, values);
	is_str(call(true), "t", "a statement of the runtime's in front");
	is_str(seen(), "P idempotency_begin|B enter_user|B idempotency_begin|B ready_check|",
	       "comes behind the door, and the transaction stays open");
	tx_finish(&rq.tx, true);
	begin(POST);
	tx_frame(&rq.tx, &q_idempotency_begin, values);
	tell('E', "idempotency_begin", REFUSE, "AS002");
	is_str(call(true), "CONFLICT", "where it refuses");
	ok(failure_is(&rq.tx.fail, "AS002") && !rq.tx.is_open,
	   "because it was answered before, that is known");
}

static void test_enter(void)
{
	begin(GET);
	tell('E', "enter_user", REFUSE, "AS401");
	snprintf(stage->hint, sizeof(stage->hint), "token");
	is_str(call(true), "AUTHENTICATION_ERROR", "the door refuses");
	is_str(rq.tx.fail.message, "made up", "with a message for the client");
	is_str(rq.tx.fail.field, "token", "and a field");
	begin(GET);
	tell('E', "enter_user", REFUSE, "AS001");
	is_str(call(true), "AUTHENTICATION_ERROR", "a user that is new");
	ok(failure_is(&rq.tx.fail, "AS001"), "is known as such");
	begin(GET);
	is_str(call(true), "t", "the connection is as good as before");
	begin(GET);
	is_int(tx_enter(&rq.tx), ERR_OK, "to ask the door alone");
	is_str(seen(), "B enter_user|S|", "takes the door alone");
	req_fail(&rq, ERR_VALIDATION, "kept");
	is_int(tx_knock(&rq.tx).err, ERR_OK, "in the middle of another failure");
	is_str(rq.tx.fail.message, "kept", "keeps that");
	tell('E', "enter_user", REFUSE, "AS403");
	is_int(tx_knock(&rq.tx).err, ERR_AUTHORIZATION, "what it refuses is returned");
	is_str(rq.tx.fail.message, "kept", "and not recorded");
	ok(!rq.tx.entered, "whoever is refused has not entered");
	tell('E', "enter_user", REFUSE, "AS005");
	begin(GET);
	tell('E', "enter_user", REFUSE, "AS005");
	is_str(call(true), "INVALID_API_KEY", "a key that nobody knows");
	begin(GET);
	tell('E', "enter_user", REFUSE, "AS006");
	is_str(call(true), "ORIGIN_NOT_ALLOWED", "a page that may not use it");
	begin(GET);
	is_str(call(true), "t", "anybody else");
	ok(rq.tx.entered, "has entered");
	begin(GET);
	rq.who.page_key = "\\x00";
	auth_door(&rq);
	is_str(call(true), "t", "who has a page's key");
	has_str(seen(), "B enter_user|B key_page|", "asks about the page in the same breath");
	ok(rq.tx.entered && rq.tx.asked_beside && rq.tx.found_beside, "and learns that it may read");
	begin(GET);
	rq.who.page_key = "\\x00";
	auth_door(&rq);
	tx_ask_beside(&rq.tx);
	ok(rq.tx.found_beside, "which can be asked alone");
	is_int(stage->connections, 1, "all on one connection");
}

static const struct {
	const char *state;
	enum err err;
	bool rerun;
} states[] = {
	{ "AS404", ERR_NOT_FOUND, false },    { "AS409", ERR_CONFLICT, false },
	{ "AS412", ERR_PRECONDITION, false }, { "AS422", ERR_VALIDATION, false },
	{ "40001", ERR_UNAVAILABLE, true },   { "40P01", ERR_UNAVAILABLE, true },
	{ "55P03", ERR_UNAVAILABLE, false },  { "57014", ERR_TIMEOUT, false },
	{ "22P02", ERR_INTERNAL, false },     { "42501", ERR_INTERNAL, false },
	{ "25006", ERR_INTERNAL, false },     { "XX000", ERR_INTERNAL, false },
};

static void test_errors(void)
{
	for (size_t i = 0; i < sizeof(states) / sizeof(*states); i++) {
		for (int last = 0; last < 2; last++) {
			begin(POST);
			tell('E', "ready_check", REFUSE, states[i].state);
			is_str(call(last), err_info(states[i].err)->code, "SQLSTATE %s, %s", states[i].state,
			       last ? "last" : "not last");
			ok(!rq.tx.is_open && rq.tx.may_rerun == states[i].rerun, "  ends the transaction%s",
			   states[i].rerun ? ", which may be run again" : "");
			is_str(rq.tx.fail.message, strncmp(states[i].state, "AS", 2) ? NULL : "made up",
			       "  PostgreSQL's own words are not for the client");
		}
	}
	is_str(rq.tx.log.doing, "running ready_check", "what was being done is known");
	begin(POST);
	tell('E', "ready_check", REFUSE, "23505");
	snprintf(stage->constraint, sizeof(stage->constraint), "things_name_unique");
	is_str(call(true), "CONFLICT", "a constraint that the route names");
	is_str(rq.tx.fail.field, "name", "has the field of its row");
	begin(POST);
	tell('E', "ready_check", REFUSE, "23505");
	snprintf(stage->constraint, sizeof(stage->constraint), "other_unique");
	is_str(call(true), "INTERNAL_ERROR", "one that it does not name is a mistake of ours");
	begin(POST);
	tell('S', "", REFUSE, "23505");
	snprintf(stage->constraint, sizeof(stage->constraint), "things_name_unique");
	is_str(call(true), "CONFLICT", "one that is checked when the transaction commits");
	ok(!rq.tx.is_open && stage->connections == 1, "ends it, and not the connection");
	begin(GET);
	is_str(call(true), "t", "which goes on");
}

static void test_preparing(void)
{
	static const char *const not_yet[] = { "42P01", "42703", "42883" }; /* table, column, function */

	reconnect();
	db_close();
	begin(GET);
	tell('P', "ready_check", REFUSE, "42601");
	is_str(call(true), "INTERNAL_ERROR", "a query that cannot be prepared");
	is_str(rq.tx.log.doing, "preparing ready_check", "is told from one that cannot be run");
	is_str(seen(), "P enter_user|P ready_check|B enter_user|B ready_check|S|",
	       "it was sent with the others");
	begin(GET);
	is_str(call(false), "t", "the next time");
	is_str(seen(), "P ready_check|B enter_user|B ready_check|",
	       "it is prepared again, the one before it not");
	tx_finish(&rq.tx, true);

	db_close();
	begin(GET);
	tell('E', "enter_user", REFUSE, "AS401");
	call(true);
	begin(GET);
	is_str(call(true), "t", "behind a refusal");
	is_str(seen(), "B enter_user|B ready_check|S|", "what was sent with it is prepared all the same");
	db_close();
	begin(GET);
	tell('P', "enter_user", REFUSE, "42601");
	is_str(call(false), "INTERNAL_ERROR", "the door itself cannot be prepared");
	ok(!rq.tx.is_open, "and no transaction stays open");
	begin(GET);
	is_str(call(true), "t", "but the next time");
	for (size_t i = 0; i < sizeof(not_yet) / sizeof(*not_yet); i++) {
		db_close();
		begin(GET);
		tell('P', "ready_check", REFUSE, not_yet[i]);
		is_str(call(true), "SERVICE_UNAVAILABLE",
		       "%s: what a migration has not made yet is waited for", not_yet[i]);
		ok(!rq.tx.may_rerun, "  by the client");
	}
}

static void test_stale(void)
{
	static const char *const stale[] = { "26000", "0A000" };

	for (int i = 0; i < 2; i++) {
		for (int last = 0; last < 2; last++) {
			int before;

			reconnect();
			before = stage->connections;
			tell('E', "ready_check", REFUSE, stale[i]);
			is_str(call(last), "SERVICE_UNAVAILABLE", "%s: a prepared statement that is no more",
			       stale[i]);
			ok(rq.tx.may_rerun && !rq.tx.is_open, "  may be run again");
			begin(GET);
			is_str(call(true), "t", "  which works");
			is_str(seen(), "P enter_user|P ready_check|B enter_user|B ready_check|S|",
			       "  because all is prepared anew");
			is_int(stage->connections, before + 1, "  on a new connection");
		}
	}
}

static void test_talk(void)
{
	reconnect();
	db_close();
	stage->talks = true;
	begin(GET);
	is_str(call(false), "t", "notices and changed parameters in between");
	is_int(tx_finish(&rq.tx, true), ERR_OK, "are passed over");
	begin(GET);
	tell('E', "ready_check", REFUSE, "40001");
	is_str(call(true), "SERVICE_UNAVAILABLE", "also around an error");
	begin(GET);
	is_str(call(true), "t", "and behind it");
	stage->talks = false;
}

static void test_gone(void)
{
	static const struct {
		char at;
		const char *of;
	} moments[] = { { 'P', "enter_user" }, { 'E', "enter_user" }, { 'E', "ready_check" }, { 'S', "" } };
	unsigned number;

	for (size_t i = 0; i < sizeof(moments) / sizeof(*moments); i++) {
		for (int how = DROP; how <= REFUSE_AND_DROP; how++) {
			db_close();
			begin(GET);
			tell(moments[i].at, moments[i].of, how, "57P01");
			is_str(call(true), "SERVICE_UNAVAILABLE", "the server goes away at %c %s, %s",
			       moments[i].at, moments[i].of, how == DROP ? "silently" : "with a word");
			ok(rq.tx.may_rerun && !rq.tx.is_open, "  a read may be run again");
			is_int((int)rq.tx.fail.retry_after, 1, "  one Retry-After");
			db_close();
			begin(POST);
			tell(moments[i].at, moments[i].of, how, "57P01");
			call(true);
			ok(!rq.tx.may_rerun && rq.tx.fail.err == ERR_UNAVAILABLE, "  a write may not");
			is_int((int)rq.tx.fail.retry_after, 1, "  and one Retry-After");
			begin(GET);
			is_str(call(true), "t", "  the next request connects again");
		}
	}
	begin(GET);
	tell('E', "ready_check", DROP, "");
	call(false);
	ok(!rq.tx.is_open && db_socket(&number) < 0, "also inside of a transaction");
	is_int(tx_finish(&rq.tx, false), ERR_UNAVAILABLE, "which there is nothing to end of");
}

static void test_hang(void)
{
	unsigned number;
	int64_t took;

	for (int last = 0; last < 2; last++) {
		reconnect();
		rq.tx.timeout_ms = 150;
		tell('E', "ready_check", HANG, "");
		took = clock_ns();
		is_str(call(last), "TIMEOUT", "a server that does not answer");
		took = (clock_ns() - took) / 1000000;
		ok(took >= 150 && took < 2000, "  is waited for as long as it may take: %lld ms",
		   (long long)took);
		ok(!rq.tx.may_rerun && !rq.tx.is_open, "  and not once more");
		ok(db_socket(&number) < 0, "  its connection is given up");
		begin(GET);
		is_str(call(true), "t", "  the next request has another");
	}
	reconnect();
	call(false);
	rq.tx.timeout_ms = 150;
	tell('S', "", HANG, "");
	is_int(tx_finish(&rq.tx, true), ERR_TIMEOUT, "nor a commit that does not come back");
}

static void test_outside(void)
{
	PGresult *res;

	reconnect();
	res = db_outside(&q_ready_check, NULL);
	ok(res && column_bool(res, 0, "ready"), "a query outside of any request");
	PQclear(res);
	ok(!strstr(seen(), "enter_user"), "does not enter");
	begin(GET);
	tell('E', q_ready_check.text, REFUSE, "42501");
	ok(!db_outside(&q_ready_check, NULL), "NULL when it is refused");
	begin(GET);
	is_str(call(true), "t", "and the connection goes on");
}

static void test_idle(void)
{
	unsigned number;
	int64_t began_ns;
	struct pollfd p;

	reconnect();
	stage->talks = true;
	begin(GET);
	call(true);
	stage->talks = false;
	db_idle_input();
	ok(db_socket(&number) >= 0, "what an idle connection says is read");
	p = (struct pollfd){ .fd = db_socket(&number), .events = POLLIN };
	stop_server();
	poll(&p, 1, 2000);
	for (int i = 0; i < 5 && db_socket(&number) >= 0; i++)
		db_idle_input();
	is_int(db_socket(&number), -1, "its end is the end of ours");

	began_ns = clock_ns();
	begin(GET);
	is_str(call(true), "SERVICE_UNAVAILABLE", "nobody is there");
	is_int((int)rq.tx.fail.retry_after, 1, "which is told, with Retry-After");
	ok(!rq.tx.is_open && !rq.tx.may_rerun, "and nothing to run again for now");
	start_server();
	begin(GET);
	/* On a machine that is busy the moment may be over. */
	ok(!strcmp(call(true), "SERVICE_UNAVAILABLE") || clock_ns() - began_ns >= 100000000,
	   "for a tenth of a second nobody is even asked");
	usleep(250000);
	begin(GET);
	is_str(call(true), "t", "then somebody is");
}

static void test_binding(void)
{
	PGresult *res;

	reconnect();
	is_int(tx_call(&rq.tx, &q_project_get, true, &res), ERR_INTERNAL,
	       "a parameter that nothing in the request is bound to");
	is_str(seen(), "", "is found before anything is sent");
	has_str(rq.tx.fail.reason, "project_get: nothing to bind :", "and named in the log");
}

static void test_unprepared(void)
{
	db_close();
	cfg.db_prepared = false;
	begin(GET);
	is_str(call(true), "t", "without prepared statements");
	ok(!strstr(seen(), "P ") && !strstr(seen(), "B ") && strstr(seen(), "Q SELECT"),
	   "the text is sent each time");
	cfg.db_prepared = true;
	db_close();
}

int main(void)
{
	static char url[128];

	stage = mmap(NULL, sizeof(*stage), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (!mkdtemp(dir))
		return 1;
	snprintf(socket_path, sizeof(socket_path), "%s/.s.PGSQL.5432", dir);
	snprintf(url, sizeof(url), "host=%s port=5432 user=x dbname=x", dir);
	cfg.database_url = url;
	cfg.database_timeout_ms = 5000;
	cfg.database_connect_timeout_s = 2;
	cfg.db_prepared = true;
	cfg.log_level = "error";
	log_init("test");
	arena_init(&rq.tx.arena, 65536);
	start_server();
	test_order();
	test_open_transaction();
	test_refusal();
	test_frame();
	test_enter();
	test_errors();
	test_preparing();
	test_stale();
	test_talk();
	test_gone();
	test_hang();
	test_outside();
	test_binding();
	test_unprepared();
	test_idle();
	db_close();
	stop_server();
	arena_release(&rq.tx.arena);
	rmdir(dir);
	return done_testing();
}
