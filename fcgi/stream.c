#include "fcgi/stream.h"

#include "fcgi/answer.h"
#include "fcgi/req.h"

const char stream_type[] = "text/event-stream";

/* nginx would keep the pieces until a buffer is full. */
static struct buf *begin(struct req *rq)
{
	if (!rq->answer.is_sent) {
		rq->answer.status = 200;
		rq->answer.is_stream = true;
		req_set_header(rq, "Content-Type", stream_type);
		req_set_header(rq, "Cache-Control", "no-store");
		req_set_header(rq, "X-Accel-Buffering", "no");
		buf_init(&rq->answer.out, &rq->tx.arena, 1024);
	}
	return &rq->answer.out;
}

static bool send(struct req *rq)
{
	return !rq->answer.send || rq->answer.send(rq);
}

/* A line ends with CR, LF or both. */
static size_t line_length(const char *p, size_t n)
{
	size_t i = 0;

	while (i < n && p[i] != '\n' && p[i] != '\r')
		i++;
	return i;
}

bool stream_event(struct req *rq, const char *name, const char *data, size_t n)
{
	struct buf *b = begin(rq);

	if (name)
		buf_fmt(b, "event: %s\n", name);
	for (;;) {
		size_t line = line_length(data, n);

		buf_text(b, "data: ");
		buf_add(b, data, line);
		buf_char(b, '\n');
		if (line == n)
			break;
		line += line + 1 < n && data[line] == '\r' && data[line + 1] == '\n' ? 2 : 1;
		data += line;
		n -= line;
	}
	buf_char(b, '\n');
	return send(rq);
}

bool stream_comment(struct req *rq)
{
	buf_text(begin(rq), ": waiting\n\n");
	return send(rq);
}

bool stream_is_awaited(struct req *rq)
{
	return !rq->answer.is_awaited || rq->answer.is_awaited(rq);
}

bool stream_is_ending(const struct req *rq)
{
	return rq->answer.is_ending;
}
