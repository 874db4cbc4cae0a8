/*
 * WebSockets, by libwebsockets: frames, close handshakes, pings.
 *
 * The handshake's refusals are over when a socket comes here (server.c), so the
 * library reads a request that we write: no token is in it, and what its pool of
 * header buffers holds is a few hundred bytes.
 */
#ifndef ASHLAR_REALTIME_WS_H
#define ASHLAR_REALTIME_WS_H

#include <ev.h>
#include <stdbool.h>
#include <stddef.h>

#include "realtime/conn.h"

/* Start the library on the loop.  False: it cannot (logged). */
bool ws_open(struct ev_loop *loop);

/* What a handshake came with. */
struct ws_handshake {
	const char *key;    /* Sec-WebSocket-Key */
	bool offers_bearer; /* Sec-WebSocket-Protocol begins with "bearer", which is echoed */
	const char *fields; /* header lines for the answer */
	size_t nfields;
	const char *early; /* what the client sent behind its handshake */
	size_t nearly;
};

/*
 * Upgrade a socket.  The connection, which has been greeted and is on its
 * user's channel; NULL: it failed, and the socket is closed.
 */
struct conn *ws_accept(int fd, const struct ws_handshake *h, const struct pass *pass);

void ws_close(void);

#endif
