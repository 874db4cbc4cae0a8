/*
 * ashlar mails: the mails that wait to be sent, with their links and codes, and
 * those that were sent, as far as that is still known.
 *
 * The operator who may run this has the database's owner and the keys, and could let
 * himself in anywhere; so it is for operators and tests, and keeps nothing back.
 */
#include <dirent.h>
#include <errno.h>
#include <json-c/json.h>

#include "build/sql/runtime/owner.h"
#include "cmd/cmd.h"
#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/json.h"
#include "lib/crypto/seal.h"
#include "lib/host/config.h"
#include "providers/mime.h"
#include "worker/mail_render.h"

static const char *tenant, *to, *limit = "1000", *all;
static struct email address; /* --to */

static const struct cmd_option options[] = {
	{ "--all", NULL, &all, "those that were sent or given up, too" },
	{ "--tenant", "SLUG", &tenant, "only this tenant's; all of them when left out" },
	{ "--to", "EMAIL", &to, "only to this address" },
	{ "--limit", "N", &limit, "the newest N, 1000 when left out" },
	{ NULL, NULL, NULL, NULL },
};

static const struct cmd_usage usage = {
	"mails [--all] [--tenant SLUG] [--to EMAIL] [--limit N]\n"
	"       ashlar mails show N|ID [--tenant SLUG] [--to EMAIL]",
	"Print the mails that were not sent yet, oldest first, one JSON object a line,\n"
	"with the links and codes in them.  Keep the output to yourself.\n"
	"show prints one as it is read: 1 is the newest of all, sent or not, 2 the one\n"
	"before it.  Of a mail that was sent the database forgets what it said; its file\n"
	"in MAIL_DIR, where mails go in development, is looked at.",
	options,
};

enum { TENANT, ID, CREATED_AT, STATE, NUMBER, IS_TEST, TENANT_ID, PAYLOAD };

static struct json_object *payload_of(struct arena *a, const PGresult *res, int row)
{
	const char *problem, *text = PQgetvalue(res, row, PAYLOAD);
	struct json_object *payload;

	if (json_read(a, text, strlen(text), &payload, &problem))
		cmd_die("the job %s: %s", PQgetvalue(res, row, ID), problem);
	return payload;
}

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
	static const struct {
		const char *name;
		int column;
	} members[] = {
		{ "tenant", TENANT }, { "id", ID }, { "created_at", CREATED_AT }, { "state", STATE }
	};
	struct json_object *payload, *secrets, *out = json_object_new_object();
	struct arena a;

	arena_init(&a, 4096);
	json_object_object_add(out, "n",
			       json_object_new_int64(strtoll(PQgetvalue(res, row, NUMBER), NULL, 10)));
	for (int i = 0; i < 4; i++)
		json_object_object_add(out, members[i].name,
				       json_object_new_string(PQgetvalue(res, row, members[i].column)));
	json_object_object_add(out, "is_test",
			       json_object_new_boolean(*PQgetvalue(res, row, IS_TEST) == 't'));
	payload = payload_of(&a, res, row);
	json_object_object_foreach(payload, name, value)
	{
		if (strcmp(name, "sealed") != 0)
			json_object_object_add(out, name, json_object_get(value));
	}
	secrets = open_secrets(&a, PQgetvalue(res, row, TENANT_ID), payload);
	json_object_object_add(out, "secrets", secrets);
	puts(json_object_to_json_string_ext(out, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(out);
	arena_release(&a);
	return secrets != NULL;
}

/* show */

/* Where a URL begins; NULL: nowhere. */
static const char *find_link(const char *text)
{
	const char *http = strstr(text, "http://"), *https = strstr(text, "https://");

	return !http || (https && https < http) ? https : http;
}

/* A text whose links stand on separate lines, to be taken with a triple click. */
static void print_text(const char *text)
{
	const char *link;
	size_t n;

	while ((link = find_link(text))) {
		bool begins = link == text || link[-1] == '\n';

		n = strcspn(link, " \t\r\n<>\"");
		printf("%.*s%s%.*s", (int)(link - text), text, begins ? "" : "\n", (int)n, link);
		text = link + n;
		if (*text && *text != '\n')
			putchar('\n');
	}
	printf("%s%s", text, *text && text[strlen(text) - 1] != '\n' ? "\n" : "");
}

static void print_read(const char *date, const char *from, const char *recipient, const char *subject,
		       const char *text)
{
	printf("Date: %s\nFrom: %s\nTo: %s\nSubject: %s\n\n", date, from, recipient, subject);
	print_text(text);
}

static const char *string_of(struct json_object *payload, const char *name)
{
	struct json_object *value;

	return json_object_object_get_ex(payload, name, &value) ? json_object_get_string(value) : NULL;
}

/* One that waits: as the worker would send it now. */
static void show_waiting(PGconn *db, struct arena *a, const PGresult *res, struct json_object *payload)
{
	const char *tenant_id = PQgetvalue(res, 0, TENANT_ID), *template = string_of(payload, "template"),
		   *recipient = string_of(payload, "to"), *locale = string_of(payload, "locale"), *problem;
	const struct mail_kind *kind = template ? mail_render_kind(template) : NULL;
	struct json_object *secrets = open_secrets(a, tenant_id, payload), *data = NULL;
	struct mail_content content;
	const PGresult *brand;

	if (!kind || !recipient)
		cmd_die("it is no mail that there is, or nobody's");
	if (!secrets)
		cmd_die("its link could not be opened: JWT_SECRET or ENCRYPTION_KEYS is not what it was "
			"sealed with");
	cmd_query(db, &q_owner_tenant_enter_id, &tenant_id);
	brand = cmd_query(db, &q_owner_mail_brand, NULL);
	const struct mail_brand of_tenant = {
		.name = PQgetvalue(brand, 0, 0),
		.logo_url = PQgetisnull(brand, 0, 1) ? NULL : PQgetvalue(brand, 0, 1),
		.color = PQgetisnull(brand, 0, 2) ? NULL : PQgetvalue(brand, 0, 2),
		.support_email = PQgetisnull(brand, 0, 3) ? NULL : PQgetvalue(brand, 0, 3),
	};

	json_object_object_get_ex(payload, "data", &data);
	problem =
		mail_render(a, kind, locale ? locale : "en", &of_tenant, recipient, data, secrets, &content);
	if (problem)
		cmd_die("%s", problem);
	print_read(PQgetvalue(res, 0, CREATED_AT), of_tenant.name, recipient, content.subject, content.text);
	json_object_put(secrets);
}

/* The file that a mail became, whose name ends with its id; NULL: there is none. */
static const char *kept_file(struct arena *a, const char *id)
{
	const char *end = arena_fmt(a, "-%s.eml", id), *path = NULL;
	size_t n = strlen(end);
	DIR *dir = *cfg.mail_dir ? opendir(cfg.mail_dir) : NULL;

	for (struct dirent *e; dir && !path && (e = readdir(dir));)
		if (strlen(e->d_name) > n && !strcmp(e->d_name + strlen(e->d_name) - n, end))
			path = arena_fmt(a, "%s/%s", cfg.mail_dir, e->d_name);
	if (dir)
		closedir(dir);
	return path;
}

static void show_sent(struct arena *a, const char *id, const char *state)
{
	const char *path = kept_file(a, id), *mail, *text;
	FILE *f = path ? fopen(path, "re") : NULL;
	struct buf b;
	size_t n;

	if (path && !f)
		cmd_die("%s cannot be read: %s", path, strerror(errno));
	if (!f)
		cmd_die("it is %s, and what it said was not kept%s%s", state,
			*cfg.mail_dir ? ": there is no file of it in " : "", cfg.mail_dir);
	buf_init(&b, a, 16384);
	while ((n = fread(buf_room(&b, 8192), 1, 8192, f)) > 0)
		b.n += n;
	fclose(f);
	mail = buf_str(&b);
	text = mime_text(a, mail);
	if (!text)
		cmd_die("%s is no mail of ours", path);
	print_read(mime_header(a, mail, "Date"), mime_header(a, mail, "From"), mime_header(a, mail, "To"),
		   mime_header(a, mail, "Subject"), text);
}

static void show(PGconn *db, const char *which)
{
	const char *const values[] = { tenant, to, address.address, which };
	const PGresult *res = cmd_query(db, &q_owner_mail_find, values);
	struct json_object *payload;
	struct arena a;

	if (!PQntuples(res))
		cmd_die("there is no mail %s; ashlar mails --all lists them", which);
	arena_init(&a, 16384);
	payload = payload_of(&a, res, 0);
	if (!strcmp(PQgetvalue(res, 0, STATE), "waits"))
		show_waiting(db, &a, res, payload);
	else
		show_sent(&a, PQgetvalue(res, 0, ID), PQgetvalue(res, 0, STATE));
	arena_release(&a);
}

static bool is_number_or_id(const char *text)
{
	size_t n = strlen(text);

	return (n >= 1 && n <= 9 && *text != '0' && !text[strspn(text, "0123456789")]) ||
	       (n == 36 && !text[strspn(text, "0123456789abcdef-")]);
}

int cmd_mails(int argc, char **argv)
{
	const char *verb, *which = NULL;
	int operand = cmd_verb(&usage, argc, argv, &verb), closed = 0;
	const PGresult *res;
	PGconn *db;

	if (verb && strcmp(verb, "show") != 0)
		cmd_misuse(&usage, "unexpected \"%s\"", verb);
	if (verb && operand < argc)
		which = argv[operand++];
	if (verb && (!which || !is_number_or_id(which)))
		cmd_misuse(&usage, "show needs a mail's number, 1 for the newest, or its id");
	if (operand < argc)
		cmd_misuse(&usage, "unexpected \"%s\"", argv[operand]);
	if (to)
		cmd_find_email(&usage, "--to", to, &address);
	cmd_number(&usage, "--limit", limit, 1, 1000000);
	cmd_config();
	db = cmd_owner();
	if (tenant)
		cmd_tenant(db, tenant);
	if (which) {
		show(db, which);
		return 0;
	}
	const char *const values[] = { tenant, to, address.address, all ? "true" : "false", limit };

	res = cmd_query(db, &q_owner_mail_list, values);
	for (int i = 0; i < PQntuples(res); i++)
		closed += !print_mail(res, i);
	if (closed)
		cmd_die("%d of %d could not be opened: JWT_SECRET or ENCRYPTION_KEYS is not what they were "
			"sealed with",
			closed, PQntuples(res));
	return 0;
}
