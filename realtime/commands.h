/*
 * What clients say, and what comes of it.
 */
#ifndef ASHLAR_REALTIME_COMMANDS_H
#define ASHLAR_REALTIME_COMMANDS_H

#include "realtime/channel.h"
#include "realtime/conn.h"
#include "realtime/pg.h"

/* Before the first connection; pg is borrowed for good. */
void commands_open(struct pg *pg);

/* A WebSocket is open. */
void commands_begin(struct conn *c);

/* A stream is open: it listens to its one channel, or ends. */
void commands_begin_stream(struct conn *c, const struct pass *pass);

/* A message of n bytes came, which is text. */
void commands_message(struct conn *c, const char *p, size_t n);

/* The user may not listen there any more. */
void commands_forbid(struct sub *s);

/* Messages may have been missed: ask for each place what came behind its last one. */
void commands_recover_all(void);

#endif
