/*
 * The realtime server: one process, one event loop.
 *
 *   head.c     reads a handshake
 *   admission.c     has it looked at by an authorizer (authorizer.c), which may wait
 *   ws.c       upgrades it, or
 *   sse.c      answers with a stream
 *   conn.c     is what both become: who it is, what waits to be sent
 *   commands.c     what clients say; protocol.c how it is written
 *   channel.c  who listens to what; broadcast.c a message that many share
 *   feed.c     what was committed, by tail.c; pg.c PostgreSQL without waiting
 *   outbox.c   what clients send, in batches; upkeep.c who has to go
 */
#ifndef ASHLAR_REALTIME_SERVER_H
#define ASHLAR_REALTIME_SERVER_H

struct server_options {
	const char *socket; /* a path, or ADDRESS:PORT of the loopback; NULL: standard input is one */
};

/* Serve until SIGTERM; the exit status. */
int server_run(const struct server_options *options);

#endif
