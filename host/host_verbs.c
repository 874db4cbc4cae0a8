#include "host/host_verbs.h"

#include <string.h>

#include "host/agents.h"
#include "host/dump_files.h"
#include "host/log_files.h"

/* clang-format off */
static const struct host_verb verbs[] = {
	{ "agents.apply",  agents_apply },
	{ "backups.files", dump_files_list },
	{ "backups.log",   dump_files_log },
	{ "logs.files",    log_files_list },
	{ "logs.read",     log_files_read },
};
/* clang-format on */

const struct host_verb *host_verbs_find(const char *name)
{
	for (size_t i = 0; i < sizeof(verbs) / sizeof(*verbs); i++)
		if (!strcmp(verbs[i].name, name))
			return &verbs[i];
	return NULL;
}
