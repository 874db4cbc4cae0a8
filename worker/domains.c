#include "worker/domains.h"

#include <string.h>

#include "build/sql/tenancy/domains.h"
#include "lib/base/json.h"
#include "lib/db/column.h"
#include "lib/db/db.h"
#include "lib/db/tx.h"
#include "lib/net/dns.h"

enum { BATCH = 100, MOST_BATCHES = 100 };

static enum err due(struct tx *tx, const struct job *job)
{
	PGresult *res;

	(void)job;
	tx_set(tx, "batch", arena_fmt(&tx->arena, "%d", BATCH));
	for (int i = 0; i < MOST_BATCHES; i++) {
		enum err rc = tx_call(tx, &q_domains_due, true, &res);

		if (rc || column_int(res, 0, "due") < BATCH)
			return rc;
	}
	return ERR_OK;
}

static enum err check(struct tx *tx, const struct job *job)
{
	static const char *const outcomes[] = { "found", "missing", "unanswered" };
	const char *organization, *domain, *problem, *name, *value;
	struct json_object *payload;
	PGresult *res;
	enum err rc;

	if (json_read(&tx->arena, job->payload, strlen(job->payload), &payload, &problem) ||
	    !(organization = json_text(json_at(payload, "organization_id", NULL), 36)) ||
	    !(domain = json_text(json_at(payload, "domain_id", NULL), 36)))
		return job_give_up(tx, "the payload names no domain");
	tx_set(tx, "organization", organization);
	tx_set(tx, "domain", domain);
	rc = tx_call(tx, &q_domain_of_job, false, &res);
	if (rc || !PQntuples(res))
		return rc;
	name = arena_dup(&tx->arena, column_text(res, 0, "name"));
	value = arena_dup(&tx->arena, column_text(res, 0, "value"));
	tx_finish(tx, false);
	db_close();
	tx_set(tx, "outcome", outcomes[dns_txt(&tx->arena, name, value)]);
	return tx_call(tx, &q_domain_of_job_checked, false, &res);
}

const struct job_kind domains_due_job = { .name = "domains.due", .run = due };
const struct job_kind domain_check_job = { .name = "domain.check", .run = check };
