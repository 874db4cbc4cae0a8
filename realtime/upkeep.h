/*
 * What the server looks after from time to time: whether those who are here
 * may still be, and the outbox itself.
 */
#ifndef ASHLAR_REALTIME_UPKEEP_H
#define ASHLAR_REALTIME_UPKEEP_H

#include <ev.h>

#include "realtime/conn.h"
#include "realtime/pg.h"

/* process is this one's id, a uuid; all are borrowed for good. */
void upkeep_open(struct ev_loop *loop, struct pg *pg, const char *process);

/* A listener: this connection is about to leave the list of all. */
void upkeep_gone(struct conn *c);

/* Tell PostgreSQL that this process ends. */
void upkeep_goodbye(void);

#endif
