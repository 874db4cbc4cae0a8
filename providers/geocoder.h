/*
 * Where an address is, by the provider that GEOCODER names: Google's Geocoding API, or a Nominatim.
 *
 * All processes of a host ask in turn, no oftener than the provider likes; a call has a
 * time, and all share a circuit breaker.  Waits for its turn and the provider, so that
 * no transaction may be open.
 */
#ifndef PROVIDERS_GEOCODER_H
#define PROVIDERS_GEOCODER_H

#include "providers/geocoder_wire.h"

enum { GEOCODER_ADDRESS_MAX = 500 /* bytes of an address that is asked for */ };

/* The provider's name; NULL: there is none with these settings. */
const char *geocoder_name(void);

/* Ask it, if there is one. */
void geocoder_ask(struct arena *a, const char *address, struct geocode *out);

#endif
