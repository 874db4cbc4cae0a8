/*
 * Perplexity's Sonar: Chat Completions without tools, whose stream tells the usage
 * with each piece.
 */
#ifndef PROVIDERS_PERPLEXITY_H
#define PROVIDERS_PERPLEXITY_H

#include "providers/ai_wire.h"

extern const struct ai_wire perplexity_wire;

#endif
