/*
 * Asking DNS for text: what a domain's owner has put there.
 *
 * By libresolv and no stub of our own: it picks the port and the number of each question at random, follows
 * the system's resolv.conf, and reads what comes within its bounds.  DNS_RESOLVER names another server to
 * ask.
 */
#ifndef ASHLAR_DNS_H
#define ASHLAR_DNS_H

#include "lib/base/arena.h"

enum dns_answer {
	DNS_FOUND,      /* a record is what was looked for */
	DNS_MISSING,    /* none is, or there are none: the domain's servers say so */
	DNS_UNANSWERED, /* nobody could say */
};

enum { DNS_MAX_NAME = 253 };

/*
 * Is there a TXT record at name (ASCII, without a dot at its end) whose text is wanted?  Its pieces are
 * joined, as RFC 7208 3.3 has it.
 *
 * Waits up to DNS_TIMEOUT_S, twice, for each server that is asked: no transaction should be open meanwhile.
 * What does not fit into one datagram (1,200 bytes) is not asked for again by TCP, which has no such bound.
 */
enum dns_answer dns_txt(struct arena *a, const char *name, const char *wanted);

#endif
