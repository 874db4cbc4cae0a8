#include "handlers/traces/sampler.h"

#include <json-c/json.h>
#include <math.h>

#include "lib/base/buf.h"
#include "lib/base/json.h"
#include "lib/base/jx.h"

static void read_text(struct json_object *rule, const char *name, char out[SAMPLER_TEXT + 1])
{
	const char *text = json_text(json_at(rule, name, NULL), SAMPLER_TEXT);

	snprintf(out, SAMPLER_TEXT + 1, "%s", text ? text : "");
}

static void read_rule(struct json_object *rule, struct sampler_rule *out)
{
	struct json_object *slower = json_at(rule, "slower_than_ms", NULL),
			   *ratio = json_at(rule, "ratio", NULL);

	*out = (struct sampler_rule){ .slower_than_ms = slower ? json_object_get_int64(slower) : -1,
				      .ratio = ratio ? json_object_get_double(ratio) : 1,
				      .keeps_errors =
					      json_object_get_boolean(json_at(rule, "keep_errors", NULL)) };
	read_text(rule, "name_prefix", out->name_prefix);
	read_text(rule, "attribute", out->attribute);
	read_text(rule, "value", out->value);
	out->has_value = json_at(rule, "value", NULL);
}

void sampler_read(struct arena *a, const char *json, struct sampler *out)
{
	struct json_object *rules;
	const char *problem;

	out->n = 0;
	if (!json || json_read(a, json, strlen(json), &rules, &problem) ||
	    !json_object_is_type(rules, json_type_array))
		return;
	for (size_t i = 0; i < json_object_array_length(rules) && out->n < SAMPLER_RULES; i++)
		read_rule(json_object_array_get_idx(rules, i), &out->rules[out->n++]);
}

static bool is_text(const struct otlp_text *t, const char *text)
{
	return t->n == strlen(text) && !memcmp(t->p, text, t->n);
}

/* Whatever its type, as JSON has it without quotes. */
static bool is_value(const struct otlp_attribute *a, const char *value)
{
	char text[64];

	switch (a->type) {
	case OTLP_TEXT: return is_text(&a->text, value);
	case OTLP_INT: snprintf(text, sizeof(text), "%lld", (long long)a->number); break;
	case OTLP_BOOL: snprintf(text, sizeof(text), "%s", a->number ? "true" : "false"); break;
	case OTLP_DOUBLE: return fabs(strtod(value, NULL) - a->real) <= fabs(a->real) * 1e-15;
	default: return false;
	}
	return !strcmp(text, value);
}

static bool has_attribute(const struct sampler_rule *r, const struct otlp_span *span)
{
	for (int i = 0; i < span->nattributes; i++)
		if (is_text(&span->attributes[i].key, r->attribute))
			return !r->has_value || is_value(&span->attributes[i], r->value);
	return false;
}

static bool is_about(const struct sampler_rule *r, const struct otlp_span *span)
{
	size_t n = strlen(r->name_prefix);

	if (span->name.n < n || memcmp(span->name.p, r->name_prefix, n) != 0)
		return false;
	return !*r->attribute || has_attribute(r, span);
}

/* 0 to 1, by the trace's id alone; mixed, since not all who make ids make them random. */
static double part_of(const unsigned char trace_id[16])
{
	uint64_t words[2], h;

	memcpy(words, trace_id, sizeof(words));
	h = words[0] ^ (words[1] * 0x9e3779b97f4a7c15u);
	h = (h ^ h >> 30) * 0xbf58476d1ce4e5b9u;
	h = (h ^ h >> 27) * 0x94d049bb133111ebu;
	h ^= h >> 31;
	return (double)(h >> 11) / 9007199254740992.0;
}

static bool keeps(const struct sampler_rule *r, const struct otlp_span *span)
{
	uint64_t took_ns = span->end_ns > span->start_ns ? span->end_ns - span->start_ns : 0;

	if (r->keeps_errors && span->status == 2)
		return true;
	if (r->slower_than_ms >= 0 && took_ns > (uint64_t)r->slower_than_ms * 1000000)
		return true;
	return part_of(span->trace_id) < r->ratio;
}

bool sampler_keeps(void *sampler, const struct otlp_span *span)
{
	const struct sampler *s = sampler;

	for (int i = 0; i < s->n; i++)
		if (is_about(&s->rules[i], span))
			return keeps(&s->rules[i], span);
	return true;
}
