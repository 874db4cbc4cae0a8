/*
 * ashlar mails: the mails that wait to be sent, with their links and codes.
 *
 * Whoever may run this has the database's owner and the keys, and could let
 * himself in anywhere; so it is for operators and tests, and keeps nothing back.
 */
#include <json-c/json.h>

#include "cmd/cmd.h"
#include "fcgi/arena.h"
#include "fcgi/json.h"
#include "fcgi/seal.h"

static const char *tenant, *to, *limit = "1000";

static const struct cmd_option options[] = {
	{ "--tenant", "SLUG", &tenant, "only this tenant's; all of them when left out" },
	{ "--to", "EMAIL", &to, "only to this address" },
	{ "--limit", "N", &limit, "the newest N, 1000 when left out" },
	{ NULL, NULL, NULL, NULL },
};

static const struct cmd_usage usage = {
	"mails [--tenant SLUG] [--to EMAIL] [--limit N]",
	"Print the mails that were not sent yet, oldest first, one JSON object a line,\n"
	"with the links and codes in them.  Keep the output to yourself.",
	options,
};

/* What was sealed, as JSON again; {} where nothing was, NULL when it does not open. */
static struct json_object *open_secrets(struct arena *a, const char *tenant_id, struct json_object *payload)
{
	struct json_object *sealed, *secrets = NULL;
	const char *text, *problem;

	if (!json_object_object_get_ex(payload, "sealed", &sealed))
		return json_object_new_object();
	text = seal_open(a, "mail", tenant_id, json_object_get_string(sealed));
	if (!text || json_read(a, text, strlen(text), &secrets, &problem))
		return NULL;
	return json_object_get(secrets);
}

/* One line; false when the secrets stay closed. */
static bool print_mail(const PGresult *res, int row)
{
	static const char *const columns[] = { "tenant", "id", "created_at" };
	struct json_object *payload, *secrets, *out = json_object_new_object();
	const char *problem, *text = PQgetvalue(res, row, 5);
	struct arena a;

	arena_init(&a, 4096);
	for (int i = 0; i < 3; i++)
		json_object_object_add(out, columns[i], json_object_new_string(PQgetvalue(res, row, i)));
	json_object_object_add(out, "is_test", json_object_new_boolean(*PQgetvalue(res, row, 3) == 't'));
	if (json_read(&a, text, strlen(text), &payload, &problem))
		cmd_die("the job %s: %s", PQgetvalue(res, row, 1), problem);
	json_object_object_foreach(payload, name, value)
	{
		if (strcmp(name, "sealed") != 0)
			json_object_object_add(out, name, json_object_get(value));
	}
	secrets = open_secrets(&a, PQgetvalue(res, row, 4), payload);
	json_object_object_add(out, "secrets", secrets);
	puts(json_object_to_json_string_ext(out, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(out);
	arena_release(&a);
	return secrets != NULL;
}

int cmd_mails(int argc, char **argv)
{
	int closed = 0;
	const PGresult *res;
	PGconn *db;

	if (cmd_options(&usage, argc, argv) < argc)
		cmd_misuse(&usage, "takes no arguments");
	cmd_number(&usage, "--limit", limit, 1, 1000000);
	cmd_config();
	db = cmd_owner();
	if (tenant)
		cmd_tenant(db, tenant);
	const char *const values[] = { tenant, to, limit };

	res = cmd_query(db, Q_owner_mail_list, values);
	for (int i = 0; i < PQntuples(res); i++)
		closed += !print_mail(res, i);
	if (closed)
		cmd_die("%d of %d could not be opened: JWT_SECRET or ENCRYPTION_KEYS is not what they were "
			"sealed with",
			closed, PQntuples(res));
	return 0;
}
