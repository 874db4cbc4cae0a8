/*
 * Dumps of the installation (operations surface), which ashlar host alone touches.
 *
 * Who may not ask is turned away before the host is, in a transaction that ends there.
 */
#include "build/sql/ops/backups.h"

#include "fcgi/answer.h"
#include "fcgi/req.h"
#include "handlers/permissions.h"
#include "lib/base/jx.h"
#include "providers/host_ask.h"

static enum err backup_list(struct req *rq), backup_stats(struct req *rq), backup_logs(struct req *rq);

/* clang-format off */
static const char *const triggers[] = { "manual", "scheduled", "unknown", NULL };

static const struct field backup[] = {
	{ "filename",   F_TEXT,     0, .example = "ashlar_20261130T030000Z.dump" },
	{ "size_bytes", F_INT,      0, .example = "48213" },
	{ "created_at", F_DATETIME, 0, .about = "when it was whole" },
	{ "trigger",    F_ENUM,     0, .values = triggers, .about = "unknown: somebody put the file there" },
	FIELD_END
};

static const struct field stats[] = {
	{ "count",                   F_INT,      0, .example = "14" },
	{ "total_size_bytes",        F_INT,      0, .example = "674982" },
	{ "average_size_bytes",      F_INT,      0, .example = "48213" },
	{ "last_backup",             F_OBJECT,   F_NULL, .fields = backup, .about = "the newest" },
	{ "last_backup_age_seconds", F_INT,      F_NULL, .example = "3600" },
	{ "oldest_backup_at",        F_DATETIME, F_NULL },
	FIELD_END
};

static const struct field logs[] = {
	{ "file",       F_TEXT, 0, .example = "offsite_backup.log" },
	{ "lines",      F_LIST, 0, .item = F_TEXT, .example = "[\"ashlar_20261130T030000Z.dump copied\"]", .about = "the last 100, the oldest of them first; of what is longer than 256 KiB, those in its end" },
	{ "line_count", F_INT,  0, .example = "2" },
	FIELD_END
};

static const enum err away[] = { ERR_UNAVAILABLE, ERR_OK };

static const struct shape
	backup_shape = { "Backup", backup },
	stats_shape  = { "BackupStats", stats },
	logs_shape   = { "BackupLogs", logs };

#define BASE "/api/backups"

const struct route backup_routes[] = {
	{ GET, BASE, "operations.ops.list_backups", &by_operator_session, "List backups",
	  .about = "The dumps in BACKUP_DIR of the host that answers, the newest first; at most 1,000. One that is still being written is none.",
	  .may = &operator_admin, .out = &backup_shape, .list = &unpaged, .errors = away, .sql = &q_backup_list, .run = backup_list, .flags = SLOW },
	{ GET, BASE "/stats", "operations.ops.get_backup_stats", &by_operator_session, "Count backups", .about = "Of all that are there, also beyond the list.",
	  .may = &operator_admin, .out = &stats_shape, .errors = away, .sql = &q_backup_stats, .run = backup_stats, .flags = SLOW },
	{ GET, BASE "/logs", "operations.ops.get_backup_logs", &by_operator_session, "Show the log of copies of backups", .about = "The end of offsite_backup.log in LOG_DIR, which is the copying program's; none is empty.",
	  .may = &operator_admin, .out = &logs_shape, .errors = away, .sql = &q_backup_log, .run = backup_logs, .flags = SLOW },
	ROUTE_END
};
/* clang-format on */

/* In, and out again: nobody waits for the host inside a transaction. */
static enum err ask(struct req *rq, const char *verb, const struct query *q)
{
	enum err rc = tx_enter(&rq->tx);
	const char *found = NULL;
	struct buf question;

	if (!rc)
		rc = tx_finish(&rq->tx, true);
	if (rc)
		return rc;
	buf_init(&question, &rq->tx.arena, 64);
	buf_char(&question, '{');
	jx_key_str(&question, "verb", verb);
	buf_char(&question, '}');
	rc = host_ask(&rq->tx.arena, &question, HOST_ASK_MS, &found, &rq->tx.fail);
	if (rc)
		return rc;
	req_set(rq, "found", found);
	return answer_rows(rq, q);
}

static enum err backup_list(struct req *rq)
{
	return ask(rq, "backups.files", &q_backup_list);
}

static enum err backup_stats(struct req *rq)
{
	return ask(rq, "backups.files", &q_backup_stats);
}

static enum err backup_logs(struct req *rq)
{
	return ask(rq, "backups.log", &q_backup_log);
}
