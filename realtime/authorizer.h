/*
 * An authorizer: the process on the other side (realtime/admission.h).
 */
#ifndef ASHLAR_REALTIME_AUTHORIZER_H
#define ASHLAR_REALTIME_AUTHORIZER_H

#include <stdint.h>

#include "realtime/head.h"
#include "realtime/pass.h"

enum {
	AUTHORIZER_ASKED_BYTES = 2 * HEAD_MAX_BYTES, /* of a message to an authorizer, and */
	AUTHORIZER_ANSWER_BYTES = 32 * 1024,         /* of one from it */
};

/* A message to an authorizer: this, and behind it the request as a FastCGI environment, "NAME=value\0…". */
struct authorizer_asked {
	uint64_t number;
	enum pass_refusal refusal;
};

/* A message from an authorizer: this, and behind it the text. */
struct authorizer_answer {
	uint64_t number;
	bool is_admitted;
	struct pass pass;
};

/* Answer what comes over the socket, in messages (SOCK_SEQPACKET), until its other end is closed. */
_Noreturn void authorizer_run(int fd);

#endif
