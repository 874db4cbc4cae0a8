#include "fcgi/method.h"

#include <assert.h>
#include <string.h>

static const char *const names[METHOD_COUNT] = { "GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS" };

const char *method_name(enum method m)
{
	assert(m < METHOD_COUNT);
	return names[m];
}

enum method method_find(const char *name)
{
	int m;

	for (m = 0; m < METHOD_COUNT && strcmp(names[m], name); m++)
		;
	return (enum method)m;
}
