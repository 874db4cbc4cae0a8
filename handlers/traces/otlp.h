/*
 * OTLP's traces and logs: an ExportTraceServiceRequest or ExportLogsServiceRequest
 * (opentelemetry-proto 1.x) in either of its encodings, read into one batch; and what is
 * answered.
 *
 * It is read by hand, and not by code that protobuf-c generates from the definitions:
 * these are nine messages, of which a third is passed over; a generated decoder makes a
 * tree of the request first, at least one allocation for each span, attribute and text,
 * of which everything is written anew into columns afterwards.  Here a field is looked
 * at once, where it stands.  What is not known is passed over by its wire type, as the
 * encodings ask for; what is known has to be of its type.  Memory is the columns', which
 * are bounded, whatever a request says of its sizes; values within values go 32 deep.
 * t/fuzz/otlp.c feeds it.
 *
 * JSON is OTLP's own mapping: ids are hex, enums numbers, 64-bit integers numbers or
 * texts, names in lowerCamelCase; members that are not known are passed over.
 */
#ifndef HANDLERS_TRACES_OTLP_H
#define HANDLERS_TRACES_OTLP_H

#include <stdbool.h>
#include <stddef.h>

#include "handlers/traces/otlp_batch.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"

enum otlp_encoding { OTLP_PROTOBUF, OTLP_JSON };

/*
 * Read a request of n bytes, which are borrowed.
 *
 * batch    of otlp_batch_new; its columns and counts are filled
 * problem  when refused: what is wrong, the arena's or a constant
 *
 * ERR_OK, also where spans were rejected: batch->rejected; ERR_BAD_REQUEST: it is no
 * such message; ERR_PAYLOAD_TOO_LARGE: its columns are.
 */
enum err otlp_read(struct otlp_batch *batch, enum otlp_encoding encoding, const char *p, size_t n,
		   const char **problem);

/* The same of one encoding; false: *problem says what is wrong, or batch->is_too_large. */
bool otlp_read_protobuf(struct otlp_batch *b, const char *p, size_t n, const char **problem);
bool otlp_read_json(struct otlp_batch *b, const char *p, size_t n, const char **problem);

/* Write an Export…ServiceResponse: so many spans, or records, were refused, and why (NULL: nothing to say).
 */
void otlp_put_response(struct buf *b, enum otlp_encoding encoding, enum otlp_signal signal, int rejected,
		       const char *message);

/* Write a google.rpc.Status for an HTTP status. */
void otlp_put_status(struct buf *b, enum otlp_encoding encoding, int status, const char *message);

#endif
