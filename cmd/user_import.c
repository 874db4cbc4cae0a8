/*
 * ashlar user import: users of another product, with the passwords that they have.
 *
 * The file is read once, a record at a time, and written a batch at a time, each its
 * own transaction: what was said to be imported has been committed, and whoever runs
 * it again goes on where it ended.  A batch is small, because sign-ups with an
 * address of it wait for its end.
 *
 * A dry run asks the same, and writes nothing: a million rows that are rolled back
 * would be a million dead ones among those that people sign in with.  So that it knows
 * of a later record what an earlier one would have taken, that is kept in a temporary
 * table.
 */
#include <errno.h>

#include "build/sql/runtime/owner.h"
#include "cmd/cmd.h"
#include "cmd/user_record.h"
#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/jx.h"
#include "lib/crypto/imported.h"
#include "lib/crypto/seal.h"
#include "lib/crypto/secret.h"
#include "lib/host/config.h"

enum {
	BATCH = 500,            /* records */
	MAX_RECORD = 1 << 20,   /* bytes; metadata with a picture in it are long */
	MAX_CONFIG = 16 * 1024, /* of --hash-config */
	MAX_SIGNERS = 16,       /* projects that one file's hashes come from */
	MAX_COLUMNS = 200,
	GROWTH = 4, /* times as many rows: time for new statistics */
	KEYS = 3,   /* by which two records are one: address, id, and Google's id */
};

static const char *from, *tenant, *hash_config, *dry_run, *drop_refused;

static const struct cmd_option options[] = {
	{ "--from", "FORMAT", &from,
	  "whose export it is: supabase, firebase, clerk, or plain (see the guide)" },
	{ "--tenant", "SLUG", &tenant, "whose users they become; \"default\" when left out" },
	{ "--hash-config", "FILE", &hash_config,
	  "of Firebase: the project's hash_config, as its console shows it" },
	{ "--dry-run", NULL, &dry_run, "say what would be done, and keep nothing" },
	{ "--drop-refused-hashes", NULL, &drop_refused,
	  "import who has a hash that is refused without a password, instead of not at all" },
	{ NULL, NULL, NULL, NULL },
};

static const struct cmd_usage usage = {
	"user import --from FORMAT [--tenant SLUG] [--hash-config FILE] [--dry-run] [--drop-refused-hashes] "
	"FILE",
	"Import the users of another product's export; FILE may be - for standard input.\n"
	"An account that exists is never changed.  A line says of each record whether it was\n"
	"imported, exists, or was skipped, and why; the last one how many there were.  It may\n"
	"be run again: who is here by then exists.  The exit status is 1 when a record was\n"
	"skipped that the other product had not deleted.",
	options,
};

enum outcome { IMPORTED, EXISTS, SKIPPED };

struct result {
	long line;
	const char *address, *why; /* NULL: none */
	enum outcome outcome;
};

struct signer {
	const char *key, *id;
};

struct import {
	PGconn *db;
	const struct user_record_format *format;
	struct user_record_hashing hashing;
	struct arena kept, batch; /* for the run, and until the batch is written */
	struct signer signers[MAX_SIGNERS];
	int nsigners;
	struct result results[BATCH];
	uint64_t taken[BATCH][KEYS]; /* of those that are to be written; 0: none */
	int n, nrows;
	struct buf rows;
	long count[3], gone, analyzed; /* the last: how many were imported when that was done */
	const char *tenant_id;
};

static void begin_batch(struct import *im)
{
	arena_release(&im->batch);
	arena_init(&im->batch, 65536);
	buf_init(&im->rows, &im->batch, 65536);
	buf_char(&im->rows, '[');
	im->n = im->nrows = 0;
}

static const char *why_exists(const char *by)
{
	return !strcmp(by, "id")       ? "its id is somebody's here"
	       : !strcmp(by, "google") ? "its Google account is somebody's here"
				       : NULL;
}

/* In the audit log. */
static void note(struct import *im, int users)
{
	const char *const values[] = { im->format->name, arena_fmt(&im->batch, "%d", users),
				       arena_fmt(&im->batch, "%ld to %ld", im->results[0].line,
						 im->results[im->n - 1].line) };

	cmd_query_in(&im->batch, im->db, &q_owner_import_note, values);
}

/* The rows of the batch, into the database; what became of them, into the results. */
static void write_rows(struct import *im)
{
	const PGresult *res;
	const char *json;
	struct buf made;
	int nmade = 0;

	buf_char(&im->rows, ']');
	json = buf_str(&im->rows);
	const char *const values[] = { json, cfg.google_issuer, dry_run ? "true" : "false" };

	buf_init(&made, &im->batch, 4096);
	buf_char(&made, '{');
	cmd_exec(im->db, "BEGIN");
	res = cmd_query_in(&im->batch, im->db, &q_owner_import, values);
	for (int i = 0; i < PQntuples(res); i++) {
		const char *n = PQgetvalue(res, i, 0),
			   *found = PQgetisnull(res, i, 1) ? NULL : PQgetvalue(res, i, 1);
		struct result *r = &im->results[strtol(n, NULL, 10)];

		r->outcome = found ? EXISTS : IMPORTED;
		r->why = found ? why_exists(found) : NULL;
		if (!found)
			buf_fmt(&made, "%s%s", nmade++ ? "," : "", n);
	}
	buf_char(&made, '}');
	if (nmade && !dry_run)
		note(im, nmade);
	if (nmade && dry_run) {
		const char *const seen[] = { json, buf_str(&made) };

		cmd_query_in(&im->batch, im->db, &q_owner_import_seen, seen);
	}
	cmd_exec(im->db, "COMMIT");
}

static void tell(const struct import *im)
{
	static const char *const words[] = { "imported", "exists", "skipped" };

	for (int i = 0; i < im->n; i++) {
		const struct result *r = &im->results[i];

		printf("line %ld: %s%s%s%s%s\n", r->line, r->address ? r->address : "", r->address ? " " : "",
		       words[r->outcome], r->why ? ": " : "", r->why ? r->why : "");
	}
	if (fflush(stdout))
		cmd_die("standard output: %s", strerror(errno));
}

/* Write the batch, say what became of it, and begin the next one. */
static void flush(struct import *im)
{
	if (im->nrows)
		write_rows(im);
	for (int i = 0; i < im->n; i++)
		im->count[im->results[i].outcome]++;
	tell(im);
	begin_batch(im);
	/* A table that was empty a moment ago is read from end to end, until somebody says how large it is.
	 */
	if (!dry_run && im->count[IMPORTED] >= im->analyzed * GROWTH) {
		cmd_query_in(&im->batch, im->db, &q_owner_import_analyze, NULL);
		im->analyzed = im->count[IMPORTED];
	}
}

/*
 * Firebase's signer keys
 */

/* The id that a key has here; NULL: there are too many of them. */
static const char *signer_id(struct import *im, const char *key)
{
	const char *values[2];

	for (int i = 0; i < im->nsigners; i++)
		if (!strcmp(im->signers[i].key, key))
			return im->signers[i].id;
	if (im->nsigners == MAX_SIGNERS)
		return NULL;
	values[0] = secret_sha256_hex(&im->kept, key);
	values[1] = seal_text(&im->kept, IMPORTED_SEAL, im->tenant_id, key);
	if (!values[1])
		cmd_die("the project's signer key cannot be sealed: neither JWT_SECRET nor ENCRYPTION_KEYS "
			"is set");
	im->signers[im->nsigners] = (struct signer){
		arena_dup(&im->kept, key),
		dry_run ? USER_RECORD_NO_KEY
			: PQgetvalue(cmd_query_in(&im->kept, im->db, &q_owner_import_signer, values), 0, 0)
	};
	return im->signers[im->nsigners++].id;
}

/* The hash with the key's id in it; NULL: none. */
static const char *signed_hash(struct import *im, struct arena *a, struct user_record *u)
{
	const char *id, *at;

	if (!u->hash || !u->signer)
		return u->hash;
	id = signer_id(im, u->signer);
	at = strstr(u->hash, USER_RECORD_NO_KEY);
	if (!id || !at) {
		u->refused = "the hash is of one project too many";
		return NULL;
	}
	return arena_fmt(a, "%.*s%s%s", (int)(at - u->hash), u->hash, id,
			 at + sizeof(USER_RECORD_NO_KEY) - 1);
}

/*
 * Records
 */

static uint64_t name_of(const char *kind, const char *text)
{
	uint64_t hash = 1469598103934665603u; /* FNV-1a; two that meet only end the batch early */

	if (!text)
		return 0;
	for (const char *p = kind; *p; p++)
		hash = (hash ^ (unsigned char)*p) * 1099511628211u;
	for (; *text; text++)
		hash = (hash ^ (unsigned char)*text) * 1099511628211u;
	return hash | 1;
}

/* Does a record of the batch take something of these already?  Then that one is written first. */
static bool is_taken(const struct import *im, const uint64_t keys[KEYS])
{
	for (int i = 0; i < im->nrows; i++)
		for (int k = 0; k < KEYS; k++)
			if (keys[k] && keys[k] == im->taken[i][k])
				return true;
	return false;
}

static void add_row(struct import *im, const struct user_record *u, const char *hash)
{
	struct buf *b = &im->rows;

	jx_next(b);
	buf_char(b, '{');
	jx_key_int(b, "n", im->n);
	jx_key_str(b, "id", u->id);
	jx_key_str(b, "email", u->email.address);
	jx_key_str(b, "key", u->email.key);
	jx_key_str(b, "sent", u->address);
	jx_key_str(b, "hash", hash);
	jx_key_str(b, "name", u->name);
	jx_key_str(b, "avatar", u->avatar);
	jx_key_str(b, "google", u->google);
	if (u->created_ms)
		jx_key_int(b, "created_ms", u->created_ms);
	jx_key(b, "is_verified"), jx_bool(b, u->is_verified);
	jx_key(b, "is_active"), jx_bool(b, u->is_active);
	buf_char(b, '}');
}

static void take(struct import *im, struct arena *a, const struct record *record, struct user_record *u)
{
	const uint64_t keys[KEYS] = { name_of("email", u->email.key), name_of("id", u->id),
				      name_of("google", u->google) };
	const char *hash = u->skipped ? NULL : signed_hash(im, a, u), *why = u->skipped;
	struct result *r;

	if (!why && u->refused && !drop_refused)
		why = u->refused;
	if (!why && is_taken(im, keys))
		flush(im);
	r = &im->results[im->n];
	*r = (struct result){ .line = record->line,
			      .why = why ? arena_dup(&im->batch, why) : NULL,
			      .outcome = SKIPPED };
	if (u->address)
		r->address = cmd_shown(&im->batch, u->address);
	if (!why) {
		add_row(im, u, hash);
		memcpy(im->taken[im->nrows++], keys, sizeof(keys));
	}
	im->gone += u->is_gone;
	if (++im->n == BATCH)
		flush(im);
}

/* The columns of a CSV's first row; NULL: it has none of any use. */
static const char *const *header_of(struct import *im, const struct record *record)
{
	const char **columns = arena_alloc(&im->kept, (MAX_COLUMNS + 1) * sizeof(*columns));
	int n = record->nfields > MAX_COLUMNS ? MAX_COLUMNS : record->nfields;

	if (record->problem)
		return NULL;
	for (int i = 0; i < n; i++)
		columns[i] = arena_dup(&im->kept, record->fields[i]);
	columns[n] = NULL;
	for (int i = 0; i < n; i++)
		if (!strcmp(columns[i], "id"))
			return columns;
	return NULL;
}

static void import(struct import *im, FILE *in)
{
	const char *const *columns = im->format->columns;
	struct user_record u;
	struct records r;
	struct record record;
	struct arena a;

	records_init(&r, in, im->format->member, MAX_RECORD);
	begin_batch(im);
	for (;;) {
		arena_init(&a, 16384);
		if (!records_next(&r, &a, &record))
			break;
		if (r.form == RECORDS_CSV && !columns) {
			columns = header_of(im, &record);
			if (!columns)
				cmd_die("line %ld: a CSV begins with the names of its columns, and one of "
					"them is id",
					record.line);
		} else {
			user_record_read(&a, im->format, &record, columns, &im->hashing, &u);
			take(im, &a, &record, &u);
		}
		arena_release(&a);
	}
	arena_release(&a);
	flush(im);
	if (ferror(in))
		cmd_die("the file could not be read to its end: %s", strerror(errno));
}

/*
 * The command
 */

/* Open a file for reading, "-" being standard input, or die. */
static FILE *opened(const char *path)
{
	FILE *in = strcmp(path, "-") != 0 ? fopen(path, "re") : stdin;

	if (!in)
		cmd_die("%s: %s", path, strerror(errno));
	return in;
}

static void read_hashing(struct import *im)
{
	char *text = arena_alloc(&im->kept, MAX_CONFIG + 1);
	FILE *in = opened(hash_config);
	const char *problem;

	text[fread(text, 1, MAX_CONFIG, in)] = '\0';
	fclose(in);
	problem = user_record_hashing(&im->kept, text, &im->hashing);
	if (problem)
		cmd_die("%s %s", hash_config, problem);
}

static void enter(struct import *im)
{
	const PGresult *res;

	cmd_config();
	im->db = cmd_owner_to_write();
	cmd_tenant(im->db, tenant);
	res = cmd_query(im->db, &q_owner_import_begin, NULL);
	if (*PQgetvalue(res, 0, 0) != 't')
		cmd_die("another import into this tenant is running");
	im->tenant_id = PQgetvalue(res, 0, 1);
	if (dry_run)
		cmd_query(im->db, &q_owner_import_dry, NULL);
}

int cmd_user_import(int argc, char **argv)
{
	static struct import im;
	int operand = cmd_options(&usage, argc, argv);
	FILE *in;

	if (!from)
		cmd_misuse(&usage, "--from is missing: supabase, firebase, clerk or plain");
	im.format = user_record_format(from);
	if (!im.format)
		cmd_misuse(&usage, "--from must be supabase, firebase, clerk or plain, is \"%s\"", from);
	if (operand >= argc)
		cmd_misuse(&usage, "FILE is missing");
	if (operand + 1 < argc)
		cmd_misuse(&usage, "unexpected \"%s\"", argv[operand + 1]);
	if (hash_config && strcmp(from, "firebase") != 0)
		cmd_misuse(&usage, "--hash-config is for --from firebase");
	arena_init(&im.kept, 16384);
	arena_init(&im.batch, 4096);
	in = opened(argv[operand]);
	if (hash_config)
		read_hashing(&im);
	enter(&im);
	im.analyzed = BATCH / GROWTH;
	import(&im, in);
	if (in != stdin)
		fclose(in);
	printf("%ld imported, %ld exist, %ld skipped%s\n", im.count[IMPORTED], im.count[EXISTS],
	       im.count[SKIPPED], dry_run ? " (a dry run: nothing was kept)" : "");
	arena_release(&im.batch);
	arena_release(&im.kept);
	return im.count[SKIPPED] > im.gone;
}
