/*
 * What models say of records: how one stands, a message, insights, whom to look after next.
 *
 * Read in a transaction that asks who may and holds what it may cost; asked without a connection; and
 * answered, and kept, in one of the tenant behind it (handlers/ai/meter.h).  Counted against the workspace.
 */
#include "build/sql/records/record_ai.h"
#include "fcgi/answer.h"
#include "fcgi/req.h"
#include "fcgi/stream.h"
#include "handlers/ai/ai_accounts.h"
#include "handlers/ai/meter.h"
#include "handlers/ai/model_choice.h"
#include "handlers/ai/prompt.h"
#include "handlers/records/record_tracking.h"
#include "lib/db/column.h"
#include "lib/host/config.h"

enum { MAX_FIELDS = 8, CANDIDATES = 60 };

static enum err analyze(struct req *rq), draft(struct req *rq), find_insights(struct req *rq),
	suggest(struct req *rq);

/* clang-format off */
static const char *const levels[] = { "none", "low", "medium", "high", NULL };
static const char *const channels[] = { "email", "sms", "whatsapp", "linkedin", NULL };
static const char *const tones[] = { "professional", "friendly", "formal", "casual", NULL };

static const struct field a_line = { "line", F_TEXT, 0, .min = 1, .max = 2000, .example = "The offer is due" };

#define LINES(name, flags, most) { name, F_LIST, flags, .item = F_TEXT, .each = &a_line, .max = most, .example = "[\"The offer is due\"]" }

static const struct field action[] = {
	{ "action",   F_TEXT, F_REQUIRED, .min = 1, .max = 2000, .example = "Send the offer" },
	{ "priority", F_ENUM, F_REQUIRED, .values = record_priorities },
	{ "reason",   F_TEXT, F_REQUIRED, .max = 2000, .example = "They asked for it before June" },
	FIELD_END
};

#define ANALYSIS \
	{ "summary",             F_TEXT, F_REQUIRED, .min = 1, .max = 5000, .example = "A customer who waits for an offer." }, \
	{ "health_score",        F_INT,  F_REQUIRED, .max = 100, .example = "70" }, \
	{ "engagement_level",    F_ENUM, F_REQUIRED, .values = levels }, \
	LINES("key_findings", F_REQUIRED, 20), \
	LINES("opportunities", F_REQUIRED, 20), \
	LINES("risks", F_REQUIRED, 20), \
	{ "recommended_actions", F_LIST, F_REQUIRED, .fields = action, .max = 20 }

static const struct field analysis_of_model[] = { ANALYSIS, FIELD_END };

static const struct field analysis_out[] = {
	{ "record_id", F_UUID, 0 },
	ANALYSIS,
	{ "model",        F_TEXT,     0, .about = "that answered", .example = "gpt-4o" },
	{ "generated_at", F_DATETIME, 0 },
	FIELD_END
};

static const struct field analyze_in[] = { { "focus", F_TEXT, F_NULL, .max = 500, .about = "what to look at above all", .example = "the offer" }, FIELD_END };

#define MESSAGE \
	{ "subject", F_TEXT, F_REQUIRED, .max = 500, .example = "Our offer" }, \
	{ "body",    F_TEXT, F_REQUIRED, .min = 1, .max = 20000, .example = "Dear Theo, …" }, \
	LINES("suggestions", F_REQUIRED, 10)

static const struct field message_of_model[] = { MESSAGE, FIELD_END };

static const struct field message_out[] = {
	{ "record_id",    F_UUID,     0 },
	{ "channel",      F_ENUM,     0, .values = channels },
	{ "subject",      F_TEXT,     F_NULL, .about = "of an e-mail", .example = "Our offer" },
	{ "body",         F_TEXT,     0, .example = "Dear Theo, …" },
	LINES("suggestions", 0, 10),
	{ "generated_at", F_DATETIME, 0 },
	FIELD_END
};

static const struct field draft_in[] = {
	{ "purpose",        F_TEXT, F_REQUIRED, .min = 1, .max = 1000, .example = "Send the offer" },
	{ "channel",        F_ENUM, 0, .values = channels, .def = "email" },
	{ "tone",           F_ENUM, 0, .values = tones, .def = "professional" },
	{ "recipient_name", F_TEXT, F_NULL, .max = 255, .example = "Theo" },
	{ "context",        F_TEXT, F_NULL, .max = 5000, .about = "what else the writer should know" },
	FIELD_END
};

static const struct field insight_of_model[] = {
	{ "insight_type",     F_ENUM,   F_REQUIRED, .values = record_insight_types },
	{ "title",            F_TEXT,   F_REQUIRED, .min = 1, .max = 500 },
	{ "description",      F_TEXT,   F_REQUIRED, .max = 10000 },
	{ "priority",         F_ENUM,   F_REQUIRED, .values = record_priorities },
	{ "confidence",       F_NUMBER, F_REQUIRED, .max = 1 },
	{ "suggested_action", F_TEXT,   F_REQUIRED, .max = 2000 },
	FIELD_END
};

static const struct field insights_of_model[] = { { "insights", F_LIST, F_REQUIRED, .fields = insight_of_model, .max = 50 }, FIELD_END };

static const struct field insights_out[] = {
	{ "record_id",       F_UUID, 0 },
	{ "insights",        F_LIST, 0, .fields = record_insight },
	{ "generated_count", F_INT,  0 },
	FIELD_END
};

static const struct field insights_in[] = {
	{ "insight_types", F_LIST, F_RARE, .item = F_ENUM, .values = record_insight_types, .max = 6, .about = "of these alone" },
	{ "max_insights",  F_INT,  0, .min = 1, .max = 20, .def = "5" },
	FIELD_END
};

#define FOLLOW_UP \
	{ "title",            F_TEXT, F_REQUIRED, .min = 1, .max = 500, .example = "Send the offer" }, \
	{ "reason",           F_TEXT, F_REQUIRED, .max = 2000, .example = "The last call was about it" }, \
	{ "priority",         F_ENUM, F_REQUIRED, .values = record_priorities }, \
	{ "suggested_action", F_TEXT, F_REQUIRED, .max = 2000, .example = "Send it by e-mail" }

static const struct field follow_up_of_model[] = { { "number", F_INT, F_REQUIRED, .min = 1, .max = 1000 }, FOLLOW_UP, FIELD_END };

static const struct field follow_ups_of_model[] = { { "suggestions", F_LIST, F_REQUIRED, .fields = follow_up_of_model, .max = 100 }, FIELD_END };

static const struct field follow_up[] = {
	{ "record_id", F_UUID, 0 },
	FOLLOW_UP,
	{ "days_since_interaction", F_INT, F_NULL, .about = "null: there was none" },
	FIELD_END
};

static const struct field follow_ups_out[] = {
	{ "recordset_id", F_UUID,     0 },
	{ "suggestions",  F_LIST,     0, .fields = follow_up },
	{ "generated_at", F_DATETIME, 0 },
	FIELD_END
};

static const struct field follow_ups_in[] = {
	{ "limit",                F_INT,  0, .min = 1, .max = 50, .def = "10" },
	{ "record_ids",           F_LIST, F_RARE, .item = F_UUID, .min = 1, .max = 1000, .about = "of these alone" },
	{ "days_without_contact", F_INT,  0, .max = 36500, .def = "14" },
	FIELD_END
};

static const struct prompt_call analysis = { "record_analysis", analysis_of_model, 2000, 60 };
static const struct prompt_call message = { "record_message", message_of_model, 3000, 60 };
static const struct prompt_call insights = { "record_insights", insights_of_model, 4000, 60 };
static const struct prompt_call follow_ups = { "record_follow_ups", follow_ups_of_model, 5000, 60 };

static const struct shape analysis_shape = { "RecordAnalysis", analysis_out, "Record" };
static const struct shape message_shape = { "RecordMessageDraft", message_out, "Record" };
static const struct shape insights_shape = { "RecordInsightsFound", insights_out, "Record" };
static const struct shape follow_ups_shape = { "RecordFollowUps", follow_ups_out, "Recordset" };

static const enum err refused[] = { ERR_NOT_FOUND, ERR_AUTHORIZATION, ERR_LIMIT, ERR_EXTERNAL, ERR_UNAVAILABLE, ERR_OK };

#define BASE "/api/v1/record-tracking/{record_id}/ai"
#define ASKS .errors = refused, .budget = &budget_ai, .flags = SLOW, .status = 200, .needs = { "a key of a model's provider", ERR_UNAVAILABLE }
#define VIEW "Needs can_view on the recordset."

const struct route record_ai_routes[] = {
	{ POST, BASE "/analyze",           "workspace.records.analyze_record",           &by_member, "Have a model judge how a record stands", "By its values, interactions, tasks and insights. Nothing is stored. " VIEW,
	  .body = analyze_in, .out = &analysis_shape, .sql = &q_record_analysis, .run = analyze, ASKS },
	{ POST, BASE "/draft-message",     "workspace.records.draft_record_message",     &by_member, "Have a model write a message about a record", "It is not sent. " VIEW,
	  .body = draft_in, .out = &message_shape, .sql = &q_record_message, .run = draft, ASKS },
	{ POST, BASE "/generate-insights", "workspace.records.generate_record_insights", &by_member, "Have a model find insights about a record", "They are stored. Needs can_edit on the recordset, or can_edit_own of who made or owns the record.",
	  .body = insights_in, .out = &insights_shape, .sql = &q_record_insights_made, .run = find_insights, ASKS },
	{ POST, "/api/v1/record-tracking/{recordset_id}/ai/follow-ups", "workspace.records.suggest_follow_ups", &by_member, "Have a model say which records need attention", "The most urgent first, of those with tasks that are overdue or without contact for so long. " VIEW,
	  .body = follow_ups_in, .out = &follow_ups_shape, .sql = &q_record_follow_ups, .run = suggest, ASKS },
	ROUTE_END
};
/* clang-format on */

static bool is_wanted(void *to)
{
	return stream_is_awaited(to);
}

/* A text of the row, which outlives the result. */
static const char *kept(struct req *rq, const PGresult *res, const char *column)
{
	const char *text = column_text(res, 0, column);

	return text ? arena_dup(&rq->tx.arena, text) : NULL;
}

/* What a field of the body says; "": nothing. */
static const char *said(struct req *rq, const char *name)
{
	const char *text = req_text(rq, name);

	return text ? text : "";
}

/* Ask, and give what was answered to the query that shows it.  The transaction that read is open. */
static enum err ask(struct req *rq, const struct prompt_call *call, const struct prompt_var *vars,
		    const char *organization)
{
	const struct ai_model *models[MODEL_CHOICES + 1];
	struct ai_ask within = { .timeout_ms = cfg.ai_timeout_s * 1000, .is_wanted = is_wanted, .to = rq };
	struct value out[MAX_FIELDS] = { 0 };
	size_t n = field_count(call->out);
	long long answers = 2 * call->max_tokens;
	struct meter m;
	enum ai_error e;
	enum err rc;

	rc = ai_accounts_own(rq, &within.own);
	if (!rc)
		rc = model_choice_make(rq, within.own, "model", NULL, NULL, models);
	if (rc)
		return rc;
	req_set(rq, "organization", organization);
	req_set(rq, "is_open", "false");
	rc = meter_begin(rq, &m, models[0], prompt_tokens(rq, call, vars) - answers, answers);
	if (rc)
		return rc;
	model_choice_prefer(rq, within.own, m.fallbacks, models);
	e = prompt_ask(rq, &m, call, vars, models, &within, out);
	meter_end(rq, &m);
	if (e)
		return meter_refuse(rq, &(struct ai_answer){ .error = e, .model = models[0] });
	for (size_t i = 0; i < n; i++)
		req_set(rq, call->out[i].name, out[i].text);
	req_set(rq, "model", m.answered->id);
	return ERR_OK;
}

static enum err analyze(struct req *rq)
{
	PGresult *res;
	enum err rc = tx_call(&rq->tx, &q_record_ai_read, false, &res);

	if (!rc)
		rc = ask(rq, &analysis,
			 (const struct prompt_var[]){ { "facts", kept(rq, res, "facts") },
						      { "focus", said(rq, "focus") },
						      { NULL, NULL } },
			 kept(rq, res, "organization"));
	return rc ? rc : answer_rows(rq, &q_record_analysis);
}

static enum err draft(struct req *rq)
{
	PGresult *res;
	enum err rc = tx_call(&rq->tx, &q_record_ai_read, false, &res);

	if (!rc)
		rc = ask(rq, &message,
			 (const struct prompt_var[]){ { "facts", kept(rq, res, "facts") },
						      { "channel", said(rq, "channel") },
						      { "tone", said(rq, "tone") },
						      { "recipient", said(rq, "recipient_name") },
						      { "purpose", said(rq, "purpose") },
						      { "context", said(rq, "context") },
						      { NULL, NULL } },
			 kept(rq, res, "organization"));
	return rc ? rc : answer_rows(rq, &q_record_message);
}

/* The types that are wanted, for the prompt; all where none was named. */
static const char *types_of(struct req *rq)
{
	const char *text = req_text(rq, "insight_types");
	struct buf b;

	if (text && strcmp(text, "{}") != 0)
		return text;
	buf_init(&b, &rq->tx.arena, 128);
	for (const char *const *type = record_insight_types; *type; type++)
		buf_fmt(&b, "%s%s", b.n ? ", " : "", *type);
	return buf_str(&b);
}

static enum err find_insights(struct req *rq)
{
	PGresult *res;
	enum err rc = tx_call(&rq->tx, &q_record_ai_read_to_edit, false, &res);

	if (!rc)
		rc = ask(rq, &insights,
			 (const struct prompt_var[]){ { "facts", kept(rq, res, "facts") },
						      { "types", types_of(rq) },
						      { "most", req_text(rq, "max_insights") },
						      { NULL, NULL } },
			 kept(rq, res, "organization"));
	return rc ? rc : answer_rows(rq, &q_record_insights_made);
}

static enum err suggest(struct req *rq)
{
	const char *records;
	PGresult *res;
	enum err rc;

	req_set(rq, "most", arena_fmt(&rq->tx.arena, "%d", CANDIDATES));
	rc = tx_call(&rq->tx, &q_record_ai_read_neglected, false, &res);
	if (rc)
		return rc;
	records = kept(rq, res, "records");
	req_set(rq, "records", records);
	req_set(rq, "suggestions", "[]");
	if (records && strcmp(records, "[]") != 0)
		rc = ask(rq, &follow_ups,
			 (const struct prompt_var[]){ { "facts", kept(rq, res, "facts") },
						      { "most", req_text(rq, "limit") },
						      { NULL, NULL } },
			 kept(rq, res, "organization"));
	return rc ? rc : answer_rows(rq, &q_record_follow_ups);
}
