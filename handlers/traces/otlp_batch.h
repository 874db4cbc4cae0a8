/*
 * A batch of spans, as trace_ingest() takes them, or of log records, as log_ingest()
 * does: a column an array, filled span by span while a request is being read (otlp.h),
 * in whatever encoding that is.
 *
 * Texts are borrowed from the request until a span is done; then they are in the
 * columns, and nothing of it is kept.  A span takes no allocation of its own: what
 * grows are the columns, on the request's arena.
 */
#ifndef HANDLERS_TRACES_OTLP_BATCH_H
#define HANDLERS_TRACES_OTLP_BATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "handlers/traces/otlp_span.h"
#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/db/vector.h"

enum {
	OTLP_MAX_SPANS = 10000,           /* of a request, or log records */
	OTLP_MAX_EVENTS = 128,            /* of a span, and as many links */
	OTLP_MAX_VALUE = 4096,            /* bytes of an attribute's */
	OTLP_MAX_BODY = 64 << 10,         /* of a log record */
	OTLP_MAX_EVENT_BYTES = 1 << 20,   /* of a span's events together, as JSON, and of its links */
	OTLP_MAX_COLUMN_BYTES = 40 << 20, /* of all columns */
	OTLP_MAX_DEPTH = 32,              /* of values within values */
};

enum otlp_flag { OTLP_END_BEFORE_START = 1, OTLP_CUT = 2 };

/* Where attributes are written: members of a JSON object that is open. */
struct otlp_attributes {
	struct buf *out;
	int n;
	size_t mark;  /* where the one in hand begins, */
	size_t value; /* and its value */
	bool is_last; /* there is no room for it */
};

enum otlp_reason { OTLP_BAD_ID, OTLP_TOO_OLD, OTLP_TOO_NEW, OTLP_TOO_MANY, OTLP_REASONS };

enum otlp_signal { OTLP_SPANS, OTLP_RECORDS };

struct otlp_batch {
	/* asked */
	struct arena *arena;
	enum otlp_signal signal;                               /* of what the request is */
	int64_t oldest_ns, newest_ns;                          /* when a span may have started */
	int64_t now_ns;                                        /* when a record was that does not say it */
	bool (*keeps)(void *to, const struct otlp_span *span); /* NULL: all */
	void *keeps_to;

	/* what came of it */
	int taken, sampled_away, rejected[OTLP_REASONS];
	bool is_too_large; /* OTLP_MAX_COLUMN_BYTES */

	/* columns; of resources each once */
	struct vector trace_ids, span_ids, parent_ids, names, kinds, services, scopes, scope_versions,
		trace_states, start_ns, duration_ns, statuses, status_messages, attributes, resources,
		resource_attributes, events, links, models, prompt_tokens, completion_tokens,
		cache_read_tokens, reasoning_tokens, total_tokens, prompt_costs, completion_costs,
		total_costs, tags, session_ids, flags;
	/* of records; they have ids, services, scopes, attributes, resources and flags as spans do */
	struct vector time_ns, observed_ns, digests, severities, severity_texts, event_names, bodies;

	/* in hand; of a record the ids and attributes are the span's */
	struct otlp_span span;
	struct otlp_record record;
	struct otlp_attributes of_resource, of_span, of_event, of_link;
	struct buf resource;               /* its attributes, as JSON */
	struct buf scratch;                /* a text that had to be written anew */
	unsigned char resource_digest[32]; /* SHA-256 of its attributes, as soon as it has a place */
	int resource_number;               /* its place in the column; 0: none of its spans has been taken */
	struct otlp_text service, scope, scope_version;
	int nevents, nlinks;
	size_t event_mark, link_mark;                             /* where the one in hand begins */
	size_t attributes_end, events_end, links_end, bodies_end; /* of the spans before */
	size_t left; /* bytes that the value in hand may still have */
};

/*
 * An empty batch for a request of n bytes, of spans unless ->signal is set; they may start
 * within a range.  The arena's.
 */
struct otlp_batch *otlp_batch_new(struct arena *a, size_t n, int64_t oldest_ns, int64_t newest_ns);

/* Begin a resource, or a scope of it; then its attributes, or name and version. */
void otlp_batch_resource(struct otlp_batch *b);
void otlp_batch_scope(struct otlp_batch *b, struct otlp_text name, struct otlp_text version);

/*
 * Begin a span, whose members are batch->span's then, and its events and links: in
 * whatever order, but one after the other.  The span is taken or counted when it is
 * done.  False: enough, the rest must not be read.
 */
void otlp_batch_span(struct otlp_batch *b);
bool otlp_batch_span_done(struct otlp_batch *b);

void otlp_batch_event(struct otlp_batch *b);
void otlp_batch_event_done(struct otlp_batch *b, uint64_t time_ns, struct otlp_text name);
void otlp_batch_link(struct otlp_batch *b);
void otlp_batch_link_done(struct otlp_batch *b, const unsigned char trace_id[16],
			  const unsigned char span_id[8], struct otlp_text trace_state);

/*
 * Begin a log record, whose members are batch->record's then, and its ids batch->span's;
 * its body, which is written to what is returned by one of the calls for values; and it is
 * taken or counted when it is done.  False: enough.
 */
void otlp_batch_record(struct otlp_batch *b);
struct buf *otlp_batch_body(struct otlp_batch *b);
bool otlp_batch_record_done(struct otlp_batch *b);

/*
 * Begin an attribute; then its value is written to to->out, by exactly one of the
 * calls below; and it is done.  What it is, is noted in *as where that is not NULL.
 */
void otlp_batch_attribute(struct otlp_batch *b, struct otlp_attributes *to, struct otlp_text key);
void otlp_batch_attribute_done(struct otlp_batch *b, struct otlp_attributes *to, struct otlp_text key,
			       struct otlp_attribute *as);

/* Values.  Those of an array or object stand between brackets, each behind otlp_batch_item. */
void otlp_batch_text(struct otlp_batch *b, struct buf *out, struct otlp_text text);
void otlp_batch_bytes(struct otlp_batch *b, struct buf *out, struct otlp_text bytes);
void otlp_batch_int(struct otlp_batch *b, struct buf *out, int64_t value);
void otlp_batch_double(struct otlp_batch *b, struct buf *out, double value);
void otlp_batch_bool(struct otlp_batch *b, struct buf *out, bool value);

/*
 * In front of an item of an array (key NULL) or object, and behind its value: what is
 * beyond the bytes that the whole value may have is left out again.
 */
struct otlp_item {
	size_t mark;
	bool is_beyond;
};
struct otlp_item otlp_batch_item(struct otlp_batch *b, struct buf *out, const struct otlp_text *key);
void otlp_batch_item_done(struct otlp_batch *b, struct buf *out, struct otlp_item item);

/* How many spans, or records, were refused, for whatever reason, and which reasons there are, for people;
 * NULL: none. */
int otlp_batch_rejected(const struct otlp_batch *b);
const char *otlp_batch_problem(const struct otlp_batch *b);

/* Bind trace_ingest()'s parameters, or log_ingest()'s, to the columns. */
void otlp_batch_bind(struct otlp_batch *b, struct tx *tx);

#endif
