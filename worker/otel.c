#include "worker/otel.h"

#include <string.h>
#include <unistd.h>

#include "fcgi/version.h"
#include "lib/base/qs.h"
#include "lib/host/config.h"

enum { MAX_PAIRS = 64 };

static const char *trimmed(struct arena *a, const char *p, size_t n)
{
	while (n && (*p == ' ' || *p == '\t')) {
		p++;
		n--;
	}
	while (n && (p[n - 1] == ' ' || p[n - 1] == '\t'))
		n--;
	return arena_dup_n(a, p, n);
}

const struct otel_pair *otel_pairs(struct arena *a, const char *text, const char **problem)
{
	struct otel_pair *pairs = arena_alloc(a, (MAX_PAIRS + 1) * sizeof(*pairs));
	const char *why = NULL;
	size_t n = 0, len;

	for (; *text && !why; text += len + (text[len] == ',')) {
		const char *equals, *raw;

		len = strcspn(text, ",");
		if (!*trimmed(a, text, len))
			continue;
		equals = memchr(text, '=', len);
		if (n == MAX_PAIRS) {
			why = "must have at most 64 pairs";
		} else if (!equals || !*trimmed(a, text, (size_t)(equals - text))) {
			why = "must be name=value with commas between";
		} else {
			raw = trimmed(a, equals + 1, (size_t)(text + len - equals - 1));
			pairs[n].name = trimmed(a, text, (size_t)(equals - text));
			pairs[n].value = qs_decode(a, raw, strlen(raw), false, &why);
			n += !why;
		}
	}
	if (problem)
		*problem = why;
	pairs[n].name = NULL;
	return why ? NULL : pairs;
}

static const char *check(const char *text, bool are_headers)
{
	static const char token[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$%&'*+-.^_`|~";
	const struct otel_pair *pairs;
	const char *problem;
	struct arena a;

	arena_init(&a, 4096);
	pairs = otel_pairs(&a, text, &problem);
	for (; are_headers && pairs && pairs->name && !problem; pairs++) {
		if (pairs->name[strspn(pairs->name, token)])
			problem = "must name headers of letters, digits and dashes";
		for (const char *p = pairs->value; *p && !problem; p++)
			if (*p < ' ' || *p > '~')
				problem = "must have values of visible characters and spaces";
	}
	arena_release(&a);
	return problem;
}

const char *otel_check_attributes(const char *text)
{
	return check(text, false);
}

const char *otel_check_headers(const char *text)
{
	return check(text, true);
}

CONFIG_CHECK("OTEL_RESOURCE_ATTRIBUTES", cfg.otel_resource_attributes, otel_check_attributes)
CONFIG_CHECK("OTEL_EXPORTER_OTLP_HEADERS", cfg.otel_headers, otel_check_headers)

const struct otel_pair *otel_resource(struct arena *a)
{
	const struct otel_pair *given = otel_pairs(a, cfg.otel_resource_attributes, NULL);
	struct otel_pair *all = arena_alloc(a, (MAX_PAIRS + 8) * sizeof(*all));
	char host[65] = "";
	size_t n = 0;

	gethostname(host, sizeof(host) - 1);
	all[n++] = (struct otel_pair){ "service.name",
				       *cfg.otel_service_name ? cfg.otel_service_name : "ashlar" };
	all[n++] = (struct otel_pair){ "service.version", ASHLAR_VERSION };
	all[n++] = (struct otel_pair){ "host.name", arena_dup(a, host) };
	for (; given && given->name; given++) {
		size_t i = 0;

		while (i < n && strcmp(all[i].name, given->name))
			i++;
		if (i == 0 && *cfg.otel_service_name)
			continue;
		all[i] = *given;
		n += i == n;
	}
	all[n].name = NULL;
	return all;
}

const char *const *otel_headers(struct arena *a, const char *content_type)
{
	const struct otel_pair *pairs = otel_pairs(a, cfg.otel_headers, NULL);
	const char **all = arena_alloc(a, (MAX_PAIRS + 2) * sizeof(*all));
	size_t n = 0;

	all[n++] = arena_fmt(a, "Content-Type: %s", content_type);
	for (; pairs && pairs->name && !strcmp(cfg.otel_traces_exporter, "otlp"); pairs++)
		all[n++] = arena_fmt(a, "%s: %s", pairs->name, pairs->value);
	all[n] = NULL;
	return all;
}

const char *otel_url(struct arena *a)
{
	size_t n = strlen(cfg.otel_endpoint);

	if (!strcmp(cfg.otel_traces_exporter, "zipkin"))
		return cfg.otel_zipkin_endpoint;
	if (*cfg.otel_traces_endpoint)
		return cfg.otel_traces_endpoint;
	return arena_fmt(a, "%s%sv1/traces", cfg.otel_endpoint,
			 n && cfg.otel_endpoint[n - 1] == '/' ? "" : "/");
}
