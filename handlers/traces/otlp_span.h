/*
 * A span of a request, or a log record, as it is looked at before it goes into columns.  Texts are where
 * they stand in the request.
 */
#ifndef HANDLERS_TRACES_OTLP_SPAN_H
#define HANDLERS_TRACES_OTLP_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	OTLP_MAX_ATTRIBUTES = 128, /* of a span, an event, a link, a log record or a resource */
	OTLP_MAX_SEVERITY = 24,
};

/* Without a NUL, and perhaps no UTF-8. */
struct otlp_text {
	const char *p;
	size_t n;
};

/* An attribute of a span, for who decides by it. */
struct otlp_attribute {
	struct otlp_text key;
	enum { OTLP_NULL, OTLP_TEXT, OTLP_INT, OTLP_DOUBLE, OTLP_BOOL, OTLP_NESTED } type;
	struct otlp_text text; /* OTLP_TEXT: as it came; OTLP_NESTED: as JSON */
	int64_t number;        /* OTLP_INT, OTLP_BOOL */
	double real;
};

struct otlp_span {
	unsigned char trace_id[16], span_id[8], parent_id[8];
	bool has_trace_id, has_span_id, has_parent; /* of the right length, and not zero */
	bool has_bad_id;                            /* one of another length, or that is no hex */
	struct otlp_text name, trace_state, status_message;
	int kind, status;
	uint64_t start_ns, end_ns;
	struct otlp_attribute attributes[OTLP_MAX_ATTRIBUTES];
	int nattributes;
	bool is_cut; /* something of it is not as it came */
};

/* Of a log record what a span has not. */
struct otlp_record {
	uint64_t time_ns, observed_ns; /* 0: not said */
	int severity;                  /* 0 to 24 */
	struct otlp_text severity_text, event_name;
	bool has_body;
};

#endif
