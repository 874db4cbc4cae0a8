/*
 * ashlar api: serve the API, as one pool of processes.
 */
#include "cmd/cmd.h"

#include <unistd.h>

#include "fcgi/answer.h"
#include "fcgi/config.h"
#include "fcgi/log.h"
#include "fcgi/pool.h"
#include "fcgi/route.h"
#include "fcgi/shm.h"

static const char *pool_name = "main", *processes, *socket_path;

static const struct cmd_option options[] = {
	{ "--pool", "NAME", &pool_name, "main, or slow: the one for routes that wait for other servers" },
	{ "--processes", "N", &processes, "how many children; four per core when left out" },
	{ "--socket", "PATH", &socket_path, "where to listen, unless standard input is a listening socket" },
	{ NULL, NULL, NULL, NULL },
};

static const struct cmd_usage usage = {
	"api [--pool main|slow] [--processes N] [--socket PATH]",
	"Answer FastCGI requests until SIGTERM.  SIGHUP replaces all children without\n"
	"losing a request.  The configuration is in the environment: ashlar check-config.",
	options,
};

int cmd_api(int argc, char **argv)
{
	struct pool_options pool = { 0 };

	if (cmd_options(&usage, argc, argv) < argc)
		cmd_misuse(&usage, "takes no operands");
	pool.number = !strcmp(pool_name, "slow");
	pool.name = pool_name;
	pool.socket = socket_path;
	pool.processes = (int)(processes ? cmd_number(&usage, "--processes", processes, 1, SHM_CHILDREN / 2)
					 : 4 * sysconf(_SC_NPROCESSORS_ONLN));
	if (!pool.number && strcmp(pool_name, "main"))
		cmd_misuse(&usage, "--pool must be main or slow");
	if (config_load(stderr))
		cmd_die("the configuration has mistakes; see ashlar check-config");
	log_init(pool.number ? "api-slow" : "api-main");
	router_init();
	answer_init();
	return pool_run(&pool);
}
