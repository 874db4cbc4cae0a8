#include "lib/net/http_guard.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/eventfd.h>

#include "lib/host/config.h"

/* clang-format off */
/* Where a user's URL must not lead, by prefix. */
static const struct {
	uint8_t prefix[8];
	int bits;
} not_public_4[] = {
	{ { 0 }, 8 },			/* this network */
	{ { 10 }, 8 },			/* private */
	{ { 100, 64 }, 10 },		/* carrier-grade NAT; also Alibaba's metadata, 100.100.100.200 */
	{ { 127 }, 8 },			/* loopback */
	{ { 168, 63, 129, 16 }, 32 },	/* Azure's host, a public address only by its number */
	{ { 169, 254 }, 16 },		/* link-local; most clouds' metadata, 169.254.169.254 */
	{ { 172, 16 }, 12 },		/* private */
	{ { 192, 0, 0 }, 24 },		/* protocol assignments; Oracle's metadata, 192.0.0.192 */
	{ { 192, 0, 2 }, 24 },		/* documentation */
	{ { 192, 88, 99 }, 24 },	/* 6to4 relays */
	{ { 192, 168 }, 16 },		/* private */
	{ { 198, 18 }, 15 },		/* benchmarks */
	{ { 198, 51, 100 }, 24 },	/* documentation */
	{ { 203, 0, 113 }, 24 },	/* documentation */
	{ { 224 }, 4 },			/* multicast */
	{ { 240 }, 4 },			/* reserved, broadcast */
}, not_public_6[] = { /* inside 2000::/3, outside of which nothing is public unicast */
	{ { 0x20, 0x01, 0x00 }, 23 },	/* protocol assignments: Teredo, benchmarks, ORCHID */
	{ { 0x20, 0x01, 0x0d, 0xb8 }, 32 },	/* documentation */
	{ { 0x20, 0x02 }, 16 },		/* 6to4: any IPv4 address inside, and it is out of use (RFC 7526) */
	{ { 0x3f, 0xff, 0x00 }, 20 },	/* documentation */
};
/* clang-format on */

/* IPv6 prefixes that stand for an IPv4 address in the last four bytes. */
static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff }; /* ::ffff:0:0/96 */
static const uint8_t nat64[12] = { 0x00, 0x64, 0xff, 0x9b };    /* 64:ff9b::/96 */

static bool has_prefix(const uint8_t *p, const uint8_t *prefix, int bits)
{
	int whole = bits / 8, rest = bits % 8;

	return !memcmp(p, prefix, (size_t)whole) && (!rest || !((p[whole] ^ prefix[whole]) >> (8 - rest)));
}

static bool is_public_4(const uint8_t *p)
{
	size_t i;

	for (i = 0; i < sizeof(not_public_4) / sizeof(*not_public_4); i++)
		if (has_prefix(p, not_public_4[i].prefix, not_public_4[i].bits))
			return false;
	return true;
}

static bool is_public_6(const uint8_t *p)
{
	size_t i;

	if (!memcmp(p, mapped, sizeof(mapped)) || !memcmp(p, nat64, sizeof(nat64)))
		return is_public_4(p + 12);
	if (p[0] >> 5 != 1)
		return false;
	for (i = 0; i < sizeof(not_public_6) / sizeof(*not_public_6); i++)
		if (has_prefix(p, not_public_6[i].prefix, not_public_6[i].bits))
			return false;
	return true;
}

bool http_guard_is_public(const struct sockaddr *address)
{
	if (address->sa_family == AF_INET)
		return is_public_4((const uint8_t *)&((const struct sockaddr_in *)address)->sin_addr);
	if (address->sa_family == AF_INET6)
		return is_public_6((const uint8_t *)&((const struct sockaddr_in6 *)address)->sin6_addr);
	return false;
}

int http_guard_address_text(const struct sockaddr *address, char out[ADDRESS_TEXT])
{
	char text[INET6_ADDRSTRLEN] = "?";

	if (address->sa_family == AF_INET) {
		const struct sockaddr_in *v4 = (const struct sockaddr_in *)address;

		inet_ntop(AF_INET, &v4->sin_addr, text, sizeof(text));
		snprintf(out, ADDRESS_TEXT, "%s", text);
		return ntohs(v4->sin_port);
	}
	if (address->sa_family == AF_INET6) {
		const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)address;

		inet_ntop(AF_INET6, &v6->sin6_addr, text, sizeof(text));
		snprintf(out, ADDRESS_TEXT, "[%s]", text);
		return ntohs(v6->sin6_port);
	}
	snprintf(out, ADDRESS_TEXT, "?");
	return 0;
}

bool http_guard_port(long port)
{
	return port == 80 || port == 443 || (port >= 1024 && port <= 65535);
}

bool http_guard_allows(const struct sockaddr *address)
{
	char host[ADDRESS_TEXT], pair[ADDRESS_TEXT + 8];
	const char *const *allowed;
	int port;

	if (http_guard_is_public(address))
		return true;
	port = http_guard_address_text(address, host);
	snprintf(pair, sizeof(pair), "%s:%d", host, port);
	for (allowed = cfg.http_allow_private; allowed && *allowed; allowed++)
		if (!strcasecmp(*allowed, pair))
			return true;
	return false;
}

/* A look-up in a separate thread, which alone can be given up on; the last of the two frees it. */
struct guard_lookup {
	char host[256], port[8];
	struct addrinfo *found;
	int rc;
	int notify; /* written to when it is done; -1: no event loop waits for it */
	atomic_bool done;
	atomic_int users;
};

void http_guard_lookup_drop(struct guard_lookup *l)
{
	if (atomic_fetch_sub(&l->users, 1) > 1)
		return;
	if (l->found)
		freeaddrinfo(l->found);
	free(l);
}

static void *lookup_run(void *p)
{
	const struct addrinfo hints = { .ai_flags = AI_NUMERICSERV, .ai_socktype = SOCK_STREAM };
	struct guard_lookup *l = p;

	l->rc = getaddrinfo(l->host, l->port, &hints, &l->found);
	atomic_store(&l->done, true);
	if (l->notify >= 0)
		eventfd_write(l->notify, 1); /* one that is full has been written to */
	http_guard_lookup_drop(l);
	return NULL;
}

/* Start the thread; NULL: there is no room for one. */
static struct guard_lookup *lookup_start(const char *host, const char *port, int notify, pthread_t *thread)
{
	enum { STACK = 256 * 1024 }; /* of hundreds at once */
	struct guard_lookup *l = calloc(1, sizeof(*l));
	sigset_t all, before;
	pthread_attr_t attr;
	int rc;

	if (!l)
		return NULL;
	snprintf(l->host, sizeof(l->host), "%s", host);
	snprintf(l->port, sizeof(l->port), "%s", port);
	l->notify = notify;
	l->users = 2;
	sigfillset(&all); /* signals are the main thread's */
	pthread_sigmask(SIG_SETMASK, &all, &before);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK);
	rc = pthread_create(thread, &attr, lookup_run, l);
	pthread_attr_destroy(&attr);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (!rc)
		return l;
	free(l);
	return NULL;
}

/* What is a number needs no network, so no thread: 127.1, 0x7f000001 and ::1 are all numbers to getaddrinfo.
 */
static int resolve_number(const char *host, const char *port, struct addrinfo **out)
{
	const struct addrinfo number = { .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
					 .ai_socktype = SOCK_STREAM };

	return getaddrinfo(host, port, &number, out);
}

int http_guard_resolve(const char *host, const char *port, int64_t deadline_ms, struct addrinfo **out)
{
	const struct timespec until = { deadline_ms / 1000, deadline_ms % 1000 * 1000000 };
	int rc = resolve_number(host, port, out);
	struct guard_lookup *l;
	pthread_t thread;

	if (rc != EAI_NONAME)
		return rc;
	l = lookup_start(host, port, -1, &thread);
	if (!l)
		return EAI_MEMORY;
	if (pthread_clockjoin_np(thread, NULL, CLOCK_MONOTONIC, &until)) {
		pthread_detach(thread);
		rc = EAI_AGAIN;
	} else {
		rc = l->rc;
		*out = l->found;
		l->found = NULL;
	}
	http_guard_lookup_drop(l);
	return rc;
}

int http_guard_lookup_begin(const char *host, const char *port, int notify, struct guard_lookup **out,
			    struct addrinfo **found)
{
	int rc = resolve_number(host, port, found);
	pthread_t thread;

	*out = NULL;
	if (rc != EAI_NONAME)
		return rc;
	*out = lookup_start(host, port, notify, &thread);
	if (!*out)
		return EAI_MEMORY;
	pthread_detach(thread);
	return 0;
}

bool http_guard_lookup_end(struct guard_lookup *l, int *rc, struct addrinfo **found)
{
	if (!atomic_load(&l->done))
		return false;
	*rc = l->rc;
	*found = l->found;
	l->found = NULL;
	http_guard_lookup_drop(l);
	return true;
}
