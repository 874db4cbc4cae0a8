#include "worker/record_convert.h"

#include <json-c/json.h>
#include <string.h>

#include "build/sql/records/record_undo.h"
#include "lib/base/json.h"
#include "lib/base/jx.h"
#include "lib/base/utf8.h"
#include "lib/db/column.h"
#include "lib/db/tx.h"
#include "providers/record_convert.h"
#include "worker/run_report.h"

enum {
	SHOWN = 255, /* of a value in a report */
	BATCH_MS =
		60000, /* more than requests have: one that runs out of it would be begun again and again */
	UNDO_MS = 600000, /* for a batch: where a unique value is another's by now, it goes one by one */
};

static const char batch[] = "500";

struct convert {
	struct tx *tx;
	struct arena kept, arena; /* for all of it, and for a batch */
	size_t nvalues;           /* of the transaction, without a batch's */
	struct record_field field;
	struct import_column column;
	const char *after; /* the place that it goes on behind; NULL: it has been everywhere */
	bool is_over;      /* there is nothing more to do: it was cancelled */

	struct buf items, misfits; /* of the batch */
	long long same;
};

static enum err read_tree(struct convert *c, struct arena *a, const char *text, struct json_object **out)
{
	const char *problem;

	return json_read(a, text, strlen(text), out, &problem)
		       ? tx_fail_inside(c->tx, ERR_INTERNAL, "record_convert: %s", problem)
		       : ERR_OK;
}

static void add_misfit(struct convert *c, const char *id, struct json_object *value, const char *problem)
{
	const char *text = json_object_is_type(value, json_type_string)
				   ? json_object_get_string(value)
				   : json_object_to_json_string_ext(value, JSON_C_TO_STRING_PLAIN);
	struct buf *b = &c->misfits;
	size_t n = strlen(text);

	while (n > SHOWN && (n = SHOWN))
		while (n && ((unsigned char)text[n] & 0xc0) == 0x80)
			n--;
	jx_next(b), buf_char(b, '{');
	jx_key_str(b, "record_id", id);
	jx_key(b, "value"), jx_text(b, text, n);
	jx_key_str(b, "reason", problem);
	buf_char(b, '}');
}

static void add_item(struct convert *c, const char *id, struct json_object *value, const struct buf *is)
{
	struct buf *b = &c->items;

	jx_next(b), buf_char(b, '{');
	jx_key_str(b, "id", id);
	jx_key(b, "was"), buf_text(b, json_object_to_json_string_ext(value, JSON_C_TO_STRING_PLAIN));
	jx_key(b, "is"), buf_add(b, is->p, is->n);
	buf_char(b, '}');
}

static void convert_one(struct convert *c, struct json_object *one)
{
	const char *id = json_text(json_at(one, "id", NULL), 36), *problem = "it does not fit";
	struct json_object *value = json_at(one, "value", NULL);
	bool is_same = false;
	struct buf form;

	buf_init(&form, &c->arena, 64);
	if (!record_convert_value(&c->arena, &c->column, value, &form, &is_same, &problem))
		add_misfit(c, id, value, problem);
	else if (is_same)
		c->same++;
	else
		add_item(c, id, value, &form);
}

/* A batch of records: read, converted here, and written where they still have what was read. */
static enum err convert_batch(struct convert *c)
{
	struct json_object *list;
	struct tx *tx = c->tx;
	const char *last;
	PGresult *res;
	enum err rc;

	tx->nvalues = c->nvalues;
	arena_reset(&c->arena);
	tx_set(tx, "after", c->after);
	tx_set(tx, "batch", batch);
	rc = tx_call(tx, &q_record_convert_read, true, &res);
	if (rc)
		return rc;
	last = column_text(res, 0, "last");
	last = last ? arena_dup(&c->kept, last) : NULL;
	tx_set(tx, "n", arena_dup(&c->arena, column_text(res, 0, "n")));
	rc = read_tree(c, &c->arena, column_text(res, 0, "items"), &list);
	if (rc)
		return rc;
	buf_init(&c->items, &c->arena, 1 << 14);
	buf_init(&c->misfits, &c->arena, 1 << 12);
	buf_char(&c->items, '['), buf_char(&c->misfits, '[');
	c->same = 0;
	for (size_t i = 0; i < json_object_array_length(list); i++)
		convert_one(c, json_object_array_get_idx(list, i));
	buf_char(&c->items, ']'), buf_char(&c->misfits, ']');
	tx_set(tx, "last", last);
	tx_set(tx, "items", buf_str(&c->items));
	tx_set(tx, "misfits", buf_str(&c->misfits));
	tx_set(tx, "same", arena_fmt(&c->arena, "%lld", c->same));
	rc = tx_call(tx, &q_record_convert_put, true, &res);
	if (rc)
		return rc;
	c->is_over = !column_bool(res, 0, "goes_on") && last;
	c->after = last;
	return ERR_OK;
}

static enum err read_open(struct convert *c, const PGresult *res)
{
	struct json_object *field, *options;
	const char *after = column_text(res, 0, "after");
	enum err rc = read_tree(c, &c->kept, column_text(res, 0, "field"), &field);

	if (!rc)
		rc = read_tree(c, &c->kept, column_text(res, 0, "options"), &options);
	if (!rc)
		rc = record_schema_field(&c->kept, field, "field", &c->field, &c->tx->fail);
	if (rc)
		return rc;
	c->after = after ? arena_dup(&c->kept, after) : NULL;
	c->column = (struct import_column){
		.field = &c->field,
		.decimal = record_convert_decimal(json_text(json_at(options, "decimal", NULL), 1)),
		.order = record_convert_order(json_text(json_at(options, "date_format", NULL), 3)),
	};
	c->nvalues = c->tx->nvalues;
	return ERR_OK;
}

static enum err finish(struct tx *tx, struct arena *a)
{
	PGresult *res;
	enum err rc = run_report(tx, a, &q_record_run_kept);

	return rc ? rc : tx_call(tx, &q_record_undo_end, false, &res);
}

static enum err convert_all(struct convert *c)
{
	PGresult *res;
	enum err rc = tx_call(c->tx, &q_record_convert_open, true, &res);

	if (rc || !PQntuples(res))
		return rc;
	rc = read_open(c, res);
	while (!rc && c->after && !c->is_over)
		rc = convert_batch(c);
	return rc || c->is_over ? rc : finish(c->tx, &c->kept);
}

/* What a job is about, as parameters. */
static bool take_run(struct tx *tx, const struct job *job)
{
	const char *organization, *run_id, *problem;
	struct json_object *payload;

	if (json_read(&tx->arena, job->payload, strlen(job->payload), &payload, &problem) ||
	    !(organization = json_text(json_at(payload, "organization_id", NULL), 36)) ||
	    !(run_id = json_text(json_at(payload, "run_id", NULL), 36)))
		return false;
	tx_set(tx, "organization", organization);
	tx_set(tx, "run", run_id);
	return true;
}

static enum err convert(struct tx *tx, const struct job *job)
{
	struct convert c = { .tx = tx };
	enum err rc;

	if (!take_run(tx, job))
		return job_give_up(tx, "the payload names no run");
	arena_init(&c.kept, 1 << 14);
	arena_init(&c.arena, 1 << 18);
	tx->timeout_ms = BATCH_MS;
	rc = convert_all(&c);
	if (rc && tx->fail.message) /* what says why is to outlive these */
		tx->fail.message = arena_dup(&tx->arena, tx->fail.message);
	arena_release(&c.arena);
	arena_release(&c.kept);
	return rc;
}

static enum err undo(struct tx *tx, const struct job *job)
{
	bool goes_on = true;
	PGresult *res;
	enum err rc = ERR_OK;

	if (!take_run(tx, job))
		return job_give_up(tx, "the payload names no run");
	tx->timeout_ms = UNDO_MS;
	while (!rc && goes_on) {
		rc = tx_call(tx, &q_record_undo_batch, true, &res);
		goes_on = !rc && column_bool(res, 0, "goes_on");
	}
	return rc ? rc : finish(tx, &tx->arena);
}

const struct job_kind record_convert_job = { .name = "record.convert", .run = convert };
const struct job_kind record_undo_job = { .name = "record.undo", .run = undo };
