/*
 * A tenant's own metrics: meters, and the events that they measure, which come
 * as CloudEvents 1.0 over HTTP (its HTTP binding 1.0.2): one, a batch, or one in
 * headers and body.
 */
#include <json-c/json.h>
#include <string.h>
#include <strings.h>

#include "build/sql/usage/usage_meters.h"
#include "fcgi/answer.h"
#include "fcgi/req.h"
#include "handlers/shapes.h"
#include "lib/base/json.h"
#include "lib/base/jx.h"
#include "lib/base/pattern.h"
#include "lib/base/qs.h"

enum { BATCH_MOST = 1000 };

static enum err usage_events_receive(struct req *rq);

static const char *const aggregations[] = { "sum", "count", "unique", "max", NULL };

/* clang-format off */
static const struct pattern key_pattern = { "^[a-z][a-z0-9_]*$", "a-z, 0-9 and _, with a letter first," };
static const struct pattern path_pattern = { "^\\$(\\.[A-Za-z_][A-Za-z0-9_]*)+$", "names of members behind $, as in $.tokens.total," };

static const struct field meter[] = {
	{ "key",         F_TEXT,     OUT | NEW | NEEDED, .min = 1, .max = 63, .fits = &key_pattern, .example = "images_made" },
	{ "name",        F_TEXT,     OUT | NEW | SET | NEEDED, .min = 1, .max = 255, .example = "Images made" },
	{ "unit",        F_TEXT,     OUT | NEW | SET | F_NULL, .min = 1, .max = 50, .example = "images" },
	{ "event_type",  F_TEXT,     OUT | NEW | NEEDED, .min = 1, .max = 255, .about = "of the events that it measures", .example = "com.example.image.made" },
	{ "aggregation", F_ENUM,     OUT | NEW | NEEDED, .values = aggregations, .about = "what it makes of a month's: the sum or the largest of a number, how many, "
	  "or how many different values", .example = "sum" },
	{ "value_path",  F_TEXT,     OUT | NEW | F_NULL_OUT, .min = 3, .max = 255, .fits = &path_pattern, .about = "where in data the value is; a count has none", .example = "$.count" },
	{ "max",         F_INT,      OUT | NEW | SET | F_NULL, .min = 0, .max = 1000000000000000, .about = "how much each organization, or user, may use in a month", .example = "500" },
	{ "created_at",  F_DATETIME, OUT },
	{ "updated_at",  F_DATETIME, OUT },
	FIELD_END
};

static const struct field meter_path[] = {
	{ "meter", F_TEXT, 0, .about = "a meter's key" },
	FIELD_END
};

static const struct field usage_in[] = {
	{ "subject", F_TEXT, F_REQUIRED, .min = 1, .max = 255, .about = "an organization's id, or a user's", .example = "user_demo" },
	{ "amount",  F_INT,  0, .min = 0, .max = 1000000000000000, .def = "0", .about = "how much more is wanted, which allowed is about" },
	FIELD_END
};

static const struct field day[] = {
	{ "date",  F_DATE, 0, .example = "2026-11-14" },
	{ "value", F_INT,  0, .example = "12" },
	FIELD_END
};

static const struct field usage_out[] = {
	{ "key",          F_TEXT,     0, .example = "images_made" },
	{ "period_start", F_DATETIME, 0 },
	{ "period_end",   F_DATETIME, 0 },
	{ "used",         F_INT,      0, .example = "120" },
	{ "max",          F_INT,      F_NULL, .example = "500" },
	{ "remaining",    F_INT,      F_NULL, .example = "380" },
	{ "allowed",      F_BOOL,     0, .example = "true" },
	{ "days",         F_LIST,     0, .fields = day, .about = "those that have something, some seconds behind used" },
	FIELD_END
};

static const struct field event_in[] = {
	{ "specversion", F_TEXT,     F_REQUIRED, .about = "1.0", .example = "1.0" },
	{ "id",          F_TEXT,     F_REQUIRED, .min = 1, .max = 255, .about = "with source it makes the event one of its kind", .example = "made-4711" },
	{ "source",      F_TEXT,     F_REQUIRED, .min = 1, .max = 2048, .example = "https://example.com/images" },
	{ "type",        F_TEXT,     F_REQUIRED, .min = 1, .max = 255, .example = "com.example.image.made" },
	{ "subject",     F_TEXT,     F_REQUIRED, .min = 1, .max = 255, .about = "who used it: an organization's id, or a user's", .example = "user_demo" },
	{ "time",        F_DATETIME, F_RARE, .about = "when it happened; now, when left out" },
	{ "data",        F_JSON,     0, .about = "what meters read", .example = "{\"count\":3}" },
	FIELD_END
};

static const struct field received_out[] = {
	{ "accepted",   F_INT, 0, .example = "1" },
	{ "duplicates", F_INT, 0, .example = "0", .about = "events that were received before" },
	{ "unmatched",  F_INT, 0, .example = "0", .about = "of those accepted: no meter knows the type" },
	FIELD_END
};

static const struct constraint constraints[] = {
	{ "usage_meters_pkey", ERR_CONFLICT, "key", "there is a meter of this key" },
	{ NULL },
};

static const struct shape meter_shape = { "UsageMeterOfTenant", meter, "Meter" };
static const struct shape meter_usage_shape = { "MeterUsage", usage_out, "Meter" };
static const struct shape received_shape = { "UsageEventsReceived", received_out };

static const enum err bad_events[] = { ERR_VALIDATION, ERR_UNSUPPORTED_MEDIA_TYPE, ERR_OK };

const struct route usage_meter_routes[] = {
	{ POST,   "/api/v1/usage/events", "platform.usage.receive_events", &by_secret_key, "Tell of what customers have used",
	  "CloudEvents 1.0: one as application/cloudevents+json (or application/json), up to 1,000 as application/cloudevents-batch+json, or one whose "
	  "attributes are in ce- headers and whose body is the data. Each source and id counts once in 32 days, so sending again does no harm. An event "
	  "may be up to 32 days late, and counts on the day when it happened. Of a batch all are taken or, with a 422, none.",
	  .body = event_in, .out = &received_shape, .errors = bad_events, .sql = &q_usage_ingest, .run = usage_events_receive, .flags = RAW, .status = 200 },
	{ GET,    "/api/v1/usage/meters", "platform.usage.list_meters", &by_secret_key, "List meters",
	  .out = &meter_shape, .list = &unwrapped, .sql = &q_usage_meter_list },
	{ POST,   "/api/v1/usage/meters", "platform.usage.create_meter", &by_secret_key, "Create a meter",
	  "It measures events from now on. What it measures cannot be changed; its name and limit can.",
	  .body = meter, .as = NEW, .out = &meter_shape, .constraints = constraints, .sql = &q_usage_meter_create },
	{ GET,    "/api/v1/usage/meters/{meter}", "platform.usage.get_meter", &by_secret_key, "Get a meter",
	  .params = meter_path, .out = &meter_shape, .sql = &q_usage_meter_get },
	{ PUT,    "/api/v1/usage/meters/{meter}", "platform.usage.update_meter", &by_secret_key, "Change a meter's name or limit",
	  .params = meter_path, .body = meter, .as = SET, .out = &meter_shape, .sql = &q_usage_meter_update },
	{ DELETE, "/api/v1/usage/meters/{meter}", "platform.usage.delete_meter", &by_secret_key, "Delete a meter",
	  .params = meter_path, .out = &message_shape, .sql = &q_usage_meter_delete },
	{ GET,    "/api/v1/usage/meters/{meter}/usage", "platform.usage.get_meter_usage", &by_secret_key, "Ask what somebody has used",
	  "This month, in UTC, and whether more is allowed. What has happened counts, also past the limit: ask before.",
	  .params = meter_path, .query = usage_in, .out = &meter_usage_shape, .sql = &q_usage_meter_usage },
	ROUTE_END
};
/* clang-format on */

static void put(void *object)
{
	json_object_put(object);
}

static bool is_media_type(const char *given, const char *type)
{
	size_t n = strlen(type);

	return given && !strncasecmp(given, type, n) && (!given[n] || given[n] == ';' || given[n] == ' ');
}

/* One whose attributes are headers, and whose data is the body: as a structured one. */
static enum err read_binary(struct req *rq, struct json_object *data, struct json_object **out)
{
	static const char *const attributes[] = { "specversion", "id", "source", "type", "subject", "time" };
	struct json_object *event = json_object_new_object();

	arena_defer(&rq->tx.arena, put, event);
	for (size_t i = 0; i < sizeof(attributes) / sizeof(*attributes); i++) {
		const char *text = req_header(rq, arena_fmt(&rq->tx.arena, "ce-%s", attributes[i])), *problem;

		if (!text)
			continue;
		text = qs_decode(&rq->tx.arena, text, strlen(text), false, &problem);
		if (!text)
			return req_fail_field(rq, ERR_VALIDATION, attributes[i], "%s", problem);
		json_object_object_add(event, attributes[i], json_object_new_string(text));
	}
	if (data)
		json_object_object_add(event, "data", json_object_get(data));
	*out = event;
	return ERR_OK;
}

static enum err usage_events_receive(struct req *rq)
{
	const char *type = req_header(rq, "Content-Type"), *problem;
	bool is_batch = is_media_type(type, "application/cloudevents-batch+json");
	bool is_one = is_media_type(type, "application/cloudevents+json");
	struct json_object *body = NULL;
	enum err rc;

	if (!rq->asked.body_len)
		return req_fail(rq, ERR_VALIDATION, "there is no event: the body is one, or a batch of them");
	if (!is_batch && !is_one && !is_media_type(type, "application/json"))
		return req_fail(rq, ERR_UNSUPPORTED_MEDIA_TYPE,
				"events come as application/cloudevents+json, "
				"application/cloudevents-batch+json or application/json");
	if (json_read(&rq->tx.arena, rq->asked.body, rq->asked.body_len, &body, &problem))
		return req_fail(rq, ERR_BAD_REQUEST, "%s", problem);
	if (!is_batch && !is_one && req_header(rq, "ce-specversion")) {
		rc = read_binary(rq, body, &body);
		if (rc)
			return rc;
	} else if (!json_object_is_type(body, is_batch ? json_type_array : json_type_object)) {
		return req_fail(rq, ERR_BAD_REQUEST,
				is_batch ? "a batch is a JSON array of events" : "an event is a JSON object");
	}
	if (is_batch && json_object_array_length(body) > BATCH_MOST)
		return req_fail(rq, ERR_VALIDATION, "a batch has at most %d events", BATCH_MOST);
	req_set(rq, "events",
		json_object_to_json_string_ext(body,
					       JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
	return answer_rows(rq, &q_usage_ingest);
}
