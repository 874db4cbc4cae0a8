#include "lib/base/mail_domain.h"

#include <string.h>

bool mail_domain_is_public(const char *domain)
{
	size_t n = strlen(domain);
	const struct mail_domains *d;
	int low = 0, high;

	if (n > MAIL_DOMAIN_MAX)
		return false;
	d = &mail_domains[n];
	for (high = d->count; low < high;) {
		int mid = (low + high) / 2, c = memcmp(domain, d->words + (size_t)mid * n, n);

		if (!c)
			return true;
		if (c < 0)
			high = mid;
		else
			low = mid + 1;
	}
	return false;
}

bool mail_domain_is_known(void)
{
	for (int i = 0; i <= MAIL_DOMAIN_MAX; i++)
		if (mail_domains[i].count)
			return true;
	return false;
}
