#include "lib/net/dns.h"

#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <netdb.h>
#include <netinet/in.h>
#include <resolv.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/host/config.h"

enum { MAX_ANSWER = 4096 };

/* "127.0.0.1:53" or "[::1]:53"; false: it is neither. */
static bool read_server(const char *text, struct sockaddr_in *v4, struct sockaddr_in6 *v6)
{
	const char *colon = strrchr(text, ':');
	char host[INET6_ADDRSTRLEN + 2], *end;
	long port;
	size_t n;

	if (!colon || (n = (size_t)(colon - text)) >= sizeof(host))
		return false;
	memcpy(host, text, n);
	host[n] = '\0';
	port = strtol(colon + 1, &end, 10);
	if (*end || port < 1 || port > 65535)
		return false;
	*v4 = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	*v6 = (struct sockaddr_in6){ .sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port) };
	if (inet_pton(AF_INET, host, &v4->sin_addr) == 1)
		return true;
	v4->sin_family = AF_UNSPEC;
	if (n < 2 || *host != '[' || host[n - 1] != ']')
		return false;
	host[n - 1] = '\0';
	return inet_pton(AF_INET6, host + 1, &v6->sin6_addr) == 1;
}

static const char *resolver_problem(const char *text)
{
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;

	return !*text || read_server(text, &v4, &v6)
		       ? NULL
		       : "must be an address and a port, such as 127.0.0.1:53 or [::1]:53";
}

CONFIG_CHECK("DNS_RESOLVER", cfg.dns_resolver, resolver_problem)

/* Ask the server of the setting, in the place of the system's.  res_nclose() frees an address of IPv6. */
static bool use_server(struct __res_state *st)
{
	struct sockaddr_in v4;
	struct sockaddr_in6 v6, *copy;

	if (!*cfg.dns_resolver)
		return true;
	if (!read_server(cfg.dns_resolver, &v4, &v6))
		return false;
	for (int i = 0; i < MAXNS; i++) {
		free(st->_u._ext.nsaddrs[i]);
		st->_u._ext.nsaddrs[i] = NULL;
	}
	st->nscount = 1;
	st->nsaddr_list[0] = v4;
	if (v4.sin_family == AF_INET)
		return true;
	copy = malloc(sizeof(*copy));
	if (!copy)
		return false;
	*copy = v6;
	st->_u._ext.nsaddrs[0] = copy;
	return true;
}

/* The text of a TXT record, its pieces joined; NULL: they are not what the record's length says. */
static const char *text_of(struct arena *a, const ns_rr *rr)
{
	const unsigned char *p = ns_rr_rdata(*rr), *end = p + ns_rr_rdlen(*rr);
	char *text = arena_alloc(a, (size_t)ns_rr_rdlen(*rr) + 1);
	size_t n = 0;

	while (p < end) {
		size_t piece = *p++;

		if (piece > (size_t)(end - p))
			return NULL;
		memcpy(text + n, p, piece);
		n += piece;
		p += piece;
	}
	text[n] = '\0';
	return strlen(text) == n ? text : NULL;
}

static bool has_text(struct arena *a, const unsigned char *answer, int n, const char *wanted)
{
	ns_msg msg;
	ns_rr rr;

	if (ns_initparse(answer, n, &msg))
		return false;
	for (int i = 0; i < ns_msg_count(msg, ns_s_an); i++) {
		const char *text;

		if (ns_parserr(&msg, ns_s_an, i, &rr))
			return false;
		if (ns_rr_type(rr) != ns_t_txt || ns_rr_class(rr) != ns_c_in)
			continue;
		text = text_of(a, &rr);
		if (text && !strcmp(text, wanted))
			return true;
	}
	return false;
}

enum dns_answer dns_txt(struct arena *a, const char *name, const char *wanted)
{
	unsigned char *answer = arena_alloc(a, MAX_ANSWER);
	enum dns_answer found = DNS_UNANSWERED;
	struct __res_state st;
	int n;

	memset(&st, 0, sizeof(st));
	if (strlen(name) > DNS_MAX_NAME || res_ninit(&st))
		return DNS_UNANSWERED;
	st.options |= RES_USE_EDNS0 | RES_IGNTC | RES_RECURSE;
	st.retrans = (int)cfg.dns_timeout_s;
	st.retry = 2;
	if (use_server(&st)) {
		n = res_nquery(&st, name, ns_c_in, ns_t_txt, answer, MAX_ANSWER);
		if (n >= 0)
			found = n <= MAX_ANSWER && has_text(a, answer, n, wanted) ? DNS_FOUND : DNS_MISSING;
		else if (st.res_h_errno == HOST_NOT_FOUND || st.res_h_errno == NO_DATA)
			found = DNS_MISSING;
	}
	res_nclose(&st);
	return found;
}
