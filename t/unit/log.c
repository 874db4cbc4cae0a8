/*
 * Log lines: whatever a client sends, one line is one valid JSON object of a
 * bounded size, and no secret is in it.
 */
#include "lib/host/log.h"

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include <json-c/json.h>

#include "fcgi/req.h"
#include "fcgi/request_log.h"
#include "lib/base/clock.h"
#include "lib/base/json.h"
#include "lib/host/config.h"
#include "t/unit/tap.h"

static const struct route route = { GET, "/api/v1/app/things/{id}", "app.things.get", &by_user, "" };
const struct route *const route_tables[] = { NULL };

static struct req rq;
static int pipe_fds[2];
static char logged[65536];

/* What was written to standard error since the last call. */
static const char *lines(void)
{
	ssize_t n = read(pipe_fds[0], logged, sizeof(logged) - 1);

	logged[n > 0 ? n : 0] = '\0';
	return logged;
}

/* The one line of the log as an object; NULL when it is not exactly one. */
static struct json_object *line(void)
{
	const char *text = lines(), *end = strchr(text, '\n'), *problem = NULL;
	struct json_object *tree = NULL;

	if (!end || end[1] || end - text >= PIPE_BUF) {
		diag("%zu bytes, the first line of %td", strlen(text), end ? end - text : -1);
		return NULL;
	}
	if (json_read(&rq.tx.arena, text, (size_t)(end - text), &tree, &problem))
		diag("%s: %s", problem, text);
	return tree;
}

static const char *member(struct json_object *tree, const char *name)
{
	struct json_object *v = NULL;

	return json_object_object_get_ex(tree, name, &v) ? json_object_get_string(v) : NULL;
}

static void begin(void)
{
	struct arena arena = rq.tx.arena;

	arena_reset(&arena);
	rq = (struct req){ .tx.arena = arena,
			   .tx.log = { .request_id = "request-1", .doing = "preparing thing_get" },
			   .asked.method = GET,
			   .asked.method_name = "GET",
			   .asked.ip = "192.0.2.1",
			   .asked.route = &route,
			   .answer.status = 200,
			   .asked.start_ns = clock_ns() - 1500000,
			   .tx.ns = 250000 };
	rq.answer.out.n = 123;
}

static void test_request(void)
{
	struct json_object *tree;
	const char *at;

	begin();
	memcpy(rq.tx.log.trace_id, "4bf92f3577b34da6a3ce929d0e0e4736", 33);
	memcpy(rq.tx.log.span_id, "00f067aa0ba902b7", 17);
	rq.who.kind = BEARER;
	rq.who.subject = "user_123";
	rq.who.tenant_id = "tenant-1";
	request_log(&rq);
	tree = line();
	if (!ok(tree, "a request is one line of JSON"))
		return;
	at = member(tree, "timestamp");
	ok(at && strlen(at) == 24 && at[10] == 'T' && at[23] == 'Z', "with the time: %s", at);
	is_str(member(tree, "level"), "info", "level");
	is_str(member(tree, "message"), "request", "message");
	is_str(member(tree, "process"), "api-test", "process");
	is_int(atoi(member(tree, "pid")), getpid(), "pid");
	is_str(member(tree, "request_id"), "request-1", "request_id");
	is_str(member(tree, "trace_id"), "4bf92f3577b34da6a3ce929d0e0e4736", "trace_id");
	is_str(member(tree, "span_id"), "00f067aa0ba902b7", "span_id");
	is_str(member(tree, "method"), "GET", "method");
	is_str(member(tree, "route"), "/api/v1/app/things/{id}", "the route's pattern, not the path");
	is_str(member(tree, "status"), "200", "status");
	is_str(member(tree, "db_ms"), "0.250", "db_ms");
	ok(atof(member(tree, "duration_ms")) >= 1.5, "duration_ms");
	is_str(member(tree, "bytes"), "123", "bytes");
	is_str(member(tree, "ip"), "192.0.2.1", "ip");
	is_str(member(tree, "user"), "user_123", "user");
	is_str(member(tree, "tenant"), "tenant-1", "tenant");
	ok(!member(tree, "code") && !member(tree, "while"), "and no failure");
}

static void test_levels(void)
{
	static const struct {
		int status;
		const char *level;
	} levels[] = { { 200, "info" },  { 404, "info" },    { 499, "info" }, { 500, "error" },
		       { 502, "error" }, { 503, "warning" }, { 504, "error" } };

	for (size_t i = 0; i < sizeof(levels) / sizeof(*levels); i++) {
		begin();
		rq.answer.status = levels[i].status;
		request_log(&rq);
		is_str(member(line(), "level"), levels[i].level, "%d is of level %s", levels[i].status,
		       levels[i].level);
	}
	begin();
	rq.who.kind = ANONYMOUS;
	rq.who.tenant_id = "tenant-1";
	rq.asked.route = NULL;
	rq.answer.status = 404;
	req_fail_field(&rq, ERR_NOT_FOUND, "path", "no");
	rq.tx.fail.reason = "for the log";
	request_log(&rq);
	{
		struct json_object *tree = line();

		is_str(member(tree, "route"), "(none)", "a request without a route");
		ok(!member(tree, "user") && !member(tree, "tenant") && !member(tree, "trace_id"),
		   "without a caller or trace");
		is_str(member(tree, "code"), "NOT_FOUND", "with the code of its failure");
		is_str(member(tree, "field"), "path", "its field");
		is_str(member(tree, "reason"), "for the log", "its reason");
		is_str(member(tree, "while"), "preparing thing_get", "and what was being done");
	}

	cfg.log_level = "warning";
	log_init("api-test");
	begin();
	request_log(&rq);
	log_msg(LOG_INFO, NULL, "quiet");
	is_str(lines(), "", "what is below the level is not logged");
	log_msg(LOG_WARNING, NULL, "loud");
	is_str(member(line(), "message"), "loud", "what is not, is");
	cfg.log_level = "debug";
	log_init("api-test");
	log_msg(LOG_DEBUG, NULL, "all");
	is_str(member(line(), "message"), "all", "debug is everything");
}

static void test_events(void)
{
	struct json_object *tree;

	begin();
	log_msg(LOG_ERROR, &rq.tx.log, "%s failed: %d", "it", 7);
	tree = line();
	is_str(member(tree, "message"), "it failed: 7", "an event's message");
	is_str(member(tree, "request_id"), "request-1", "the request it belongs to");
	is_str(member(tree, "while"), "preparing thing_get", "and what was being done");
	log_msg(LOG_INFO, NULL, "starting");
	tree = line();
	ok(tree && !member(tree, "request_id") && !member(tree, "while"), "an event of no request");
	log_msg(LOG_INFO, NULL, "%s", "");
	ok(line(), "an empty message is a line all the same");
}

static const char *const hostile[] = {
	"\"},{\"level\":\"error",
	"a\nb\r\n{\"fake\":1}",
	"\x01\x02\x1b[31m\x7f\t\b\f",
	"\\\\\\\"",
	"\xff\xfe\xc0\x80 \xed\xa0\x80 \xf5",
	"\xe2\x82",
	"\xe2\x80\xa8\xe2\x80\xa9</script>",
	"%s%n%d",
	"ä€😀",
};

static void test_hostile(void)
{
	for (size_t i = 0; i < sizeof(hostile) / sizeof(*hostile); i++) {
		const char *text = hostile[i];
		struct json_object *tree;

		begin();
		rq.tx.log.request_id = rq.asked.method_name = rq.asked.ip = rq.who.subject =
			rq.who.tenant_id = text;
		rq.who.kind = BEARER;
		rq.answer.status = 500;
		req_fail_field(&rq, ERR_INTERNAL, text, "%s", text);
		rq.tx.fail.reason = text;
		rq.tx.log.doing = text;
		request_log(&rq);
		tree = line();
		ok(tree, "hostile text %zu is inside of one line", i);
		is_str(member(tree, "level"), "error", "  which it does not change");
		ok(!member(tree, "fake"), "  nor add to");
		log_msg(LOG_ERROR, &rq.tx.log, "%s", text);
		ok(line(), "  also in an event");
	}
}

/* One byte so often that it would fill the line by itself. */
static void test_long(const char *what, char c)
{
	char *text = malloc(100001);
	struct json_object *tree;

	memset(text, c, 100000);
	text[100000] = '\0';
	begin();
	rq.tx.log.request_id = "request-1";
	rq.asked.method_name = rq.asked.ip = rq.who.subject = text;
	rq.who.tenant_id = "tenant-1";
	rq.who.kind = BEARER;
	rq.answer.status = 500;
	req_fail_field(&rq, ERR_INTERNAL, text, "%s", text);
	rq.tx.fail.reason = text;
	request_log(&rq);
	tree = line();
	ok(tree, "much of %s is cut to a line that a pipe takes in one piece", what);
	is_str(member(tree, "status"), "500", "  the status is there");
	is_str(member(tree, "route"), route.path, "  the route");
	is_str(member(tree, "request_id"), "request-1", "  and the id");
	ok(member(tree, "method") && strlen(member(tree, "method")) >= 100, "  and much of what was long");

	log_msg(LOG_ERROR, &rq.tx.log, "%s", text);
	tree = line();
	ok(tree && member(tree, "message") && strlen(member(tree, "message")) >= 100,
	   "  an event is cut, not lost");
	is_str(member(tree, "request_id"), "request-1", "  and keeps its request");
	free(text);
}

static void test_secrets(void)
{
	static char *params[] = { "HTTP_AUTHORIZATION=Bearer eyJsecret", "HTTP_COOKIE=session=eyJsecret",
				  "HTTP_X_API_KEY=eyJsecret", "QUERY_STRING=token=eyJsecret", NULL };
	const char *text;

	begin();
	rq.asked.params = params;
	rq.asked.path = "/api/v1/app/eyJsecret";
	rq.asked.query_string = "token=eyJsecret";
	rq.asked.body = "{\"password\":\"eyJsecret\"}";
	rq.asked.body_len = strlen(rq.asked.body);
	rq.who = (struct principal){
		.kind = BEARER, .tenant_id = "t", .subject = "u", .session = "eyJsecret", .email = "eyJsecret"
	};
	rq.answer.status = 500;
	req_fail(&rq, ERR_INTERNAL, "eyJsecret");
	request_log(&rq);
	text = lines();
	ok(*text && !strstr(text, "eyJsecret"), "headers, path, query, body and session are not logged");
}

/* Lines of several processes through one pipe, which its reader reads slowly. */
static void test_processes(void)
{
	enum { PROCESSES = 4, LINES = 50 };
	static char all[1 << 20];
	char *next;
	int good = 0, bad = 0;
	size_t n = 0;
	ssize_t k;

	fcntl(pipe_fds[0], F_SETFL, 0);
	fflush(stdout);
	for (int p = 0; p < PROCESSES; p++) {
		char text[1400];

		if (fork() != 0)
			continue;
		memset(text, 'a' + p, sizeof(text) - 1);
		text[sizeof(text) - 1] = '\0';
		begin();
		rq.asked.method_name = rq.asked.ip = text;
		for (int i = 0; i < LINES; i++)
			request_log(&rq);
		_exit(0);
	}
	while (good < PROCESSES * LINES && (k = read(pipe_fds[0], all + n, sizeof(all) - 1 - n)) > 0)
		for (size_t to = n + (size_t)k; n < to; n++)
			good += all[n] == '\n';
	while (wait(NULL) > 0)
		;
	all[n] = '\0';
	good = 0;
	for (char *p = all; *p; p = next) {
		struct json_object *tree;
		const char *problem;

		next = strchr(p, '\n');
		next = next ? next + 1 : p + strlen(p);
		begin();
		if (json_read(&rq.tx.arena, p, (size_t)(next - p), &tree, &problem))
			bad++;
		else
			good++;
	}
	is_int(good, PROCESSES * LINES, "lines of %d processes at one pipe arrive whole", PROCESSES);
	is_int(bad, 0, "and do not mix");
}

/* How many lines were written. */
static int written(void)
{
	int n = 0;

	for (const char *p = lines(); (p = strchr(p, '\n')); p++)
		n++;
	return n;
}

static void log_requests(int n)
{
	while (n-- > 0) {
		begin();
		request_log(&rq);
	}
}

static void test_kept(void)
{
	struct log_kept *kept =
		mmap(NULL, sizeof(*kept), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int n, all = 0, most = 0;
	const char *text, *second;
	pid_t child;

	log_keep(kept);
	log_requests(3);
	is_int(written(), 0, "lines that can wait do");
	log_flush();
	is_int(written(), 3, "until there is nothing else to do");
	log_flush();
	is_int(written(), 0, "and are written once");

	log_requests(1);
	log_msg(LOG_WARNING, NULL, "now");
	text = lines();
	second = strchr(text, '\n') + 1;
	ok(strstr(text, "request-1") < second && strstr(second, "\"now\""),
	   "what cannot wait is written behind what did");
	log_requests(1);
	begin();
	rq.answer.status = 500;
	request_log(&rq);
	is_int(written(), 2, "nor does an error of ours");

	for (int i = 0; i < 100; i++) {
		log_requests(1);
		n = written();
		all += n;
		most = n > most ? n : most;
	}
	log_flush();
	is_int(all + written(), 100, "however many they are, each is written");
	ok(most > 5 && most < 20, "when no more fit: %d at once", most);

	child = fork();
	if (!child) {
		log_requests(3);
		log_keep(kept);
		log_requests(2);
		raise(SIGKILL);
	}
	waitpid(child, NULL, 0);
	is_int(written(), 3, "a child that has no place for them writes each at once");
	log_flush_of(kept);
	is_int(written(), 2, "and what one that was killed had kept, who started it writes");
	log_keep(NULL);
	log_requests(1);
	is_int(written(), 1, "without a place nothing waits");
	munmap(kept, sizeof(*kept));
}

int main(void)
{
	int real_stderr = dup(STDERR_FILENO), status;

	if (pipe(pipe_fds) || fcntl(pipe_fds[0], F_SETFL, O_NONBLOCK))
		return 1;
	dup2(pipe_fds[1], STDERR_FILENO);
	arena_init(&rq.tx.arena, 65536);
	cfg.log_level = "info";
	log_init("api-test");
	test_request();
	test_levels();
	test_events();
	test_hostile();
	test_long("the letter a", 'a');
	test_long("control characters", '\x01');
	test_long("bytes that are not UTF-8", '\xff');
	test_secrets();
	test_kept();
	test_processes();
	arena_release(&rq.tx.arena);
	status = done_testing();
	dup2(real_stderr, STDERR_FILENO); /* for a sanitizer's last words */
	return status;
}
