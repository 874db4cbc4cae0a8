/*
 * Where spans are, and what is asked of them: PostgreSQL, or, with CLICKHOUSE_URL,
 * ClickHouse.  Who reads an answer cannot tell which.
 *
 * In PostgreSQL in both cases is who may what: projects, their keys and tokens, what a
 * project keeps (sampling), scores, stored logs and objects, and what is billed.  So a
 * read of ClickHouse asks PostgreSQL first, and is in no transaction while it waits; its
 * row is the main pool's only without CLICKHOUSE_URL (.slow_if).
 *
 * Each of these takes what a request asks for by its fields' names, as the rows declare
 * them, and answers with results whose columns are named and typed as in
 * sql/queries/traces, which has their meaning.  Failures are the request's.
 */
#ifndef HANDLERS_TRACES_STORE_H
#define HANDLERS_TRACES_STORE_H

#include <libpq-fe.h>
#include <stdbool.h>

#include "fcgi/req.h"
#include "handlers/traces/otlp_batch.h"

/* Called with each row by itself, as it comes. */
typedef enum err store_each(void *to, const PGresult *row, struct failure *why);

struct store {
	/*
	 * Take a batch: durable when it is ERR_OK, and each span once, however often it comes.
	 *
	 * ERR_UNAVAILABLE with retry_after: nothing that was sent is lost when it is sent again.
	 */
	enum err (*put)(struct req *rq, struct otlp_batch *b);

	/* What the traces of a list come to, and a page of them (trace_list_head, trace_page; one result of
	 * trace_search where something is looked for). */
	enum err (*list)(struct req *rq, bool is_search, PGresult **head, PGresult **page);

	/* A trace by its id, "trace" (trace_head): of "project_id", or where that is NULL of any project.  No
	 * row: there is none. */
	enum err (*head)(struct req *rq, PGresult **head);

	/* The first so many spans of what head told of, in the order in which they began (trace_spans), or
	 * without what is not drawn (trace_bars). */
	enum err (*spans)(struct req *rq, const PGresult *head, int most, store_each *each, void *to);
	enum err (*bars)(struct req *rq, const PGresult *head, int most, PGresult **out);

	/* The spans of a range, trace by trace, the oldest first (trace_export). */
	enum err (*export)(struct req *rq, store_each *each, void *to);

	/* The projects of opsboard_project_list, and how many spans and traces each has: counts[2 * i] and
	 * the one behind it. */
	enum err (*projects)(struct req *rq, PGresult **out, int64_t **counts);

	/* The log of a trace that may have any of these ids (trace_log_find), 32 digits each; the last is
	 * NULL. */
	enum err (*log)(struct req *rq, const char *const *ids, PGresult **out);

	/* Answer with a project's metrics, a page of its sessions. */
	enum err (*metrics)(struct req *rq);
	enum err (*sessions)(struct req *rq);
};

extern const struct store store_postgres, store_clickhouse;

/* The one that the settings name. */
const struct store *store_configured(void);

#endif
