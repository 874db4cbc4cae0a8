#include "providers/geocoder.h"

#include <math.h>
#include <string.h>
#include <time.h>

#include "lib/base/clock.h"
#include "lib/host/config.h"
#include "lib/host/shm.h"
#include "lib/net/http.h"
#include "providers/google_geocoding.h"
#include "providers/nominatim.h"

enum { TIMEOUT_MS = 10000, MAX_ANSWER = 512 * 1024, TRIES = 2 };

static const int64_t SECOND_NS = 1000000000, SANE_NS = 600000000000;

/* When the next one may ask, by clock_ns(). */
SHM_REGION(geocoder_turns, _Atomic int64_t, 1)

static const struct geocoder_wire *wire(void)
{
	const struct geocoder_wire *w =
		!strcmp(cfg.geocoder, "nominatim") ? &nominatim_wire : &google_geocoding_wire;

	return w->is_configured() ? w : NULL;
}

const char *geocoder_name(void)
{
	const struct geocoder_wire *w = wire();

	return w ? w->name : NULL;
}

/* Wait until it is this one's turn: each takes the next, whoever it asks for, and so the tenants share. */
static void take_turn(const struct geocoder_wire *w)
{
	static _Atomic int64_t own;
	_Atomic int64_t *turn = geocoder_turns() ? geocoder_turns() : &own;
	int64_t gap = SECOND_NS / (cfg.geocoding_rate ? cfg.geocoding_rate : w->per_second), start, now;
	int64_t free_at = atomic_load(turn);
	struct timespec left;

	do {
		now = clock_ns();
		/* What is ten minutes ahead is a relic of another boot. */
		start = free_at > now && free_at - now < SANE_NS ? free_at : now;
	} while (!atomic_compare_exchange_weak(turn, &free_at, start + gap));
	left = (struct timespec){ (start - now) / SECOND_NS, (start - now) % SECOND_NS };
	while (nanosleep(&left, &left))
		;
}

static void ask(struct arena *a, const struct geocoder_wire *w, const char *address, struct geocode *out)
{
	const char *const headers[] = {
		"Accept: application/json",
		arena_fmt(a, "User-Agent: Ashlar (%s)",
			  cfg.public_url), /* who asks, as Nominatim's policy has it */
		NULL,
	};
	const struct http_call call = {
		.provider = w->name,
		.url = w->url(a, address),
		.headers = headers,
		.max_bytes = MAX_ANSWER,
		.timeout_ms = TIMEOUT_MS,
	};
	struct http_answer answer;

	*out = (struct geocode){ .result = GEOCODE_LATER };
	if (http_do(a, &call, &answer)) {
		out->reason = answer.reason;
		return;
	}
	if (answer.status == 200)
		w->read(a, &answer, out);
	else if (answer.status == 401 || answer.status == 403)
		out->result = GEOCODE_DENIED;
	else if (answer.status == 400 || answer.status == 414)
		out->result = GEOCODE_UNCLEAR;
	if (answer.status != 200)
		out->reason = arena_fmt(a, "status %d", answer.status);
	if (out->result == GEOCODE_FOUND && !(fabs(out->lat) <= 90 && fabs(out->lng) <= 180))
		out->result = GEOCODE_UNCLEAR;
}

void geocoder_ask(struct arena *a, const char *address, struct geocode *out)
{
	const struct geocoder_wire *w = wire();

	*out = (struct geocode){ .result = GEOCODE_DENIED, .reason = "there is no provider" };
	/* What was unclear may be clear the second time. */
	for (int i = 0; w && i < TRIES; i++) {
		take_turn(w);
		ask(a, w, address, out);
		if (out->result != GEOCODE_UNCLEAR)
			return;
	}
}
