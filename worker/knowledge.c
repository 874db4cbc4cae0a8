/*
 * What is written in a file that an agent is to know, kept in passages.  A file whose text cannot be
 * read has a reason in place of it: the job has done all that there is to do.
 */
#include "worker/knowledge.h"

#include <json-c/json.h>
#include <string.h>
#include <unistd.h>

#include "build/sql/ai/knowledge.h"
#include "lib/base/json.h"
#include "lib/base/utf8.h"
#include "lib/db/column.h"
#include "lib/db/tx.h"
#include "providers/storage.h"

enum { MAX_TEXT = 4 << 20 };

/* Text as it is.  NULL: reason says why not. */
static const char *read_plain(struct arena *a, int fd, const char **reason)
{
	struct buf b;
	ssize_t n;

	buf_init(&b, a, 65536);
	while ((n = read(fd, buf_room(&b, 65536), 65536)) > 0) {
		b.n += (size_t)n;
		if (b.n > MAX_TEXT) {
			*reason = "the file has more than 4 MiB of text";
			return NULL;
		}
	}
	if (n < 0)
		*reason = "the file cannot be read";
	else if (!utf8_valid(b.p, b.n) || memchr(b.p, '\0', b.n))
		*reason = "the file is no text in UTF-8";
	else
		return buf_str(&b);
	return NULL;
}

static bool is_plain(const char *type)
{
	return !strncmp(type, "text/", 5) || !strncmp(type, "application/json", strlen("application/json"));
}

static enum err run(struct tx *tx, const struct job *job)
{
	const char *type, *text = NULL, *reason = "no text can be read of files of this type", *problem;
	struct storage_object object;
	struct json_object *payload;
	PGresult *res;
	enum err rc;
	int fd;

	if (json_read(&tx->arena, job->payload, strlen(job->payload), &payload, &problem) ||
	    !json_text(json_at(payload, "object_id", NULL), 36))
		return job_give_up(tx, "the payload names no object");
	tx_set(tx, "object_id", json_text(json_at(payload, "object_id", NULL), 36));
	rc = tx_call(tx, &q_knowledge_object, false, &res);
	if (rc || !PQntuples(res))
		return rc;
	type = column_text(res, 0, "content_type");
	object = (struct storage_object){
		.tenant_id = column_text(res, 0, "tenant_id"),
		.id = column_text(res, 0, "object_id"),
		.backend = column_text(res, 0, "backend"),
	};
	fd = storage_open(&tx->arena, &object, &tx->fail);
	if (fd < 0)
		return tx->fail.err;
	if (is_plain(type))
		text = read_plain(&tx->arena, fd, &reason);
	close(fd);
	tx_set(tx, "content", text);
	tx_set(tx, "problem", text ? NULL : reason);
	return tx_call(tx, &q_knowledge_keep, false, &res);
}

const struct job_kind file_text_job = { .name = "file.text", .run = run };
