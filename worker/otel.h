/*
 * What OpenTelemetry's settings say of where spans go, and of whom they are.
 */
#ifndef WORKER_OTEL_H
#define WORKER_OTEL_H

#include "lib/base/arena.h"

/* A name and a value. */
struct otel_pair {
	const char *name, *value; /* name NULL ends a list */
};

/*
 * "name=value,name=value", the values percent-encoded: OTEL_RESOURCE_ATTRIBUTES, OTEL_EXPORTER_OTLP_HEADERS.
 * NULL: it is not; *problem, unless NULL, says what is wrong.
 */
const struct otel_pair *otel_pairs(struct arena *a, const char *text, const char **problem);

/* What is wrong with such a list, or of headers in that form; NULL: nothing. */
const char *otel_check_attributes(const char *text);
const char *otel_check_headers(const char *text);

/* What all spans of this installation have: service.name first. */
const struct otel_pair *otel_resource(struct arena *a);

/* OTEL_EXPORTER_OTLP_HEADERS as http_call has them, behind the content's type. */
const char *const *otel_headers(struct arena *a, const char *content_type);

/* Where spans are posted to. */
const char *otel_url(struct arena *a);

#endif
