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
#include "lib/db/column.h"
#include "lib/db/db.h"
#include "lib/db/tx.h"
#include "providers/storage.h"
#include "worker/extract.h"

static enum err run(struct tx *tx, const struct job *job)
{
	const char *type, *reason = "no text can be read of files of this type", *problem;
	struct extracted text = { 0 };
	struct storage_object object;
	bool is_final = true, is_read;
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
	type = arena_dup(&tx->arena, column_text(res, 0, "content_type"));
	object = (struct storage_object){
		.tenant_id = arena_dup(&tx->arena, column_text(res, 0, "tenant_id")),
		.id = arena_dup(&tx->arena, column_text(res, 0, "object_id")),
		.backend = arena_dup(&tx->arena, column_text(res, 0, "backend")),
	};

	/* It may take its time: no connection waits with us. */
	tx_finish(tx, false);
	db_close();
	fd = storage_open(&tx->arena, &object, &tx->fail);
	if (fd < 0)
		return tx->fail.err;
	is_read = extract_knows(type) &&
		  extract_text(&tx->arena, fd, type, &extract_usual, &text, &reason, &is_final);
	close(fd);
	if (!is_final)
		return tx_fail_inside(tx, ERR_UNAVAILABLE, "%s", reason);
	tx_set(tx, "content", is_read ? text.text : NULL);
	tx_set(tx, "problem", is_read ? NULL : reason);
	return tx_call(tx, &q_knowledge_keep, false, &res);
}

const struct job_kind file_text_job = { .name = "file.text", .run = run };
