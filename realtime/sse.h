/*
 * Server-sent events (the HTML Standard, 9.2): the messages of one channel as a
 * response that does not end.
 */
#ifndef ASHLAR_REALTIME_SSE_H
#define ASHLAR_REALTIME_SSE_H

#include <ev.h>
#include <stddef.h>

#include "realtime/conn.h"

void sse_open(struct ev_loop *loop);

/* Begin the response with these header lines.  The socket is the connection's from now on. */
struct conn *sse_accept(int fd, const char *fields, size_t n, const struct pass *pass);

#endif
