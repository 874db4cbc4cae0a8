#include "providers/google_geocoding.h"

#include <json-c/json.h>
#include <string.h>

#include "lib/base/json.h"
#include "lib/base/qs.h"
#include "lib/host/config.h"
#include "lib/net/http.h"

static bool is_configured(void)
{
	return *cfg.google_geocoding_key;
}

static const char *url(struct arena *a, const char *address)
{
	struct buf b;

	buf_init(&b, a, 1024);
	buf_text(&b, cfg.google_geocoding_url);
	if (!strchr(cfg.google_geocoding_url, '?'))
		buf_char(&b, '?');
	qs_add(&b, "address", address);
	qs_add(&b, "key", cfg.google_geocoding_key);
	return buf_str(&b);
}

/* What its status means; it is 200 all the same. */
static const struct {
	const char *status;
	enum geocode_result result;
} results[] = {
	{ "OK", GEOCODE_FOUND },
	{ "ZERO_RESULTS", GEOCODE_NOWHERE },
	{ "INVALID_REQUEST", GEOCODE_UNCLEAR },
	{ "UNKNOWN_ERROR", GEOCODE_UNCLEAR },
	{ "OVER_QUERY_LIMIT", GEOCODE_LATER },
	{ "OVER_DAILY_LIMIT", GEOCODE_DENIED }, /* no key, no billing, or the operator's own cap */
	{ "REQUEST_DENIED", GEOCODE_DENIED },
};

static bool read_number(struct json_object *of, const char *name, double *out)
{
	struct json_object *n = json_at(of, name, NULL);

	*out = json_object_get_double(n);
	return json_object_is_type(n, json_type_double) || json_object_is_type(n, json_type_int);
}

static void read_answer(struct arena *a, const struct http_answer *answer, struct geocode *out)
{
	struct json_object *body, *list, *place;
	const char *problem, *status;

	out->result = GEOCODE_LATER;
	out->reason = "its answer is not of the form that is documented";
	if (json_read(a, answer->body, answer->body_len, &body, &problem))
		return;
	status = json_text(json_at(body, "status", NULL), 64);
	for (size_t i = 0; status && i < sizeof(results) / sizeof(*results); i++)
		if (!strcmp(results[i].status, status)) {
			out->result = results[i].result;
			out->reason = results[i].status;
		}
	if (out->result != GEOCODE_FOUND)
		return;
	list = json_at(body, "results", NULL);
	place = json_object_is_type(list, json_type_array) && json_object_array_length(list)
			? json_at(json_at(json_object_array_get_idx(list, 0), "geometry", NULL), "location",
				  NULL)
			: NULL;
	if (!place || !read_number(place, "lat", &out->lat) || !read_number(place, "lng", &out->lng))
		out->result = GEOCODE_UNCLEAR;
}

const struct geocoder_wire google_geocoding_wire = {
	.name = "google_geocoding",
	.per_second = 40, /* of the 3,000 a minute that it allows */
	.is_configured = is_configured,
	.url = url,
	.read = read_answer,
};
