#include "handlers/ai/reply.h"

#include "fcgi/answer.h"
#include "fcgi/req.h"
#include "fcgi/stream.h"
#include "lib/base/clock.h"
#include "lib/host/config.h"

struct reply *reply_new(struct req *rq, const struct reply_form *form)
{
	struct reply *r = arena_alloc(&rq->tx.arena, sizeof(*r));
	const char *stream = req_text(rq, "stream");

	r->rq = rq;
	r->form = form;
	r->streams = stream && !strcmp(stream, "true");
	r->sent_ns = clock_ns();
	r->created_s = clock_unix_us() / 1000000;
	r->answer = arena_alloc(&rq->tx.arena, sizeof(*r->answer));
	return r;
}

static bool begin(struct reply *r)
{
	bool is_first = !r->has_begun;

	r->has_begun = true;
	return !is_first || !r->form->begin || r->form->begin(r);
}

static bool take(void *to, const struct ai_delta *d)
{
	struct reply *r = to;

	r->sent_ns = clock_ns();
	return begin(r) && r->form->delta(r, d);
}

static bool is_wanted(void *to)
{
	struct reply *r = to;

	if (!r->streams || clock_ns() - r->sent_ns < cfg.ai_heartbeat_s * 1000000000)
		return stream_is_awaited(r->rq);
	r->sent_ns = clock_ns();
	return r->form->alive && r->has_begun ? r->form->alive(r) : stream_comment(r->rq);
}

void reply_prepare(struct reply *r, struct ai_ask *ask)
{
	ask->take = r->streams ? take : NULL;
	ask->is_wanted = is_wanted;
	ask->to = r;
}

/* The stream has begun, or there is nothing that forbids it. */
static enum err end_stream(struct reply *r)
{
	struct req *rq = r->rq;

	if (r->answer->error == AI_GONE)
		return meter_refuse(rq, r->answer);
	begin(r);
	if (r->answer->error) {
		meter_refuse(rq, r->answer);
		r->form->fail(r, &rq->tx.fail);
		rq->tx.fail = (struct failure){ ERR_OK };
	}
	r->form->end(r);
	return ERR_OK;
}

enum err reply_fail(struct reply *r, const struct ai_model *m, const char *reason)
{
	*r->answer = (struct ai_answer){ .model = m, .error = AI_FAILED, .reason = reason };
	meter_end(r->rq, &r->meter);
	return r->rq->answer.is_sent ? end_stream(r) : meter_refuse(r->rq, r->answer);
}

enum err reply_ask(struct reply *r, const struct ai_ask *ask, const struct ai_model *const *models)
{
	struct req *rq = r->rq;
	enum err rc;

	ai_ask(&rq->tx.arena, ask, models, r->answer);
	meter_note(rq, &r->meter, rq->asked.route->id, NULL, r->answer);
	meter_end(rq, &r->meter);
	if (!r->answer->error && r->form->keep)
		r->form->keep(r);
	if (rq->answer.is_sent)
		return end_stream(r);
	rc = meter_refuse(rq, r->answer);
	if (rc)
		return rc;
	if (r->streams)
		return end_stream(r);
	r->form->whole(answer_open(rq), r);
	return answer_close(rq);
}
