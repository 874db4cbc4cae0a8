#include "handlers/tenancy/origin.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* scheme://host[:port] at the beginning of a text. */
struct authority {
	bool is_https;
	const char *host;
	size_t host_len;
	long port; /* 0: none is named */
	const char *rest;
};

enum { MAX_HOST = 253, MAX_PORT = 65535 };

static const char host_chars[] = "abcdefghijklmnopqrstuvwxyz0123456789.-_";
static const char ip6_chars[] = "0123456789abcdef:.";

/* Lower case; false when it is malformed. */
static bool parse(const char *text, struct authority *out)
{
	const char *p = text;
	char *end;

	*out = (struct authority){ .is_https = !strncmp(p, "https://", 8) };
	if (!out->is_https && strncmp(p, "http://", 7) != 0)
		return false;
	p += out->is_https ? 8 : 7;
	out->host = p;
	if (*p == '[') {
		p += 1 + strspn(p + 1, ip6_chars);
		if (*p++ != ']')
			return false;
	} else {
		p += strspn(p, host_chars);
	}
	out->host_len = (size_t)(p - out->host);
	if (!out->host_len || out->host_len > MAX_HOST || *out->host == '.' || *out->host == '-')
		return false;
	if (*p == ':') {
		if (!isdigit((unsigned char)p[1]))
			return false;
		out->port = strtol(p + 1, &end, 10);
		if (out->port < 1 || out->port > MAX_PORT)
			return false;
		p = end;
	}
	out->rest = p;
	return true;
}

static bool is_local(const struct authority *at)
{
	static const char *const hosts[] = { "localhost", "127.0.0.1", "[::1]" };

	for (size_t i = 0; i < sizeof(hosts) / sizeof(*hosts); i++)
		if (strlen(hosts[i]) == at->host_len && !memcmp(hosts[i], at->host, at->host_len))
			return true;
	return false;
}

char *origin_canonical(struct arena *a, const char *text, const char **problem)
{
	struct authority at;
	char *low = arena_lower(a, text);

	*problem = "an origin is scheme://host or scheme://host:port, without path and wildcard";
	if (!parse(low, &at) || (*at.rest && strcmp(at.rest, "/") != 0))
		return NULL;
	if (!at.is_https && !is_local(&at)) {
		*problem = "an origin is https, unless it is on localhost";
		return NULL;
	}
	*problem = NULL;
	if (!at.port || at.port == (at.is_https ? 443 : 80))
		return arena_fmt(a, "http%s://%.*s", at.is_https ? "s" : "", (int)at.host_len, at.host);
	return arena_fmt(a, "http%s://%.*s:%ld", at.is_https ? "s" : "", (int)at.host_len, at.host, at.port);
}

const char *origin_redirect_problem(struct arena *a, const char *url)
{
	/* A path has upper and lower case, but only what is in front of it is looked at. */
	char *low = arena_lower(a, url);
	struct authority at;

	if (!parse(low, &at) || (*at.rest && !strchr("/?", *at.rest)))
		return "a redirect URI is an absolute URL without user name and fragment";
	if (strchr(url, '#') || strchr(url, '\\'))
		return "a redirect URI has no fragment and no backslash";
	if (!at.is_https && !is_local(&at))
		return "a redirect URI is https, unless it is on localhost";
	return NULL;
}
