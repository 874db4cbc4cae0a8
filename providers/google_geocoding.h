/*
 * Google's Geocoding API.
 *
 * https://developers.google.com/maps/documentation/geocoding/requests-geocoding
 */
#ifndef PROVIDERS_GOOGLE_GEOCODING_H
#define PROVIDERS_GOOGLE_GEOCODING_H

#include "providers/geocoder_wire.h"

extern const struct geocoder_wire google_geocoding_wire;

#endif
