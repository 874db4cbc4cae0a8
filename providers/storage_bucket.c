/*
 * Content in a bucket (providers/s3.h):
 *
 *	incoming/<id>	what a client has sent and nobody has looked at
 *	objects/<id>	what was taken, and what came in parts, since those are out of a client's reach
 *			once they are put together
 *
 * A signed address is good until it expires, whatever happened meanwhile.  So what was
 * looked at is copied out of its reach, by the ETag that it had then, and what comes
 * behind that is nobody's, and collected.
 */
#include "providers/storage_bucket.h"

#include <openssl/evp.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/sniff.h"
#include "lib/base/uuid.h"
#include "lib/host/config.h"
#include "lib/host/log.h"
#include "providers/s3.h"

static const long long PART = 64LL << 20, MIB = 1LL << 20;

static const char *incoming(struct arena *a, const char *id)
{
	return arena_fmt(a, "incoming/%s", id);
}

static const char *place(struct arena *a, const char *id)
{
	return arena_fmt(a, "objects/%s", id);
}

/* Looking at it */

struct look {
	EVP_MD_CTX *md; /* NULL: only the first bytes are wanted */
	char head[SNIFF_BYTES];
	size_t nhead;
	long long n;
};

static bool look_at(void *to, const char *p, size_t n)
{
	struct look *look = to;
	size_t more = SNIFF_BYTES - look->nhead < n ? SNIFF_BYTES - look->nhead : n;

	memcpy(look->head + look->nhead, p, more);
	look->nhead += more;
	look->n += (long long)n;
	return !look->md || EVP_DigestUpdate(look->md, p, n) == 1;
}

/* Its SHA-256 is the server's, where that has one, and else it is read through. */
static enum err look(struct arena *a, const struct storage_object *o, const char *key,
		     const struct s3_object *found, unsigned char sha256[SECRET_BYTES], struct failure *why)
{
	long long wanted = found->has_sha256 && found->size > SNIFF_BYTES ? SNIFF_BYTES : found->size;
	struct look look = { .md = found->has_sha256 ? NULL : EVP_MD_CTX_new() };
	enum err rc = ERR_OK;

	if (look.md)
		EVP_DigestInit_ex(look.md, EVP_sha256(), NULL);
	if (wanted)
		rc = s3_read(a, key, found->etag, wanted, wanted == found->size, look_at, &look, why);
	if (!rc && look.n < wanted)
		rc = failure_hide(why, a, ERR_EXTERNAL, "bucket: %s ended after %lld bytes", key, look.n);
	if (look.md)
		EVP_DigestFinal_ex(look.md, sha256, NULL);
	else
		memcpy(sha256, found->sha256, SECRET_BYTES);
	EVP_MD_CTX_free(look.md);
	return rc ? rc : storage_backend_judge(a, o, look.head, look.nhead, sha256, why);
}

static enum err replaced(struct arena *a, struct failure *why)
{
	return failure_set(why, a, ERR_CONFLICT, NULL, "it was uploaded anew meanwhile: confirm it again");
}

/* Parts */

long long storage_bucket_part_size(const struct storage_object *o)
{
	long long least = (o->size + S3_MAX_PARTS - 1) / S3_MAX_PARTS;

	return least > PART ? (least + MIB - 1) / MIB * MIB : PART;
}

int storage_bucket_part_count(const struct storage_object *o)
{
	return (int)((o->size + storage_bucket_part_size(o) - 1) / storage_bucket_part_size(o));
}

static long long part_bytes(const struct storage_object *o, int number)
{
	long long rest = o->size - (number - 1) * storage_bucket_part_size(o);

	return rest < storage_bucket_part_size(o) ? rest : storage_bucket_part_size(o);
}

static enum err list_parts(struct arena *a, const struct storage_object *o, struct s3_part **parts, int *n,
			   struct failure *why)
{
	*parts = arena_alloc_raw(a, S3_MAX_PARTS * sizeof(**parts));
	return s3_parts_list(a, place(a, o->id), o->upload_id, *parts, n, why);
}

/* An upload that has ended without having become a file is begun anew. */
enum err storage_bucket_parts(struct arena *a, const struct storage_object *o, bool *has,
			      const char **upload_id, struct failure *why)
{
	struct s3_part *parts;
	enum err rc = ERR_NOT_FOUND;
	int n = 0;

	*upload_id = NULL;
	memset(has, 0, (size_t)storage_bucket_part_count(o) * sizeof(*has));
	if (o->upload_id)
		rc = list_parts(a, o, &parts, &n, why);
	if (rc == ERR_NOT_FOUND)
		return s3_parts_begin(a, place(a, o->id), o->content_type, upload_id, why);
	for (int i = 0; !rc && i < n; i++)
		if (parts[i].number >= 1 && parts[i].number <= storage_bucket_part_count(o))
			has[parts[i].number - 1] = parts[i].size == part_bytes(o, parts[i].number);
	return rc;
}

const char *storage_bucket_part_url(struct arena *a, const struct storage_object *o, int number, long ttl_s)
{
	const struct sigv4_pair query[] = { { "partNumber", arena_fmt(a, "%d", number) },
					    { "uploadId", o->upload_id },
					    { NULL, NULL } };
	const struct sigv4_pair headers[] = {
		{ "content-length", arena_fmt(a, "%lld", part_bytes(o, number)) }, { NULL, NULL }
	};

	return s3_sign(a, "PUT", place(a, o->id), query, headers, ttl_s);
}

/* Put the parts together; ERR_CONFLICT: they have not all come. */
static enum err join(struct arena *a, const struct storage_object *o, struct failure *why)
{
	struct s3_part *parts;
	long long bytes = 0;
	int n = 0, good = 0;
	enum err rc = list_parts(a, o, &parts, &n, why);

	if (rc == ERR_NOT_FOUND)
		return failure_set(why, a, ERR_CONFLICT, NULL, "nothing has been uploaded yet");
	if (rc)
		return rc;
	for (int i = 0; i < n; i++) {
		good += parts[i].number == i + 1 && parts[i].size == part_bytes(o, i + 1);
		bytes += parts[i].size;
	}
	if (n != storage_bucket_part_count(o) || good != n)
		return failure_set(why, a, ERR_CONFLICT, NULL,
				   "%d of %d parts have been uploaded, %lld bytes of %lld", good,
				   storage_bucket_part_count(o), bytes, o->size);
	return s3_parts_complete(a, place(a, o->id), o->upload_id, parts, n, bytes, why);
}

/* Taking it */

static enum err throw_away(struct arena *a, const char *key, enum err rc)
{
	struct failure why = { ERR_OK };

	if (s3_delete(a, key, &why)) /* it is collected */
		log_msg(LOG_WARNING, NULL, "storage: %s", failure_reason(&why));
	return rc;
}

/* What lies where objects stay: taken before by one that died behind that, or parts that were put together.
 */
static enum err take_here(struct arena *a, const struct storage_object *o, unsigned char sha256[SECRET_BYTES],
			  struct failure *why)
{
	const char *key = place(a, o->id);
	struct s3_object found = { 0 };
	enum err rc = s3_head(a, key, &found, why);

	if (rc)
		return rc;
	rc = storage_backend_judge_size(a, o, found.size, why);
	if (!rc)
		rc = look(a, o, key, &found, sha256, why);
	if (rc == ERR_PRECONDITION || rc == ERR_NOT_FOUND)
		return replaced(a, why);
	return rc == ERR_VALIDATION ? throw_away(a, key, rc) : rc;
}

static enum err bucket_take(struct arena *a, const struct storage_object *o,
			    unsigned char sha256[SECRET_BYTES], struct failure *why)
{
	const char *from = incoming(a, o->id), *to = place(a, o->id);
	struct s3_object found = { 0 };
	enum err rc = s3_head(a, from, &found, why);

	if (rc == ERR_NOT_FOUND) {
		rc = take_here(a, o, sha256, why);
		if (rc == ERR_NOT_FOUND && o->upload_id) {
			rc = join(a, o, why);
			if (!rc || rc == ERR_NOT_FOUND) /* somebody else may just have done it */
				rc = take_here(a, o, sha256, why);
		}
		return rc == ERR_NOT_FOUND
			       ? failure_set(why, a, ERR_CONFLICT, NULL, "nothing has been uploaded yet")
			       : rc;
	}
	if (rc)
		return rc;
	rc = storage_backend_judge_size(a, o, found.size, why);
	if (!rc)
		rc = look(a, o, from, &found, sha256, why);
	if (!rc)
		rc = s3_copy(a, from, to, found.etag, found.size, why);
	if (rc == ERR_PRECONDITION || rc == ERR_NOT_FOUND)
		return replaced(a, why);
	return !rc || rc == ERR_VALIDATION ? throw_away(a, from, rc) : rc;
}

static enum err bucket_put(struct arena *a, const struct storage_object *o, const char *bytes, size_t n,
			   const unsigned char sha256[SECRET_BYTES], struct failure *why)
{
	return s3_put(a, place(a, o->id), o->content_type, sha256, bytes, n, why);
}

static enum err bucket_put_file(struct arena *a, const struct storage_object *o, int fd,
				const unsigned char sha256[SECRET_BYTES], struct failure *why)
{
	return s3_put_file(a, place(a, o->id), o->content_type, sha256, fd, (size_t)o->size, why);
}

static enum err bucket_remove(struct arena *a, const struct storage_object *o, struct failure *why)
{
	enum err rc = o->upload_id ? s3_parts_abort(a, place(a, o->id), o->upload_id, why) : ERR_OK;

	if (!rc)
		rc = s3_delete(a, incoming(a, o->id), why);
	return rc ? rc : s3_delete(a, place(a, o->id), why);
}

/* Reading it */

struct copy {
	int fd;
	bool ok;
};

static bool copy_piece(void *to, const char *p, size_t n)
{
	struct copy *copy = to;

	for (ssize_t k; n && copy->ok; p += k, n -= (size_t)k) {
		k = write(copy->fd, p, n);
		copy->ok = k > 0;
		k = k > 0 ? k : 0;
	}
	return copy->ok;
}

static int bucket_open(struct arena *a, const struct storage_object *o, struct failure *why)
{
	const char *key = place(a, o->id);
	struct s3_object found = { 0 };
	struct copy copy = { -1, true };
	enum err rc = s3_head(a, key, &found, why);

	if (!rc && found.size > STORAGE_OPEN_BYTES)
		rc = failure_hide(why, a, ERR_UNAVAILABLE, "bucket: %s has %lld bytes, too many to be read",
				  key, found.size);
	if (!rc) {
		copy.fd = memfd_create("object", MFD_CLOEXEC);
		copy.ok = copy.fd >= 0;
	}
	if (!rc && copy.ok && found.size)
		rc = s3_read(a, key, found.etag, found.size, true, copy_piece, &copy, why);
	if (!rc && (!copy.ok || lseek(copy.fd, 0, SEEK_SET)))
		rc = failure_hide(why, a, ERR_UNAVAILABLE, "bucket: no memory for %s", key);
	if (!rc)
		return copy.fd;
	if (copy.fd >= 0)
		close(copy.fd);
	if (rc == ERR_NOT_FOUND || rc == ERR_PRECONDITION)
		failure_hide(why, a, ERR_UNAVAILABLE, "bucket: %s is lost", key);
	return -1;
}

/* All of it */

struct walk {
	bool (*fn)(void *to, const struct storage_file *f);
	void *to;
	time_t before;
	bool goes_on, is_incoming;
};

/* "objects/<id>"; NULL: another key. */
static const char *id_in(const char *key, char id[UUID_CHARS + 1])
{
	const char *name = strchr(key, '/');
	unsigned char bytes[UUID_BYTES];

	if (!name || strlen(name + 1) != UUID_CHARS)
		return NULL;
	memcpy(id, name + 1, UUID_CHARS + 1);
	return uuid_bytes(id, bytes) ? id : NULL;
}

static bool walk_key(void *to, const char *key, time_t changed_at)
{
	struct walk *w = to;
	char id[UUID_CHARS + 1];

	if (changed_at <= w->before)
		w->goes_on =
			w->fn(w->to, &(struct storage_file){ key, id_in(key, id), NULL, w->is_incoming });
	return w->goes_on;
}

static bool walk_upload(void *to, const char *key, const char *upload_id, time_t begun_at)
{
	struct walk *w = to;
	char id[UUID_CHARS + 1];

	if (begun_at <= w->before)
		w->goes_on = w->fn(w->to, &(struct storage_file){ key, id_in(key, id), upload_id, true });
	return w->goes_on;
}

static enum err bucket_walk(struct arena *a, long grace_s, bool (*fn)(void *to, const struct storage_file *f),
			    void *to, struct failure *why)
{
	struct walk w = { fn, to, time(NULL) - grace_s, true, true };
	enum err rc = s3_parts_uploads(a, "objects/", walk_upload, &w, why);

	/* Some servers do not have it: then nobody but them knows what was left (a rule of the bucket's life
	 * cycle). */
	if (rc == ERR_NOT_FOUND || (rc == ERR_EXTERNAL && (strstr(failure_reason(why), "status 501") ||
							   strstr(failure_reason(why), "status 405")))) {
		log_msg(LOG_WARNING, NULL, "storage: the bucket's server lists no uploads in parts");
		*why = (struct failure){ ERR_OK };
		rc = ERR_OK;
	}
	if (!rc && w.goes_on)
		rc = s3_list(a, "incoming/", NULL, walk_key, &w, why);
	w.is_incoming = false;
	if (!rc && w.goes_on)
		rc = s3_list(a, "objects/", NULL, walk_key, &w, why);
	return rc;
}

static enum err bucket_discard(struct arena *a, const struct storage_file *f, struct failure *why)
{
	return f->upload_id ? s3_parts_abort(a, f->path, f->upload_id, why) : s3_delete(a, f->path, why);
}

struct search {
	const char *const *ids;
	int n, i;
	bool *has;
};

/* Both go up: ids are ordered as keys are. */
static bool find_key(void *to, const char *key, time_t changed_at)
{
	struct search *s = to;
	const char *id = key + strlen("objects/");

	(void)changed_at;
	while (s->i < s->n && strcmp(s->ids[s->i], id) < 0)
		s->i++;
	if (s->i < s->n && !strcmp(s->ids[s->i], id))
		s->has[s->i++] = true;
	return s->i < s->n;
}

static enum err bucket_find(struct arena *a, const char *const *ids, int n, bool *has, struct failure *why)
{
	struct search s = { ids, n, 0, has };
	char *behind;

	if (!n)
		return ERR_OK;
	memset(has, 0, (size_t)n * sizeof(*has));
	/* Behind what stands just before the first one. */
	behind = arena_dup(a, place(a, ids[0]));
	behind[strlen(behind) - 1] = '\0';
	return s3_list(a, "objects/", behind, find_key, &s, why);
}

const struct storage_backend storage_bucket = {
	.name = "s3",
	.take = bucket_take,
	.put = bucket_put,
	.put_file = bucket_put_file,
	.remove = bucket_remove,
	.open = bucket_open,
	.walk = bucket_walk,
	.discard = bucket_discard,
	.find = bucket_find,
};
