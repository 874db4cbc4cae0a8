/*
 * What programs store beside their traces: the log of a trace, which members read, and objects, which whoever
 * has the address reads.
 *
 * What comes is looked at where it was written, and is stored as every file is (providers/storage.h); a
 * child's memory does not grow with it, nor with a log that is read.
 */
#include <fcntl.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "build/sql/traces/log_records.h"
#include "build/sql/traces/trace_files.h"
#include "fcgi/answer.h"
#include "fcgi/req.h"
#include "handlers/traces/store.h"
#include "lib/base/jx.h"
#include "lib/base/sniff.h"
#include "lib/base/utf8.h"
#include "lib/crypto/secret.h"
#include "lib/db/column.h"
#include "lib/db/db.h"
#include "lib/host/config.h"
#include "providers/storage.h"

enum { MAX_BYTES = 25 << 20, MAX_TRACE_ID = 128, MOST_LINES = 10000, PIECE = 64 * 1024, REDIRECT_S = 300 };

static enum err log_upload(struct req *rq), log_get(struct req *rq), object_upload(struct req *rq),
	object_send(struct req *rq);

/* clang-format off */
static const struct field uploaded_out[] = {
	{ "url",  F_URL, 0, .about = "of an object whoever has it may read it; of a log members", .example = "https://api.example.com/storage/objects/01936b1c-2f5e-7a10-8c3d-5b6f7a8c9d0e/6f9619ff8b864d01b42d00cf4fc964ff" },
	{ "size", F_INT, 0, .about = "in bytes", .example = "48213" },
	FIELD_END
};

static const struct field log_out[] = {
	{ "freeplan_truncated", F_BOOL, 0, .about = "a free organization sees the first lines: FREEPLAN_LOGS_LINE_LIMIT" },
	{ "content",            F_TEXT, 0, .example = "retrieving\nanswering\n" },
	{ "trace_id",           F_TEXT, 0, .about = "as it was asked for", .example = "4bf92f3577b34da6a3ce929d0e0e4736" },
	FIELD_END
};

static const struct field log_path[] = {
	{ "trace_id", F_TEXT, 0, .min = 1, .max = MAX_TRACE_ID, .about = "in hexadecimal or decimal", .example = "4bf92f3577b34da6a3ce929d0e0e4736" },
	FIELD_END
};

static const struct field log_headers[] = {
	{ "Trace-Id", F_TEXT, F_REQUIRED, .min = 1, .max = MAX_TRACE_ID, .about = "letters, digits, underscore, dot and dash", .example = "4bf92f3577b34da6a3ce929d0e0e4736" },
	FIELD_END
};

static const struct field object_path[] = {
	{ "project_id", F_UUID, 0, .example = "trace project" },
	{ "object_key", F_TEXT, 0, .min = 1, .max = 64 },
	FIELD_END
};

static const struct shape uploaded_shape = { "UploadResult", uploaded_out, "Upload" };
static const struct shape log_shape = { "TraceLogs", log_out, "Log" };
static const enum err upload_errors[] = { ERR_LIMIT, ERR_NOT_FOUND, ERR_UNAVAILABLE, ERR_OK };
static const enum err read_errors[] = { ERR_AUTHORIZATION, ERR_NOT_FOUND, ERR_OK };

const struct route trace_file_routes[] = {
	{ POST, "/api/v4/logs/upload",     "observability.traces.upload_logs",    &by_project,  "Store the log of a trace",
	  .about = "The body is its text, up to 25 MiB; it takes the place of the one before.",
	  .headers = log_headers, .out = &uploaded_shape, .errors = upload_errors, .budget = &budget_project, .run = log_upload, .status = 200,
	  .flags = SLOW | RAW | SPOOLED | UNTRACED, .max_body = MAX_BYTES },
	{ GET,  "/api/v4/logs/{trace_id}", "observability.traces.get_trace_logs", &by_opsboard, "Read the log of a trace",
	  .about = "By members of the organization whose project has the trace: 403 for others, and where there is none. Without a stored log it is "
		   "the lines of the trace's log records (GET /api/v4/logs).",
	  .needs = { "a trace with a log", ERR_NOT_FOUND },
	  .params = log_path, .out = &log_shape, .errors = read_errors, .run = log_get, .flags = SLOW },
	{ POST, "/api/v4/objects/upload",  "observability.files.upload_object",   &by_project,  "Store an object",
	  .about = "The body is its content, up to 25 MiB. Whoever has its address may read it: images are shown, all else is saved.",
	  .out = &uploaded_shape, .errors = upload_errors, .budget = &budget_project, .run = object_upload, .status = 200,
	  .flags = SLOW | RAW | SPOOLED | UNTRACED, .max_body = MAX_BYTES },
	{ GET,  "/storage/objects/{project_id}/{object_key}", "observability.files.send_object", &by_anyone, "Get an object",
	  .params = object_path, .out = &uploaded_shape, .run = object_send, .flags = LINK | BARE | SENDS_FILE },
	ROUTE_END
};
/* clang-format on */

/*
 * Uploads
 */

static const char *kept(struct req *rq, const PGresult *res, const char *column)
{
	return arena_dup(&rq->tx.arena, column_text(res, 0, column));
}

/* The body is in a file: look at it there. */
static enum err map_body(struct req *rq)
{
	if (rq->asked.body_len > MAX_BYTES)
		return req_fail(rq, ERR_PAYLOAD_TOO_LARGE, "the body may have at most %d bytes", MAX_BYTES);
	return req_map_body(rq);
}

/* Room first, then the content, then what names it: whoever has no room writes nothing, and no connection is
 * held meanwhile.  *project is where it belongs. */
static enum err take(struct req *rq, const char *content_type, const struct query *put, const char **project)
{
	struct storage_object o = { .backend = storage_backend(),
				    .content_type = content_type,
				    .size = (long long)rq->asked.body_len };
	unsigned char sha256[SECRET_BYTES];
	struct failure why = { ERR_OK };
	PGresult *res;
	enum err rc;

	req_set(rq, "backend", o.backend);
	req_set(rq, "content_type", content_type);
	req_set(rq, "size", arena_fmt(&rq->tx.arena, "%zu", rq->asked.body_len));
	rc = tx_call(&rq->tx, &q_trace_file_await, true, &res);
	if (rc)
		return rc;
	o.tenant_id = kept(rq, res, "tenant");
	o.id = kept(rq, res, "object_id");
	*project = kept(rq, res, "project");
	req_set(rq, "object", o.id);
	if (!storage_put(&rq->tx.arena, &o, rq->asked.body, rq->asked.body_len, sha256, &why)) {
		req_set(rq, "sha256", secret_bytea(&rq->tx.arena, sha256, sizeof(sha256)));
		return tx_call(&rq->tx, put, false, &res);
	}
	rc = tx_call(&rq->tx, &q_trace_file_give_up, true, &res);
	if (rc)
		return rc;
	rq->tx.fail = why;
	return why.err;
}

static enum err answer_upload(struct req *rq, const char *url)
{
	struct buf *b = answer_open(rq);

	buf_char(b, '{');
	jx_key_str(b, "url", url);
	jx_key_int(b, "size", (long long)rq->asked.body_len);
	buf_char(b, '}');
	return answer_close(rq);
}

/* A number of 128 bits, as 32 hexadecimal digits; NULL: it is none. */
static const char *number_of(struct req *rq, const char *text, unsigned base)
{
	unsigned __int128 n = 0;

	for (; *text; text++) {
		unsigned digit =
			*text <= '9' ? (unsigned)(*text - '0') : (unsigned)((*text | 0x20) - 'a' + 10);

		if (n > (~(unsigned __int128)0 - digit) / base)
			return NULL;
		n = n * base + digit;
	}
	return arena_fmt(&rq->tx.arena, "%016llx%016llx", (unsigned long long)(n >> 64),
			 (unsigned long long)n);
}

/*
 * What a log is called: a trace's id is a number, in hexadecimal where it has a letter, else in decimal, as
 * programs have it that know no other; whatever else they call one stays as it is.
 */
static const char *name_of(struct req *rq, const char *id)
{
	size_t n = strlen(id);
	const char *number = NULL;

	if (strspn(id, "0123456789") == n)
		number = number_of(rq, id, 10);
	else if (strspn(id, "0123456789abcdefABCDEF") == n && n <= 32)
		number = number_of(rq, id, 16);
	return number ? number : id;
}

static enum err log_upload(struct req *rq)
{
	static const char good[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-";
	const char *trace = req_header(rq, "Trace-Id"), *project;
	enum err rc;

	if (!trace || !*trace)
		return req_fail_field(rq, ERR_BAD_REQUEST, "Trace-Id",
				      "Trace-Id says which trace the log is of");
	if (strlen(trace) > MAX_TRACE_ID || trace[strspn(trace, good)])
		return req_fail_field(
			rq, ERR_BAD_REQUEST, "Trace-Id",
			"Trace-Id must be up to %d letters, digits, underscores, dots and dashes",
			MAX_TRACE_ID);
	req_set(rq, "trace", name_of(rq, trace));
	rc = map_body(rq);
	if (rc)
		return rc;
	rc = take(rq, "application/octet-stream", &q_trace_log_put, &project);
	return rc ? rc
		  : answer_upload(rq, arena_fmt(&rq->tx.arena, "%s/api/v4/logs/%s", cfg.public_url, trace));
}

/* What it is its bytes say, and no header. */
static enum err object_upload(struct req *rq)
{
	const char *key = secret_random_text(&rq->tx.arena, "0123456789abcdef", 32), *project;
	size_t n = rq->asked.body_len < SNIFF_BYTES ? rq->asked.body_len : SNIFF_BYTES;
	enum err rc = map_body(rq);

	if (rc)
		return rc;
	req_set(rq, "key_hash", secret_sha256_hex(&rq->tx.arena, key));
	rc = take(rq, sniff_type(rq->asked.body, n), &q_trace_object_put, &project);
	if (rc)
		return rc;
	return answer_upload(
		rq, arena_fmt(&rq->tx.arena, "%s/storage/objects/%s/%s", cfg.public_url, project, key));
}

/*
 * What is read
 */

/* nginx adds that nothing is guessed, and that it may do nothing as a page; what is in a bucket comes from
 * there. */
static enum err object_send(struct req *rq)
{
	struct storage_object o;
	PGresult *res;
	enum err rc;

	req_set(rq, "key_hash", secret_sha256_hex(&rq->tx.arena, req_path_text(rq, "object_key")));
	rc = tx_call(&rq->tx, &q_trace_object_find, true, &res);
	if (rc)
		return rc;
	if (!PQntuples(res))
		return answer_not_found(rq, NULL);
	o = (struct storage_object){ .tenant_id = kept(rq, res, "tenant"),
				     .id = kept(rq, res, "object_id"),
				     .backend = kept(rq, res, "backend"),
				     .content_type = kept(rq, res, "content_type") };
	if (!storage_is_local(&o))
		return answer_redirect(rq, storage_download_url(&rq->tx.arena, &o, "object", REDIRECT_S));
	if (!storage_has(&rq->tx.arena, &o))
		return answer_not_found(rq, NULL);
	req_set_header(rq, "Content-Type", o.content_type);
	req_set_header(rq, "Content-Disposition",
		       !strncmp(o.content_type, "image/", strlen("image/")) && sniff_is_inert(o.content_type)
			       ? "inline"
			       : "attachment");
	req_set_header(rq, "Cache-Control", "public, max-age=31536000, immutable");
	req_set_header(rq, "X-Accel-Redirect", storage_internal(&rq->tx.arena, o.id));
	answer_open(rq);
	return answer_close(rq);
}

/* Where the n-th line ends in a piece, behind its line feed; its length where it does not.  *n counts down.
 */
static size_t lines_of(const char *p, size_t len, long *n)
{
	const char *end = p + len;

	for (const char *at = p; *n > 0; at++) {
		at = memchr(at, '\n', (size_t)(end - at));
		if (!at)
			return len;
		if (!--*n)
			return (size_t)(at + 1 - p);
	}
	return 0;
}

/* How many bytes of a piece's end may be the beginning of a character. */
static size_t tail_of(const char *p, size_t n)
{
	for (size_t k = 1; k <= 3 && k <= n; k++) {
		unsigned char c = (unsigned char)p[n - k];

		if (c >= 0xc0)
			return (c >= 0xf0 && k < 4) || (c >= 0xe0 && k < 3) || k < 2 ? k : 0;
		if (c < 0x80)
			return 0;
	}
	return 0;
}

/* The content as a JSON string, piece by piece; most lines of it, 0: all.  What is not UTF-8 is U+FFFD. */
static bool write_content(struct req *rq, int fd, long most)
{
	char *piece = arena_alloc_raw(&rq->tx.arena, PIECE);
	struct buf *b = &rq->answer.out, text;
	size_t have = 0, take;
	long left = most;
	ssize_t got;

	buf_init(&text, &rq->tx.arena, (size_t)PIECE * 2);
	buf_char(b, '"');
	do {
		got = read(fd, piece + have, PIECE - have);
		if (got < 0)
			return false;
		have += (size_t)got;
		take = most ? lines_of(piece, have, &left) : have;
		if (take == have && got)
			take -= tail_of(piece, have);
		text.n = 0;
		jx_text(&text, piece, take);
		buf_add(b, text.p + 1, text.n - 2);
		memmove(piece, piece + take, have - take);
		have -= take;
		if (b->n >= PIECE && rq->answer.send && !rq->answer.send(rq))
			return false;
	} while (got && (!most || left > 0));
	buf_char(b, '"');
	return true;
}

/* A log that was not stored is made of the trace's records, line by line as they come. */
struct lines {
	struct req *rq;
	const char *trace_id;
	struct arena scratch;
	long left; /* of a free plan; 0 and nothing more is written */
	bool has_any, is_free;
};

static void open_log(struct req *rq, bool is_free, const char *trace_id)
{
	struct buf *b = answer_open(rq);

	buf_char(b, '{');
	jx_key(b, "freeplan_truncated"), jx_bool(b, is_free);
	jx_key_str(b, "trace_id", trace_id);
	jx_key(b, "content");
}

static enum err write_line(void *to, const PGresult *row, struct failure *why)
{
	struct lines *l = to;
	struct buf *b = &l->rq->answer.out, text;
	const char *line = column_text(row, 0, "line");
	size_t n = strlen(line);

	if (!l->has_any) {
		l->has_any = true;
		l->is_free = column_bool(row, 0, "is_free");
		open_log(l->rq, l->is_free, l->trace_id);
		buf_char(b, '"');
	}
	if (l->is_free)
		n = lines_of(line, n, &l->left);
	buf_init(&text, &l->scratch, n + n / 2 + 16);
	jx_text(&text, line, n);
	buf_add(b, text.p + 1, text.n - 2);
	arena_reset(&l->scratch);
	if (b->n < PIECE || !l->rq->answer.send || l->rq->answer.send(l->rq))
		return ERR_OK;
	return failure_hide(why, &l->rq->tx.arena, ERR_UNAVAILABLE, "nobody waits for it");
}

static void release_scratch(void *ptr)
{
	arena_release(ptr);
}

/* ids: what the trace may be called. */
static enum err answer_lines(struct req *rq, const char *id, const char *const *ids)
{
	struct lines *l = arena_alloc(&rq->tx.arena, sizeof(*l));
	PGresult *none;
	struct buf b;
	enum err rc;

	buf_init(&b, &rq->tx.arena, 80);
	buf_char(&b, '{');
	for (int i = 0; ids[i]; i++)
		buf_fmt(&b, "%s%s", i ? "," : "", ids[i]);
	buf_char(&b, '}');
	req_set(rq, "ids", buf_str(&b));
	l->rq = rq;
	l->trace_id = id;
	l->left = cfg.freeplan_logs_line_limit;
	arena_init(&l->scratch, PIECE);
	arena_defer(&rq->tx.arena, release_scratch, &l->scratch);
	req_set(rq, "most", arena_fmt(&rq->tx.arena, "%d", MOST_LINES));
	rq->answer.status = 200;
	rq->tx.each = write_line;
	rq->tx.each_to = l;
	rc = tx_call(&rq->tx, &q_log_line_list, true, &none);
	rq->tx.each = NULL;
	if (rc)
		return rc;
	if (!l->has_any)
		return answer_not_found(rq, id);
	buf_text(&rq->answer.out, "\"}");
	answer_close(rq);
	if (rq->answer.is_sent && !rq->answer.send(rq))
		return req_fail_inside(rq, ERR_UNAVAILABLE, "nobody waits for it");
	return ERR_OK;
}

static enum err log_get(struct req *rq)
{
	const char *id = req_path_text(rq, "trace_id"), *name = name_of(rq, id), *ids[3] = { NULL };
	struct storage_object o = { .id = NULL };
	bool is_free, ok;
	PGresult *res;
	int fd;
	enum err rc;

	/* One that is all digits may be a hexadecimal one all the same. */
	if (strspn(id, "0123456789") == strlen(id) && strlen(id) <= 32)
		ids[1] = number_of(rq, id, 16);
	if (name != id)
		ids[0] = name;
	req_set(rq, "name", name);
	rc = store_configured()->log(rq, ids, &res);
	if (rc)
		return rc;
	if (!column_bool(res, 0, "is_seen"))
		return req_fail_field(rq, ERR_AUTHORIZATION, "trace_id",
				      "there is no such trace in a project of yours");
	if (!column_text(res, 0, "object_id"))
		return answer_lines(rq, id, ids);
	is_free = column_bool(res, 0, "is_free");
	o.id = kept(rq, res, "object_id");
	o.tenant_id = kept(rq, res, "tenant");
	o.backend = kept(rq, res, "backend");
	fd = storage_open(&rq->tx.arena, &o, &rq->tx.fail);
	if (fd < 0)
		return rq->tx.fail.err;
	rq->answer.status = 200;
	open_log(rq, is_free, id);
	ok = write_content(rq, fd, is_free ? cfg.freeplan_logs_line_limit : 0);
	close(fd);
	buf_char(&rq->answer.out, '}');
	if (ok)
		answer_close(rq);
	if (!ok || (rq->answer.is_sent && !rq->answer.send(rq)))
		return req_fail_inside(rq, ERR_UNAVAILABLE,
				       "the log could not be read, or nobody waits for it");
	return ERR_OK;
}
