/*
 * The guard for URLs that users choose: which addresses they may lead to, and
 * looking names up within a time.  For http_exchange.c; everybody else calls
 * http.h.
 */
#ifndef ASHLAR_HTTP_GUARD_H
#define ASHLAR_HTTP_GUARD_H

#include <netdb.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

enum { ADDRESS_TEXT = INET6_ADDRSTRLEN + 2 };

/* May a user's URL lead to this address: is it a public unicast address of the internet? */
bool http_guard_is_public(const struct sockaddr *address);

/* "10.0.0.1" or "[fc00::1]"; returns the port. */
int http_guard_address_text(const struct sockaddr *address, char out[ADDRESS_TEXT]);

/* Public, or one that HTTP_ALLOW_PRIVATE names together with its port. */
bool http_guard_allows(const struct sockaddr *address);

/* A port that a user's URL may have: 80, 443, or 1024 and up. */
bool http_guard_port(long port);

/* getaddrinfo within a time (monotonic milliseconds).  0 and *out (freeaddrinfo), or its error. */
int http_guard_resolve(const char *host, const char *port, int64_t deadline_ms, struct addrinfo **out);

/*
 * The same without waiting, for a loop that has more to do.
 *
 * begin  0: with *out NULL, it was a number and *found is there already; else
 *        an eventfd, notify, is written to when the look-up is done, and it must
 *        stay open as long as the process.  Or getaddrinfo's error.
 * end    false: not done yet.  true: *rc and *found as from http_guard_resolve, and l is gone.
 * drop   instead of end: the result is not wanted any more.
 */
struct guard_lookup;
int http_guard_lookup_begin(const char *host, const char *port, int notify, struct guard_lookup **out,
			    struct addrinfo **found);
bool http_guard_lookup_end(struct guard_lookup *l, int *rc, struct addrinfo **found);
void http_guard_lookup_drop(struct guard_lookup *l);

#endif
