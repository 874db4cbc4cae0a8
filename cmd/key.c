/*
 * ashlar key: API keys from the command line, for a script that sets up an
 * installation; people make theirs in the dashboard.
 */
#include "build/sql/runtime/owner.h"
#include "cmd/cmd.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "handlers/tenancy/origin.h"
#include "lib/base/arena.h"
#include "lib/base/array.h"
#include "lib/base/buf.h"
#include "lib/crypto/secret.h"
#include "lib/crypto/ticket.h"

static const char *type, *name = "from the command line", *origins = "", *tenant, *keep, *writes;

static const struct cmd_option options[] = {
	{ "--type", "public|secret|demo", &type,
	  "public: for pages and apps; secret: for servers; demo: what traces are sent with to the Demo "
	  "Org's "
	  "project, in the place of the one before" },
	{ "--origins", "ORIGIN,…", &origins,
	  "of a public key: the pages that may use it, such as https://app.example.com" },
	{ "--name", "NAME", &name, "what the dashboard shows" },
	{ "--tenant", "SLUG", &tenant, "whose key; \"default\" when left out" },
	{ "--allow-writes", NULL, &writes, "of a secret key: assistants may change things with it" },
	{ "--keep", "FILE", &keep,
	  "where the key is kept; when there is one that is good already, it is printed and none is made" },
	{ NULL, NULL, NULL, NULL },
};

static const struct cmd_usage usage = {
	"key create --type public|secret|demo [--origins ORIGIN,…] [--name NAME] [--tenant SLUG] "
	"[--allow-writes]\n"
	"                         [--keep FILE]",
	"Make an API key and print it.  Of a secret or demo key only a hash is stored, so this is\n"
	"the one time that it is shown.",
	options,
};

/* --origins as an array of canonical ones. */
static const char *read_origins(struct arena *a)
{
	const char *problem;
	struct buf b;
	int n = 0;

	buf_init(&b, a, 256);
	buf_char(&b, '{');
	for (const char *p = origins; *(p += strspn(p, ", ")); p += strcspn(p, ", ")) {
		char *one = origin_canonical(a, arena_dup_n(a, p, strcspn(p, ", ")), &problem);

		if (!one)
			cmd_misuse(&usage, "--origins: %s", problem);
		array_add(&b, one);
		n++;
	}
	buf_char(&b, '}');
	if (*type == 'p' && !n)
		cmd_misuse(&usage, "--origins is missing: a public key needs at least one");
	if (*type == 's' && n)
		cmd_misuse(&usage, "--origins: a secret key takes none, since it is for servers only");
	return buf_str(&b);
}

/* The key that is kept, if it still lets in; else NULL. */
static const char *kept(PGconn *db, struct arena *a)
{
	FILE *f = keep ? fopen(keep, "re") : NULL;
	char line[128];

	if (!f)
		return NULL;
	if (!fgets(line, sizeof(line), f))
		*line = '\0';
	fclose(f);
	line[strcspn(line, "\r\n")] = '\0';
	const char *const row[] = { secret_sha256_hex(a, line), type };

	return *PQgetvalue(cmd_query(db, &q_owner_key_find, row), 0, 0) == 't' ? arena_dup(a, line) : NULL;
}

/* For us alone, and there as a whole or not at all. */
static void store(struct arena *a, const char *key)
{
	const char *temporary = arena_fmt(a, "%s.%ld", keep, (long)getpid());
	int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	FILE *f = fd < 0 ? NULL : fdopen(fd, "w");

	if (!f || fprintf(f, "%s\n", key) < 0 || fclose(f) || rename(temporary, keep))
		cmd_die("%s: %s", keep, strerror(errno));
}

/* What all users of the tenant see in its Demo Org, whoever runs the installation sends with this. */
static int demo_key(void)
{
	const char *key, *row[1];
	struct arena a;
	PGconn *db;

	if (*origins || keep)
		cmd_misuse(&usage, "a demo key has no origins, and is not kept");
	arena_init(&a, 4096);
	cmd_config();
	db = cmd_owner_to_write();
	cmd_tenant(db, tenant);
	key = secret_uuid(&a);
	row[0] = secret_sha256_hex(&a, key);
	cmd_query(db, &q_owner_demo_rekey, row);
	puts(key);
	arena_release(&a);
	return 0;
}

int cmd_key(int argc, char **argv)
{
	const char *verb, *key, *allowed;
	int operand = cmd_verb(&usage, argc, argv, &verb);
	struct arena a;
	PGconn *db;

	if (!verb || strcmp(verb, "create") != 0)
		cmd_misuse(&usage, "the one thing it can do is \"create\"");
	if (operand < argc)
		cmd_misuse(&usage, "unexpected \"%s\"", argv[operand]);
	if (type && !strcmp(type, "demo"))
		return demo_key();
	if (!type || (strcmp(type, "public") != 0 && strcmp(type, "secret") != 0))
		cmd_misuse(&usage, "--type must be public, secret or demo");
	if (writes && *type == 'p')
		cmd_misuse(&usage, "--allow-writes: a public key is of no use to an assistant");
	cmd_check_text(&usage, "--name", name, 100);
	arena_init(&a, 4096);
	allowed = read_origins(&a);

	cmd_config();
	db = cmd_owner_to_write();
	cmd_tenant(db, tenant);
	key = kept(db, &a);
	if (!key) {
		key = ticket_api_key(&a, *type == 'p' ? "pk_live_" : "sk_live_");
		const char *const row[] = { name,    type,
					    key,     secret_sha256_hex(&a, key),
					    allowed, writes ? "true" : "false" };

		cmd_exec(db, "BEGIN");
		cmd_query(db, &q_owner_key_create, row);
		if (keep)
			store(&a, key);
		cmd_exec(db, "COMMIT");
	}
	puts(key);
	arena_release(&a);
	return 0;
}
