/*
 * Spans of our own: what this process does for a request or a job, how long it took, and
 * what came of it.  They go into memory that the host's processes share, and from there
 * one of them sends them on.
 *
 * A process works for one trace at a time.  span_enter begins it, with the span that is
 * there as long as the trace is; span_begin is a part of what goes on just now.  Where
 * nothing is recorded, each is one comparison.
 *
 * To end one is to copy it: no system call but the clock, no allocation, no lock.  When
 * nobody takes them, there is a bound, and what came too late is counted.
 */
#ifndef ASHLAR_SPAN_H
#define ASHLAR_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/trace_context.h"
#include "lib/host/span_data.h"

/*
 * Read the settings; the process is called as its log lines call it, which is borrowed.  Before that, and
 * with OTEL_ENABLED off, nothing is recorded.
 */
void span_init(const char *process);

/* What this process is called, by its number in a span. */
const char *span_process(int number);

/* NULL, or what is wrong with OTEL_TRACES_SAMPLER_ARG. */
const char *span_check_ratio(const char *text);

/* Are there traces at all? */
extern bool span_is_on;

/* Is the trace in hand recorded?  Asked in front of what only a span needs. */
extern bool span_is_recorded;

/* 64 random bits, for ids: they need to be distinct, not secret.  No call into the system. */
uint64_t span_random(void);

/*
 * Begin to work for a trace: go on with the one of parent, or, with NULL, begin one.  What
 * OTEL_TRACES_SAMPLER says decides whether it is recorded.  state is the tracestate that came along, or NULL;
 * it and s are there until span_leave.  s has the ids in any case.
 */
void span_enter(struct span *s, enum span_kind kind, const struct trace_context *parent, const char *state);

/* Nothing of this trace is recorded, whoever asked for it; it goes on with ids. */
void span_forget(void);

/* The trace in hand has ended, and with it its span: it is recorded, unless it was forgotten. */
void span_leave(struct span *s, const char *name);

/* The trace in hand is put aside while there is another one, and taken up again when that was left. */
struct span_place {
	struct trace_context here;
	const char *state;
	bool is_recorded;
};
void span_aside(struct span_place *p);
void span_back(const struct span_place *p);

/* The same of one that began then (clock_ns), and is over. */
void span_began(struct span *s, int64_t at_ns);

/*
 * A part of what goes on: what is begun before span_end is a part of it.  With false nothing is recorded, and
 * s need not be ended.
 */
bool span_open(struct span *s, enum span_kind kind, const char *name);
static inline bool span_begin(struct span *s, enum span_kind kind, const char *name)
{
	return span_is_recorded && span_open(s, kind, name);
}
void span_end(struct span *s);

/* Begin and end at the times that were measured (clock_ns), beside others: a part of context's trace. */
bool span_of(struct span *s, enum span_kind kind, const char *name, const struct trace_context *context,
	     int64_t begun_ns);
void span_put(struct span *s, int64_t ended_ns);

/* Attributes.  Of one that finds no room the number is kept.  text NULL: there is none. */
void span_text(struct span *s, enum span_attribute what, const char *text);
void span_text_n(struct span *s, enum span_attribute what, const char *p, size_t n);
void span_number(struct span *s, enum span_attribute what, int64_t v);

/* It comes of that, too, or of nothing else. */
void span_link(struct span *s, const struct trace_context *to);

/* Where what is called from here belongs: false, where there are no traces. */
bool span_context(struct trace_context *out);

/* The tracestate of the trace in hand; "" where there is none. */
const char *span_state(void);

#endif
