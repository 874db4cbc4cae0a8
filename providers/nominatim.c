#include "providers/nominatim.h"

#include <json-c/json.h>
#include <stdlib.h>

#include "lib/base/json.h"
#include "lib/base/qs.h"
#include "lib/host/config.h"
#include "lib/net/http.h"

static bool is_configured(void)
{
	return *cfg.nominatim_url;
}

static const char *url(struct arena *a, const char *address)
{
	struct buf b;

	buf_init(&b, a, 1024);
	buf_text(&b, cfg.nominatim_url);
	buf_text(&b, "/search?");
	qs_add(&b, "q", address);
	qs_add(&b, "format", "jsonv2");
	qs_add(&b, "limit", "1");
	return buf_str(&b);
}

/* Degrees, which it writes as texts. */
static bool read_degrees(struct json_object *place, const char *name, double *out)
{
	const char *text = json_text(json_at(place, name, NULL), 64);
	char *end;

	*out = text ? strtod(text, &end) : 0;
	return text && end != text && !*end;
}

static void read_answer(struct arena *a, const struct http_answer *answer, struct geocode *out)
{
	struct json_object *body, *place;
	const char *problem;

	out->result = GEOCODE_LATER;
	out->reason = "its answer is not of the form that is documented";
	if (json_read_any(a, answer->body, answer->body_len, &body, &problem) ||
	    !json_object_is_type(body, json_type_array))
		return;
	if (!json_object_array_length(body)) {
		out->result = GEOCODE_NOWHERE;
		return;
	}
	place = json_object_array_get_idx(body, 0);
	out->result = read_degrees(place, "lat", &out->lat) && read_degrees(place, "lon", &out->lng)
			      ? GEOCODE_FOUND
			      : GEOCODE_UNCLEAR;
}

const struct geocoder_wire nominatim_wire = {
	.name = "nominatim",
	.per_second = 1, /* what the usage policy of OpenStreetMap's own asks for */
	.is_configured = is_configured,
	.url = url,
	.read = read_answer,
};
