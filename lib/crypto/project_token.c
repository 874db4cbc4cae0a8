#include "lib/crypto/project_token.h"

#include <json-c/json.h>
#include <string.h>

#include "lib/base/json.h"
#include "lib/base/jx.h"
#include "lib/base/uuid.h"
#include "lib/crypto/tok.h"

char *project_token_sign(struct arena *a, const struct project_token *t)
{
	struct buf b;

	buf_init(&b, a, 512);
	buf_char(&b, '{');
	jx_key_str(&b, "sub", t->project_id);
	jx_key_str(&b, "tid", t->tenant_id);
	jx_key_str(&b, "project_id", t->project_id);
	jx_key_str(&b, "project_prem_status", t->plan);
	jx_key_str(&b, "key_id", t->key_id);
	jx_key_int(&b, "iat", t->iat), jx_key_int(&b, "exp", t->exp);
	buf_char(&b, '}');
	return tok_sign_for(a, PROJECT_TOKEN_AUDIENCE, buf_str(&b));
}

static const char *uuid_at(struct arena *a, struct json_object *payload, const char *name)
{
	const char *text = json_text(json_at(payload, name, NULL), UUID_CHARS);
	unsigned char bytes[UUID_BYTES];

	return text && uuid_bytes(text, bytes) ? uuid_text(a, bytes) : NULL;
}

enum err project_token_verify(struct arena *a, const char *text, struct project_token *out,
			      struct failure *why)
{
	const char *plan, *key;
	struct json_object *payload;
	struct claims claims;
	enum err rc = tok_open_own(a, text, PROJECT_TOKEN_AUDIENCE, &claims, &payload, why);

	if (rc)
		return rc;
	plan = json_text(json_at(payload, "project_prem_status", NULL), 31);
	key = json_text(json_at(payload, "key_id", NULL), PROJECT_TOKEN_KEY_ID_CHARS);
	*out = (struct project_token){
		.tenant_id = uuid_at(a, payload, "tid"),
		.project_id = uuid_at(a, payload, "project_id"),
		.plan = plan ? arena_dup(a, plan) : NULL,
		.key_id = key ? arena_dup(a, key) : NULL,
		.iat = claims.iat,
		.exp = claims.exp,
	};
	if (out->tenant_id && out->project_id && out->plan && out->key_id)
		return ERR_OK;
	failure_set(why, a, ERR_AUTHENTICATION, NULL, "the token is not valid");
	why->reason = "it names no project, tenant, plan and key";
	return ERR_AUTHENTICATION;
}
