/*
 * IP addresses as text.
 */
#ifndef ASHLAR_ADDRESS_H
#define ASHLAR_ADDRESS_H

struct arena;

/*
 * The one spelling of an IPv4 or IPv6 address; of one that is IPv4 in IPv6's
 * clothes (::ffff:192.0.2.1) IPv4's.  The arena's; NULL: it is none, or more
 * than one (a port, a mask, a zone, a list).
 */
const char *address_text(struct arena *a, const char *text);

/*
 * The one spelling of a range of addresses, "192.0.2.0/24"; of an address alone the range of it alone.  What
 * is behind the prefix counts as zeros, and IPv4 in IPv6's clothes as IPv4.  The arena's; NULL: it is none.
 */
const char *address_range_text(struct arena *a, const char *text);

#endif
