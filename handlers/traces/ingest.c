/*
 * Spans and log records come in: OTLP over HTTP, in Protocol Buffers' encoding or in JSON, compressed or not.
 *
 * Whose they are the credentials say, and nothing else does: attributes of the resource that name a project
 * are left out.  What an exporter is told is what OTLP has for it: 400 for what is no request, which it must
 * not send again; 429 with Retry-After for who sends too much, which it should; and 200 with the number of
 * spans that were refused, and why.
 */
#include <strings.h>

#include "build/sql/traces/ingest.h"
#include "build/sql/traces/log_records.h"
#include "fcgi/answer.h"
#include "fcgi/req.h"
#include "handlers/traces/otlp.h"
#include "handlers/traces/sampler.h"
#include "handlers/traces/store.h"
#include "lib/base/clock.h"
#include "lib/base/gunzip.h"
#include "lib/base/jx.h"
#include "lib/db/column.h"
#include "lib/host/config.h"
#include "lib/host/limit.h"
#include "lib/host/shm.h"

enum {
	MAX_BODY = 20 << 20, /* also of what was compressed */
	LIMITS = 1 << 13,    /* slots */
	BURST_MS = 10000,
	FLOOD = 10, /* times what a project is meant to send */
	SETTINGS = 64,
	SETTINGS_MS = 5000, /* how long a change may go unnoticed */
};

#define DAY_NS 86400000000000LL

SHM_REGION(span_limits, struct limit_slot, LIMITS)

/*
 * What this process remembers of a project, for some seconds, by who sends: so most requests ask PostgreSQL
 * one thing.  Whether the credentials still stand is asked by each of them.
 */
struct settings {
	uint64_t who;
	int64_t read_ns;
	char project_id[40];
	long per_second; /* of spans, beyond which it is a flood; 0: no matter how many */
	long kept_days;  /* an older span would be removed as soon as it is there */
	struct sampler sampler;
};

static struct settings known[SETTINGS];

static uint64_t who_sends(const struct req *rq)
{
	const struct principal *who = &rq->who;

	return who->project_key
		       ? shm_hash(1, who->project_key)
		       : shm_hash(shm_hash(shm_hash(2, who->tenant_id), who->project), who->project_key_id);
}

static void read_plan(struct settings *s, const char *plan)
{
	bool is_enterprise = !strcmp(plan, "enterprise"), is_pro = !strcmp(plan, "pro");

	s->per_second = FLOOD * (is_enterprise ? cfg.span_rate_enterprise
				 : is_pro      ? cfg.span_rate_pro
					       : cfg.span_rate_free);
	s->kept_days = is_enterprise ? cfg.traces_enterprise_days
		       : is_pro      ? cfg.traces_pro_days
				     : cfg.traces_free_days;
}

/* The transaction stays open where PostgreSQL was asked. */
static enum err read_settings(struct req *rq, struct settings **out)
{
	uint64_t who = who_sends(rq);
	struct settings *s = &known[who % SETTINGS];
	int64_t now_ns = clock_ns();
	PGresult *res;
	enum err rc;

	*out = s;
	if (s->who == who && now_ns - s->read_ns < SETTINGS_MS * 1000000LL)
		return ERR_OK;
	rc = tx_call(&rq->tx, &q_span_settings, false, &res);
	if (rc)
		return rc;
	if (!PQntuples(res))
		return answer_not_found(rq, NULL);
	s->who = who;
	s->read_ns = now_ns;
	snprintf(s->project_id, sizeof(s->project_id), "%s", column_text(res, 0, "project_id"));
	read_plan(s, column_text(res, 0, "plan"));
	sampler_read(&rq->tx.arena, column_text(res, 0, "rules"), &s->sampler);
	return ERR_OK;
}

/* What was sent */

static bool is_type(const struct req *rq, const char *type)
{
	const char *sent = req_header(rq, "Content-Type");
	size_t n = sent ? strcspn(sent, "; \t") : 0;

	return n == strlen(type) && !strncasecmp(sent, type, n);
}

/* Nothing has no type that could be wrong: a request without spans. */
static bool is_nothing(const struct req *rq)
{
	return !rq->asked.body_len && !req_header(rq, "Content-Type");
}

static enum err read_encoding(struct req *rq, enum otlp_encoding *out)
{
	*out = OTLP_PROTOBUF;
	if (is_type(rq, route_protobuf))
		return ERR_OK;
	*out = OTLP_JSON;
	if (is_type(rq, "application/json") || is_nothing(rq))
		return ERR_OK;
	req_set_header(rq, "Accept", "application/x-protobuf, application/json");
	return req_fail(rq, ERR_UNSUPPORTED_MEDIA_TYPE,
			"send application/x-protobuf, or application/json as OTLP has it");
}

/* The bytes that were meant, of which there are MAX_BODY at most. */
static enum err decompress(struct req *rq, const char **p, size_t *n)
{
	const char *coding = req_header(rq, "Content-Encoding"), *problem;
	char *out;
	enum err rc;

	*p = rq->asked.body_len ? rq->asked.body : is_nothing(rq) ? "{}" : "";
	*n = is_nothing(rq) ? 2 : rq->asked.body_len;
	if (!coding || !*coding || !strcasecmp(coding, "identity"))
		return ERR_OK;
	if (strcasecmp(coding, "gzip") != 0) {
		req_set_header(rq, "Accept-Encoding", "gzip");
		return req_fail(rq, ERR_UNSUPPORTED_MEDIA_TYPE, "of content encodings gzip is understood");
	}
	rc = gunzip(&rq->tx.arena, *p, *n, MAX_BODY, &out, n, &problem);
	if (rc == ERR_PAYLOAD_TOO_LARGE)
		return req_fail(rq, rc, "a request may have at most %d bytes when it is inflated", MAX_BODY);
	if (rc)
		return req_fail(rq, rc, "%s", problem);
	*p = out;
	return ERR_OK;
}

/* Somebody who says which project they mean has to mean the credentials' one. */
static enum err check_project(struct req *rq, const struct settings *s)
{
	const char *field = req_text(rq, "project_id") ? "project_id" : "X-Project-Id";
	const char *meant = *field == 'p' ? req_text(rq, field) : req_header(rq, field);

	if (meant && strcasecmp(meant, s->project_id) != 0)
		return req_fail_field(rq, ERR_AUTHORIZATION, field,
				      "these are the credentials of another project");
	return ERR_OK;
}

/* A flood */

/* Spans and log records are counted apart: who writes too much into a log is still seen working. */
static uint64_t limit_key(const struct settings *s, enum otlp_signal signal)
{
	return shm_hash(signal == OTLP_RECORDS ? 4 : 3, s->project_id) | 1;
}

static enum err check_flood(struct req *rq, const struct settings *s, enum otlp_signal signal)
{
	int64_t retry_ns;

	if (!s->per_second ||
	    !limit_owes(span_limits(), LIMITS, limit_key(s, signal), BURST_MS, clock_ns(), &retry_ns))
		return ERR_OK;
	rq->limits.name = signal == OTLP_RECORDS ? "log records" : "spans";
	req_too_many(rq, (retry_ns + 999999999) / 1000000000);
	rq->tx.fail.message = arena_fmt(&rq->tx.arena, "this project sends more than %ld %s a second",
					s->per_second, rq->limits.name);
	return rq->tx.fail.err;
}

/* Taking them */

static enum err answer(struct req *rq, enum otlp_encoding encoding, const struct otlp_batch *b)
{
	struct buf *out = answer_body(rq);

	rq->answer.status = 200;
	if (encoding == OTLP_PROTOBUF)
		req_set_header(rq, "Content-Type", route_protobuf);
	otlp_put_response(out, encoding, b->signal, otlp_batch_rejected(b), otlp_batch_problem(b));
	return ERR_OK;
}

static enum err put_records(struct req *rq, struct otlp_batch *b)
{
	PGresult *res;

	if (!b->taken)
		return ERR_OK;
	otlp_batch_bind(b, &rq->tx);
	return tx_call(&rq->tx, &q_log_ingest, true, &res);
}

static enum err ingest(struct req *rq, enum otlp_signal signal)
{
	int64_t now_ns = clock_unix_us() * 1000;
	enum otlp_encoding encoding;
	struct otlp_batch *b;
	struct settings *s;
	const char *p, *problem;
	size_t n;
	enum err rc = read_encoding(rq, &encoding);

	rc = rc ? rc : read_settings(rq, &s);
	rc = rc ? rc : check_project(rq, s);
	rc = rc ? rc : check_flood(rq, s, signal);
	rc = rc ? rc : decompress(rq, &p, &n);
	if (rc)
		return rc;
	b = otlp_batch_new(&rq->tx.arena, n, now_ns - s->kept_days * DAY_NS, now_ns + DAY_NS);
	b->signal = signal;
	b->now_ns = now_ns;
	if (s->sampler.n && signal == OTLP_SPANS) {
		b->keeps = sampler_keeps;
		b->keeps_to = &s->sampler;
	}
	rc = otlp_read(b, encoding, p, n, &problem);
	if (rc)
		return req_fail(rq, rc, "%s", problem);
	if (s->per_second && b->taken + b->sampled_away)
		limit_charge(span_limits(), LIMITS, limit_key(s, signal), b->taken + b->sampled_away,
			     s->per_second, clock_ns());
	rc = signal == OTLP_RECORDS ? put_records(rq, b) : store_configured()->put(rq, b);
	return rc ? rc : answer(rq, encoding, b);
}

static enum err traces_ingest(struct req *rq)
{
	return ingest(rq, OTLP_SPANS);
}

static enum err logs_ingest(struct req *rq)
{
	return ingest(rq, OTLP_RECORDS);
}

/* An error's body: a google.rpc.Status, which in JSON has ours beside it. */
static bool refuse(struct req *rq, const char *message)
{
	struct buf more;

	if (is_type(rq, route_protobuf)) {
		req_set_header(rq, "Content-Type", route_protobuf);
		otlp_put_status(&rq->answer.out, OTLP_PROTOBUF, rq->answer.status, message);
		return true;
	}
	buf_init(&more, &rq->tx.arena, 128);
	otlp_put_status(&more, OTLP_JSON, rq->answer.status, message);
	more.n--; /* its braces are the body's */
	rq->tx.fail.more = buf_str(&more) + 1;
	return false;
}

/* clang-format off */
static const struct field request_in[] = {
	{ "resourceSpans", F_LIST, 0, .item = F_JSON, .about = "as opentelemetry-proto has an ExportTraceServiceRequest",
	  .example = "[{\"resource\":{\"attributes\":[{\"key\":\"service.name\",\"value\":{\"stringValue\":\"shop\"}}]},\"scopeSpans\":[{\"spans\":[{"
		     "\"traceId\":\"4bf92f3577b34da6a3ce929d0e0e4736\",\"spanId\":\"00f067aa0ba902b7\",\"name\":\"GET /orders\",\"kind\":2,"
		     "\"startTimeUnixNano\":\"1767268800000000000\",\"endTimeUnixNano\":\"1767268800012000000\"}]}]}]" },
	FIELD_END
};

static const struct field logs_in[] = {
	{ "resourceLogs", F_LIST, 0, .item = F_JSON, .about = "as opentelemetry-proto has an ExportLogsServiceRequest",
	  .example = "[{\"resource\":{\"attributes\":[{\"key\":\"service.name\",\"value\":{\"stringValue\":\"shop\"}}]},\"scopeLogs\":[{\"logRecords\":[{"
		     "\"timeUnixNano\":\"1767268800000000000\",\"severityNumber\":9,\"body\":{\"stringValue\":\"order taken\"},"
		     "\"traceId\":\"4bf92f3577b34da6a3ce929d0e0e4736\",\"spanId\":\"00f067aa0ba902b7\"}]}]}]" },
	FIELD_END
};

static const struct field find_in[] = {
	{ "project_id", F_UUID, F_RARE, .about = "403 where it is not the credentials' project" },
	FIELD_END
};

static const struct field ingest_headers[] = {
	{ "Content-Encoding", F_TEXT, 0, .about = "gzip, or none", .example = "gzip" },
	{ "X-Project-Id",     F_UUID, 0, .about = "403 where it is not the credentials' project" },
	FIELD_END
};

static const struct field partial_out[] = {
	{ "rejectedSpans", F_TEXT, 0, .about = "a 64-bit integer", .example = "0" },
	{ "errorMessage",  F_TEXT, 0, .about = "why", .example = "" },
	FIELD_END
};

static const struct field response_out[] = {
	{ "partialSuccess", F_OBJECT, F_OPTIONAL, .fields = partial_out, .about = "of what was refused; all was taken where it is not there" },
	FIELD_END
};

static const struct field logs_partial_out[] = {
	{ "rejectedLogRecords", F_TEXT, 0, .about = "a 64-bit integer", .example = "0" },
	{ "errorMessage",       F_TEXT, 0, .about = "why", .example = "" },
	FIELD_END
};

static const struct field logs_response_out[] = {
	{ "partialSuccess", F_OBJECT, F_OPTIONAL, .fields = logs_partial_out, .about = "of what was refused; all was taken where it is not there" },
	FIELD_END
};

static const struct shape logs_response_shape = { "ExportLogsServiceResponse", logs_response_out };
static const struct shape response_shape = { "ExportTraceServiceResponse", response_out };
static const enum err ingest_errors[] = { ERR_UNSUPPORTED_MEDIA_TYPE, ERR_AUTHORIZATION, ERR_OK };

const struct route ingest_routes[] = {
	{ POST, "/api/v1/traces",      "observability.traces.ingest",      &by_project, "Send spans",
	  .about = "OTLP over HTTP, as OpenTelemetry's exporters send it: protobuf or JSON, gzip or none, up to 20 MiB and 10,000 spans. The answer is in the "
		   "request's encoding, an error's a google.rpc.Status. A span that was sent before is not stored twice; one whose end is before its start "
		   "is kept and marked. A project that sends ten times what its plan is meant for gets 429, and nobody else does.",
	  .query = find_in, .body = request_in, .out = &response_shape, .headers = ingest_headers, .errors = ingest_errors, .budget = &budget_project,
	  .max_body = MAX_BODY, .status = 200, .flags = RAW | UNTRACED, .refuse = refuse, .slow_if = &cfg.clickhouse_url, .run = traces_ingest },
	{ POST, "/api/otlp/v1/traces", "observability.traces.ingest_otlp", &by_project, "Send spans", .alias_of = "observability.traces.ingest" },
	{ POST, "/api/v1/logs",        "observability.logs.ingest",        &by_project, "Send log records",
	  .about = "OTLP over HTTP, in the same encodings, with the same limits and answers as spans. A record that was sent before is not stored twice; it "
		   "has no id, so it is known by all that it says. Who reads a trace finds its records.",
	  .query = find_in, .body = logs_in, .out = &logs_response_shape, .headers = ingest_headers, .errors = ingest_errors, .budget = &budget_project,
	  .max_body = MAX_BODY, .status = 200, .flags = RAW | UNTRACED, .refuse = refuse, .run = logs_ingest },
	{ POST, "/api/otlp/v1/logs",   "observability.logs.ingest_otlp",   &by_project, "Send log records", .alias_of = "observability.logs.ingest" },
	ROUTE_END
};
/* clang-format on */
