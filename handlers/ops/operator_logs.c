/*
 * Logs for the operators of the installation (operations surface): what programs have
 * put down here, and what ashlar host finds in this host's files.
 *
 * Who may not ask is turned away before the host is, in a transaction that ends there.
 */
#include "build/sql/ops/operator_logs.h"

#include <string.h>

#include "fcgi/answer.h"
#include "fcgi/req.h"
#include "handlers/permissions.h"
#include "lib/base/jx.h"
#include "lib/host/config.h"
#include "providers/host_ask.h"

static enum err log_list(struct req *rq), log_file_list(struct req *rq);

/* clang-format off */
static const char *const sources[] = { "file", "db", "all", NULL };
static const char *const found_in[] = { "file", "db", NULL };
static const char *const levels[] = { "error", "warn", "info", NULL };

static const struct field find_in[] = {
	{ "source", F_ENUM, 0, .values = sources, .def = "all", .about = "file: the host's logs; db: what was put down with the POST" },
	{ "agent",  F_TEXT, 0, .min = 1, .max = 100, .about = "exactly", .example = "surveyor" },
	{ "level",  F_ENUM, 0, .values = levels },
	{ "q",      F_TEXT, 0, .min = 1, .max = 200, .about = "in the message, in capitals or not; in files the case counts of letters beyond ASCII", .example = "tide" },
	FIELD_END
};

static const struct field entry[] = {
	{ "id",        F_INT,      OUT | F_NULL_OUT, .about = "null: it stands in a file", .example = "41" },
	{ "timestamp", F_DATETIME, OUT, .about = "of a line that has none, that of the line before it, else when its file was changed" },
	{ "source",    F_ENUM,     OUT, .values = found_in },
	{ "agent",     F_TEXT,     OUT | NEW | NEEDED | F_NULL_OUT, .min = 1, .max = 100, .example = "surveyor" },
	{ "level",     F_ENUM,     OUT | NEW, .values = levels, .def = "info" },
	{ "message",   F_TEXT,     OUT | NEW | NEEDED, .min = 1, .max = 20000, .about = "of a line of a file at most 3,000 bytes are shown", .example = "tide table read" },
	{ "file",      F_TEXT,     OUT | F_NULL_OUT, .example = "agent-surveyor.log" },
	{ "meta",      F_OBJECT,   OUT | NEW | F_NULL_OUT, .about = "anything that is to stand with it, up to 64 KiB; of a line that is a JSON object, that", .example = "{\"harbours\":12}" },
	FIELD_END
};

static const struct field file_out[] = {
	{ "name",        F_TEXT,     0, .example = "agent-surveyor.log" },
	{ "agent",       F_TEXT,     F_NULL, .about = "of agent-NAME.log, NAME", .example = "surveyor" },
	{ "size_bytes",  F_INT,      0, .example = "48213" },
	{ "modified_at", F_DATETIME, 0 },
	FIELD_END
};

static const struct constraint constraints[] = {
	{ "operator_logs_meta_size", ERR_VALIDATION, "meta", "meta may have 64 KiB" },
	{ NULL }
};

static const enum err away[] = { ERR_UNAVAILABLE, ERR_OK };

static const struct shape
	entry_shape = { "LogEntry", entry },
	file_shape  = { "LogFile", file_out };

#define BASE "/api/logs"

const struct route operator_log_routes[] = {
	{ GET,  BASE, "operations.ops.list_logs", &by_operator, "List logs",
	  .about = "The newest first: the host's files and what was put down here. Of each file the last MiB is read, of the 64 files that were changed last; of the "
		   "database the newest 10,000 entries. total counts what was found in that. Where no ashlar host runs, all is the database alone, and file 503.",
	  .may = &operator_read, .query = find_in, .out = &entry_shape, .list = &tailed, .errors = away, .sql = &q_operator_log_list, .run = log_list, .flags = SLOW },
	{ POST, BASE, "operations.ops.create_log", &by_operator, "Put down a line of a log", .about = "Kept for 30 days.",
	  .may = &operator_write, .body = entry, .as = NEW, .out = &entry_shape, .constraints = constraints, .sql = &q_operator_log_create },
	{ GET,  BASE "/files", "operations.ops.list_log_files", &by_operator, "List the host's log files",
	  .about = "The files of LOG_DIR, the last changed first; at most 1,000. Links and directories are none.",
	  .may = &operator_read, .out = &file_shape, .list = &unpaged, .errors = away, .sql = &q_operator_log_file_list, .run = log_file_list, .flags = SLOW },
	ROUTE_END
};
/* clang-format on */

/* In, and out again: nobody waits for the host inside a transaction. */
static enum err enter(struct req *rq)
{
	enum err rc = tx_enter(&rq->tx);

	return rc ? rc : tx_finish(&rq->tx, true);
}

static enum err log_list(struct req *rq)
{
	const char *source = req_text(rq, "source"), *found = NULL;
	bool is_asked = strcmp(source, "db") != 0 && (*cfg.host_socket || !strcmp(source, "file"));
	struct buf question;
	enum err rc = enter(rq);

	if (!rc && is_asked) {
		buf_init(&question, &rq->tx.arena, 512);
		buf_char(&question, '{');
		jx_key_str(&question, "verb", "logs.read");
		jx_key_int(&question, "limit", req_int(rq, "limit"));
		jx_key_str(&question, "agent", req_text(rq, "agent"));
		jx_key_str(&question, "level", req_text(rq, "level"));
		jx_key_str(&question, "q", req_text(rq, "q"));
		buf_char(&question, '}');
		rc = host_ask(&rq->tx.arena, &question, HOST_ASK_READ_MS, &found, &rq->tx.fail);
	}
	if (rc)
		return rc;
	req_set(rq, "found", found);
	return answer_rows(rq, &q_operator_log_list);
}

static enum err log_file_list(struct req *rq)
{
	const char *found = NULL;
	struct buf question;
	enum err rc = enter(rq);

	if (rc)
		return rc;
	buf_init(&question, &rq->tx.arena, 64);
	buf_text(&question, "{\"verb\":\"logs.files\"}");
	rc = host_ask(&rq->tx.arena, &question, HOST_ASK_MS, &found, &rq->tx.fail);
	if (rc)
		return rc;
	req_set(rq, "found", found);
	return answer_rows(rq, &q_operator_log_file_list);
}
