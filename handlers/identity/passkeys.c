/*
 * Passkeys: signing in with a device's key instead of a password (WebAuthn).
 *
 * Each ceremony is two calls.  The first gives out a challenge and what the
 * browser is to do with it; the second takes what the browser got from the
 * authenticator.  A challenge belongs to a tenant, a purpose and, where one is
 * known, a user; it is good once and for five minutes, and used up by a
 * failure, too.
 *
 * The domain that a passkey is bound to (rpId) is the tenant's setting, or the
 * operator's, or the host of the page that asks.  Which pages may ask is what
 * the API key says.
 */
#include <json-c/json.h>
#include <openssl/crypto.h>

#include "build/sql/identity/passkeys.h"
#include "fcgi/answer.h"
#include "fcgi/req.h"
#include "handlers/identity/decoys.h"
#include "handlers/identity/session.h"
#include "handlers/shapes.h"
#include "lib/base/base64.h"
#include "lib/crypto/secret.h"
#include "lib/crypto/ticket.h"
#include "lib/crypto/webauthn.h"
#include "lib/db/column.h"
#include "lib/host/config.h"

/* clang-format off */
static const struct field registration_response[] = {
	{ "clientDataJSON",    F_TEXT, F_REQUIRED, .about = "base64url, as everything binary", .example = "eyJ0eXBlIjoid2ViYXV0aG4uY3JlYXRlIn0" },
	{ "attestationObject", F_TEXT, F_REQUIRED, .example = "o2NmbXRkbm9uZWdhdHRTdG10oGhhdXRoRGF0YVik" },
	{ "transports",        F_LIST, F_NULL, .max = 16, .item = F_TEXT, .about = "ways to reach the device: internal, hybrid, usb, …",
	  .example = "[\"internal\"]" },
	FIELD_END
};

static const struct field registration_credential[] = {
	{ "id",       F_TEXT,   F_REQUIRED, .example = "KEDetxZcUfinhVi6Za5nZQ" },
	{ "rawId",    F_TEXT,   F_REQUIRED, .example = "KEDetxZcUfinhVi6Za5nZQ" },
	{ "type",     F_TEXT,   F_REQUIRED, .about = "public-key", .example = "public-key" },
	{ "response", F_OBJECT, F_REQUIRED, .fields = registration_response },
	FIELD_END
};

static const struct field registration_in[] = {
	{ "credential", F_OBJECT, F_REQUIRED, .fields = registration_credential,
	  .about = "what navigator.credentials.create() returned, as toJSON() writes it" },
	{ "name",       F_TEXT,   F_NULL, .min = 1, .max = 100, .about = "for the user to tell it from others", .example = "My phone" },
	FIELD_END
};

static const struct field authentication_options_in[] = {
	{ "email", F_EMAIL, F_NULL | F_KNOWN, .about = "whose passkeys to list; an unknown address is answered alike. Without one the browser offers those it has", .example = "ada@example.com" },
	FIELD_END
};

static const struct field authentication_response[] = {
	{ "clientDataJSON",    F_TEXT, F_REQUIRED, .example = "eyJ0eXBlIjoid2ViYXV0aG4uZ2V0In0" },
	{ "authenticatorData", F_TEXT, F_REQUIRED, .example = "SZYN5YgOjGh0NBcPZHZgW4_krrmihjLHmVzzuoMdl2MFAAAAAQ" },
	{ "signature",         F_TEXT, F_REQUIRED, .example = "MEUCIQDNrG4p" },
	{ "userHandle",        F_TEXT, F_NULL, .example = "AZt2yqgAcAAAAAAA" },
	FIELD_END
};

static const struct field authentication_credential[] = {
	{ "id",       F_TEXT,   F_REQUIRED, .example = "KEDetxZcUfinhVi6Za5nZQ" },
	{ "rawId",    F_TEXT,   F_REQUIRED, .example = "KEDetxZcUfinhVi6Za5nZQ" },
	{ "type",     F_TEXT,   F_REQUIRED, .about = "public-key", .example = "public-key" },
	{ "response", F_OBJECT, F_REQUIRED, .fields = authentication_response },
	FIELD_END
};

static const struct field authentication_in[] = {
	{ "credential", F_OBJECT, F_REQUIRED, .fields = authentication_credential,
	  .about = "what navigator.credentials.get() returned, as toJSON() writes it" },
	FIELD_END
};

static const struct field passkey_path[] = {
	{ "passkey", F_UUID, F_REQUIRED },
	FIELD_END
};

static const struct field passkey[] = {
	{ "id",           F_UUID,     OUT },
	{ "name",         F_TEXT,     OUT | SET | F_REQUIRED, .min = 1, .max = 100, .example = "My phone" },
	{ "rp_id",        F_TEXT,     OUT, .about = "the domain it is bound to", .example = "example.com" },
	{ "transports",   F_LIST,     OUT, .item = F_TEXT, .example = "[\"internal\",\"hybrid\"]" },
	{ "is_backed_up", F_BOOL,     OUT, .about = "it is synchronized between devices" },
	{ "created_at",   F_DATETIME, OUT },
	{ "last_used_at", F_DATETIME, OUT | F_NULL },
	FIELD_END
};

static const struct shape passkey_shape = { "Passkey", passkey };

static const struct field descriptor_out[] = {
	{ "type",       F_TEXT, 0 },
	{ "id",         F_TEXT, 0 },
	{ "transports", F_LIST, 0, .item = F_TEXT },
	FIELD_END
};

static const struct field rp_out[] = {
	{ "id",   F_TEXT, 0, .example = "example.com" },
	{ "name", F_TEXT, 0 },
	FIELD_END
};

static const struct field user_out[] = {
	{ "id",          F_TEXT, 0 },
	{ "name",        F_TEXT, 0, .example = "ada@example.com" },
	{ "displayName", F_TEXT, 0, .example = "Ada Lovelace" },
	FIELD_END
};

static const struct field parameter_out[] = {
	{ "type", F_TEXT, 0 },
	{ "alg",  F_INT,  F_SIGNED, .example = "-7" },
	FIELD_END
};

static const struct field selection_out[] = {
	{ "residentKey",        F_TEXT, 0 },
	{ "requireResidentKey", F_BOOL, 0 },
	{ "userVerification",   F_TEXT, 0 },
	FIELD_END
};

static const struct field creation_out[] = {
	{ "rp",                     F_OBJECT, 0, .fields = rp_out },
	{ "user",                   F_OBJECT, 0, .fields = user_out },
	{ "challenge",              F_TEXT,   0 },
	{ "pubKeyCredParams",       F_LIST,   0, .fields = parameter_out },
	{ "timeout",                F_INT,    0, .about = "milliseconds", .example = "300000" },
	{ "excludeCredentials",     F_LIST,   0, .fields = descriptor_out },
	{ "authenticatorSelection", F_OBJECT, 0, .fields = selection_out },
	{ "attestation",            F_TEXT,   0, .example = "none" },
	FIELD_END
};

static const struct field request_out[] = {
	{ "challenge",        F_TEXT, 0 },
	{ "timeout",          F_INT,  0, .about = "milliseconds", .example = "300000" },
	{ "rpId",             F_TEXT, 0, .example = "example.com" },
	{ "allowCredentials", F_LIST, 0, .fields = descriptor_out },
	{ "userVerification", F_TEXT, 0, .example = "required" },
	FIELD_END
};

static const struct shape creation_shape = { "PublicKeyCredentialCreationOptions", creation_out };
static const struct shape request_shape = { "PublicKeyCredentialRequestOptions", request_out };
/* clang-format on */

/*
 * Pages and domains
 */

/* The origins of the configuration: our own, and those of CORS_ORIGINS.  "*" names none. */
static const char *configured_origins(struct arena *a)
{
	const char *own = cfg.public_url, *path = strchr(strstr(own, "://") + 3, '/');
	struct buf b;

	buf_init(&b, a, 256);
	buf_add(&b, own, path ? (size_t)(path - own) : strlen(own));
	for (const char *const *o = cfg.cors_origins; *o; o++)
		if (strcmp(*o, "*"))
			buf_fmt(&b, " %s", *o);
	return buf_str(&b);
}

/*
 * The domain for a ceremony that the page of this request begins.  The tenant's
 * setting binds, and the operator's where it fits.
 */
static enum err rp_id_for(struct req *rq, const char **rp_id, const char **tenant)
{
	const char *origin = req_header(rq, "Origin"), *set;
	PGresult *res;
	enum err rc;

	req_set(rq, "origin", origin);
	req_set(rq, "configured", configured_origins(&rq->tx.arena));
	rc = tx_call(&rq->tx, &q_passkey_party, false, &res);
	if (rc)
		return rc;
	if (!column_bool(res, 0, "is_allowed"))
		return req_fail(rq, ERR_ORIGIN, "pages of this origin may not use passkeys here");
	if (!origin)
		origin = column_text(res, 0, "first_origin");
	*tenant = column_text(res, 0, "tenant_id");
	set = column_text(res, 0, "rp_id");
	if (set)
		*rp_id = set;
	else if (webauthn_rp_covers(cfg.webauthn_rp_id, origin))
		*rp_id = cfg.webauthn_rp_id;
	else
		*rp_id = webauthn_host(&rq->tx.arena, origin);
	if (!*rp_id || !webauthn_rp_covers(*rp_id, origin))
		return req_fail(rq, ERR_ORIGIN, "passkeys%s%s need a page of that domain, served over https",
				set ? " of " : "", set ? set : "");
	req_set(rq, "rp_id", *rp_id);
	return ERR_OK;
}

static void set_challenge(struct req *rq)
{
	unsigned char challenge[WEBAUTHN_CHALLENGE_BYTES];

	secret_random(challenge, sizeof(challenge));
	req_set(rq, "challenge", secret_bytea(&rq->tx.arena, challenge, sizeof(challenge)));
}

/*
 * What clients send
 */

static struct json_object *member(struct json_object *object, const char *name)
{
	struct json_object *value = NULL;

	json_object_object_get_ex(object, name, &value);
	return value;
}

/* A member that is base64url; nothing when it is none or null. */
static struct webauthn_bytes bytes_of(struct req *rq, struct json_object *object, const char *name)
{
	struct json_object *value = member(object, name);
	struct webauthn_bytes none = { NULL, 0 };
	unsigned char *out;
	ssize_t n;

	if (!value)
		return none;
	n = json_object_get_string_len(value);
	out = arena_alloc_raw(&rq->tx.arena, (size_t)n + 1);
	n = base64_url_decode(json_object_get_string(value), (size_t)n, out);
	return n >= 0 ? (struct webauthn_bytes){ out, (size_t)n } : none;
}

static bool same(struct webauthn_bytes a, struct webauthn_bytes b)
{
	return a.n == b.n && a.n && !CRYPTO_memcmp(a.p, b.p, a.n);
}

/* What is wrong is told to a caller who may call, and to no other. */
static enum err unfit(struct req *rq, const char *problem)
{
	enum err rc = tx_enter(&rq->tx);

	return rc ? rc : req_fail_field(rq, ERR_VALIDATION, "credential", "credential: %s", problem);
}

/*
 * The parts that both kinds of credential have.  On ERR_OK the challenge, the
 * origin and what is configured are set for the query that takes the challenge.
 */
static enum err credential_read(struct req *rq, enum webauthn_ceremony ceremony,
				struct json_object **response, struct webauthn_bytes *id,
				struct webauthn_client *client)
{
	struct json_object *credential = req_value(rq, "credential")->json;
	const char *problem;

	*response = member(credential, "response");
	*id = bytes_of(rq, credential, "rawId");
	if (strcmp(json_object_get_string(member(credential, "type")), "public-key"))
		return unfit(rq, "type must be public-key");
	if (!id->n || id->n > WEBAUTHN_MAX_CREDENTIAL || !same(*id, bytes_of(rq, credential, "id")))
		return unfit(rq, "id and rawId must be the same 1 to 1023 bytes in base64url");
	if (webauthn_client_read(&rq->tx.arena, ceremony, bytes_of(rq, *response, "clientDataJSON"), client,
				 &problem))
		return unfit(rq, problem);
	req_set(rq, "challenge", secret_bytea(&rq->tx.arena, client->challenge, sizeof(client->challenge)));
	req_set(rq, "origin", client->origin);
	req_set(rq, "configured", configured_origins(&rq->tx.arena));
	return ERR_OK;
}

/*
 * Registration
 */

static enum err registration_options(struct req *rq)
{
	const char *rp_id, *tenant;
	enum err rc = rp_id_for(rq, &rp_id, &tenant);

	if (rc)
		return rc;
	set_challenge(rq);
	return answer_rows(rq, &q_passkey_registration_options);
}

/* Ways to reach the device, as far as they look like words: they are handed back to browsers. */
static const char *transports_of(struct req *rq, struct json_object *response)
{
	struct json_object *list = member(response, "transports");
	struct buf b;
	size_t i;

	buf_init(&b, &rq->tx.arena, 64);
	for (i = 0; list && i < json_object_array_length(list); i++) {
		const char *word = json_object_get_string(json_object_array_get_idx(list, i));

		if (*word && strlen(word) <= 32 &&
		    !word[strspn(word, "abcdefghijklmnopqrstuvwxyz0123456789-")])
			buf_fmt(&b, "%s%s", b.n ? " " : "", word);
	}
	return buf_str(&b);
}

static enum err registration(struct req *rq)
{
	struct webauthn_credential made;
	struct json_object *response;
	struct webauthn_client client = { 0 };
	struct webauthn_bytes id;
	const char *problem;
	PGresult *res;
	enum err rc;

	rc = credential_read(rq, WEBAUTHN_CREATE, &response, &id, &client);
	if (!rc)
		rc = tx_call(&rq->tx, &q_passkey_registration_take, false, &res);
	if (rc)
		return rc;
	/* From here on a refusal stays: the challenge is used up. */
	if (!PQntuples(res))
		return req_refuse(rq, ERR_TICKET,
				  "the challenge is unknown, used or expired; ask for new options");
	if (!column_bool(res, 0, "is_allowed"))
		return req_refuse(rq, ERR_ORIGIN, "pages of this origin may not use passkeys here");
	if (!webauthn_rp_covers(column_text(res, 0, "rp_id"), client.origin))
		return req_refuse(rq, ERR_ORIGIN, "the page is of another domain than the challenge");
	if (webauthn_register(column_text(res, 0, "rp_id"), bytes_of(rq, response, "attestationObject"),
			      &made, &problem))
		return req_refuse_field(rq, ERR_VALIDATION, "credential", "credential: %s", problem);
	if (!same(made.id, id))
		return req_refuse_field(rq, ERR_VALIDATION, "credential",
					"credential: rawId is another credential's");
	req_set(rq, "rp_id", column_text(res, 0, "rp_id"));
	req_set(rq, "credential_id", secret_bytea(&rq->tx.arena, made.id.p, made.id.n));
	req_set(rq, "public_key", secret_bytea(&rq->tx.arena, made.public_key.p, made.public_key.n));
	req_set(rq, "sign_count", arena_fmt(&rq->tx.arena, "%u", made.counter));
	req_set(rq, "transports", transports_of(rq, response));
	req_set(rq, "aaguid", uuid_text(&rq->tx.arena, made.aaguid));
	req_set(rq, "is_backup_eligible", made.may_be_backed_up ? "true" : "false");
	req_set(rq, "is_backed_up", made.is_backed_up ? "true" : "false");
	return answer_rows(rq, &q_passkey_create);
}

/*
 * Authentication
 */

static enum err authentication_options(struct req *rq)
{
	const char *rp_id, *tenant, *email = req_text(rq, "email");
	enum err rc = rp_id_for(rq, &rp_id, &tenant);

	if (rc)
		return rc;
	set_challenge(rq);
	req_set(rq, "decoys", email ? decoys(rq, tenant, rp_id, email) : NULL);
	return answer_rows(rq, &q_passkey_authentication_options);
}

/*
 * A sign-in was refused, of subject's passkey or an unknown one; is_wrong: for what was
 * wrong with it, which is counted.  The transaction may have ended.
 */
static enum err failed(struct req *rq, const char *subject, const char *reason, bool is_wrong)
{
	PGresult *res;
	enum err rc;

	req_set(rq, "subject", subject);
	req_set(rq, "reason", reason);
	req_set(rq, "is_wrong", is_wrong ? "true" : "false");
	rc = tx_call(&rq->tx, &q_passkey_failed, false, &res);
	if (!rc && column_int(res, 0, "wait_s"))
		return req_retry_after(rq, column_int(res, 0, "wait_s"));
	return rc;
}

/* The client learns that it is not in, the audit log and ours learn why. */
static enum err reject(struct req *rq, const char *subject, const char *reason)
{
	enum err rc = failed(rq, subject, reason, true);

	if (rc)
		return rc;
	req_refuse(rq, ERR_CREDENTIALS, "the passkey was not accepted");
	rq->tx.fail.reason = reason;
	return ERR_CREDENTIALS;
}

/*
 * The user's id as the authenticator has it, which it got when the passkey was
 * made.  Level 2 (7.2) wants it where the challenge was not for a user.
 */
static bool is_owner(struct req *rq, struct json_object *response, const char *owner, bool is_known)
{
	struct webauthn_bytes handle = bytes_of(rq, response, "userHandle");
	unsigned char id[16];

	if (!member(response, "userHandle"))
		return is_known;
	return uuid_bytes(owner, id) && same(handle, (struct webauthn_bytes){ id, sizeof(id) });
}

static enum err authentication(struct req *rq)
{
	struct webauthn_assertion used;
	struct json_object *response;
	struct webauthn_client client = { 0 };
	struct webauthn_bytes id, key;
	struct tokens tokens;
	const char *problem, *subject;
	PGresult *res;
	enum err rc;

	rc = credential_read(rq, WEBAUTHN_GET, &response, &id, &client);
	if (rc)
		return rc;
	req_set(rq, "credential_id", secret_bytea(&rq->tx.arena, id.p, id.n));
	rc = tx_call(&rq->tx, &q_passkey_authentication_take, false, &res);
	if (rc)
		return rc;
	/* From here on a refusal stays: the challenge is used up. */
	if (!PQntuples(res))
		return req_refuse(rq, ERR_TICKET,
				  "the challenge is unknown, used or expired; ask for new options");
	if (column_int(res, 0, "wait_s"))
		return req_retry_after(rq, column_int(res, 0, "wait_s"));
	if (!column_bool(res, 0, "is_allowed"))
		return req_refuse(rq, ERR_ORIGIN, "pages of this origin may not use passkeys here");
	if (!webauthn_rp_covers(column_text(res, 0, "rp_id"), client.origin))
		return req_refuse(rq, ERR_ORIGIN, "the page is of another domain than the challenge");

	subject = column_text(res, 0, "subject");
	if (!column_text(res, 0, "passkey"))
		return reject(rq, NULL, "no such passkey");
	if (!is_owner(rq, response, column_text(res, 0, "owner"), column_bool(res, 0, "is_known")))
		return reject(rq, subject, "the user handle is not the owner's");
	key.p = (const unsigned char *)PQgetvalue(res, 0, PQfnumber(res, "public_key"));
	key.n = (size_t)PQgetlength(res, 0, PQfnumber(res, "public_key"));
	if (webauthn_assert(&client, column_text(res, 0, "rp_id"),
			    bytes_of(rq, response, "authenticatorData"), bytes_of(rq, response, "signature"),
			    key, &used, &problem))
		return reject(rq, subject, problem);
	/* Whose passkey it is has been proved: why they may not come in is no secret from them. */
	if (!column_bool(res, 0, "is_active")) {
		rc = failed(rq, subject, "not active", false);
		return rc ? rc : req_refuse(rq, ERR_ACCOUNT_INACTIVE, NULL);
	}
	if (!column_bool(res, 0, "is_verified")) {
		rc = failed(rq, subject, "not verified", false);
		if (rc)
			return rc;
		req_refuse(rq, ERR_EMAIL_UNVERIFIED, NULL);
		rq->tx.fail.more = "\"verification_required\":true";
		return ERR_EMAIL_UNVERIFIED;
	}

	req_set(rq, "passkey", column_text(res, 0, "passkey"));
	req_set(rq, "sign_count", arena_fmt(&rq->tx.arena, "%u", used.counter));
	req_set(rq, "is_backed_up", used.is_backed_up ? "true" : "false");
	req_set(rq, "ttl_s", arena_fmt(&rq->tx.arena, "%d", SESSION_TTL_S));
	rc = tx_call(&rq->tx, &q_passkey_sign_in, true, &res);
	if (rc)
		return rc;
	if (!PQntuples(res))
		return reject(rq, subject,
			      "the signature counter did not grow: there is a copy of the passkey");
	rc = session_read(rq, res, &tokens);
	return rc ? rc : session_answer(rq, &tokens);
}

static const enum err begin_errors[] = { ERR_ORIGIN, ERR_CONFLICT, ERR_AUTHORIZATION, ERR_OK };
static const enum err create_errors[] = { ERR_TICKET, ERR_ORIGIN, ERR_CONFLICT, ERR_AUTHORIZATION, ERR_OK };
static const enum err request_errors[] = { ERR_ORIGIN, ERR_OK };
static const enum err login_errors[] = { ERR_CREDENTIALS,      ERR_TICKET,           ERR_ORIGIN,
					 ERR_ACCOUNT_INACTIVE, ERR_EMAIL_UNVERIFIED, ERR_OK };
static const enum err delete_errors[] = { ERR_AUTHORIZATION, ERR_OK };

/* clang-format off */
static const struct constraint passkey_constraints[] = {
	{ "passkeys_credential_unique", ERR_CONFLICT, "credential", "this passkey is registered already" },
	{ NULL },
};

#define BASE "/api/v1/auth/passkeys"

const struct route passkey_routes[] = {
	{ POST,   BASE "/registration/options",   "platform.identity.passkey_registration_options", &by_user_with_key, "Begin to add a passkey",
	  .about = "The answer goes to PublicKeyCredential.parseCreationOptionsFromJSON() as it is. Its challenge is good once, "
		   "for five minutes. A user has at most 20 passkeys.",
	  .out = &creation_shape, .errors = begin_errors, .status = 200, .run = registration_options, .flags = PRIVATE | RECENT },
	{ POST,   BASE "/registration",           "platform.identity.passkey_create", &by_user_with_key, "Add a passkey",
	  .about = "Keys for ES256 and RS256. The user must have been verified, by fingerprint or PIN. An attestation is not "
		   "asked for, and one that comes is not looked at.",
	  .needs = { "what a browser makes of the options", ERR_VALIDATION }, .body = registration_in, .out = &passkey_shape, .errors = create_errors, .constraints = passkey_constraints, .run = registration,
	  .max_body = 65536 },
	{ POST,   BASE "/authentication/options", "platform.identity.passkey_authentication_options", &by_anyone_with_key, "Begin to sign in with a passkey",
	  .about = "The answer goes to PublicKeyCredential.parseRequestOptionsFromJSON() as it is. Its challenge is good once, "
		   "for five minutes.",
	  .body = authentication_options_in, .out = &request_shape, .errors = request_errors, .status = 200, .run = authentication_options, .flags = PRIVATE },
	{ POST,   BASE "/authentication",         "platform.identity.passkey_login", &by_anyone_with_key, "Sign in with a passkey",
	  .about = "A passkey counts as two factors, so no second one is asked for. Whatever is wrong with it, the answer is the "
		   "same 401; the audit log has the reason. A signature counter that does not grow is refused: somebody has a copy. "
		   "50 that are wrong in 15 minutes from one address, then none for 15 minutes.",
	  .needs = { "what a browser makes of the options", ERR_VALIDATION }, .body = authentication_in, .out = &token_shape, .errors = login_errors, .status = 200, .run = authentication, .max_body = 65536,
	  .flags = PRIVATE },
	{ GET,    BASE,                           "platform.identity.passkey_list", &by_user_with_key, "List my passkeys",
	  .about = "The oldest first.", .out = &passkey_shape, .list = &unwrapped, .items = "passkeys", .sql = &q_passkey_list },
	{ PATCH,  BASE "/{passkey}",              "platform.identity.passkey_update", &by_user_with_key, "Rename a passkey",
	  .params = passkey_path, .body = passkey, .as = SET, .out = &passkey_shape, .sql = &q_passkey_update },
	{ DELETE, BASE "/{passkey}",              "platform.identity.passkey_delete", &by_user_with_key, "Remove a passkey",
	  .about = "Nobody signs in with it any more; sessions that began with it go on. The device keeps its half until the "
		   "user deletes it there.",
	  .params = passkey_path, .out = &message_shape, .errors = delete_errors, .status = 200, .sql = &q_passkey_delete },
	ROUTE_END
};
/* clang-format on */
