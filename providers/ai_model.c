#include "providers/ai_model.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>

#include "lib/base/buf.h"
#include "lib/base/json.h"
#include "lib/host/config.h"

enum {
	MAX_MODELS = 500,
	MAX_FILE = 1 << 20,
	PER = 1000000, /* tokens that a price is of */
};

static const struct {
	const char *name;
	unsigned can;
} words[] = {
	{ "tools", AI_CAN_TOOLS }, { "images", AI_CAN_IMAGES },    { "json_schema", AI_CAN_SCHEMA },
	{ "json", AI_CAN_JSON },   { "embeddings", AI_CAN_EMBED }, { "thinking", AI_CAN_THINK },
};

static const char *const providers[] = { "openai", "anthropic", "perplexity" };

/* Those in use, and their memory. */
static struct {
	struct arena memory;
	struct ai_model *all;
	size_t n;
} models;

static const char *text_of(struct arena *a, struct json_object *object, const char *name)
{
	const char *text = json_text(json_at(object, name, NULL), 200);

	return text ? arena_dup(a, text) : NULL;
}

/* A whole number that is not negative; -1: it is none. */
static long long number_of(struct json_object *object, const char *name, long long otherwise)
{
	struct json_object *value;

	if (!json_object_object_get_ex(object, name, &value))
		return otherwise;
	return json_object_is_type(value, json_type_int) ? json_object_get_int64(value) : -1;
}

static const char *read_can(struct json_object *object, unsigned *can)
{
	struct json_object *list = json_at(object, "can", NULL);

	for (size_t i = 0; json_object_is_type(list, json_type_array) && i < json_object_array_length(list);
	     i++) {
		const char *word = json_text(json_object_array_get_idx(list, i), 50);
		size_t k = 0;

		while (k < sizeof(words) / sizeof(*words) && (!word || strcmp(words[k].name, word) != 0))
			k++;
		if (k == sizeof(words) / sizeof(*words))
			return "can is a list of tools, images, json_schema, json, embeddings and thinking";
		*can |= words[k].can;
	}
	return NULL;
}

static void read_aliases(struct arena *a, struct json_object *object, struct ai_model *m)
{
	struct json_object *list = json_at(object, "aliases", NULL);
	size_t n = json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0, k = 0;
	const char **out = arena_alloc(a, (n + 1) * sizeof(*out));

	for (size_t i = 0; i < n; i++) {
		const char *text = json_text(json_object_array_get_idx(list, i), 200);

		if (text)
			out[k++] = arena_dup(a, text);
	}
	m->aliases = out;
}

/* NULL, or what is wrong with it. */
static const char *read_model(struct arena *a, struct json_object *object, struct ai_model *m)
{
	bool is_known = false;

	m->id = text_of(a, object, "id");
	m->provider = text_of(a, object, "provider");
	if (!m->id || !m->provider)
		return "a model has an id and a provider";
	for (size_t i = 0; i < sizeof(providers) / sizeof(*providers); i++)
		is_known = is_known || !strcmp(providers[i], m->provider);
	if (!is_known)
		return "a provider is openai, anthropic or perplexity";
	m->name = text_of(a, object, "name");
	m->name = m->name ? m->name : m->id;
	m->context = number_of(object, "context", -1);
	m->max_output = number_of(object, "max_output", -1);
	m->input = number_of(object, "input", -1);
	m->cached = number_of(object, "cached", m->input);
	m->output = number_of(object, "output", -1);
	m->request = number_of(object, "request", 0);
	/* So that no product of it and of tokens, of which there are fewer than a million million, is too
	 * large. */
	if (m->context < 1 || m->max_output < 0 || m->input < 0 || m->cached < 0 || m->output < 0 ||
	    m->request < 0 || m->context > 100000000 || m->max_output > 100000000 || m->input > 1000000000 ||
	    m->output > 1000000000 || m->cached > 1000000000)
		return "context, max_output, input, cached, output and request are whole numbers: tokens, "
		       "and millionths of a "
		       "dollar for a million of them";
	read_aliases(a, object, m);
	return read_can(object, &m->can);
}

static bool is_named(const struct ai_model *m, const char *id)
{
	if (!strcmp(m->id, id))
		return true;
	for (const char *const *alias = m->aliases; *alias; alias++)
		if (!strcmp(*alias, id))
			return true;
	return false;
}

static const struct ai_model *find(const struct ai_model *all, size_t n, const char *id)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(all[i].id, id))
			return &all[i];
	for (size_t i = 0; i < n; i++)
		if (is_named(&all[i], id))
			return &all[i];
	return NULL;
}

/* Add a file's behind those that are there, but for ids that there are. */
static const char *add(struct arena *a, const char *text, struct ai_model *all, size_t *n)
{
	const char *problem = NULL;
	struct json_object *list;

	if (json_read(a, text, strlen(text), &list, &problem))
		return problem;
	if (!json_object_is_type(list, json_type_array))
		return "it is no list";
	for (size_t i = 0; i < json_object_array_length(list) && *n < MAX_MODELS; i++) {
		struct ai_model m = { NULL };

		problem = read_model(a, json_object_array_get_idx(list, i), &m);
		if (problem)
			return arena_fmt(a, "model %zu: %s", i + 1, problem);
		if (!find(all, *n, m.id))
			all[(*n)++] = m;
	}
	return NULL;
}

static const char *read_file(struct arena *a, const char *path, const char **text)
{
	FILE *in = fopen(path, "re");
	struct buf b;
	size_t n;

	if (!in)
		return strerror(errno);
	buf_init(&b, a, 8192);
	while (b.n < MAX_FILE && (n = fread(buf_room(&b, 8192), 1, 8192, in)) > 0)
		b.n += n;
	fclose(in);
	*text = buf_str(&b);
	return b.n < MAX_FILE ? NULL : "it is too large";
}

static const char *built_in(void)
{
	for (const struct ai_file *f = ai_files; f->name; f++)
		if (!strcmp(f->name, "models.json"))
			return f->text;
	return "[]";
}

const char *ai_model_load(const char *file)
{
	static char why[300]; /* what is said of a file outlives the memory that it was read into */
	const char *problem = NULL, *text = "";
	struct ai_model *all;
	struct arena memory;
	size_t n = 0;

	arena_init(&memory, 16384);
	all = arena_alloc(&memory, MAX_MODELS * sizeof(*all));
	if (file && *file) {
		problem = read_file(&memory, file, &text);
		if (!problem)
			problem = add(&memory, text, all, &n);
	}
	if (!problem)
		problem = add(&memory, built_in(), all, &n);
	if (problem) {
		snprintf(why, sizeof(why), "%s", problem);
		arena_release(&memory);
		return why;
	}
	arena_release(&models.memory);
	models.memory = memory;
	models.all = all;
	models.n = n;
	return NULL;
}

CONFIG_CHECK("AI_MODELS_FILE", cfg.ai_models_file, ai_model_load)

static void ensure(void)
{
	if (!models.n)
		ai_model_load(cfg.ai_models_file);
}

const struct ai_model *ai_model_find(const char *id)
{
	ensure();
	return find(models.all, models.n, id);
}

const struct ai_model *ai_model_at(size_t i)
{
	ensure();
	return i < models.n ? &models.all[i] : NULL;
}

long long ai_model_cost(const struct ai_model *m, long long input, long long cached, long long output)
{
	return m->request +
	       ((input - cached) * m->input + cached * m->cached + output * m->output + PER / 2) / PER;
}
