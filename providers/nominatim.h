/*
 * Nominatim, OpenStreetMap's geocoder: one of your own, or of others.
 *
 * https://nominatim.org/release-docs/latest/api/Search/
 */
#ifndef PROVIDERS_NOMINATIM_H
#define PROVIDERS_NOMINATIM_H

#include "providers/geocoder_wire.h"

extern const struct geocoder_wire nominatim_wire;

#endif
