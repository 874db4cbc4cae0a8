#include "providers/clickhouse.h"

#include <string.h>

#include "build/clickhouse/schema.h"
#include "lib/base/buf.h"
#include "lib/db/column.h"
#include "lib/host/config.h"
#include "lib/net/http.h"
#include "providers/clickhouse_rows.h"

enum {
	MOST_BYTES = 64 << 20,   /* of an answer that is kept, */
	MOST_STREAMED = 1 << 30, /* and of one that is read while it comes */
	BYTES_PER_MS = 4096,     /* what is put in may take longer, by what there is of it */
	SCHEMA = 3,              /* the version that sql/clickhouse/schema.sql makes */
	MIGRATE_MS = 60000,
	REMAKE_MS = 600000, /* reads when each span began */
};

bool clickhouse_is_configured(void)
{
	return *cfg.clickhouse_url;
}

/* In an address: all that is no letter and no digit is %xx. */
static void add_encoded(struct buf *b, const char *text)
{
	static const char hex[] = "0123456789ABCDEF";

	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if ((c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '_' ||
		    c == '-' || c == '.') {
			buf_char(b, (char)c);
			continue;
		}
		buf_char(b, '%');
		buf_char(b, hex[c >> 4]);
		buf_char(b, hex[c & 15]);
	}
}

/* A parameter's value is read as one of a tab-separated text. */
static void add_value(struct buf *b, const char *text)
{
	static const char from[] = "\\\t\n\r\b\f", to[] = "\\tnrbf";

	for (; *text; text++) {
		const char *found = strchr(from, *text);
		const char one[2] = { *text, '\0' },
			   escape[3] = { '\\', found ? to[found - from] : '\0', '\0' };

		add_encoded(b, found ? escape : one);
	}
}

/* A query's text; where it has rows behind it, in the address. */
static char *text_of(struct arena *a, const struct clickhouse_call *call)
{
	const char *from = call->query->text, *at;
	struct buf b;

	buf_init(&b, a, strlen(from) + 16);
	for (; (at = strstr(from, ":dir")); from = at + 4) {
		buf_add(&b, from, (size_t)(at - from));
		buf_text(&b, call->descends ? "DESC" : "ASC");
	}
	buf_text(&b, from);
	return buf_str(&b);
}

/*
 * FINAL looks in each partition by itself: a trace's row, and its spans' times, are in one, and where a query
 * reads what may be in several it says so.
 */
static char *address(struct arena *a, const struct clickhouse_call *call, const char *text,
		     const char *database, long ms)
{
	struct buf b;

	buf_init(&b, a, 1024 + (call->rows ? strlen(text) * 2 : 0));
	buf_text(&b, cfg.clickhouse_url);
	buf_text(&b, "/?default_format=TabSeparatedWithNamesAndTypes&wait_end_of_query=1&async_insert=0"
		     "&prefer_column_name_to_alias=1&max_partitions_per_insert_block=0"
		     "&date_time_output_format=unix_timestamp&do_not_merge_across_partitions_select_final=1");
	buf_fmt(&b, "&max_execution_time=%ld", (ms + 999) / 1000);
	if (database) {
		buf_text(&b, "&database=");
		add_encoded(&b, database);
	}
	for (const struct clickhouse_param *p = call->params; p && p->name; p++) {
		buf_fmt(&b, "&param_%s=", p->name);
		add_value(&b, p->value);
	}
	if (call->rows) {
		buf_text(&b, "&query=");
		add_encoded(&b, text);
	}
	return buf_str(&b);
}

/* What it said is not for the log, as it may quote what it was sent; which error it is has a number and a
 * name. */
static enum err failed(struct arena *a, const struct clickhouse_call *call, const struct http_answer *answer,
		       enum err rc, struct failure *why)
{
	const char *code = answer->head ? http_header(answer, "X-ClickHouse-Exception-Code") : NULL;
	const char *name = "", *p = answer->body;
	size_t n = 0;

	for (; code && p && (p = strchr(p, '(')); p++)
		if (strspn(p + 1, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_") > 3 &&
		    p[1 + strspn(p + 1, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_")] == ')') {
			name = p + 1;
			n = strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_");
		}
	failure_hide(why, a, ERR_UNAVAILABLE, "ClickHouse: %s: %s%s %.*s", call->query->name,
		     code ? "error "
		     : rc ? answer->reason
			  : arena_fmt(a, "status %d", answer->status),
		     code ? code : "", (int)n, name);
	why->retry_after = CLICKHOUSE_RETRY_S;
	return ERR_UNAVAILABLE;
}

static enum err ask(struct arena *a, const struct clickhouse_call *call, const char *database, long ms,
		    PGresult **out, struct failure *why)
{
	const char *headers[] = { arena_fmt(a, "X-ClickHouse-User: %s", cfg.clickhouse_user),
				  arena_fmt(a, "X-ClickHouse-Key: %s", cfg.clickhouse_password), NULL };
	const char *text = text_of(a, call);
	struct clickhouse_rows rows;
	struct http_answer answer;
	struct http_call http = {
		.provider = "clickhouse",
		.method = "POST",
		.url = address(a, call, text, database, ms),
		.headers = headers,
		.body = call->rows ? call->rows : text,
		.body_len = call->rows ? call->n : strlen(text),
		.max_bytes = call->each ? MOST_STREAMED : MOST_BYTES,
		.timeout_ms = ms + (long)(call->n / BYTES_PER_MS),
		.flags = call->each ? 0 : HTTP_RETRY,
		.take = clickhouse_rows_take,
		.to = &rows,
	};
	enum err rc;

	clickhouse_rows_init(&rows, a);
	rows.each = call->each;
	rows.to = call->to;
	rows.why = why;
	rc = http_do(a, &http, &answer);
	if (call->was_sent)
		*call->was_sent = rc != ERR_UNAVAILABLE;
	if (rows.rc)
		return rows.rc;
	if (rc || answer.status != 200)
		return failed(a, call, &answer, rc, why);
	if (out)
		*out = rows.res;
	return ERR_OK;
}

enum err clickhouse_ask(struct arena *a, const struct clickhouse_call *call, PGresult **out,
			struct failure *why)
{
	return ask(a, call, cfg.clickhouse_database,
		   call->timeout_ms ? call->timeout_ms : cfg.clickhouse_timeout_ms, out, why);
}

static enum err version_of(struct arena *a, long long *version, struct failure *why)
{
	const struct clickhouse_call found = { .query = &ch_schema_found };
	PGresult *res;
	enum err rc = ask(a, &found, cfg.clickhouse_database, MIGRATE_MS, &res, why);

	if (!rc)
		*version = column_int(res, 0, "version");
	return rc;
}

/* A table in the place of one that was partitioned otherwise, in one step: what else runs finds the one or
 * the other. */
static enum err make_anew(struct arena *a, const struct clickhouse_query *table, struct failure *why)
{
	static const char begin[] = "CREATE TABLE IF NOT EXISTS";
	const struct clickhouse_query q = { table->name, arena_fmt(a, "CREATE OR REPLACE TABLE%s",
								   table->text + strlen(begin)) };
	const struct clickhouse_call call = { .query = &q };

	return ask(a, &call, cfg.clickhouse_database, MIGRATE_MS, NULL, why);
}

/* What a release before kept of hours in days.  It is made of spans and traces, so nothing is lost with it.
 */
static enum err make_hours_anew(struct arena *a, struct failure *why)
{
	static const struct {
		const char *name;
		const struct clickhouse_query *table;
	} tables[] = { { "hour_marks", &ch_schema_hour_marks },
		       { "hour_sessions", &ch_schema_hour_sessions },
		       { "hour_sums", &ch_schema_hour_sums } };
	const struct clickhouse_call in_days = { .query = &ch_schema_in_days },
				     before = { .query = &ch_schema_hours_before };
	PGresult *found;
	enum err rc = ask(a, &in_days, cfg.clickhouse_database, MIGRATE_MS, &found, why);

	for (int i = 0; !rc && i < PQntuples(found); i++)
		for (size_t k = 0; !rc && k < sizeof(tables) / sizeof(*tables); k++)
			if (!strcmp(column_text(found, i, "name"), tables[k].name))
				rc = make_anew(a, tables[k].table, why);
	return rc ? rc : ask(a, &before, cfg.clickhouse_database, REMAKE_MS, NULL, why);
}

/* A database whose name is in the settings; it is no parameter, as none may stand there. */
static enum err make_database(struct arena *a, struct failure *why)
{
	const struct clickhouse_query q = {
		"schema_database", arena_fmt(a, "CREATE DATABASE IF NOT EXISTS %s", cfg.clickhouse_database)
	};
	const struct clickhouse_call call = { .query = &q };

	return ask(a, &call, NULL, MIGRATE_MS, NULL, why);
}

enum err clickhouse_migrate(struct arena *a, bool *made, struct failure *why)
{
	static const struct clickhouse_query *const steps[] = {
		&ch_schema_spans,         &ch_schema_span_times,          &ch_schema_span_times_filled,
		&ch_schema_span_batches,  &ch_schema_span_batches_filled, &ch_schema_traces,
		&ch_schema_hour_marks,    &ch_schema_hour_marks_filled,   &ch_schema_hour_sums,
		&ch_schema_hour_sessions, &ch_schema_hour_words,          &ch_schema_word_traces
	};
	const struct clickhouse_call version = { .query = &ch_schema_version },
				     done = { .query = &ch_schema_done };
	long long before = 0;
	enum err rc = make_database(a, why);

	rc = rc ? rc : ask(a, &version, cfg.clickhouse_database, MIGRATE_MS, NULL, why);
	rc = rc ? rc : version_of(a, &before, why);
	if (!rc && before > SCHEMA)
		return failure_hide(why, a, ERR_CONFLICT,
				    "ClickHouse: its schema is version %lld, and this release knows %d",
				    before, SCHEMA);
	for (size_t i = 0; !rc && i < sizeof(steps) / sizeof(*steps); i++) {
		const struct clickhouse_call call = { .query = steps[i] };

		rc = ask(a, &call, cfg.clickhouse_database, MIGRATE_MS, NULL, why);
	}
	*made = before < SCHEMA;
	if (!rc && before && *made)
		rc = make_hours_anew(a, why);
	return rc || !*made ? rc : ask(a, &done, cfg.clickhouse_database, MIGRATE_MS, NULL, why);
}
