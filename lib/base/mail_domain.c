#include "lib/base/mail_domain.h"

#include <string.h>

bool mail_domain_is_public(const char *domain)
{
	return words_have(mail_domains, MAIL_DOMAIN_MAX, domain, strlen(domain));
}

bool mail_domain_is_known(void)
{
	for (int i = 0; i <= MAIL_DOMAIN_MAX; i++)
		if (mail_domains[i].count)
			return true;
	return false;
}
