/*
 * ashlar api: serve the API, as one pool of processes.
 */
#include "cmd/cmd.h"

#include <unistd.h>

#include "fcgi/answer.h"
#include "fcgi/pool.h"
#include "fcgi/router.h"
#include "lib/host/config.h"
#include "lib/host/log.h"
#include "lib/host/span.h"
#include "lib/host/scoreboard.h"

static const char *pool_name = "main", *processes, *socket_path;

static const struct cmd_option options[] = {
	{ "--pool", "NAME", &pool_name,
	  "main; slow: for routes that wait for other servers; hash: for those that hash passwords" },
	{ "--processes", "N", &processes,
	  "how many children; auto, or left out: four per core, and one in the pool hash" },
	{ "--socket", "PATH", &socket_path, "where to listen, unless standard input is a listening socket" },
	{ NULL, NULL, NULL, NULL },
};

static const char *const process_names[POOL_WORKER] = { "api-main", "api-slow", "api-hash" };

static const struct cmd_usage usage = {
	"api [--pool main|slow|hash] [--processes N] [--socket PATH]",
	"Answer FastCGI requests until SIGTERM.  SIGHUP replaces all children without\n"
	"losing a request.  The configuration is in the environment: ashlar check-config.\n"
	"To ask a server, name a method and a path: ashlar api GET --help.",
	options,
};

/* As many as the cores keep busy: those that hash do nothing else, the others wait for PostgreSQL as well. */
static int children_of(enum pool number)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN), n = number == POOL_HASH ? cores : 4 * cores;

	return (int)(n < 1 ? 1 : n > SCOREBOARD_CHILDREN / 2 ? SCOREBOARD_CHILDREN / 2 : n);
}

int cmd_api(int argc, char **argv)
{
	struct pool_options pool = { 0 };

	if (argc > 1 && method_find(argv[1]) != METHOD_COUNT)
		return cmd_request(argc, argv);
	if (cmd_options(&usage, argc, argv) < argc)
		cmd_misuse(&usage, "takes no operands");
	while (pool.number < POOL_WORKER && strcmp(pool_name, pool_names[pool.number]))
		pool.number++;
	if (pool.number == POOL_WORKER)
		cmd_misuse(&usage, "--pool must be main, slow or hash");
	pool.name = pool_name;
	pool.socket = socket_path;
	pool.processes =
		processes && strcmp(processes, "auto")
			? (int)cmd_number(&usage, "--processes", processes, 1, SCOREBOARD_CHILDREN / 2)
			: children_of(pool.number);
	cmd_config_server();
	log_init(process_names[pool.number]);
	span_init(process_names[pool.number]);
	router_init();
	answer_init();
	return pool_run(&pool);
}
