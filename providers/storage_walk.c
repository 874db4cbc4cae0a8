/* What lies on this machine: the directories of storage_disk.c, one after the other. */
#include "providers/storage_disk.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "lib/base/uuid.h"
#include "lib/host/config.h"

struct walk {
	struct arena *a;
	bool (*fn)(void *to, const struct storage_file *f);
	void *to;
	time_t before;
	struct failure *why;
};

/* "<id>", "<id>.new" and "<id>.part". */
static bool names_object(const char *name, char id[UUID_CHARS + 1])
{
	size_t n = strlen(name);
	unsigned char bytes[UUID_BYTES];

	if (n != UUID_CHARS && (n < UUID_CHARS || (strcmp(name + UUID_CHARS, ".new") != 0 &&
						   strcmp(name + UUID_CHARS, ".part") != 0)))
		return false;
	memcpy(id, name, UUID_CHARS);
	id[UUID_CHARS] = '\0';
	return uuid_bytes(id, bytes);
}

/* One directory; its directories are others' to walk.  False: it is over. */
static bool walk_directory(struct walk *w, const char *path, bool is_incoming, enum err *rc)
{
	DIR *dir = opendir(path);
	bool goes_on = true;
	struct dirent *e;

	if (!dir) {
		if (errno != ENOENT)
			*rc = failure_hide(w->why, w->a, ERR_UNAVAILABLE, "reading %s: %s", path,
					   strerror(errno));
		return errno == ENOENT;
	}
	while (goes_on && (e = readdir(dir))) {
		char whole[4096], id[UUID_CHARS + 1];
		struct storage_file f = { whole, names_object(e->d_name, id) ? id : NULL, NULL, is_incoming };
		struct stat st;

		if (snprintf(whole, sizeof(whole), "%s/%s", path, e->d_name) < (int)sizeof(whole) &&
		    !lstat(whole, &st) && S_ISREG(st.st_mode) && st.st_ctime <= w->before)
			goes_on = w->fn(w->to, &f);
	}
	closedir(dir);
	return goes_on;
}

enum err storage_disk_walk(struct arena *a, long grace_s, bool (*fn)(void *to, const struct storage_file *f),
			   void *to, struct failure *why)
{
	struct walk w = { a, fn, to, time(NULL) - grace_s, why };
	enum err rc = ERR_OK;
	bool goes_on = walk_directory(&w, arena_fmt(a, "%s/incoming/tmp", cfg.storage_root), true, &rc) &&
		       walk_directory(&w, arena_fmt(a, "%s/incoming", cfg.storage_root), true, &rc);

	for (int i = 0; goes_on && i < 256; i++)
		goes_on = walk_directory(&w, arena_fmt(a, "%s/objects/%02x", cfg.storage_root, (unsigned)i),
					 false, &rc);
	return rc;
}
