/*
 * Metrics: what is counted, by whom, and that Prometheus can read it.
 */
#include "fcgi/metrics.h"

#include <regex.h>
#include <sys/mman.h>

#include "fcgi/route.h"
#include "lib/base/err.h"
#include "lib/host/scoreboard.h"
#include "lib/host/shm.h"
#include "t/unit/tap.h"

static const struct route rows[] = {
	{ GET, "/api/v1/app/things", "app.t.list", &by_anyone, "" },
	{ POST, "/api/v1/app/things", "app.t.create", &by_anyone, "" },
	ROUTE_END,
};
static struct route many[2101];
const struct route *const route_tables[] = { rows, many, NULL };

static const int64_t MS = 1000000;

static struct arena arena, lasting; /* the first is reset by begin() */

static void begin(void)
{
	shm_unmap();
	shm_map(NULL, 0);
	arena_reset(&arena);
}

static const char *written(void)
{
	struct buf b;

	buf_init(&b, &arena, 65536);
	metrics_write(&b);
	return buf_str(&b);
}

/* The value of a sample, by its name and labels; -1: there is none. */
static double sample(const char *text, const char *name)
{
	size_t n = strlen(name);

	for (const char *p = text; p; p = strchr(p, '\n'), p += p != NULL)
		if (!strncmp(p, name, n) && p[n] == ' ')
			return atof(p + n + 1);
	return -1;
}

#define LIST "{method=\"GET\",route=\"/api/v1/app/things\""
#define CREATE "{method=\"POST\",route=\"/api/v1/app/things\""
#define NONE "{method=\"\",route=\"(none)\""

static void test_counting(void)
{
	const char *text;

	begin();
	metrics_count(0, 200, 1 * MS);
	metrics_count(0, 200, 1 * MS + 1);
	metrics_count(0, 404, 0);
	metrics_count(1, 201, 700 * MS);
	metrics_count(1, 504, 20000 * MS);
	metrics_count(1, 299, 10000 * MS);
	metrics_count(METRICS_NO_ROUTE, 404, 2 * MS);
	metrics_count(5000, 404, 2 * MS);
	text = written();
	is_int((int)sample(text, "ashlar_requests_total" LIST ",status=\"200\"}"), 2, "requests by status");
	is_int((int)sample(text, "ashlar_requests_total" LIST ",status=\"404\"}"), 1, "each apart");
	is_int((int)sample(text, "ashlar_requests_total" LIST ",status=\"500\"}"), -1,
	       "one that was never given is left out");
	is_int((int)sample(text, "ashlar_requests_total" CREATE ",status=\"201\"}"), 1, "by route");
	is_int((int)sample(text, "ashlar_requests_total" CREATE ",status=\"504\"}"), 1, "504");
	is_int((int)sample(text, "ashlar_requests_total" CREATE ",status=\"other\"}"), 1,
	       "a status that is not listed is another");
	is_int((int)sample(text, "ashlar_requests_total" NONE ",status=\"404\"}"), 2,
	       "what no route answered, and numbers that no route has");

	is_int((int)sample(text, "ashlar_request_duration_seconds_bucket" LIST ",le=\"0.001\"}"), 2,
	       "a millisecond is in the bucket of a millisecond");
	is_int((int)sample(text, "ashlar_request_duration_seconds_bucket" LIST ",le=\"0.0025\"}"), 3,
	       "a nanosecond more in the next, which counts the smaller too");
	is_int((int)sample(text, "ashlar_request_duration_seconds_bucket" LIST ",le=\"+Inf\"}"), 3,
	       "all are in the last");
	is_int((int)sample(text, "ashlar_request_duration_seconds_bucket" CREATE ",le=\"0.5\"}"), 0,
	       "700 ms");
	is_int((int)sample(text, "ashlar_request_duration_seconds_bucket" CREATE ",le=\"1\"}"), 1,
	       "are less than a second");
	is_int((int)sample(text, "ashlar_request_duration_seconds_bucket" CREATE ",le=\"10\"}"), 2,
	       "ten seconds are ten");
	is_int((int)sample(text, "ashlar_request_duration_seconds_bucket" CREATE ",le=\"+Inf\"}"), 3,
	       "twenty are more");
	is_int((int)sample(text, "ashlar_request_duration_seconds_count" LIST "}"), 3, "the count");
	ok(sample(text, "ashlar_request_duration_seconds_sum" CREATE "}") == 30.7, "the sum, in seconds");
}

static void test_pools(void)
{
	const char *text;

	begin();
	scoreboard_of(0)->children[0].pid = 1;
	scoreboard_of(0)->children[SCOREBOARD_CHILDREN - 1].pid = 2;
	scoreboard_of(0)->children[0].busy_since_ns = 5;
	scoreboard_of(0)->children[7].busy_since_ns = 5;
	scoreboard_of(1)->respawns = 3;
	scoreboard_of(1)->killed = 4;
	scoreboard_of(1)->reloads = 5;
	scoreboard_of(1)->db_ns = 1500 * MS;
	scoreboard_of(1)->db_connects = 6;
	text = written();
	is_int((int)sample(text, "ashlar_children{pool=\"main\"}"), 2, "children of a pool");
	is_int((int)sample(text, "ashlar_requests_in_flight{pool=\"main\"}"), 1,
	       "in flight is what a child has in hand, not what a dead one left");
	is_int((int)sample(text, "ashlar_children{pool=\"slow\"}"), 0, "the other pool has none");
	is_int((int)sample(text, "ashlar_child_respawns_total{pool=\"slow\"}"), 3, "but respawns");
	is_int((int)sample(text, "ashlar_child_kills_total{pool=\"slow\"}"), 4, "kills");
	is_int((int)sample(text, "ashlar_reloads_total{pool=\"slow\"}"), 5, "reloads");
	ok(sample(text, "ashlar_db_seconds_total{pool=\"slow\"}") == 1.5, "time in the database, in seconds");
	is_int((int)sample(text, "ashlar_db_connects_total{pool=\"slow\"}"), 6, "and connections");
	scoreboard_of(0)->db_ns = UINT64_MAX;
	ok(sample(written(), "ashlar_db_seconds_total{pool=\"main\"}") > 1e10, "large numbers stay numbers");
}

/* The text format 0.0.4: comments in front of their family's samples, and samples. */
static void test_format(void)
{
	static const char *const comment_form =
		"^# (HELP [a-z_]+ .+|TYPE [a-z_]+ (counter|gauge|histogram))$";
	static const char *const sample_form = "^[a-z_]+(\\{[a-z]+=\"[^\"\\]*\"(,[a-z]+=\"[^\"\\]*\")*\\})? "
					       "[0-9]+(\\.[0-9]+)?(e[+-]?[0-9]+)?$";
	int bad = 0, samples = 0, strays = 0, twice = 0;
	char family[100] = "-", seen[4096] = "";
	regex_t comment, value;
	char *text, *line;

	begin();
	for (int i = -1; i < 2; i++)
		for (int status = 200; status < 600; status++)
			metrics_count(i, status, status * MS);
	text = arena_dup(&arena, written());
	is_int(text[strlen(text) - 1], '\n', "the last line ends like the others");
	regcomp(&comment, comment_form, REG_EXTENDED | REG_NOSUB);
	regcomp(&value, sample_form, REG_EXTENDED | REG_NOSUB);
	while ((line = strsep(&text, "\n")) && *line) {
		if (*line == '#') {
			bad += regexec(&comment, line, 0, NULL, 0) != 0;
			if (strncmp(line, "# TYPE ", 7) != 0)
				continue;
			sscanf(line + 7, "%99s", family);
			twice += strstr(seen, arena_fmt(&arena, " %s ", family)) != NULL;
			snprintf(seen + strlen(seen), sizeof(seen) - strlen(seen), " %s ", family);
			continue;
		}
		samples++;
		bad += regexec(&value, line, 0, NULL, 0) != 0;
		strays += strncmp(line, family, strlen(family)) != 0;
	}
	regfree(&comment);
	regfree(&value);
	is_int(bad, 0, "every line has the form of a comment or a sample");
	ok(samples > 3 * 27, "and there are many: %d", samples);
	is_int(strays, 0, "samples stand behind their family's comment");
	is_int(twice, 0, "which comes once");
}

/* Each status that an error of ours has must be told from others, but for those that only nginx gives. */
static void test_statuses(void)
{
	const char *text;

	begin();
	for (int e = 0; e < ERR_COUNT; e++)
		metrics_count(0, err_info((enum err)e)->status, MS);
	text = written();
	for (int e = 0; e < ERR_COUNT; e++) {
		int status = err_info((enum err)e)->status;

		if (status == 414 || status == 431 || status == 499)
			continue;
		ok(sample(text, arena_fmt(&arena, "ashlar_requests_total" LIST ",status=\"%d\"}", status)) >
			   0,
		   "%s, %d, is counted apart", err_info((enum err)e)->code, status);
	}
}

static void test_processes(void)
{
	enum { PROCESSES = 4, TIMES = 50000 };
	const char *text;

	begin();
	fflush(stdout);
	for (int p = 0; p < PROCESSES; p++) {
		if (fork() != 0)
			continue;
		for (int i = 0; i < TIMES; i++)
			metrics_count(0, 200, MS);
		_exit(0);
	}
	while (wait(NULL) > 0)
		;
	text = written();
	is_int((int)sample(text, "ashlar_requests_total" LIST ",status=\"200\"}"), PROCESSES * TIMES,
	       "what all children count is added up, and nothing lost");
	is_int((int)sample(text, "ashlar_request_duration_seconds_count" LIST "}"), PROCESSES * TIMES,
	       "in the histogram, too");
}

/* More routes than there are places for. */
static void test_many(void)
{
	const char *text;

	begin();
	for (int i = 0; i < 2102; i++)
		metrics_count(i, 200, MS);
	text = written();
	is_int((int)sample(text, "ashlar_requests_total{method=\"GET\",route=\"/r0\",status=\"200\"}"), 1,
	       "with more routes than places, the first ones have theirs");
	is_int((int)sample(text,
			   arena_fmt(&arena,
				     "ashlar_requests_total{method=\"GET\",route=\"/r%d\",status=\"200\"}",
				     METRICS_ROUTES - 2 - 2)),
	       1, "up to the last place");
	is_int((int)sample(text, "ashlar_requests_total" NONE ",status=\"200\"}"),
	       2102 - (METRICS_ROUTES - 1), "the others share one");
}

int main(void)
{
	arena_init(&arena, 65536);
	arena_init(&lasting, 65536);
	for (int i = 0; i < 2100; i++)
		many[i] = (struct route){ GET, arena_fmt(&lasting, "/r%d", i), "app.t.many", &by_anyone, "" };
	test_counting();
	test_pools();
	test_format();
	test_statuses();
	test_processes();
	test_many();
	arena_release(&lasting);
	arena_release(&arena);
	return done_testing();
}
