#include "providers/storage.h"

#include <json-c/json.h>
#include <string.h>

#include "lib/base/buf.h"
#include "lib/base/filename.h"
#include "lib/base/json.h"
#include "lib/base/jx.h"
#include "lib/base/sniff.h"
#include "lib/crypto/ticket.h"
#include "lib/host/config.h"

static const char upload[] = "storage upload", download[] = "storage download";

const char *storage_backend(void)
{
	return "local";
}

long long storage_max_bytes(void)
{
	return (long long)cfg.storage_max_mib << 20;
}

static const char *address(struct arena *a, const struct storage_object *o, const char *purpose,
			   const char *json, long ttl_s)
{
	const char *token = ticket_state_sign(a, purpose, json, (int)ttl_s);

	return token ? arena_fmt(a, "%s/storage/%s?token=%s", cfg.public_url, o->id, token) : NULL;
}

static void put_object(struct buf *b, const struct storage_object *o)
{
	buf_char(b, '{');
	jx_key_str(b, "object", o->id);
	jx_key_str(b, "tenant", o->tenant_id);
	jx_key_str(b, "type", o->content_type);
}

const char *storage_upload_url(struct arena *a, const struct storage_object *o, long ttl_s)
{
	struct buf b;

	buf_init(&b, a, 256);
	put_object(&b, o);
	jx_key_int(&b, "size", o->size);
	buf_char(&b, '}');
	return address(a, o, upload, buf_str(&b), ttl_s);
}

const char *storage_download_url(struct arena *a, const struct storage_object *o, const char *name,
				 long ttl_s)
{
	struct buf b;

	buf_init(&b, a, 512);
	put_object(&b, o);
	jx_key_str(&b, "as", filename_disposition(a, !sniff_is_inert(o->content_type), name));
	buf_char(&b, '}');
	return address(a, o, download, buf_str(&b), ttl_s);
}

bool storage_ticket(struct arena *a, const char *token, const char *id, bool is_upload,
		    struct storage_ticket *out)
{
	const char *json = ticket_state_verify(a, is_upload ? upload : download, token), *problem;
	struct json_object *tree = NULL, *size;

	if (!json || json_read(a, json, strlen(json), &tree, &problem))
		return false;
	*out = (struct storage_ticket){
		.tenant_id = json_text(json_at(tree, "tenant", NULL), 36),
		.id = json_text(json_at(tree, "object", NULL), 36),
		.content_type = json_text(json_at(tree, "type", NULL), 255),
		.disposition = is_upload ? NULL : json_text(json_at(tree, "as", NULL), 8192),
	};
	size = json_at(tree, "size", NULL);
	out->size = size ? json_object_get_int64(size) : 0;
	return out->tenant_id && out->id && out->content_type && !strcmp(out->id, id);
}
