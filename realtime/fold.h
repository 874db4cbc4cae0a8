/*
 * What happens often and says the same each time: that a recordset's records are others now.
 *
 * A transaction that changes some writes one message on the channel "records:<recordset>", whose data is the
 * event of the workspace.  Nobody listens there: the first one is told on "workspace:<id>" at once, and of
 * those that follow within a second the last, when that is over.  So a page hears it at most once a second,
 * however many are changed, and whoever changes them waits for no lock of the workspace's channel.  What is
 * told so has no event_id: who was away reads anew.
 */
#ifndef ASHLAR_REALTIME_FOLD_H
#define ASHLAR_REALTIME_FOLD_H

#include <ev.h>
#include <stdbool.h>

#include "realtime/protocol.h"

/* Before the first message; tell is borrowed for good, and called with what is told, borrowed for the call.
 */
void fold_open(struct ev_loop *loop, void (*tell)(const char *tenant_id, const struct published *row));

/* Is it such a message?  Then it is taken, and told now or later, if anybody listens. */
bool fold_take(const char *tenant_id, const struct published *row);

void fold_close(void);

#endif
