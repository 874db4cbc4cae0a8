/*
 * ashlar host: what needs this host's own files, asked by the api.
 */
#include "cmd/cmd.h"

#include "host/host_server.h"
#include "lib/host/config.h"
#include "lib/host/host.h"
#include "lib/host/log.h"

static const char *socket_name, *peer;

static const struct cmd_option options[] = {
	{ "--socket", "PATH", &socket_name,
	  "where to listen, unless standard input is a listening socket; HOST_SOCKET when left out" },
	{ "--peer", "USER", &peer, "the api's user, who may ask beside this one" },
	{ NULL, NULL, NULL, NULL },
};

static const struct cmd_usage usage = {
	"host [--socket PATH] [--peer USER]",
	"Answer the api's questions about this host, such as what is in its logs (LOG_DIR),\n"
	"until SIGTERM; whoever else asks is refused.  Beside that it starts this host's agents when they "
	"are\n"
	"due, and carries out what was wanted of them, as the database (DATABASE_URL) has it.",
	options,
};

int cmd_host(int argc, char **argv)
{
	struct host_server_options server = { 0 };

	if (cmd_options(&usage, argc, argv) < argc)
		cmd_misuse(&usage, "takes no operands");
	cmd_config();
	server.socket = socket_name ? socket_name : cfg.host_socket;
	server.peer = peer;
	if (!*server.socket && !host_inherited())
		cmd_misuse(&usage, "needs --socket or HOST_SOCKET");
	log_init("host");
	return host_server_run(&server);
}
