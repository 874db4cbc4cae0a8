/*
 * ashlar realtime: WebSockets and server-sent events, as one process with an
 * event loop.
 */
#include "cmd/cmd.h"

#include "fcgi/answer.h"
#include "fcgi/router.h"
#include "lib/host/config.h"
#include "lib/host/log.h"
#include "lib/host/span.h"
#include "realtime/server.h"

static const char *socket_name;

static const struct cmd_option options[] = {
	{ "--socket", "PATH|ADDRESS:PORT", &socket_name,
	  "where to listen, unless standard input is a listening socket" },
	{ NULL, NULL, NULL, NULL },
};

static const struct cmd_usage usage = {
	"realtime [--socket PATH|ADDRESS:PORT]",
	"Serve WebSockets and event streams until SIGTERM, which tells clients to come\n"
	"back; SIGHUP reads keys again and disconnects nobody.  The address must be of\n"
	"the loopback: nginx stands in front, and is believed about clients' addresses.",
	options,
};

int cmd_realtime(int argc, char **argv)
{
	struct server_options server = { 0 };

	if (cmd_options(&usage, argc, argv) < argc)
		cmd_misuse(&usage, "takes no operands");
	server.socket = socket_name;
	cmd_config_server();
	log_init("realtime");
	span_init("realtime");
	router_init();
	answer_init();
	return server_run(&server);
}
