#include "providers/storage.h"

#include <errno.h>
#include <json-c/json.h>
#include <openssl/evp.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/base/filename.h"
#include "lib/base/json.h"
#include "lib/base/jx.h"
#include "lib/base/sniff.h"
#include "lib/crypto/ticket.h"
#include "lib/host/config.h"
#include "providers/s3.h"
#include "providers/storage_bucket.h"
#include "providers/storage_disk.h"

static const char *const purposes[] = { "storage download", "storage upload", "storage resume" };

static const struct storage_backend *const backends[] = { &storage_disk, &storage_bucket };

static const struct storage_backend *backend_of(const char *name)
{
	return strcmp(name, storage_bucket.name) != 0 ? &storage_disk : &storage_bucket;
}

const char *storage_backend(void)
{
	return s3_is_configured() ? storage_bucket.name : storage_disk.name;
}

const char *storage_backend_at(int i)
{
	return i < (s3_is_configured() ? 2 : 1) ? backends[i]->name : NULL;
}

const char *storage_where(const char *backend)
{
	return backend_of(backend) == &storage_disk ? cfg.storage_root : cfg.s3_bucket;
}

bool storage_is_local(const struct storage_object *o)
{
	return backend_of(o->backend) == &storage_disk;
}

enum err storage_take(struct arena *a, const struct storage_object *o, unsigned char sha256[SECRET_BYTES],
		      struct failure *why)
{
	return backend_of(o->backend)->take(a, o, sha256, why);
}

enum err storage_put(struct arena *a, const struct storage_object *o, const char *bytes, size_t n,
		     unsigned char sha256[SECRET_BYTES], struct failure *why)
{
	size_t nhead = n < SNIFF_BYTES ? n : SNIFF_BYTES;

	if (!sniff_agrees(o->content_type, bytes, nhead))
		return failure_set(why, a, ERR_VALIDATION, "file", "the file is %s, and not %s as declared",
				   sniff_type(bytes, nhead), o->content_type);
	secret_sha256(bytes, n, sha256);
	return backend_of(o->backend)->put(a, o, bytes, n, sha256, why);
}

/* SHA-256 of the first n bytes.  False: they could not be read, or there are fewer. */
static bool digest(int fd, long long n, unsigned char sha256[SECRET_BYTES])
{
	static char piece[64 * 1024];
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	long long at = 0;
	ssize_t k = -1;

	if (md && EVP_DigestInit_ex(md, EVP_sha256(), NULL) == 1)
		while (at < n && (k = pread(fd, piece, sizeof(piece), at)) > 0) {
			EVP_DigestUpdate(md, piece, (size_t)k);
			at += k;
		}
	if (at == n)
		EVP_DigestFinal_ex(md, sha256, NULL);
	EVP_MD_CTX_free(md);
	return at == n;
}

enum err storage_put_file(struct arena *a, const struct storage_object *o, int fd,
			  unsigned char sha256[SECRET_BYTES], struct failure *why)
{
	char head[SNIFF_BYTES];
	ssize_t nhead = pread(fd, head, sizeof(head), 0);

	if (nhead < 0 || !digest(fd, o->size, sha256))
		return failure_hide(why, a, ERR_UNAVAILABLE,
				    "storage: a file that was made cannot be read: %s", strerror(errno));
	if (!sniff_agrees(o->content_type, head, (size_t)nhead))
		return failure_hide(why, a, ERR_INTERNAL, "storage: what was made is %s, and not %s",
				    sniff_type(head, (size_t)nhead), o->content_type);
	return backend_of(o->backend)->put_file(a, o, fd, sha256, why);
}

enum err storage_remove(struct arena *a, const struct storage_object *o, struct failure *why)
{
	return backend_of(o->backend)->remove(a, o, why);
}

int storage_open(struct arena *a, const struct storage_object *o, struct failure *why)
{
	return backend_of(o->backend)->open(a, o, why);
}

enum err storage_walk(struct arena *a, const char *backend, long grace_s,
		      bool (*fn)(void *to, const struct storage_file *f), void *to, struct failure *why)
{
	return backend_of(backend)->walk(a, grace_s, fn, to, why);
}

enum err storage_discard(struct arena *a, const char *backend, const struct storage_file *f,
			 struct failure *why)
{
	return backend_of(backend)->discard(a, f, why);
}

enum err storage_find(struct arena *a, const char *backend, const char *const *ids, int n, bool *has,
		      struct failure *why)
{
	return backend_of(backend)->find(a, ids, n, has, why);
}

long long storage_max_bytes(void)
{
	return (long long)cfg.storage_max_mib << 20;
}

bool storage_has(struct arena *a, const struct storage_object *o)
{
	bool has = true;

	if (storage_is_local(o))
		storage_disk.find(a, &o->id, 1, &has, NULL);
	return has;
}

const char *storage_internal(struct arena *a, const char *id)
{
	return arena_fmt(a, "/-/objects/%s/%s", id + strlen(id) - 2, id);
}

bool storage_in_parts(const struct storage_object *o)
{
	return !storage_is_local(o) && o->size > STORAGE_BUCKET_PARTS_FROM;
}

long long storage_part_size(const struct storage_object *o)
{
	return storage_bucket_part_size(o);
}

int storage_part_count(const struct storage_object *o)
{
	return storage_bucket_part_count(o);
}

enum err storage_parts(struct arena *a, const struct storage_object *o, bool *has, const char **upload_id,
		       struct failure *why)
{
	return storage_bucket_parts(a, o, has, upload_id, why);
}

const char *storage_part_url(struct arena *a, const struct storage_object *o, int number, long ttl_s)
{
	return storage_bucket_part_url(a, o, number, ttl_s);
}

static const char *address(struct arena *a, const struct storage_object *o, enum storage_way way,
			   const char *json, long ttl_s)
{
	const char *token = ticket_state_sign(a, purposes[way], json, (int)ttl_s);

	return token ? arena_fmt(a, "%s%s/%s?token=%s", cfg.public_url,
				 way == STORAGE_RESUME ? "/uploads" : "/storage", o->id, token)
		     : NULL;
}

static void put_object(struct buf *b, const struct storage_object *o)
{
	buf_char(b, '{');
	jx_key_str(b, "object", o->id);
	jx_key_str(b, "tenant", o->tenant_id);
	jx_key_str(b, "type", o->content_type);
}

/* "\\x0123…" */
static bool read_bytea(const char *text, unsigned char out[SECRET_BYTES])
{
	static const char digits[] = "0123456789abcdef";

	for (int i = 0; text && i < SECRET_BYTES; i++) {
		const char *high = strchr(digits, text[2 + 2 * i]), *low = strchr(digits, text[3 + 2 * i]);

		if (!high || !low)
			return false;
		out[i] = (unsigned char)((high - digits) << 4 | (low - digits));
	}
	return text;
}

const char *storage_upload_checksum(struct arena *a, const struct storage_object *o)
{
	unsigned char sha256[SECRET_BYTES];

	return !storage_is_local(o) && read_bytea(o->sha256, sha256) ? s3_checksum(a, sha256) : NULL;
}

static const char *bucket_upload_url(struct arena *a, const struct storage_object *o, long ttl_s)
{
	const char *checksum = storage_upload_checksum(a, o);
	const struct sigv4_pair headers[] = {
		{ "content-length", arena_fmt(a, "%lld", o->size) },
		{ "content-type", o->content_type },
		{ checksum ? "x-amz-checksum-sha256" : NULL, checksum },
		{ NULL, NULL },
	};

	return s3_sign(a, "PUT", arena_fmt(a, "incoming/%s", o->id), NULL, headers, ttl_s);
}

/* A bucket's server sends no policy, and may not say nosniff: so what could run is none of its types. */
static const char *bucket_download_url(struct arena *a, const struct storage_object *o, const char *name,
				       long ttl_s)
{
	bool is_inert = sniff_is_inert(o->content_type);
	const struct sigv4_pair query[] = {
		{ "response-cache-control", "private, max-age=3600" },
		{ "response-content-disposition", filename_disposition(a, !is_inert, name) },
		{ "response-content-type", is_inert ? o->content_type : "application/octet-stream" },
		{ NULL, NULL },
	};

	return s3_sign(a, "GET", arena_fmt(a, "objects/%s", o->id), query, NULL, ttl_s);
}

const char *storage_upload_url(struct arena *a, const struct storage_object *o, long ttl_s)
{
	struct buf b;

	if (!storage_is_local(o))
		return bucket_upload_url(a, o, ttl_s);
	buf_init(&b, a, 256);
	put_object(&b, o);
	jx_key_int(&b, "size", o->size);
	buf_char(&b, '}');
	return address(a, o, STORAGE_UPLOAD, buf_str(&b), ttl_s);
}

const char *storage_download_url(struct arena *a, const struct storage_object *o, const char *name,
				 long ttl_s)
{
	struct buf b;

	if (!storage_is_local(o))
		return bucket_download_url(a, o, name, ttl_s);
	buf_init(&b, a, 512);
	put_object(&b, o);
	jx_key_str(&b, "as", filename_disposition(a, !sniff_is_inert(o->content_type), name));
	buf_char(&b, '}');
	return address(a, o, STORAGE_DOWNLOAD, buf_str(&b), ttl_s);
}

const char *storage_resume_url(struct arena *a, const struct storage_object *o, long ttl_s)
{
	struct buf b;

	buf_init(&b, a, 256);
	put_object(&b, o);
	buf_char(&b, '}');
	return address(a, o, STORAGE_RESUME, buf_str(&b), ttl_s);
}

long long storage_arrived(struct arena *a, const struct storage_object *o)
{
	return storage_disk_arrived(a, o);
}

enum err storage_append(struct arena *a, const struct storage_object *o, long long offset, int fd,
			long long n, struct failure *why)
{
	return storage_disk_append(a, o, offset, fd, n, why);
}

bool storage_ticket(struct arena *a, const char *token, const char *id, enum storage_way way,
		    struct storage_ticket *out)
{
	const char *json = ticket_state_verify(a, purposes[way], token), *problem;
	struct json_object *tree = NULL, *size;

	if (!json || json_read(a, json, strlen(json), &tree, &problem))
		return false;
	*out = (struct storage_ticket){
		.tenant_id = json_text(json_at(tree, "tenant", NULL), 36),
		.id = json_text(json_at(tree, "object", NULL), 36),
		.content_type = json_text(json_at(tree, "type", NULL), 255),
		.disposition = way != STORAGE_DOWNLOAD ? NULL : json_text(json_at(tree, "as", NULL), 8192),
	};
	size = json_at(tree, "size", NULL);
	out->size = size ? json_object_get_int64(size) : 0;
	return out->tenant_id && out->id && out->content_type && !strcmp(out->id, id);
}
