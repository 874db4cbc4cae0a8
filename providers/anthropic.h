/*
 * Anthropic's Messages, of version 2023-06-01.
 */
#ifndef PROVIDERS_ANTHROPIC_H
#define PROVIDERS_ANTHROPIC_H

#include "providers/ai_wire.h"

#define ANTHROPIC_VERSION "2023-06-01"

enum { ANTHROPIC_MAX_TOKENS = 4096 }; /* of an answer: it has to be said there */

extern const struct ai_wire anthropic_wire;

#endif
