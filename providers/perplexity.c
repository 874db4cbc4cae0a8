#include "providers/perplexity.h"

#include "providers/openai.h"

static void write(struct buf *b, const struct ai_ask *ask, const struct ai_model *m)
{
	struct ai_ask bare = *ask;

	bare.ntools = 0;
	bare.is_json = false;
	buf_char(b, '{');
	openai_write_common(b, &bare, m);
	buf_char(b, '}');
}

const struct ai_wire perplexity_wire = { "perplexity", write, openai_read, openai_event, openai_refusal };
