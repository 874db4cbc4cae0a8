/*
 * ashlar completion: what a shell offers behind Tab.  The scripts only ask this
 * program, which knows its commands and the route tables.
 */
#include "cmd/cmd.h"

#include "fcgi/router.h"

static const struct cmd_usage usage = {
	"completion {bash | zsh}",
	"Print what the shell is to read, such as: source <(ashlar completion bash)",
	NULL,
};

static const char bash[] =
	"_ashlar() {\n"
	"\tlocal IFS=$'\\n'\n"
	"\t_get_comp_words_by_ref -n := cur words cword 2>/dev/null || { words=(\"${COMP_WORDS[@]}\"); "
	"cword=$COMP_CWORD; "
	"cur=${words[cword]}; }\n"
	"\tCOMPREPLY=($(\"${words[0]}\" completion words -- \"${words[@]:1:cword}\" 2>/dev/null))\n"
	"\t[[ ${COMPREPLY[0]} == *= || ${COMPREPLY[0]} == */ ]] && compopt -o nospace 2>/dev/null\n"
	"}\n"
	"complete -F _ashlar ashlar\n";

static const char zsh[] =
	"#compdef ashlar\n"
	"_ashlar() {\n"
	"\tlocal -a offers\n"
	"\toffers=(${(f)\"$(\"${words[1]}\" completion words -- \"${(@)words[2,CURRENT]}\" 2>/dev/null)\"})\n"
	"\tcompadd -S '' -q -- $offers\n"
	"}\n"
	"compdef _ashlar ashlar\n";

/* The word in hand; what begins with it is offered. */
static void offer(const char *word, const char *text, const char *tail)
{
	if (!strncmp(text, word, strlen(word)))
		printf("%s%s\n", text, tail);
}

/* Paths up to the next part, so that a thousand of them can be walked through. */
static void offer_paths(const char *method, const char *word)
{
	const struct route *r;
	char last[512] = "";

	for (int i = 0; (r = route_at(i)); i++) {
		size_t n = strlen(word), end;

		if (r->flags & LINK || strcmp(method_name(r->method), method) != 0 ||
		    strncmp(r->path, word, n) != 0)
			continue;
		end = n + strcspn(r->path + n, "/");
		end += r->path[end] == '/';
		if (end >= sizeof(last) || (!strncmp(last, r->path, end) && !last[end]))
			continue;
		snprintf(last, sizeof(last), "%.*s", (int)end, r->path);
		puts(last);
	}
}

static void offer_fields(const char *word, const struct field *table)
{
	for (; table && table->type != F_END; table++)
		offer(word, table->name, "=");
}

static void offer_arguments(const char *method, const char *path, const char *word)
{
	static const char *const options[] = {
		"--all", "--raw", "--body", "--workspace", "--idempotency-key", "--profile", "--url", NULL
	};
	struct match m;

	for (const char *const *o = options; *word == '-' && *o; o++)
		offer(word, *o, "");
	router_init();
	if (*word == '-' || router_find(method_find(method), path, &m))
		return;
	offer_fields(word, m.route->query);
	offer_fields(word, m.route->body);
}

/* words[n - 1] is the one in hand. */
static void offer_words(int n, char **words)
{
	static const char *const methods[] = { "GET", "POST", "PUT", "PATCH", "DELETE", NULL };
	const char *word = n ? words[n - 1] : "";

	if (n <= 1) {
		for (int i = 0; cmd_at(i); i++)
			offer(word, cmd_at(i)->name, "");
	} else if (!strcmp(words[0], "api") && n == 2) {
		for (const char *const *m = methods; *m; m++)
			offer(word, *m, "");
	} else if (!strcmp(words[0], "api") && n == 3) {
		offer_paths(words[1], word);
	} else if (!strcmp(words[0], "api")) {
		offer_arguments(words[1], words[2], word);
	} else if (!strcmp(words[0], "completion") && n == 2) {
		offer(word, "bash", "");
		offer(word, "zsh", "");
	} else if (!strcmp(words[0], "sdk") && n == 2) {
		offer(word, "template", "");
	}
}

int cmd_completion(int argc, char **argv)
{
	const char *verb;
	int operand;

	if (argc > 2 && !strcmp(argv[1], "words") && !strcmp(argv[2], "--")) {
		offer_words(argc - 3, argv + 3);
		return 0;
	}
	operand = cmd_verb(&usage, argc, argv, &verb);
	if (!verb || (strcmp(verb, "bash") != 0 && strcmp(verb, "zsh") != 0))
		cmd_misuse(&usage, "bash or zsh?");
	if (operand < argc)
		cmd_misuse(&usage, "unexpected \"%s\"", argv[operand]);
	fputs(*verb == 'b' ? bash : zsh, stdout);
	return 0;
}
