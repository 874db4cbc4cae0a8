/*
 * Asking ashlar host, the program beside the api that may touch this host.
 */
#ifndef PROVIDERS_HOST_ASK_H
#define PROVIDERS_HOST_ASK_H

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/failure.h"

enum {
	HOST_ASK_MS = 500,
	HOST_ASK_READ_MS = 5000, /* for what reads many files */
};

/*
 * Ask one question.
 *
 * question    a JSON object with a verb (host/host_verbs.c), without a line's end
 * timeout_ms  for all of it
 * answer      the arena's; without the line's end
 *
 * ERR_OK, or ERR_UNAVAILABLE: there is no such program on this host, it does not answer, or says that it
 * cannot.
 */
enum err host_ask(struct arena *a, const struct buf *question, int timeout_ms, const char **answer,
		  struct failure *why);

#endif
