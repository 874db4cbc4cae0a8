#include "lib/host/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "lib/host/config.h"

const char *spool_place(struct arena *a)
{
	return arena_fmt(a, "%s/objects", cfg.storage_root);
}

int spool_open(struct arena *a)
{
	const char *where = spool_place(a);
	int fd = open(where, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600), error;
	char *named;

	if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR))
		return fd;
	named = arena_fmt(a, "%s/spool.XXXXXX", where);
	fd = mkostemp(named, O_CLOEXEC);
	error = errno;
	if (fd >= 0)
		unlink(named);
	errno = error;
	return fd;
}
