#include "handlers/ai/meter.h"

#include <time.h>

#include "build/sql/ai/ai.h"
#include "fcgi/auth.h"
#include "fcgi/req.h"
#include "fcgi/stream.h"
#include "lib/base/jx.h"
#include "lib/db/column.h"
#include "lib/db/db.h"
#include "lib/db/tx.h"
#include "lib/host/config.h"
#include "providers/ai.h"

enum { TRIES = 3 };

static const char *kept(struct req *rq, const PGresult *res, const char *column)
{
	const char *text = column_text(res, 0, column);

	return text ? arena_dup(&rq->tx.arena, text) : NULL;
}

static const char *number(struct req *rq, long long n)
{
	return arena_fmt(&rq->tx.arena, "%lld", n);
}

enum err meter_begin(struct req *rq, struct meter *m, const struct ai_model *model, long long input,
		     long long output)
{
	PGresult *res;
	enum err rc;

	*m = (struct meter){ .organization = req_text(rq, "organization") };
	buf_init(&m->calls, &rq->tx.arena, 512);
	req_set(rq, "api_key", rq->who.is_secret ? rq->who.api_key : NULL);
	req_set(rq, "tokens", number(rq, input + output));
	req_set(rq, "cost", number(rq, ai_model_cost(model, input, 0, output)));
	req_set(rq, "model", model->id);
	req_set(rq, "life", number(rq, cfg.ai_timeout_s + 60));
	rc = tx_call(&rq->tx, &q_ai_begin, false, &res);
	if (rc)
		return rc;
	m->operation = kept(rq, res, "operation");
	m->user = kept(rq, res, "user_id");
	m->key = kept(rq, res, "key_id");
	m->fallbacks = kept(rq, res, "fallbacks");
	rc = tx_finish(&rq->tx, true);
	if (!rc)
		db_close();
	return rc;
}

static const char *outcome_of(const struct ai_answer *a)
{
	return !a->error ? "answered" : a->error == AI_GONE ? "gone" : a->was_taken ? "cut" : "failed";
}

void meter_note(struct req *rq, struct meter *m, const char *purpose, const char *prompt_version,
		struct ai_answer *a)
{
	struct buf *b = &m->calls;

	if (a->error == AI_GONE && stream_is_ending(rq)) {
		a->error = AI_STOPPED;
		a->reason = ai_error_text(AI_STOPPED);
	}
	m->answered = a->model;
	buf_char(b, m->ncalls++ ? ',' : '[');
	buf_char(b, '{');
	jx_key_str(b, "purpose", purpose);
	jx_key_str(b, "provider", a->model->provider);
	jx_key_str(b, "model", a->model->id);
	jx_key_str(b, "prompt_version", prompt_version);
	jx_key_int(b, "input_tokens", a->input);
	jx_key_int(b, "cached_tokens", a->cached > a->input ? a->input : a->cached);
	jx_key_int(b, "output_tokens", a->output);
	jx_key(b, "is_estimated"), jx_bool(b, a->is_estimated);
	jx_key_int(b, "cost",
		   a->error && !a->input && !a->output
			   ? 0
			   : ai_model_cost(a->model, a->input, a->cached > a->input ? a->input : a->cached,
					   a->output));
	jx_key_str(b, "outcome", outcome_of(a));
	jx_key_str(b, "error", a->reason);
	if (a->first_ms >= 0)
		jx_key_int(b, "first_ms", a->first_ms);
	jx_key_int(b, "duration_ms", a->duration_ms);
	buf_char(b, '}');
	if (a->error && a->error != AI_GONE)
		log_msg(LOG_WARNING, &rq->tx.log, "%s of %s: %s", a->model->id, a->model->provider,
			a->reason);
}

/* As nobody, of the tenant: whoever has signed out meanwhile has used it all the same. */
static bool put_down(struct req *rq)
{
	PGresult *res;

	rq->tx.fail = (struct failure){ ERR_OK };
	return !tx_call(&rq->tx, &q_ai_end, true, &res);
}

void meter_end(struct req *rq, struct meter *m)
{
	const struct query *frame = rq->tx.frame; /* what an Idempotency-Key says does not count here */
	struct failure fail = rq->tx.fail;
	bool is_done = false;

	if (!m->ncalls)
		buf_char(&m->calls, '[');
	buf_char(&m->calls, ']');
	req_set(rq, "operation", m->operation);
	req_set(rq, "of_user", m->user);
	req_set(rq, "of_key", m->key);
	req_set(rq, "calls", buf_str(&m->calls));
	req_set(rq, "request_id", rq->tx.log.request_id);
	auth_door_of_tenant(rq);
	rq->tx.frame = NULL;
	for (int i = 0; !is_done && i < TRIES; i++) {
		is_done = put_down(rq);
		if (!is_done && i + 1 < TRIES)
			nanosleep(&(struct timespec){ i ? 1 : 0, i ? 0 : 100000000 }, NULL);
	}
	if (!is_done)
		log_msg(LOG_ERROR, &rq->tx.log, "what operation %s has used was not put down: %s: %s",
			m->operation, failure_reason(&rq->tx.fail), m->calls.p);
	rq->tx.frame = frame;
	rq->tx.fail = fail;
	rq->tx.may_rerun = false;
}

bool meter_keep(struct req *rq, const struct query *q)
{
	const struct query *frame = rq->tx.frame;
	PGresult *res;
	bool ok;

	rq->tx.frame = NULL;
	ok = !tx_call(&rq->tx, q, true, &res);
	if (!ok)
		log_msg(LOG_ERROR, &rq->tx.log, "what was answered was not kept: %s",
			failure_reason(&rq->tx.fail));
	rq->tx.frame = frame;
	rq->tx.fail = (struct failure){ ERR_OK };
	rq->tx.may_rerun = false;
	return ok;
}

enum err meter_refuse(struct req *rq, const struct ai_answer *a)
{
	const char *text = ai_error_text(a->error);

	switch (a->error) {
	case AI_OK: return ERR_OK;
	case AI_CONTEXT:
	case AI_FILTERED:
	case AI_BAD_REQUEST:
		req_fail(rq, ERR_VALIDATION, "%s%s%s", text, a->message ? ": " : "",
			 a->message ? a->message : "");
		break;
	case AI_NO_KEY: req_fail(rq, ERR_UNAVAILABLE, "%s", text); break;
	case AI_STOPPED: failure_retry(&rq->tx.fail, &rq->tx.arena, ERR_UNAVAILABLE, 1, "%s", text); break;
	case AI_RATE_LIMIT:
		failure_retry(&rq->tx.fail, &rq->tx.arena, ERR_UNAVAILABLE,
			      a->retry_after ? (int)a->retry_after : 5, "%s", text);
		break;
	case AI_GONE: req_fail(rq, ERR_CLIENT_CLOSED, NULL); break;
	case AI_OVERLOADED:
	case AI_AUTH:
	case AI_FAILED: req_fail(rq, ERR_EXTERNAL, "%s", text); break;
	}
	rq->tx.fail.reason = a->reason;
	return rq->tx.fail.err;
}
