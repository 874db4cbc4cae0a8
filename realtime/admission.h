/*
 * Admission: who may come in.
 *
 * What a handshake asks for, a known issuer's signature, a session that
 * stands, a channel that is open to the caller, is what the api asks of each
 * request, and the same code answers it: authorizers are children that run a
 * request as a child of the api does, and may wait for PostgreSQL or for an
 * issuer's keys while the event loop goes on.  What they refuse is a whole
 * HTTP response with the usual headers and error body; of whom they let in
 * they tell the loop.
 */
#ifndef ASHLAR_REALTIME_ADMISSION_H
#define ASHLAR_REALTIME_ADMISSION_H

#include <ev.h>
#include <stdbool.h>
#include <stddef.h>

#include "realtime/head.h"
#include "realtime/pass.h"

/*
 * The answer.  pass is NULL when it was refused; then text is the whole HTTP
 * response.  Else text is header fields for the response, each line with its
 * end.  All of it is borrowed for the call.
 */
typedef void admission_done(void *arg, const struct pass *pass, const char *text, size_t n);

/* Start the authorizers, before the loop has any connections. */
void admission_open(struct ev_loop *loop);

/*
 * Have a handshake looked at.  ip is the client's address.  Later, and within
 * ADMISSION_TIMEOUT_S, done is called; an authorizer that dies or does not answer in
 * time counts as a refusal with 503.
 */
void admission_ask(const struct head *h, const char *ip, enum pass_refusal refusal, admission_done *done,
		   void *arg);

/* Forget the question asked with this arg: done will not be called. */
void admission_forget(const void *arg);

/* SIGHUP: authorizers that read their keys again take over. */
void admission_renew(void);

/* Is this one of ours that has ended (SIGCHLD)?  A new one is started, with back-off. */
bool admission_reaped(int pid, int status);

/* End them, at once. */
void admission_close(void);

#endif
