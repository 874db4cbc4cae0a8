#include "lib/base/err.h"

#include <assert.h>
#include <string.h>

static const struct err_info errs[] = {
#define ERR(name, status, code, message) { status, code, message },
#include "lib/base/err.def"
#undef ERR
};

const struct err_info *err_info(enum err e)
{
	assert(e >= 0 && e < ERR_COUNT);
	return &errs[e];
}

enum err err_find(const char *code)
{
	int e;

	for (e = 0; e < ERR_COUNT; e++)
		if (!strcmp(errs[e].code, code))
			break;
	return (enum err)e;
}
