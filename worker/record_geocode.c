#include "worker/record_geocode.h"

#include <string.h>

#include "build/sql/records/record_geocoding.h"
#include "lib/base/clock.h"
#include "lib/base/json.h"
#include "lib/base/jx.h"
#include "lib/db/column.h"
#include "lib/db/db.h"
#include "lib/db/tx.h"
#include "lib/host/config.h"
#include "lib/host/log.h"
#include "providers/geocoder.h"

enum {
	LOOKS = 200, /* records that are read at once */
	ASKS = 10,   /* addresses that are asked for until what was said is committed */
	STINT_MS = 20000,
	MS = 1000000,
};

enum end {
	GO_ON,
	OVER,    /* there is nothing to do any more */
	STALLED, /* the provider says nothing at present */
	REFUSED,
};

struct stint {
	struct tx *tx;
	int64_t until_ns;
	struct {
		const char *hash;
		struct geocode said;
	} asked[ASKS];
	int nasked;
	struct buf results;
	const char *at; /* the last record that is done; NULL: none is */
	long long skipped;
};

static const struct geocode *find(const struct stint *s, const char *hash)
{
	for (int i = 0; i < s->nasked; i++)
		if (!strcmp(s->asked[i].hash, hash))
			return &s->asked[i].said;
	return NULL;
}

static void add_result(struct stint *s, const PGresult *res, int row, const struct geocode *said,
		       const char *error)
{
	struct buf *b = &s->results;

	jx_next(b), buf_char(b, '{');
	jx_key_str(b, "id", column_text(res, row, "id"));
	if (column_text(res, row, "address"))
		jx_key_str(b, "address", column_text(res, row, "address"));
	if (column_text(res, row, "lat")) {
		jx_key(b, "lat"), buf_text(b, column_text(res, row, "lat"));
		jx_key(b, "lng"), buf_text(b, column_text(res, row, "lng"));
	}
	if (said && said->result == GEOCODE_FOUND) {
		jx_key(b, "lat"), jx_double(b, said->lat);
		jx_key(b, "lng"), jx_double(b, said->lng);
	}
	if (said) {
		jx_key_str(b, "hash", column_text(res, row, "hash"));
		jx_key(b, "is_new"), jx_bool(b, true);
	}
	if (said && said->result == GEOCODE_UNCLEAR)
		error = "the provider cannot say where this is";
	if (error)
		jx_key_str(b, "error", error);
	buf_char(b, '}');
}

/* One record; false: not now. */
static bool look_at(struct stint *s, const PGresult *res, int row, enum end *end)
{
	const char *address = column_text(res, row, "address"), *hash = column_text(res, row, "hash");
	struct tx *tx = s->tx;
	const struct geocode *said;
	struct geocode now;

	if (!column_text(res, row, "id") || column_bool(res, row, "is_placed")) {
		s->skipped++;
		return true;
	}
	if (!address || column_bool(res, row, "is_known") || strlen(address) > GEOCODER_ADDRESS_MAX) {
		add_result(s, res, row, NULL,
			   address && !column_bool(res, row, "is_known") ? "the address is too long" : NULL);
		return true;
	}
	said = find(s, hash);
	if (!said) {
		if (s->nasked == ASKS || clock_ns() > s->until_ns)
			return false;
		db_close();
		geocoder_ask(&tx->arena, address, &now);
		if (now.result == GEOCODE_LATER || now.result == GEOCODE_DENIED) {
			log_msg(now.result == GEOCODE_DENIED ? LOG_WARNING : LOG_INFO, &tx->log,
				"geocoding: %s says nothing: %s",
				geocoder_name() ? geocoder_name() : "nobody",
				now.reason ? now.reason : "it failed");
			*end = now.result == GEOCODE_LATER ? STALLED : REFUSED;
			return false;
		}
		s->asked[s->nasked].hash = hash;
		s->asked[s->nasked].said = now;
		said = &s->asked[s->nasked++].said;
	}
	add_result(s, res, row, said, NULL);
	return true;
}

/* Some records, and what was found out about them is committed. */
static enum err work(struct stint *s, enum end *end)
{
	struct tx *tx = s->tx;
	PGresult *res;
	enum err rc;

	rc = tx_call(tx, &q_record_geocode_next, true, &res);
	if (rc)
		return rc;
	if (!PQntuples(res)) {
		*end = OVER;
		return ERR_OK;
	}
	s->nasked = 0;
	s->skipped = 0;
	s->at = NULL;
	buf_init(&s->results, &tx->arena, 4096);
	buf_char(&s->results, '[');
	for (int i = 0; i < PQntuples(res) && look_at(s, res, i, end); i++)
		s->at = column_text(res, i, "at");
	buf_char(&s->results, ']');
	if (!s->at)
		return ERR_OK;
	tx_set(tx, "was", column_text(res, 0, "was"));
	tx_set(tx, "after", s->at);
	tx_set(tx, "results", buf_str(&s->results));
	tx_set(tx, "skipped", arena_fmt(&tx->arena, "%lld", s->skipped));
	tx_set(tx, "answered", s->nasked ? "t" : "f");
	rc = tx_call(tx, &q_record_geocode_put, true, &res);
	if (!rc && !column_bool(res, 0, "is_more"))
		*end = OVER;
	return rc;
}

static enum err run(struct tx *tx, const struct job *job)
{
	const char *organization, *run_id, *problem;
	struct stint s = { .tx = tx, .until_ns = clock_ns() + (int64_t)STINT_MS * MS };
	struct json_object *payload;
	enum end end = GO_ON;
	PGresult *res;
	enum err rc;

	if (json_read(&tx->arena, job->payload, strlen(job->payload), &payload, &problem) ||
	    !(organization = json_text(json_at(payload, "organization_id", NULL), 36)) ||
	    !(run_id = json_text(json_at(payload, "run_id", NULL), 36)))
		return job_give_up(tx, "the payload names no run");
	tx_set(tx, "organization", organization);
	tx_set(tx, "run", run_id);
	tx_set(tx, "provider", geocoder_name() ? geocoder_name() : "");
	tx_set(tx, "most", arena_fmt(&tx->arena, "%d", LOOKS));
	do {
		rc = work(&s, &end);
	} while (!rc && end == GO_ON && clock_ns() <= s.until_ns);
	if (rc || end == OVER)
		return rc;
	if (end == REFUSED) {
		tx_set(tx, "message",
		       "the geocoding provider does not take our requests: whoever operates this server has "
		       "to see to it");
		return tx_call(tx, &q_record_geocode_failed, false, &res);
	}
	tx_set(tx, "is_stall", end == STALLED ? "t" : "f");
	tx_set(tx, "wait_s", arena_fmt(&tx->arena, "%ld", (long)cfg.geocoding_retry_s));
	return tx_call(tx, &q_record_geocode_pass, false, &res);
}

const struct job_kind record_geocode_job = { .name = "record.geocode", .run = run };
