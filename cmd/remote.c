#include "cmd/remote.h"

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <stdarg.h>
#include <strings.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fcgi/version.h"
#include "lib/base/buf.h"
#include "lib/base/json.h"
#include "lib/base/jx.h"

const char *remote_profile = "default", *remote_url, *remote_ca;

enum { PROFILE_MOST = 65536, TIMEOUT_S = 60, CONNECT_S = 10 };

static struct remote remote;

/* As commands end that cannot go on; they include this, and not the other way round. */
static _Noreturn void die(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static _Noreturn void die(const char *fmt, ...)
{
	va_list ap;

	fputs("ashlar: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(1);
}

/* The profile's file */

static const char *directory(void)
{
	const char *base = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");

	if (base && *base == '/')
		return arena_fmt(&remote.arena, "%s/ashlar", base);
	if (!home || *home != '/')
		die("HOME must be set: profiles are kept below it");
	return arena_fmt(&remote.arena, "%s/.config/ashlar", home);
}

static const char *profile_file(void)
{
	for (const char *p = remote_profile; *p; p++)
		if (!((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9') ||
		      *p == '-' || *p == '_'))
			die("--profile: a name has letters, digits, - and _");
	if (!*remote_profile || strlen(remote_profile) > 64)
		die("--profile: a name has 1 to 64 letters");
	return arena_fmt(&remote.arena, "%s/%s.json", directory(), remote_profile);
}

static void read_profile(void)
{
	const char *file = profile_file(), *problem = "it is no object";
	int fd = open(file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	char *text = arena_alloc(&remote.arena, PROFILE_MOST + 1);
	struct json_object *o;
	struct stat st;
	ssize_t n;

	if (fd < 0 && errno == ENOENT)
		return;
	if (fd < 0 || fstat(fd, &st))
		die("%s: %s", file, strerror(errno));
	if (!S_ISREG(st.st_mode) || st.st_uid != geteuid() || st.st_mode & 077)
		die("%s must be a file of yours that nobody else may read (chmod 600)", file);
	n = read(fd, text, PROFILE_MOST);
	close(fd);
	if (n < 0 || json_read(&remote.arena, text, (size_t)n, &o, &problem) ||
	    !json_object_is_type(o, json_type_object))
		die("%s: %s", file, problem);
	remote.url = json_text(json_at(o, "url", NULL), 2048);
	remote.ca = json_text(json_at(o, "ca", NULL), 4096);
	remote.key = json_text(json_at(o, "key", NULL), 256);
	remote.access_token = json_text(json_at(o, "access_token", NULL), 16384);
	remote.refresh_token = json_text(json_at(o, "refresh_token", NULL), 16384);
	remote.is_team = json_object_get_boolean(json_at(o, "is_team", NULL));
	remote.is_kept = true;
}

static void make_directory(void)
{
	char *path = arena_dup(&remote.arena, directory());

	for (char *p = path + 1; (p = strchr(p, '/')); *p++ = '/') {
		*p = '\0';
		mkdir(path, 0700);
	}
	if (mkdir(path, 0700) && errno != EEXIST)
		die("%s: %s", path, strerror(errno));
}

void remote_keep(struct remote *r)
{
	const char *file = profile_file();
	const char *temporary = arena_fmt(&r->arena, "%s.%ld", file, (long)getpid());
	struct buf b;
	FILE *f;
	int fd;

	make_directory();
	buf_init(&b, &r->arena, 4096);
	buf_char(&b, '{');
	jx_key_str(&b, "url", r->url);
	jx_key_str(&b, "ca", r->ca);
	jx_key_str(&b, "key", r->key);
	jx_key_str(&b, "access_token", r->access_token);
	jx_key_str(&b, "refresh_token", r->refresh_token);
	jx_key(&b, "is_team"), jx_bool(&b, r->is_team);
	buf_text(&b, "}\n");
	fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	f = fd < 0 ? NULL : fdopen(fd, "w");
	if (!f || fwrite(b.p, 1, b.n, f) != b.n || fclose(f) || rename(temporary, file)) {
		unlink(temporary);
		die("%s: %s", file, strerror(errno));
	}
	r->is_kept = true;
}

bool remote_forget(void)
{
	const char *file = profile_file();

	if (!unlink(file))
		return true;
	if (errno != ENOENT)
		die("%s: %s", file, strerror(errno));
	return false;
}

/* Options, environment, profile */

static const char *first(const char *a, const char *b, const char *c)
{
	return a && *a ? a : b && *b ? b : c;
}

static void release(void)
{
	arena_release(&remote.arena);
}

struct remote *remote_open(void)
{
	const char *key = getenv("ASHLAR_API_KEY"), *token = getenv("ASHLAR_TOKEN");
	size_t n;

	arena_init(&remote.arena, 16384);
	atexit(release);
	read_profile();
	if ((key && *key) || (token && *token)) {
		remote.key = first(key, NULL, NULL);
		remote.access_token = first(token, NULL, NULL);
		remote.refresh_token = NULL;
		remote.is_team = false;
	}
	remote.url =
		first(remote_url, getenv("ASHLAR_URL"), first(remote.url, NULL, "https://localhost:8443"));
	remote.ca = first(remote_ca, getenv("ASHLAR_CA"), remote.ca);
	if (strncmp(remote.url, "https://", 8) != 0 && strncmp(remote.url, "http://localhost", 16) != 0 &&
	    strncmp(remote.url, "http://127.0.0.1", 16) != 0)
		die("--url must begin with https://: a key or a token is sent along");
	n = strlen(remote.url);
	remote.url = arena_dup_n(&remote.arena, remote.url, n - (remote.url[n - 1] == '/'));
	curl_global_init(CURL_GLOBAL_DEFAULT);
	return &remote;
}

bool remote_has_credentials(const struct remote *r)
{
	return r->key || r->access_token;
}

/* Calls */

struct got {
	const struct remote_call *call;
	CURL *curl;
	struct buf body;
};

static size_t take_piece(char *p, size_t size, size_t n, void *to)
{
	struct got *got = to;
	long status = 0;

	curl_easy_getinfo(got->curl, CURLINFO_RESPONSE_CODE, &status);
	if (got->call->take && status / 100 == 2)
		return got->call->take(got->call->to, p, size * n) ? size * n : 0;
	buf_add(&got->body, p, size * n);
	return size * n;
}

static void add_header(struct curl_slist **list, struct arena *a, const char *name, const char *value)
{
	if (value)
		*list = curl_slist_append(*list, arena_fmt(a, "%s: %s", name, value));
}

static struct curl_slist *headers_of(const struct remote *r, struct arena *a, const struct remote_call *call)
{
	struct curl_slist *list = NULL;

	add_header(&list, a, "Accept", call->accept ? call->accept : "application/json");
	add_header(&list, a, "X-API-Key", r->key);
	add_header(&list, a, "Authorization",
		   r->access_token ? arena_fmt(a, "Bearer %s", r->access_token) : NULL);
	add_header(&list, a, "Content-Type", call->body ? "application/json" : NULL);
	add_header(&list, a, "X-Workspace-Id", call->workspace);
	add_header(&list, a, "Idempotency-Key", call->idempotency_key);
	add_header(&list, a, "Expect", "");
	for (const char *const *h = call->headers; h && *h; h++)
		list = curl_slist_append(list, *h);
	return list;
}

static const char *header_of(CURL *curl, struct arena *a, const char *name)
{
	struct curl_header *h;

	return curl_easy_header(curl, name, 0, CURLH_HEADER, -1, &h) == CURLHE_OK ? arena_dup(a, h->value)
										  : "";
}

static bool once(struct remote *r, struct arena *a, const struct remote_call *call, struct remote_answer *out)
{
	struct curl_slist *list = headers_of(r, a, call);
	char problem[CURL_ERROR_SIZE] = "";
	CURL *curl = curl_easy_init();
	struct got got = { .call = call, .curl = curl };
	CURLcode rc;
	long status = 0;

	buf_init(&got.body, a, 8192);
	curl_easy_setopt(curl, CURLOPT_URL, arena_fmt(a, "%s%s", r->url, call->target));
	curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "https,http");
	curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, call->method);
	curl_easy_setopt(curl, CURLOPT_NOBODY, !strcmp(call->method, "HEAD") ? 1L : 0L);
	if (call->body) {
		curl_easy_setopt(curl, CURLOPT_POSTFIELDS, call->body);
		curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, (long)strlen(call->body));
	}
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, list);
	curl_easy_setopt(curl, CURLOPT_USERAGENT, "ashlar/" ASHLAR_VERSION);
	curl_easy_setopt(curl, CURLOPT_ACCEPT_ENCODING, call->take ? NULL : "");
	curl_easy_setopt(curl, CURLOPT_TIMEOUT, call->timeout_s ? call->timeout_s : (long)TIMEOUT_S);
	curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_S);
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_piece);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, &got);
	curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, problem);
	if (r->ca)
		curl_easy_setopt(curl, CURLOPT_CAINFO, r->ca);
	rc = curl_easy_perform(curl);
	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
	*out = (struct remote_answer){
		.status = rc == CURLE_OK || rc == CURLE_WRITE_ERROR ? (int)status : 0,
		.body = buf_str(&got.body),
		.n = got.body.n,
		.type = header_of(curl, a, "Content-Type"),
		.request_id = header_of(curl, a, "X-Request-ID"),
	};
	if (!out->status)
		out->problem = arena_fmt(a, "%s: %s", r->url, *problem ? problem : curl_easy_strerror(rc));
	curl_slist_free_all(list);
	curl_easy_cleanup(curl);
	return out->status != 0;
}

static const char *text_of(struct remote *r, struct json_object *o, const char *name)
{
	const char *text = json_text(json_at(o, name, NULL), 16384);

	return text ? arena_dup(&r->arena, text) : NULL;
}

/* Another process may have done so meanwhile: then its session is as good. */
static bool refresh(struct remote *r, struct arena *a)
{
	const char *lock_file = r->is_kept ? arena_fmt(a, "%s.lock", profile_file()) : NULL;
	const char *token = r->access_token;
	int lock = lock_file ? open(lock_file, O_RDWR | O_CREAT | O_CLOEXEC, 0600) : -1;
	struct remote_call call = { .method = "POST",
				    .target = r->is_team ? "/api/v1/tenant-auth/refresh"
							 : "/api/v1/auth/refresh" };
	struct json_object *o;
	struct remote_answer got;
	struct remote anonymous;
	const char *problem;
	struct buf body;
	bool ok = false;

	if (lock >= 0 && !flock(lock, LOCK_EX)) {
		const char *url = r->url, *ca = r->ca;

		read_profile();
		r->url = url;
		r->ca = ca;
		if (r->access_token && strcmp(r->access_token, token) != 0)
			ok = true;
	}
	buf_init(&body, a, 512);
	buf_char(&body, '{');
	jx_key_str(&body, "refresh_token", r->refresh_token);
	buf_char(&body, '}');
	call.body = buf_str(&body);
	anonymous = *r;
	anonymous.access_token = NULL;
	if (!ok && r->refresh_token && once(&anonymous, a, &call, &got) && got.status == 200 &&
	    !json_read(a, got.body, got.n, &o, &problem) && text_of(r, o, "access_token")) {
		r->access_token = text_of(r, o, "access_token");
		if (text_of(r, o, "refresh_token"))
			r->refresh_token = text_of(r, o, "refresh_token");
		if (r->is_kept)
			remote_keep(r);
		ok = true;
	}
	if (lock >= 0)
		close(lock);
	return ok;
}

bool remote_call(struct remote *r, struct arena *a, const struct remote_call *call, struct remote_answer *out)
{
	bool answered = once(r, a, call, out);

	if (answered && out->status == 401 && r->refresh_token && refresh(r, a))
		return once(r, a, call, out);
	return answered;
}
