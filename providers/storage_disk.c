/*
 * Content on this machine, under STORAGE_ROOT:
 *
 *	incoming/<id>		what nginx has written and nobody has looked at; it gets its name
 *				when it is whole (incoming/tmp before)
 *	objects/<xx>/<id>	what was taken (<id>.part while it comes piece by piece, <id>.new while it
 *				is looked at); xx are the id's last two digits
 *
 * nginx writes as another user.  Both directories hand their group down (setgid,
 * systemd/tmpfiles.conf): of incoming that is the api's, which may move what is
 * in it, and of objects nginx's, which may read.
 */
#include "providers/storage_disk.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <string.h>
#include <sys/file.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/sniff.h"
#include "lib/host/config.h"
#include "lib/host/log.h"

enum { PIECE = 64 * 1024 };

static const char *incoming(struct arena *a, const char *id)
{
	return arena_fmt(a, "%s/incoming/%s", cfg.storage_root, id);
}

static const char *shelf(struct arena *a, const char *id)
{
	return arena_fmt(a, "%s/objects/%s", cfg.storage_root, id + strlen(id) - 2);
}

static const char *place(struct arena *a, const char *id)
{
	return arena_fmt(a, "%s/%s", shelf(a, id), id);
}

static bool has_content(struct arena *a, const char *id)
{
	const char *path = place(a, id);

	if (!access(path, F_OK))
		return true;
	log_msg(LOG_WARNING, NULL, "storage: %s: %s", path, strerror(errno));
	return false;
}

static enum err failed(struct arena *a, struct failure *why, const char *what, const char *path)
{
	return failure_hide(why, a, ERR_UNAVAILABLE, "%s %s: %s", what, path, strerror(errno));
}

static int disk_open(struct arena *a, const struct storage_object *o, struct failure *why)
{
	const char *path = place(a, o->id);
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		failed(a, why, "open", path);
	return fd;
}

/* Whatever the unit's UMask is: nginx has to go through it. */
static bool make_shelf(const char *path)
{
	mode_t mask = umask(027);
	int rc = mkdir(path, 0750), error = errno;

	umask(mask);
	errno = error;
	return !rc || error == EEXIST;
}

static bool sync_directory(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool ok = fd >= 0 && !fsync(fd);

	if (fd >= 0)
		close(fd);
	return ok;
}

/* SHA-256 of the whole, and its first bytes.  False: it could not be read. */
static bool read_through(int fd, unsigned char sha256[SECRET_BYTES], char *head, size_t *nhead)
{
	static char piece[PIECE];
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	ssize_t n = -1;

	*nhead = 0;
	if (md && EVP_DigestInit_ex(md, EVP_sha256(), NULL) == 1)
		while ((n = read(fd, piece, sizeof(piece))) > 0) {
			size_t more = SNIFF_BYTES - *nhead < (size_t)n ? SNIFF_BYTES - *nhead : (size_t)n;

			memcpy(head + *nhead, piece, more);
			*nhead += more;
			EVP_DigestUpdate(md, piece, (size_t)n);
		}
	if (!n)
		EVP_DigestFinal_ex(md, sha256, NULL);
	EVP_MD_CTX_free(md);
	return !n;
}

/* Is it what was declared?  ERR_VALIDATION: no; ERR_UNAVAILABLE: it cannot be read. */
static enum err look(struct arena *a, const struct storage_object *o, int fd, const char *path,
		     unsigned char sha256[SECRET_BYTES], struct failure *why)
{
	char head[SNIFF_BYTES];
	struct stat st;
	size_t nhead;

	if (fstat(fd, &st))
		return failed(a, why, "stat", path);
	if (storage_backend_judge_size(a, o, st.st_size, why))
		return why->err;
	if (!read_through(fd, sha256, head, &nhead))
		return failed(a, why, "reading", path);
	if (storage_backend_judge(a, o, head, nhead, sha256, why))
		return why->err;
	return fsync(fd) ? failed(a, why, "fsync", path) : ERR_OK;
}

/*
 * It is taken out of nginx's reach first, or another upload could take its place
 * behind the look.  Who took it may have died on the way: then it goes on from
 * where that one was.
 */
static enum err disk_take(struct arena *a, const struct storage_object *o, unsigned char sha256[SECRET_BYTES],
			  struct failure *why)
{
	const char *to = place(a, o->id), *on = shelf(a, o->id);
	const char *taken = arena_fmt(a, "%s.new", to), *at = taken;
	enum err rc;
	int fd;

	if (!make_shelf(on))
		return failed(a, why, "making", on);
	if (rename(incoming(a, o->id), taken) && errno != ENOENT)
		return failed(a, why, "moving to", taken);
	fd = open(taken, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 && errno == ENOENT) {
		fd = open(to, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
		at = to;
	}
	if (fd < 0 && errno == ENOENT)
		return failure_set(why, a, ERR_CONFLICT, NULL, "nothing has been uploaded yet");
	if (fd < 0)
		return failed(a, why, "opening", at);
	rc = look(a, o, fd, at, sha256, why);
	close(fd);
	if (rc == ERR_VALIDATION && at == taken)
		unlink(taken);
	if (rc || at == to)
		return rc;
	if (rename(taken, to) && errno != ENOENT)
		return failed(a, why, "moving to", to);
	return sync_directory(on) ? ERR_OK : failed(a, why, "fsync", on);
}

static bool write_all(int fd, const char *p, size_t n)
{
	while (n) {
		ssize_t k = write(fd, p, n < PIECE ? n : PIECE);

		if (k <= 0)
			return false;
		p += k;
		n -= (size_t)k;
	}
	return true;
}

/* In the kernel; from is left where it stands. */
static bool copy_all(int fd, int from, off_t n)
{
	off_t offset = 0;

	while (offset < n)
		if (sendfile(fd, from, &offset, (size_t)(n - offset)) <= 0)
			return false;
	return true;
}

/* Of bytes, or of a file where there are none. nginx reads it by its group, which the directory hands down.
 */
static enum err keep(struct arena *a, const struct storage_object *o, const char *bytes, int from, size_t n,
		     struct failure *why)
{
	const char *to = place(a, o->id), *on = shelf(a, o->id), *taken = arena_fmt(a, "%s.new", to);
	bool ok;
	int fd;

	if (!make_shelf(on))
		return failed(a, why, "making", on);
	fd = open(taken, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return failed(a, why, "opening", taken);
	ok = (bytes ? write_all(fd, bytes, n) : copy_all(fd, from, (off_t)n)) && !fchmod(fd, 0640) &&
	     !fsync(fd);
	if (!ok)
		failed(a, why, "writing", taken);
	close(fd);
	if (!ok) {
		unlink(taken);
		return ERR_UNAVAILABLE;
	}
	if (rename(taken, to))
		return failed(a, why, "moving to", to);
	return sync_directory(on) ? ERR_OK : failed(a, why, "fsync", on);
}

static enum err disk_put(struct arena *a, const struct storage_object *o, const char *bytes, size_t n,
			 const unsigned char sha256[SECRET_BYTES], struct failure *why)
{
	(void)sha256;
	return keep(a, o, bytes, -1, n, why);
}

static enum err disk_put_file(struct arena *a, const struct storage_object *o, int fd,
			      const unsigned char sha256[SECRET_BYTES], struct failure *why)
{
	(void)sha256;
	return keep(a, o, NULL, fd, (size_t)o->size, why);
}

static enum err disk_remove(struct arena *a, const struct storage_object *o, struct failure *why)
{
	const char *to = place(a, o->id), *paths[] = { incoming(a, o->id), arena_fmt(a, "%s.part", to),
						       arena_fmt(a, "%s.new", to), to };

	for (int i = 0; i < 4; i++)
		if (unlink(paths[i]) && errno != ENOENT)
			return failed(a, why, "removing", paths[i]);
	return ERR_OK;
}

/* Piece by piece */

long long storage_disk_arrived(struct arena *a, const struct storage_object *o)
{
	const char *to = place(a, o->id);
	struct stat st;

	if (!stat(arena_fmt(a, "%s.part", to), &st))
		return st.st_size;
	return access(arena_fmt(a, "%s.new", to), F_OK) && access(to, F_OK) ? 0 : o->size;
}

/* In the kernel, so that no process has it in its memory. */
static bool append_all(int to, int from, long long n)
{
	while (n) {
		ssize_t k = copy_file_range(from, NULL, to, NULL, (size_t)n, 0);

		if (k < 0 && (errno == EXDEV || errno == EINVAL || errno == ENOSYS || errno == EOPNOTSUPP))
			k = sendfile(to, from, NULL, (size_t)n);
		if (k <= 0)
			return false;
		n -= k;
	}
	return true;
}

/* Of two that append at once one waits for nothing, and is told so. */
static enum err append_locked(struct arena *a, const struct storage_object *o, const char *part, int to,
			      long long offset, int from, long long n, struct failure *why)
{
	struct stat st;

	if (flock(to, LOCK_EX | LOCK_NB))
		return failure_set(why, a, ERR_CONFLICT, NULL, "another piece is just coming");
	if (fstat(to, &st))
		return failed(a, why, "stat", part);
	if (st.st_size != offset || !st.st_nlink)
		return failure_set(why, a, ERR_CONFLICT, NULL,
				   "%lld bytes are there, and Upload-Offset is %lld", (long long)st.st_size,
				   offset);
	if (n > o->size - offset)
		return failure_set(why, a, ERR_VALIDATION, "Upload-Offset",
				   "with these it would be %lld bytes, and %lld were declared", offset + n,
				   o->size);
	if (lseek(to, offset, SEEK_SET) < 0 || !append_all(to, from, n))
		return failed(a, why, "writing", part);
	if (offset + n == o->size && rename(part, arena_fmt(a, "%s.new", place(a, o->id))))
		return failed(a, why, "moving", part);
	return ERR_OK;
}

enum err storage_disk_append(struct arena *a, const struct storage_object *o, long long offset, int fd,
			     long long n, struct failure *why)
{
	const char *on = shelf(a, o->id), *part = arena_fmt(a, "%s.part", place(a, o->id));
	long long there = storage_disk_arrived(a, o);
	enum err rc;
	int to;

	if (there == o->size)
		return failure_set(why, a, ERR_CONFLICT, NULL,
				   "%lld bytes are there, and Upload-Offset is %lld", there, offset);
	if (!make_shelf(on))
		return failed(a, why, "making", on);
	to = open(part, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (to < 0 || fchmod(to, 0640)) /* nginx reads it by its group, once it is taken */
		rc = failed(a, why, "opening", part);
	else
		rc = append_locked(a, o, part, to, offset, fd, n, why);
	if (to >= 0)
		close(to);
	return rc;
}

static enum err disk_discard(struct arena *a, const struct storage_file *f, struct failure *why)
{
	if (unlink(f->path) && errno != ENOENT)
		return failed(a, why, "removing", f->path);
	return ERR_OK;
}

static enum err disk_find(struct arena *a, const char *const *ids, int n, bool *has, struct failure *why)
{
	(void)why;
	for (int i = 0; i < n; i++)
		has[i] = has_content(a, ids[i]);
	return ERR_OK;
}

const struct storage_backend storage_disk = {
	.name = "local",
	.take = disk_take,
	.put = disk_put,
	.put_file = disk_put_file,
	.remove = disk_remove,
	.open = disk_open,
	.walk = storage_disk_walk,
	.discard = disk_discard,
	.find = disk_find,
};
