#include "providers/s3.h"

#include <libxml/parser.h>
#include <libxml/tree.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/base/base64.h"
#include "lib/base/buf.h"
#include "lib/host/config.h"
#include "lib/net/http.h"

enum {
	SIGNED_S = 300, /* what we ask ourselves is asked at once; clocks may differ a bit */
	BYTES_PER_MS =
		4096, /* HTTP_TIMEOUT_MS, and what moves content as long as it takes with 4 MiB a second, */
	MOST_MS = 280000,     /* within what nginx waits for the slow pool */
	MAX_ANSWER = 4 << 20, /* a page of a thousand keys, or of parts, has less than 1 MiB */
	PAGE = 1000,
};

bool s3_is_configured(void)
{
	return *cfg.s3_bucket;
}

/* Signing */

static const char *origin(struct arena *a)
{
	const char *host = strstr(cfg.s3_endpoint, "://");

	if (!host || strcmp(cfg.s3_addressing, "host") != 0)
		return cfg.s3_endpoint;
	return arena_fmt(a, "%.*s%s.%s", (int)(host + 3 - cfg.s3_endpoint), cfg.s3_endpoint, cfg.s3_bucket,
			 host + 3);
}

/* NULL: the bucket itself. */
static const char *path_of(struct arena *a, const char *key)
{
	const char *bucket = strcmp(cfg.s3_addressing, "host") != 0 ? cfg.s3_bucket : NULL;

	if (!bucket)
		return arena_fmt(a, "/%s", key ? key : "");
	return key ? arena_fmt(a, "/%s/%s", bucket, key) : arena_fmt(a, "/%s", bucket);
}

char *s3_sign(struct arena *a, const char *method, const char *key, const struct sigv4_pair *query,
	      const struct sigv4_pair *headers, long ttl_s)
{
	const struct sigv4_key by = { cfg.s3_access_key_id, cfg.s3_secret_access_key, cfg.s3_region, "s3" };
	struct sigv4_request request = { .method = method, .origin = origin(a), .path = path_of(a, key) };

	for (int i = 0; query && query[i].name; i++)
		request.query[i] = query[i];
	for (int i = 0; headers && headers[i].name; i++)
		request.headers[i] = headers[i];
	return sigv4_presign(a, &by, &request, time(NULL), ttl_s < SIGV4_MAX_TTL_S ? ttl_s : SIGV4_MAX_TTL_S);
}

char *s3_checksum(struct arena *a, const unsigned char sha256[SECRET_BYTES])
{
	char *text = arena_alloc(a, SECRET_BYTES * 2);

	text[base64_encode(sha256, SECRET_BYTES, text)] = '\0';
	return text;
}

/* What a server says, in XML */

static void free_document(void *doc)
{
	xmlFreeDoc(doc);
}

/* The root of an answer that has this name; NULL: it is another one, or none.  It lives as long as the arena.
 */
static xmlNode *root_of(struct arena *a, const struct http_answer *answer, const char *name)
{
	xmlDoc *doc = xmlReadMemory(answer->body, (int)answer->body_len, NULL, NULL,
				    XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
	xmlNode *root;

	if (!doc)
		return NULL;
	arena_defer(a, free_document, doc);
	root = xmlDocGetRootElement(doc);
	/* No answer declares a type, and entities are declared in one. */
	return !doc->intSubset && root && !strcmp((const char *)root->name, name) ? root : NULL;
}

static xmlNode *next_of(xmlNode *from, const char *name)
{
	while (from && (from->type != XML_ELEMENT_NODE || strcmp((const char *)from->name, name) != 0))
		from = from->next;
	return from;
}

/* The text of a child; "": there is none. */
static const char *text_of(struct arena *a, xmlNode *parent, const char *name)
{
	xmlNode *child = next_of(parent->children, name);
	xmlChar *text = child ? xmlNodeGetContent(child) : NULL;
	const char *copy = text ? arena_dup(a, (const char *)text) : "";

	xmlFree(text);
	return copy;
}

/* "2026-11-30T01:02:03.000Z"; what is no time is as young as can be, so that nobody removes it for its age.
 */
static time_t time_of(const char *text)
{
	struct tm tm = { 0 };

	return strptime(text, "%Y-%m-%dT%H:%M:%S", &tm) ? timegm(&tm) : time(NULL);
}

/* Asking */

struct ask {
	const char *method, *key;
	struct sigv4_pair query[SIGV4_MAX_PAIRS], headers[SIGV4_MAX_PAIRS];
	const void *body;
	int fd; /* with is_file, in its place */
	bool is_file;
	size_t n;
	long long moves; /* bytes, for its time */
	bool may_miss;   /* 404 is an answer, and says nothing of the server */
	bool (*take)(void *to, const char *p, size_t n);
	void *to;
};

static enum err failed(struct arena *a, const struct ask *ask, const struct http_answer *answer, enum err rc,
		       struct failure *why)
{
	xmlNode *root = rc ? NULL : root_of(a, answer, "Error");

	return failure_hide(why, a, rc == ERR_UNAVAILABLE ? ERR_UNAVAILABLE : ERR_EXTERNAL,
			    "bucket %s: %s %s: %s%s%s", cfg.s3_bucket, ask->method,
			    ask->key ? ask->key : "(list)",
			    rc ? answer->reason : arena_fmt(a, "status %d", answer->status), root ? " " : "",
			    root ? text_of(a, root, "Code") : "");
}

static enum err run(struct arena *a, const struct ask *ask, struct http_answer *answer, struct failure *why)
{
	const char *headers[SIGV4_MAX_PAIRS + 1] = { NULL };
	long ms = cfg.http_timeout_ms + (long)(ask->moves / BYTES_PER_MS);
	struct http_call call = {
		.provider = "s3",
		.method = ask->method,
		.headers = headers,
		.body = ask->body,
		.body_fd = ask->fd,
		.body_len = ask->n,
		.flags = ask->is_file ? HTTP_FILE : 0,
		.max_bytes = ask->take ? (size_t)ask->moves + 1 : MAX_ANSWER,
		.timeout_ms = ms < MOST_MS ? ms : MOST_MS,
		.take = ask->take,
		.to = ask->to,
	};
	enum err rc;

	*answer = (struct http_answer){ 0 };
	if (!s3_is_configured())
		return failure_hide(why, a, ERR_UNAVAILABLE, "it is in a bucket, and S3_BUCKET is not set");
	call.url = s3_sign(a, ask->method, ask->key, ask->query, ask->headers, SIGNED_S);
	for (int i = 0; ask->headers[i].name; i++)
		headers[i] = arena_fmt(a, "%s: %s", ask->headers[i].name, ask->headers[i].value);
	rc = http_do(a, &call, answer);
	if (rc == ERR_CLIENT_CLOSED && ask->take)
		return ERR_OK;
	if (rc)
		return failed(a, ask, answer, rc, why);
	if (answer->status / 100 == 2)
		return ERR_OK;
	if (answer->status == 404 && ask->may_miss)
		return ERR_NOT_FOUND;
	return answer->status == 412 ? ERR_PRECONDITION : failed(a, ask, answer, ERR_OK, why);
}

/* The same, where the answer is a document, which is NULL of what failed: a copy that failed half-way says so
 * with status 200. */
static enum err run_for(struct arena *a, const struct ask *ask, const char *root, xmlNode **out,
			struct failure *why)
{
	struct http_answer answer;
	enum err rc = run(a, ask, &answer, why);

	*out = NULL;
	if (rc)
		return rc;
	*out = root_of(a, &answer, root);
	return *out ? ERR_OK : failed(a, ask, &answer, ERR_OK, why);
}

enum err s3_head(struct arena *a, const char *key, struct s3_object *out, struct failure *why)
{
	const struct ask ask = { .method = "HEAD",
				 .key = key,
				 .headers = { { "x-amz-checksum-mode", "ENABLED" } },
				 .may_miss = true };
	const char *length, *etag, *checksum, *kind;
	struct http_answer answer;
	enum err rc = run(a, &ask, &answer, why);

	if (rc)
		return rc;
	length = http_header(&answer, "Content-Length");
	etag = http_header(&answer, "ETag");
	checksum = http_header(&answer, "x-amz-checksum-sha256");
	kind = http_header(&answer, "x-amz-checksum-type");
	if (!length || !etag)
		return failure_hide(why, a, ERR_EXTERNAL, "bucket %s: HEAD %s has no length, or no ETag",
				    cfg.s3_bucket, key);
	*out = (struct s3_object){ .size = strtoll(length, NULL, 10), .etag = etag };
	/* Of an object that came in parts it would be one of the parts' checksums. */
	out->has_sha256 = checksum && strlen(checksum) == 44 && (!kind || !strcmp(kind, "FULL_OBJECT")) &&
			  base64_decode(checksum, 44, out->sha256) == SECRET_BYTES;
	return ERR_OK;
}

enum err s3_read(struct arena *a, const char *key, const char *etag, long long bytes, bool is_whole,
		 bool (*take)(void *to, const char *p, size_t n), void *to, struct failure *why)
{
	struct ask ask = {
		.method = "GET", .key = key, .moves = bytes, .may_miss = true, .take = take, .to = to
	};
	struct http_answer answer;
	int n = 0;

	ask.headers[n++] = (struct sigv4_pair){ "if-match", etag };
	if (!is_whole)
		ask.headers[n++] = (struct sigv4_pair){ "range", arena_fmt(a, "bytes=0-%lld", bytes - 1) };
	return run(a, &ask, &answer, why);
}

enum err s3_put(struct arena *a, const char *key, const char *content_type,
		const unsigned char sha256[SECRET_BYTES], const char *bytes, size_t n, struct failure *why)
{
	const struct ask ask = {
		.method = "PUT",
		.key = key,
		.headers = { { "content-type", content_type },
			     { "x-amz-checksum-sha256", s3_checksum(a, sha256) } },
		.body = bytes,
		.n = n,
		.moves = (long long)n,
	};
	struct http_answer answer;

	return run(a, &ask, &answer, why);
}

enum err s3_put_file(struct arena *a, const char *key, const char *content_type,
		     const unsigned char sha256[SECRET_BYTES], int fd, size_t n, struct failure *why)
{
	const struct ask ask = {
		.method = "PUT",
		.key = key,
		.headers = { { "content-type", content_type },
			     { "x-amz-checksum-sha256", s3_checksum(a, sha256) } },
		.fd = fd,
		.is_file = true,
		.n = n,
		.moves = (long long)n,
	};
	struct http_answer answer;

	return run(a, &ask, &answer, why);
}

enum err s3_copy(struct arena *a, const char *from, const char *to, const char *etag, long long bytes,
		 struct failure *why)
{
	const struct ask ask = {
		.method = "PUT",
		.key = to,
		.headers = { { "content-type",
			       "application/octet-stream" }, /* of no body, but curl would add its own */
			     { "x-amz-copy-source", arena_fmt(a, "/%s/%s", cfg.s3_bucket, from) },
			     { "x-amz-copy-source-if-match", etag } },
		.body = "",
		.moves = bytes,
		.may_miss = true,
	};
	xmlNode *root;

	return run_for(a, &ask, "CopyObjectResult", &root, why);
}

enum err s3_delete(struct arena *a, const char *key, struct failure *why)
{
	const struct ask ask = { .method = "DELETE", .key = key, .may_miss = true };
	struct http_answer answer;
	enum err rc = run(a, &ask, &answer, why);

	return rc == ERR_NOT_FOUND ? ERR_OK : rc;
}

/* Listing.  A page's memory is its own: there may be a million keys. */

enum err s3_list(struct arena *a, const char *prefix, const char *after,
		 bool (*fn)(void *to, const char *key, time_t changed_at), void *to, struct failure *why)
{
	bool goes_on = true;
	enum err rc = ERR_OK;
	char *behind = arena_alloc(a, 1024 + 1);
	struct arena page;

	snprintf(behind, 1025, "%s", after ? after : "");
	arena_init(&page, 64 * 1024);
	while (goes_on) {
		struct ask ask = { .method = "GET",
				   .query = { { "list-type", "2" },
					      { "prefix", prefix },
					      { "max-keys", arena_fmt(&page, "%d", PAGE) } } };
		struct failure own = { ERR_OK };
		xmlNode *root, *key;

		/* Not a token: it goes on behind what was seen, also where that was removed meanwhile. */
		if (*behind)
			ask.query[3] = (struct sigv4_pair){ "start-after", behind };
		rc = run_for(&page, &ask, "ListBucketResult", &root, &own);
		if (!root) {
			failure_hide(why, a, rc = own.err, "%s", failure_reason(&own));
			break;
		}
		goes_on = !strcmp(text_of(&page, root, "IsTruncated"), "true");
		key = next_of(root->children, "Contents");
		goes_on = goes_on && key;
		for (; key; key = next_of(key->next, "Contents")) {
			const char *name = text_of(&page, key, "Key");

			snprintf(behind, 1025, "%s", name);
			if (!fn(to, name, time_of(text_of(&page, key, "LastModified")))) {
				goes_on = false;
				break;
			}
		}
		arena_reset(&page);
	}
	arena_release(&page);
	return rc;
}

/* Parts */

enum err s3_parts_begin(struct arena *a, const char *key, const char *content_type, const char **upload_id,
			struct failure *why)
{
	const struct ask ask = { .method = "POST",
				 .key = key,
				 .query = { { "uploads", "" } },
				 .headers = { { "content-type", content_type } } };
	xmlNode *root;
	enum err rc = run_for(a, &ask, "InitiateMultipartUploadResult", &root, why);

	if (!root)
		return rc;
	*upload_id = text_of(a, root, "UploadId");
	return **upload_id ? ERR_OK
			   : failure_hide(why, a, ERR_EXTERNAL, "bucket %s: an upload without an id",
					  cfg.s3_bucket);
}

enum err s3_parts_list(struct arena *a, const char *key, const char *upload_id, struct s3_part *parts,
		       int *nparts, struct failure *why)
{
	const char *marker = "0";

	for (*nparts = 0;;) {
		const struct ask ask = {
			.method = "GET",
			.key = key,
			.query = { { "uploadId", upload_id }, { "part-number-marker", marker } },
			.may_miss = true,
		};
		xmlNode *root, *part;
		enum err rc = run_for(a, &ask, "ListPartsResult", &root, why);

		if (!root)
			return rc;
		part = next_of(root->children, "Part");
		if (!part)
			return ERR_OK;
		for (; part; part = next_of(part->next, "Part")) {
			marker = text_of(a, part, "PartNumber");
			if (*nparts == S3_MAX_PARTS)
				return failure_hide(why, a, ERR_EXTERNAL, "bucket %s: more than %d parts",
						    cfg.s3_bucket, S3_MAX_PARTS);
			parts[(*nparts)++] = (struct s3_part){
				.number = (int)strtol(marker, NULL, 10),
				.size = strtoll(text_of(a, part, "Size"), NULL, 10),
				.etag = text_of(a, part, "ETag"),
			};
		}
		if (strcmp(text_of(a, root, "IsTruncated"), "true") != 0)
			return ERR_OK;
	}
}

enum err s3_parts_complete(struct arena *a, const char *key, const char *upload_id,
			   const struct s3_part *parts, int nparts, long long bytes, struct failure *why)
{
	struct ask ask = { .method = "POST",
			   .key = key,
			   .query = { { "uploadId", upload_id } },
			   .headers = { { "content-type", "application/xml" } },
			   .moves = bytes,
			   .may_miss = true };
	struct buf b;
	xmlNode *root;

	buf_init(&b, a, 128 + (size_t)nparts * 96);
	buf_text(&b, "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">");
	for (int i = 0; i < nparts; i++) {
		xmlChar *etag = xmlEncodeSpecialChars(NULL, BAD_CAST parts[i].etag);

		buf_fmt(&b, "<Part><PartNumber>%d</PartNumber><ETag>%s</ETag></Part>", parts[i].number,
			(const char *)etag);
		xmlFree(etag);
	}
	buf_text(&b, "</CompleteMultipartUpload>");
	ask.body = b.p;
	ask.n = b.n;
	return run_for(a, &ask, "CompleteMultipartUploadResult", &root, why);
}

enum err s3_parts_abort(struct arena *a, const char *key, const char *upload_id, struct failure *why)
{
	const struct ask ask = {
		.method = "DELETE", .key = key, .query = { { "uploadId", upload_id } }, .may_miss = true
	};
	struct http_answer answer;
	enum err rc = run(a, &ask, &answer, why);

	return rc == ERR_NOT_FOUND ? ERR_OK : rc;
}

enum err s3_parts_uploads(struct arena *a, const char *prefix,
			  bool (*fn)(void *to, const char *key, const char *upload_id, time_t begun_at),
			  void *to, struct failure *why)
{
	const char *key = "", *id = "";

	for (;;) {
		const struct ask ask = { .method = "GET",
					 .query = { { "uploads", "" },
						    { "prefix", prefix },
						    { "key-marker", key },
						    { "upload-id-marker", id } } };
		xmlNode *root, *upload;
		enum err rc = run_for(a, &ask, "ListMultipartUploadsResult", &root, why);

		if (!root)
			return rc;
		for (upload = next_of(root->children, "Upload"); upload;
		     upload = next_of(upload->next, "Upload"))
			if (!fn(to, text_of(a, upload, "Key"), text_of(a, upload, "UploadId"),
				time_of(text_of(a, upload, "Initiated"))))
				return ERR_OK;
		key = text_of(a, root, "NextKeyMarker");
		id = text_of(a, root, "NextUploadIdMarker");
		if (strcmp(text_of(a, root, "IsTruncated"), "true") != 0 || !*key)
			return ERR_OK;
	}
}
