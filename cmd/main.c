/*
 * ashlar: one binary, dispatched by its first word.
 */
#include "cmd/cmd.h"
#include "lib/host/sandbox.h"
#include "providers/import_file.h"
#include "worker/extract.h"

static void print_commands(FILE *out)
{
	const struct cmd_entry *c;

	fprintf(out, "usage: ashlar COMMAND [OPTIONS]\n\n");
	for (int i = 0; (c = cmd_at(i)); i++)
		fprintf(out, "  %-14s%s\n", c->name, c->about);
	fprintf(out,
		"\nashlar COMMAND --help says more.  Settings come from the environment, then from\n"
		"--env-file FILE, else from .run/env beside build/ and from /etc/ashlar/ashlar.env for the\n"
		"installed program.\n");
}

int main(int argc, char **argv)
{
	const char *word = argc > 1 ? argv[1] : NULL;
	const struct cmd_entry *c;

	sandbox_main(argc, argv, (const struct sandbox_task *const[]){ extract_tasks, import_tasks, NULL });
	if (!word) {
		print_commands(stderr);
		return 2;
	}
	if (!strcmp(word, "--help") || !strcmp(word, "-h") || !strcmp(word, "help")) {
		print_commands(stdout);
		return 0;
	}
	if (!strcmp(word, "--version"))
		word = "version";
	for (int i = 0; (c = cmd_at(i)); i++) {
		if (!strcmp(c->name, word))
			return c->run(argc - 1, argv + 1);
	}
	fprintf(stderr, "ashlar: there is no command \"%s\"; ashlar --help lists them\n", word);
	return 2;
}
