/*
 * A call's span, by OpenTelemetry's conventions for HTTP clients: whom, how and what came of it.
 *
 * Of the URL there is no query string, and of one that a user chose not even the path, which in a webhook's
 * address often is the secret.
 */
#ifndef ASHLAR_HTTP_TRACE_H
#define ASHLAR_HTTP_TRACE_H

#include "lib/base/err.h"
#include "lib/host/span.h"
#include "lib/net/http_call.h"

/* What its span is called: the method, there being nothing else of which there are few. */
const char *http_trace_name(const struct http_call *call);

/* Say in its span what was asked, and what came of it. */
void http_trace(struct span *s, const struct http_call *call, const struct http_answer *out, enum err rc);

#endif
