#include "lib/base/mailbox.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/base/qs.h"
#include "lib/base/utf8.h"

bool mailbox_is_address(const char *s)
{
	enum { LOCAL_MAX = 64, LABEL_MAX = 63 };
	const char *at = strrchr(s, '@'), *p;

	if (!at || at == s || at - s > LOCAL_MAX || !at[1] || strchr(s, '@') != at)
		return false;
	for (p = s; p < at; p++)
		if ((unsigned char)*p <= ' ' || *p == 127 || strchr("()<>[]:;,\\\"", *p))
			return false;
	if (s[0] == '.' || at[-1] == '.' || strstr(s, "..") || !strchr(at, '.'))
		return false;
	for (p = at + 1; *p; p++) {
		bool label_char = isalnum((unsigned char)*p) || *p == '-';
		bool at_edge = p == at + 1 || p[-1] == '.' || !p[1] || p[1] == '.';

		if (label_char ? *p == '-' && at_edge : *p != '.' || at_edge)
			return false;
		if (label_char && strcspn(p, ".") > LABEL_MAX)
			return false;
	}
	return true;
}

bool mailbox_parse(struct arena *a, const char *text, struct mailbox *out)
{
	const char *open = strrchr(text, '<');
	size_t n = strlen(text);

	*out = (struct mailbox){ .address = text };
	if (!utf8_valid(text, n))
		return false;
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)text[i] < ' ' || text[i] == 127)
			return false;
	if (open) {
		size_t name = (size_t)(open - text), from = 0;

		if (text[n - 1] != '>')
			return false;
		out->address = arena_dup_n(a, open + 1, n - name - 2);
		while (name && text[name - 1] == ' ')
			name--;
		if (name >= 2 && text[0] == '"' && text[name - 1] == '"')
			from++, name--;
		if (name > from)
			out->name = arena_dup_n(a, text + from, name - from);
		if (out->name && strpbrk(out->name, "<>\"\\"))
			return false;
	} else {
		out->address = arena_dup(a, text);
	}
	return mailbox_is_address(out->address);
}

/* Is the server on this host, where no third party listens in between? */
static bool is_loopback(const char *host, size_t n)
{
	return (n == 9 && !strncasecmp(host, "localhost", 9)) || (n == 5 && !strncmp(host, "[::1]", 5)) ||
	       (n >= 7 && !strncmp(host, "127.", 4) && strspn(host, "0123456789.") >= n);
}

/* A piece of the user information; false when it is not percent-encoded as it should be. */
static bool decode(struct arena *a, const char *p, size_t n, const char **out)
{
	const char *problem = NULL;

	*out = qs_decode(a, p, n, false, &problem);
	return *out != NULL;
}

const char *mailbox_server_parse(struct arena *a, const char *url, struct mail_server *out)
{
	bool is_smtps = !strncasecmp(url, "smtps://", 8), has_port;
	const char *from = url + (is_smtps ? 8 : 7), *end, *at, *host, *query, *rest;
	size_t host_n;

	*out = (struct mail_server){ .has_tls = true };
	if (!is_smtps && strncasecmp(url, "smtp://", 7))
		return "must begin with smtp:// or smtps://";
	for (const char *p = url; *p; p++)
		if ((unsigned char)*p <= ' ' || *p == 127 || strchr("\"<>\\^`{|}#", *p))
			return "has a character that must be percent-encoded";
	end = from + strcspn(from, "/?");
	/* A password with an unencoded '@' is common enough; a host with one is none. */
	at = memrchr(from, '@', (size_t)(end - from));
	host = at ? at + 1 : from;
	if (at) {
		const char *colon = memchr(from, ':', (size_t)(at - from));

		if (!decode(a, from, (size_t)((colon ? colon : at) - from), &out->user) || !*out->user ||
		    (colon && !decode(a, colon + 1, (size_t)(at - colon) - 1, &out->password)))
			return "has a user or password that is not percent-encoded as UTF-8";
		if (!out->password)
			return "has a user without a password";
	}
	host_n = *host == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":/?");
	if (host + host_n > end || !host_n || (*host == '[' && host_n < 4))
		return "has no host";
	has_port = host[host_n] == ':';
	if (has_port) {
		char *after;
		long port = strtol(host + host_n + 1, &after, 10);

		if (!isdigit((unsigned char)host[host_n + 1]) || after != end || port < 1 || port > 65535)
			return "has no port from 1 to 65535 behind its host";
	} else if (host + host_n != end) {
		return "has no host";
	}
	query = end + strcspn(end, "?");
	rest = *query ? query + 1 : query;
	if (!is_smtps)
		out->has_tls = !is_loopback(host, host_n);
	if (!strcmp(rest, "tls=required"))
		out->has_tls = true;
	else if (!strcmp(rest, "tls=off") && !is_smtps)
		out->has_tls = false;
	else if (*rest)
		return "takes no parameters but tls=required and, with smtp://, tls=off";
	if (!out->has_tls && out->user && !is_loopback(host, host_n))
		return "has a password and tls=off: everybody on the way could read it";
	/* Mail is submitted at 587 (RFC 6409), with TLS from the first byte at 465 (RFC 8314), within a host
	 * at 25. */
	out->url = arena_fmt(a, "%s://%.*s%s%.*s", is_smtps ? "smtps" : "smtp", (int)(end - host), host,
			     has_port                    ? ""
			     : is_smtps                  ? ":465"
			     : is_loopback(host, host_n) ? ":25"
							 : ":587",
			     (int)(query - end), end);
	return NULL;
}
