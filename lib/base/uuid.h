/*
 * UUIDs (RFC 9562) as text and as bytes.
 */
#ifndef ASHLAR_UUID_H
#define ASHLAR_UUID_H

#include <stdbool.h>

#include "lib/base/arena.h"

enum { UUID_BYTES = 16, UUID_CHARS = 36 };

/* A uuid as text to its 16 bytes; false when it is none. */
bool uuid_bytes(const char *text, unsigned char out[16]);

/* 16 bytes as a uuid in lower case; the arena's. */
char *uuid_text(struct arena *a, const unsigned char bytes[16]);

#endif
