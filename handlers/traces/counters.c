#include "handlers/traces/counters.h"

#include <math.h>

#include "lib/base/jx.h"
#include "lib/base/json_pull.h"
#include "lib/base/utf8.h"
#include "providers/ai_model.h"

enum known {
	PROMPT,
	INPUT,
	COMPLETION,
	OUTPUT,
	CACHE_READ,
	REASONING,
	TOTAL,
	PROMPT_COST,
	COMPLETION_COST,
	TOTAL_COST,
	RESPONSE_MODEL,
	REQUEST_MODEL,
	SESSION,
	TAGS,
	KNOWN
};

/*
 * In the order of their words' weight: of two names of one thing the first wins.
 * The contract's own come first, then OpenTelemetry's conventions for generative AI of
 * today, then OpenLLMetry's, OpenInference's and Langfuse's.
 */
/* clang-format off */
static const struct {
	const char *key;
	size_t n;
	enum known what;
} names[] = {
#define N(s) (s), sizeof(s) - 1
	{ N("gen_ai.usage.prompt_tokens"),            PROMPT },
	{ N("gen_ai.usage.completion_tokens"),        COMPLETION },
	{ N("gen_ai.usage.cache_read_input_tokens"),  CACHE_READ },
	{ N("gen_ai.usage.reasoning_tokens"),         REASONING },
	{ N("gen_ai.usage.total_tokens"),             TOTAL },
	{ N("gen_ai.usage.prompt_cost"),              PROMPT_COST },
	{ N("gen_ai.usage.completion_cost"),          COMPLETION_COST },
	{ N("gen_ai.usage.total_cost"),               TOTAL_COST },
	{ N("gen_ai.response.model"),                 RESPONSE_MODEL },
	{ N("gen_ai.request.model"),                  REQUEST_MODEL },
	{ N("observability.tags"),                    TAGS },

	{ N("gen_ai.usage.input_tokens"),             INPUT },
	{ N("gen_ai.usage.output_tokens"),            OUTPUT },
	{ N("gen_ai.usage.cache_read.input_tokens"),  CACHE_READ },
	{ N("gen_ai.usage.reasoning.output_tokens"),  REASONING },
	{ N("session.id"),                            SESSION },
	{ N("gen_ai.conversation.id"),                SESSION },

	{ N("llm.usage.total_tokens"),                TOTAL },
	{ N("llm.response.model"),                    RESPONSE_MODEL },
	{ N("llm.request.model"),                     REQUEST_MODEL },
	{ N("llm.token_count.prompt"),                INPUT },
	{ N("llm.token_count.completion"),            OUTPUT },
	{ N("llm.token_count.total"),                 TOTAL },
	{ N("llm.model_name"),                        RESPONSE_MODEL },
	{ N("gen_ai.usage.cost"),                     TOTAL_COST },
	{ N("langfuse.session.id"),                   SESSION },
	{ N("langfuse.trace.tags"),                   TAGS },
#undef N
};
/* clang-format on */

enum { NAMES = sizeof(names) / sizeof(*names) };

#define MOST_TOKENS 1000000000000LL /* of one span: what is beyond is a mistake, and sums stay integers */
#define MOST_DOLLARS 100000000.0
#define PER_DOLLAR 10000000.0

/* A number, however it was sent: as one, or as digits; below 0: it is none. */
static double number_of(const struct otlp_attribute *a)
{
	char digits[32], *end;
	double v;

	if (!a)
		return -1;
	if (a->type == OTLP_INT)
		return (double)a->number;
	if (a->type == OTLP_DOUBLE)
		return isfinite(a->real) ? a->real : -1;
	if (a->type != OTLP_TEXT || !a->text.n || a->text.n >= sizeof(digits))
		return -1;
	memcpy(digits, a->text.p, a->text.n);
	digits[a->text.n] = '\0';
	if (digits[strspn(digits, "0123456789.")])
		return -1;
	v = strtod(digits, &end);
	return *end ? -1 : v;
}

/* Tokens; -1: the span does not say. */
static int64_t tokens_of(const struct otlp_attribute *a)
{
	double v = number_of(a);

	return v >= 0 && v <= (double)MOST_TOKENS ? (int64_t)v : -1;
}

static int64_t cost_of(const struct otlp_attribute *a)
{
	double v = number_of(a);

	return v >= 0 && v <= MOST_DOLLARS ? (int64_t)(v * PER_DOLLAR + 0.5) : -1;
}

static int64_t or_zero(int64_t v)
{
	return v < 0 ? 0 : v;
}

/* A text that is not empty. */
static struct otlp_text text_of(const struct otlp_attribute *a)
{
	return a && a->type == OTLP_TEXT ? a->text : (struct otlp_text){ "", 0 };
}

/*
 * A name that is too long is none.  Perplexity's models are known by names with their
 * provider in front, too.
 */
static const struct ai_model *model_find(struct otlp_text name)
{
	char id[COUNTERS_MAX_MODEL + 1];
	size_t skip = name.n > 11 && !memcmp(name.p, "perplexity/", 11) ? 11 : 0;

	if (!name.n || name.n > COUNTERS_MAX_MODEL || memchr(name.p, 0, name.n))
		return NULL;
	memcpy(id, name.p + skip, name.n - skip);
	id[name.n - skip] = '\0';
	return ai_model_find(id);
}

/*
 * A price is micro-dollars of a million tokens, so tokens times price is 1e-12 dollars,
 * of which 1e5 are one of our units.  Below 1e12 tokens times 1e9 this fits 70 bits.
 */
static int64_t rounded(unsigned __int128 picodollars)
{
	unsigned __int128 units = (picodollars + 50000) / 100000;

	return units > INT64_MAX / 16384 ? INT64_MAX / 16384 : (int64_t)units; /* a batch's sum stays one */
}

static void read_costs(const struct otlp_attribute *const *found, bool has_cached_inside, struct counters *c)
{
	const struct ai_model *m = model_find(c->model);
	int64_t prompt = cost_of(found[PROMPT_COST]), completion = cost_of(found[COMPLETION_COST]);
	int64_t total = cost_of(found[TOTAL_COST]);
	unsigned __int128 in = 0, out = 0;

	if (m) {
		int64_t cached = !has_cached_inside          ? 0
				 : c->cache_read < c->prompt ? c->cache_read
							     : c->prompt;

		in = (unsigned __int128)(c->prompt - cached) * (unsigned long long)m->input +
		     (unsigned __int128)cached * (unsigned long long)m->cached;
		out = (unsigned __int128)c->completion * (unsigned long long)m->output;
	}
	c->prompt_cost = prompt >= 0 ? prompt : rounded(in);
	c->completion_cost = completion >= 0 ? completion : rounded(out);
	if (total >= 0)
		c->total_cost = total;
	else if (prompt < 0 && completion < 0)
		c->total_cost = rounded(in + out);
	else
		c->total_cost = c->prompt_cost + c->completion_cost;
}

/* Add one more tag, cut to what an index can hold. */
static void add_tag(struct counters *c, struct buf *out, struct json_piece tag)
{
	size_t n = 0;

	while (n < tag.n) {
		int len = tag.p[n] ? utf8_next(tag.p + n, tag.n - n) : -1;

		if (len < 0 || n + (size_t)len > COUNTERS_MAX_TAG)
			break;
		n += (size_t)len;
	}
	c->is_cut = c->is_cut || n < tag.n;
	if (!n)
		return;
	jx_next(out);
	jx_text(out, tag.p, n);
}

/* JSON's array of texts as a text; what is none of that is one tag. */
static void read_tags(struct arena *a, struct otlp_text text, struct counters *c)
{
	struct json_pull r;
	struct json_piece tag;
	struct buf out;
	int n = 0;

	if (!text.n)
		return;
	buf_init(&out, a, text.n + 16);
	buf_char(&out, '[');
	json_pull_init(&r, a, text.p, text.n);
	if (json_pull_kind(&r) == '[' && json_pull_open(&r, '['))
		while (json_pull_element(&r)) {
			if (json_pull_kind(&r) != '"')
				json_pull_skip(&r);
			else if (json_pull_string(&r, &tag) && n++ < COUNTERS_MAX_TAGS)
				add_tag(c, &out, tag);
		}
	else
		json_pull_fail(&r, "no array");
	if (!json_pull_end(&r)) {
		out.n = 1;
		add_tag(c, &out, (struct json_piece){ text.p, text.n });
	}
	c->is_cut = c->is_cut || n > COUNTERS_MAX_TAGS;
	buf_char(&out, ']');
	if (out.n > 2)
		c->tags = (struct otlp_text){ out.p, out.n };
}

/* Of each thing the attribute whose name has the most weight. */
static void find(const struct otlp_span *span, const struct otlp_attribute **found)
{
	int weight[KNOWN];

	for (int i = 0; i < KNOWN; i++)
		weight[i] = NAMES;
	for (int i = 0; i < span->nattributes; i++) {
		const struct otlp_attribute *a = &span->attributes[i];

		/* All of them begin so, and most attributes do not. */
		if (a->key.n < 10 || !memchr("glso", a->key.p[0], 4))
			continue;
		for (int k = 0; k < NAMES; k++) {
			if (k > weight[names[k].what] || names[k].n != a->key.n ||
			    memcmp(names[k].key, a->key.p, a->key.n) != 0)
				continue;
			weight[names[k].what] = k;
			found[names[k].what] = a;
			break;
		}
	}
}

void counters_read(struct arena *a, const struct otlp_span *span, struct counters *out)
{
	const struct otlp_attribute *found[KNOWN] = { NULL };
	bool is_new;

	*out = (struct counters){ .model = { "", 0 }, .session = { "", 0 }, .tags = { "", 0 } };
	find(span, found);
	for (int i = PROMPT; i <= TOTAL_COST; i++)
		out->is_call = out->is_call || found[i];
	/* Of today's conventions input has what came from a cache in it, and output the reasoning. */
	is_new = tokens_of(found[PROMPT]) < 0 && tokens_of(found[COMPLETION]) < 0;
	out->prompt =
		or_zero(tokens_of(found[PROMPT]) < 0 ? tokens_of(found[INPUT]) : tokens_of(found[PROMPT]));
	out->completion = or_zero(tokens_of(found[COMPLETION]) < 0 ? tokens_of(found[OUTPUT])
								   : tokens_of(found[COMPLETION]));
	out->cache_read = or_zero(tokens_of(found[CACHE_READ]));
	out->reasoning = or_zero(tokens_of(found[REASONING]));
	out->total = tokens_of(found[TOTAL]);
	if (out->total < 0)
		out->total = out->prompt + out->completion + (is_new ? 0 : out->cache_read + out->reasoning);
	out->model = text_of(found[RESPONSE_MODEL]);
	if (!out->model.n)
		out->model = text_of(found[REQUEST_MODEL]);
	out->session = text_of(found[SESSION]);
	read_costs(found, is_new, out);
	read_tags(a,
		  found[TAGS] && found[TAGS]->type == OTLP_NESTED ? found[TAGS]->text : text_of(found[TAGS]),
		  out);
}
