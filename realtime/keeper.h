/*
 * A doorkeeper: the process on the other side of the door (realtime/door.h).
 */
#ifndef ASHLAR_REALTIME_KEEPER_H
#define ASHLAR_REALTIME_KEEPER_H

#include <stdint.h>

#include "realtime/door.h"

enum {
	KEEPER_ASKED_BYTES = 2 * HEAD_MAX_BYTES, /* of a message to a keeper, and */
	KEEPER_ANSWER_BYTES = 32 * 1024,         /* of one from it */
};

/* A message to a keeper: this, and behind it the request as a FastCGI environment, "NAME=value\0…". */
struct keeper_asked {
	uint64_t number;
	enum door_refusal refusal;
};

/* A message from a keeper: this, and behind it the text. */
struct keeper_answer {
	uint64_t number;
	bool is_admitted;
	struct pass pass;
};

/* Answer what comes over the socket, in messages (SOCK_SEQPACKET), until its other end is closed. */
_Noreturn void keeper_run(int fd);

#endif
