#include "handlers/traces/otlp.h"

#include "lib/base/jx.h"
#include "lib/base/protobuf.h"

enum err otlp_read(struct otlp_batch *batch, enum otlp_encoding encoding, const char *p, size_t n,
		   const char **problem)
{
	bool ok = encoding == OTLP_JSON ? otlp_read_json(batch, p, n, problem)
					: otlp_read_protobuf(batch, p, n, problem);

	if (ok)
		return ERR_OK;
	if (!batch->is_too_large)
		return ERR_BAD_REQUEST;
	*problem = batch->signal == OTLP_RECORDS
			   ? "the log records are too large together; send them in smaller batches"
			   : "the spans are too large together; send them in smaller batches";
	return ERR_PAYLOAD_TOO_LARGE;
}

void otlp_put_response(struct buf *b, enum otlp_encoding encoding, enum otlp_signal signal, int rejected,
		       const char *message)
{
	struct buf partial;

	if (encoding == OTLP_JSON) {
		if (!message) {
			buf_text(b, "{}");
			return;
		}
		buf_fmt(b, "{\"partialSuccess\":{\"rejected%s\":\"%d\",\"errorMessage\":",
			signal == OTLP_RECORDS ? "LogRecords" : "Spans", rejected);
		jx_str(b, message);
		buf_text(b, "}}");
		return;
	}
	if (!message)
		return; /* a message without fields is no bytes */
	buf_init(&partial, b->arena, 256);
	protobuf_put_int(&partial, 1, (uint64_t)rejected);
	protobuf_put_bytes(&partial, 2, message, strlen(message));
	protobuf_put_bytes(b, 1, partial.p, partial.n);
}

/* google.rpc.Code's for an HTTP status, as its comments pair them. */
static int code_of(int status)
{
	switch (status) {
	case 401: return 16; /* UNAUTHENTICATED */
	case 403: return 7;  /* PERMISSION_DENIED */
	case 404: return 5;  /* NOT_FOUND */
	case 429:            /* for OTLP throttling is this, too */
	case 502:
	case 503: return 14; /* UNAVAILABLE */
	case 504: return 4;  /* DEADLINE_EXCEEDED */
	default: return status < 500 ? 3 /* INVALID_ARGUMENT */ : 13 /* INTERNAL */;
	}
}

void otlp_put_status(struct buf *b, enum otlp_encoding encoding, int status, const char *message)
{
	if (encoding == OTLP_JSON) {
		buf_fmt(b, "{\"code\":%d,\"message\":", code_of(status));
		jx_str(b, message);
		buf_char(b, '}');
		return;
	}
	protobuf_put_int(b, 1, (uint64_t)code_of(status));
	protobuf_put_bytes(b, 2, message, strlen(message));
}
