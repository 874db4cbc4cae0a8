#include "lib/net/header.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

static bool is_reserved(const char *name)
{
	static const char *const whole[] = { "host",       "connection", "transfer-encoding",
					     "keep-alive", "te",         "trailer",
					     "upgrade",    "expect",     "cookie",
					     "date",       NULL };
	static const char *const begins[] = { "content-", "proxy-", NULL };

	for (int i = 0; whole[i]; i++)
		if (!strcasecmp(name, whole[i]))
			return true;
	for (int i = 0; begins[i]; i++)
		if (!strncasecmp(name, begins[i], strlen(begins[i])))
			return true;
	return false;
}

const char *header_problem(const char *name, const char *value, size_t n)
{
	static const char token[] = "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "abcdefghijklmnopqrstuvwxyz";

	if (!*name || strlen(name) > HEADER_MAX_NAME || name[strspn(name, token)])
		return "this is no name of a header";
	if (is_reserved(name))
		return "this header is reserved";
	if (!n || n > HEADER_MAX_VALUE)
		return "its value has no character, or more than 1000";
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)value[i] < ' ' || (unsigned char)value[i] > '~')
			return "its value has other characters than visible ASCII and spaces";
	if (value[0] == ' ' || value[n - 1] == ' ')
		return "its value begins or ends with a space";
	return NULL;
}
