/*
 * What agents, their conversations and their chats have in common.
 */
#ifndef HANDLERS_AI_AGENTS_H
#define HANDLERS_AI_AGENTS_H

#include "fcgi/route.h"

/* What seal_text() is told of the headers of their tools' servers. */
#define AGENTS_SEAL "mcp"

/* What an agent did once. */
extern const struct shape agent_execution_shape;

#endif
