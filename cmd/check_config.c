/*
 * ashlar check-config
 */
#include "cmd/cmd.h"
#include "fcgi/config.h"
#include "worker/mail_render.h"

int cmd_check_config(int argc, char **argv)
{
	static const struct cmd_usage usage = {
		"check-config",
		"Print every setting with its value, default and meaning, secrets masked.\n"
		"Mistakes are explained on stderr, and the exit status is then 1.  Mail templates\n"
		"of MAIL_TEMPLATES are looked at, too.",
		NULL,
	};
	int mistakes;

	if (cmd_options(&usage, argc, argv) < argc)
		cmd_misuse(&usage, "takes no arguments");
	cmd_settings();
	mistakes = config_load(stderr);
	if (*cfg.mail_templates)
		mistakes += mail_templates_check(stderr);
	if (!*cfg.mail_url && !*cfg.mail_dir)
		fputs("warning: MAIL_URL: is not set, and neither is MAIL_DIR: mails wait, and are given up "
		      "in the end\n",
		      stderr);
	config_print(stdout);
	if (mistakes)
		cmd_die("the configuration has %d mistake%s", mistakes, mistakes == 1 ? "" : "s");
	return 0;
}
