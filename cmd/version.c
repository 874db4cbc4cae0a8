/*
 * ashlar version
 */
#include "cmd/cmd.h"
#include "fcgi/version.h"

int cmd_version(int argc, char **argv)
{
	static const struct cmd_usage usage = { "version", "Print the version of this binary.", NULL };

	if (cmd_options(&usage, argc, argv) < argc)
		cmd_misuse(&usage, "takes no arguments");
	printf("ashlar %s\n", ASHLAR_VERSION);
	return 0;
}
