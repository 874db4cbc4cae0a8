#include "handlers/records/record_cache.h"

#include <stdint.h>
#include <string.h>

#include "fcgi/req.h"
#include "lib/base/uuid.h"
#include "lib/db/column.h"

enum { SCHEMAS = RECORD_CACHE_SCHEMAS, SHARE = RECORD_CACHE_SHARE, RECORDS = RECORD_CACHE_RECORDS };

/* Pages of it are touched as they are needed. */
static struct schema {
	unsigned char recordset[16];
	uint64_t used; /* when, counted in look-ups; 0: it is free */
	int version;
	bool is_strict;
	char fields[RECORD_CACHE_TEXT];
} schemas[SCHEMAS];

static struct {
	unsigned char record[16], recordset[16];
} records[RECORDS];

static uint64_t lookups;

static uint64_t hash(const void *p, size_t n)
{
	const unsigned char *s = p;
	uint64_t h = 14695981039346656037u;

	for (size_t i = 0; i < n; i++)
		h = (h ^ s[i]) * 1099511628211u;
	return h ^ h >> 32;
}

/* The places of a share: it has no others, however many recordsets it has. */
static struct schema *place(const char *share, int i)
{
	return &schemas[(hash(share, strlen(share)) + (unsigned)i) % SCHEMAS];
}

static struct schema *find(const char *share, const unsigned char id[16])
{
	for (int i = 0; i < SHARE; i++) {
		struct schema *s = place(share, i);

		if (s->used && !memcmp(s->recordset, id, 16))
			return s;
	}
	return NULL;
}

static bool found(struct arena *a, const char *share, const unsigned char id[16], struct record_cached *out)
{
	struct schema *s = find(share, id);
	const char *text;

	if (!s)
		return false;
	s->used = ++lookups;
	text = uuid_text(a, id);
	*out = (struct record_cached){ .recordset = text,
				       .fields = arena_dup(a, s->fields),
				       .version = s->version,
				       .is_strict = s->is_strict };
	return true;
}

bool record_cache_find(struct arena *a, const char *share, const char *recordset, struct record_cached *out)
{
	unsigned char id[16];

	return uuid_bytes(recordset, id) && found(a, share, id, out);
}

bool record_cache_of(struct arena *a, const char *share, const char *record, struct record_cached *out)
{
	unsigned char id[16];
	size_t at;

	if (!uuid_bytes(record, id))
		return false;
	at = hash(id, 16) % RECORDS;
	return !memcmp(records[at].record, id, 16) && found(a, share, records[at].recordset, out);
}

void record_cache_put(const char *share, const struct record_cached *c)
{
	unsigned char id[16];
	struct schema *s;

	if (!uuid_bytes(c->recordset, id))
		return;
	s = find(share, id);
	if (strlen(c->fields) >= RECORD_CACHE_TEXT) {
		if (s)
			s->used = 0;
		return;
	}
	if (!s) {
		s = place(share, 0);
		for (int i = 1; i < SHARE; i++)
			if (place(share, i)->used < s->used)
				s = place(share, i);
	}
	memcpy(s->recordset, id, 16);
	memcpy(s->fields, c->fields, strlen(c->fields) + 1);
	s->version = c->version;
	s->is_strict = c->is_strict;
	s->used = ++lookups;
}

void record_cache_note(const void *record, const void *recordset)
{
	size_t at = hash(record, 16) % RECORDS;

	memcpy(records[at].record, record, 16);
	memcpy(records[at].recordset, recordset, 16);
}

void record_cache_drop(const char *share, const char *recordset)
{
	unsigned char id[16];
	struct schema *s = uuid_bytes(recordset, id) ? find(share, id) : NULL;

	if (s)
		s->used = 0;
}

static const char *share_of(const struct req *rq)
{
	return rq->who.tenant_id ? rq->who.tenant_id : rq->who.api_key ? rq->who.api_key : "";
}

static enum err run(struct req *rq, const struct record_write *w, const struct record_cached *schema)
{
	enum err rc = w->answer(rq, w->write);
	const PGresult *row;
	int id, of;

	if (rc) {
		if (rq->tx.may_rerun)
			record_cache_drop(share_of(rq), schema->recordset);
		return rc;
	}
	row = rq->tx.children[0];
	id = PQfnumber(row, "id");
	of = PQfnumber(row, w->column);
	if (PQntuples(row) && PQgetlength(row, 0, id) == 16 && PQgetlength(row, 0, of) == 16)
		record_cache_note(PQgetvalue(row, 0, id), PQgetvalue(row, 0, of));
	return ERR_OK;
}

enum err record_cache_write(struct req *rq, const struct record_write *w)
{
	struct arena *a = &rq->tx.arena;
	struct record_cached schema;
	PGresult *res;
	enum err rc;

	if (w->recordset ? record_cache_find(a, share_of(rq), w->recordset, &schema)
			 : record_cache_of(a, share_of(rq), w->record, &schema)) {
		if (!w->prepare(rq, &schema))
			return run(rq, w, &schema);
		rq->tx.fail = (struct failure){ ERR_OK };
	}
	rc = tx_call(&rq->tx, w->read, false, &res);
	if (rc)
		return rc;
	if (!PQntuples(res))
		return w->missing(rq);
	schema = (struct record_cached){ .recordset = column_text(res, 0, "_recordset"),
					 .fields = column_text(res, 0, "_fields"),
					 .version = (int)column_int(res, 0, "_version"),
					 .is_strict = column_bool(res, 0, "_is_strict") };
	record_cache_put(share_of(rq), &schema);
	rc = w->prepare(rq, &schema);
	return rc ? rc : run(rq, w, &schema);
}
