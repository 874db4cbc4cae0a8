/*
 * ashlar check-config
 */
#include "cmd/cmd.h"

#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/host/config.h"
#include "worker/mail_render.h"

/*
 * Where mails become files: the worker makes the directory, not the ones above
 * it.  Not among what every process checks: the pools cannot reach it, and need not.
 */
static int check_mail_dir(void)
{
	char above[PATH_MAX];
	const char *dir = cfg.mail_dir;
	struct stat st;

	if (!*dir || *dir != '/' || *cfg.mail_url)
		return 0;
	if (!stat(dir, &st)) {
		if (!S_ISDIR(st.st_mode))
			errno = ENOTDIR;
		else if (!access(dir, W_OK | X_OK))
			return 0;
	} else if (errno == ENOENT) {
		snprintf(above, sizeof(above), "%s", dir);
		dir = dirname(above);
		if (!access(dir, W_OK | X_OK))
			return 0;
	}
	fprintf(stderr, "MAIL_DIR: mails cannot be kept in \"%s\": %s: %s\n", cfg.mail_dir, dir,
		strerror(errno));
	return 1;
}

int cmd_check_config(int argc, char **argv)
{
	static const struct cmd_usage usage = {
		"check-config",
		"Print every setting with its value, default and meaning, secrets masked.\n"
		"Mistakes are explained on stderr, and the exit status is then 1.  Mail templates\n"
		"of MAIL_TEMPLATES and MAIL_DIR are looked at, too, and variables are named that\n"
		"are one letter off a setting.",
		NULL,
	};
	int mistakes;

	if (cmd_options(&usage, argc, argv) < argc)
		cmd_misuse(&usage, "takes no arguments");
	cmd_settings();
	mistakes = config_load(stderr);
	mistakes += check_mail_dir();
	config_warn_unknown(stderr, environ);
	if (*cfg.mail_templates)
		mistakes += mail_render_check(stderr);
	if (!*cfg.mail_url && !*cfg.mail_dir)
		fputs("warning: MAIL_URL: is not set, and neither is MAIL_DIR: mails wait, and are given up "
		      "in the end\n",
		      stderr);
	/* The file's owner may write there; the service sees a file system that it cannot write to. */
	if (!*cfg.mail_url && *cfg.mail_dir && !config_is_development())
		fputs("warning: MAIL_DIR: under systemd the worker writes nowhere but into /run/ashlar, "
		      "unless "
		      "a drop-in of ashlar-worker.service says ReadWritePaths= of it\n",
		      stderr);
	config_print(stdout);
	if (mistakes)
		cmd_die("the configuration has %d mistake%s", mistakes, mistakes == 1 ? "" : "s");
	return 0;
}
