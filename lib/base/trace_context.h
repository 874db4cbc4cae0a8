/*
 * W3C Trace Context, level 1: what goes from one program to the next so that what
 * each does for one request can be put together again.
 *
 * "traceparent" is 00-<trace>-<span>-<flags>, "tracestate" what vendors add to it.
 * What is malformed is as if it had not been sent.
 */
#ifndef ASHLAR_TRACE_CONTEXT_H
#define ASHLAR_TRACE_CONTEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct trace_context {
	uint8_t trace[16], span[8];
	bool is_sampled; /* who began the trace records it */
};

enum {
	TRACE_CONTEXT_TEXT = 56, /* a traceparent, with its NUL */
	TRACE_CONTEXT_MAX_STATE = 512,
	TRACE_CONTEXT_STATE = TRACE_CONTEXT_MAX_STATE + 1, /* a tracestate, with its NUL */
};

/* Read a traceparent.  False: text is NULL or none. */
bool trace_context_read(const char *text, struct trace_context *out);

/* Write one. */
void trace_context_write(const struct trace_context *c, char out[TRACE_CONTEXT_TEXT]);

/*
 * Read a tracestate: its members, with a comma between.  Of one that is longer than what has to be
 * passed on, 512 characters, members are left out, large ones (over 128) first, and then from the end.
 * False, and an empty text: text is NULL, has no member, or breaks a rule.
 */
bool trace_context_state(const char *text, char out[TRACE_CONTEXT_STATE]);

/* n bytes as twice as many lower-case digits, and a NUL; and back: false if a digit is none. */
void trace_context_hex(const uint8_t *bytes, size_t n, char *out);
bool trace_context_bytes(const char *hex, size_t n, uint8_t *out);

/* Are they all zero?  Then they are no id. */
bool trace_context_is_none(const uint8_t *id, size_t n);

#endif
