/*
 * A provider that says where addresses are, as geocoder.c asks it: how it is asked for one, and what its
 * answer comes to.
 */
#ifndef PROVIDERS_GEOCODER_WIRE_H
#define PROVIDERS_GEOCODER_WIRE_H

#include <stdbool.h>

#include "lib/base/arena.h"

struct http_answer;

enum geocode_result {
	GEOCODE_FOUND,
	GEOCODE_NOWHERE, /* it knows no such place */
	GEOCODE_UNCLEAR, /* it cannot say of this address, and of others it may */
	GEOCODE_LATER,   /* it says nothing at present: it fails, does not answer, or was asked enough */
	GEOCODE_DENIED,  /* it does not answer us: the operator has to see to it */
};

struct geocode {
	enum geocode_result result;
	double lat, lng;    /* of what was found: degrees, within 90 and 180 */
	const char *reason; /* why not, for the log: no secret, and no address */
};

struct geocoder_wire {
	const char *name; /* the breaker's, too */
	int per_second;   /* how often it wants to be asked at most, unless GEOCODING_RATE says so */

	/* Is there what it takes to ask it? */
	bool (*is_configured)(void);

	/* The URL that asks for an address; the arena's. */
	const char *(*url)(struct arena *a, const char *address);

	/* What an answer of its own, with a status below 500, says.  Not GEOCODE_FOUND where that is nowhere
	 * on earth: geocoder.c sees to it. */
	void (*read)(struct arena *a, const struct http_answer *answer, struct geocode *out);
};

#endif
