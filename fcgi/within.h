/*
 * A request inside of another: asked and answered in this process as if nginx had
 * passed it on, with the credentials and the address of the one that it is for.  So
 * whatever holds of a request holds of it: its door, its limits, its counts, its line in the
 * log and in the audit log.
 *
 * The outer one has no transaction open meanwhile, and both wait for the one connection in turn.
 * A row that hashes passwords or is served elsewhere is not for this.
 */
#ifndef ASHLAR_WITHIN_H
#define ASHLAR_WITHIN_H

#include <stddef.h>

struct req;

struct within_ask {
	const char *method;
	const char *target;          /* path and query, percent-encoded */
	const char *body;            /* JSON; NULL: none */
	const char *workspace;       /* X-Workspace-Id; NULL: the outer request's */
	const char *idempotency_key; /* or NULL: none, whatever the outer request has */
};

struct within_answer {
	int status;
	const char *request_id, *body;
	size_t n;
};

/* What comes back is the outer request's memory. */
void within_serve(struct req *outer, const struct within_ask *ask, struct within_answer *out);

#endif
