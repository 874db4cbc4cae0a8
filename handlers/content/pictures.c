/*
 * Pictures of members, and of accounts.
 *
 * What is sent is written anew (lib/base/picture.h): what it is its structure says, and nothing of where and
 * by whom it was taken is kept.  Its address ends with a secret, so that an <img> shows it without a token.
 */
#include "build/sql/content/pictures.h"
#include "build/sql/identity/profiles.h"
#include "build/sql/tenancy/workspace_members.h"
#include "fcgi/answer.h"
#include "fcgi/auth.h"
#include "fcgi/req.h"
#include "handlers/identity/session.h"
#include "handlers/tenancy/workspaces.h"
#include "lib/base/jx.h"
#include "lib/base/multipart.h"
#include "lib/base/picture.h"
#include "lib/crypto/secret.h"
#include "lib/crypto/ticket.h"
#include "lib/db/column.h"
#include "lib/db/rows.h"
#include "lib/host/config.h"
#include "providers/storage.h"

static enum err picture_put(struct req *rq), picture_put_mine(struct req *rq),
	picture_put_user(struct req *rq), picture_send(struct req *rq);

enum { MAX_BYTES = 5 << 20, REDIRECT_S = 300 };

/* clang-format off */
static const struct field picture_form[] = { { "file", F_FILE, F_REQUIRED }, FIELD_END };

static const struct field member_path[] = {
	{ "member_id", F_UUID, 0, .about = "of the membership", .example = "member theo" },
	FIELD_END
};
static const struct field token_path[] = {
	{ "picture_token", F_TEXT, 0, .min = 1, .max = 128 },
	FIELD_END
};

static const struct field avatar_out[] = {
	{ "avatar_url", F_URL,    0, .about = "whoever has it may look at it", .example = "https://localhost:8443/storage/pictures/AAAAAAAAcACAAAAAAAAAAQ0sQ9S2mK1u4cJ7wP5yB8nRz3TtVvXa6LhEoGfDi2Yk" },
	{ "path",       F_TEXT,   0, .about = "the same without the host", .example = "/storage/pictures/AAAAAAAAcACAAAAAAAAAAQ0sQ9S2mK1u4cJ7wP5yB8nRz3TtVvXa6LhEoGfDi2Yk" },
	{ "member",     F_OBJECT, 0, .fields = workspace_member_fields },
	FIELD_END
};

static const struct field user_path[] = {
	{ "user_id", F_UUID, F_REQUIRED, .example = "user theo" },
	FIELD_END
};
static const struct field user_avatar_out[] = {
	{ "avatar_url", F_URL,    0, .about = "whoever has it may look at it", .example = "https://localhost:8443/storage/pictures/AAAAAAAAcACAAAAAAAAAAQ0sQ9S2mK1u4cJ7wP5yB8nRz3TtVvXa6LhEoGfDi2Yk" },
	{ "path",       F_TEXT,   0, .about = "the same without the host", .example = "/storage/pictures/AAAAAAAAcACAAAAAAAAAAQ0sQ9S2mK1u4cJ7wP5yB8nRz3TtVvXa6LhEoGfDi2Yk" },
	{ "user",       F_OBJECT, 0, .fields = auth_user_fields },
	FIELD_END
};

static const struct field nothing[] = { FIELD_END };
static const struct shape avatar_shape = { "MemberAvatar", avatar_out, "Member" };
static const struct shape user_avatar_shape = { "UserAvatar", user_avatar_out, "User" };
static const struct shape picture_shape = { "Picture", nothing };
static const struct child shown[] = { { "member", &q_workspace_member_get }, { NULL } };
static const struct child shown_user[] = { { "user", &q_profile_changed }, { NULL } };
static const enum err not_kept[] = { ERR_LIMIT, ERR_AUTHORIZATION, ERR_NOT_FOUND, ERR_PAYLOAD_TOO_LARGE, ERR_UNSUPPORTED_MEDIA_TYPE, ERR_OK };

const struct route picture_routes[] = {
	{ POST, "/api/v1/members/{member_id}/avatar", "workspace.organizations.upload_member_avatar", &by_member, "Set a member's picture", "As the field file of a form: a PNG, JPEG, GIF or WebP of up to 5 MiB. "
	  "It is read to its end, and what does not keep to its format is refused (415); what it says of place, camera and person is cut out. One's own; owners and admins set anyone's.",
	  .needs = { "a picture in a form", ERR_VALIDATION }, .params = member_path, .parts = picture_form, .out = &avatar_shape, .errors = not_kept, .run = picture_put, .flags = SLOW | RAW | PRIVATE, .status = 200 },
	{ POST, "/api/v1/auth/me/avatar", "workspace.identity.upload_my_avatar", &by_user, "Set my picture", "The account's, as a member's is set; a workspace may have another one.",
	  .needs = { "a picture in a form", ERR_VALIDATION }, .parts = picture_form, .out = &user_avatar_shape, .errors = not_kept, .run = picture_put_mine, .flags = SLOW | RAW | PRIVATE, .status = 200 },
	{ POST, "/api/v1/auth/{user_id}/avatar", "workspace.identity.upload_user_avatar", &by_user, "Set a user's picture", "In the workspace that is the caller's active one, for who may change them there "
	  "(PUT /auth/{user_id}); one's own is the account's.",
	  .needs = { "a picture in a form", ERR_VALIDATION }, .params = user_path, .parts = picture_form, .out = &user_avatar_shape, .errors = not_kept, .run = picture_put_user, .flags = SLOW | RAW | PRIVATE, .status = 200 },
	{ GET, "/storage/pictures/{picture_token}", "app.storage.picture", &by_anyone, "Look at a picture",
	  .params = token_path, .out = &picture_shape, .run = picture_send, .flags = LINK | BARE | SENDS_FILE },
	ROUTE_END
};
/* clang-format on */

static const char *kept(struct req *rq, const PGresult *res, const char *column)
{
	return arena_dup(&rq->tx.arena, column_text(res, 0, column));
}

static enum err answer(struct req *rq, const struct child *whose)
{
	const struct rows_form form = { .has_micros = true };
	PGresult *res;
	struct buf *b;
	enum err rc = tx_call_family(&rq->tx, &q_picture_shown, whose, true, &res);

	if (rc)
		return rc;
	b = answer_open(rq);
	buf_char(b, '{');
	jx_key_str(b, "avatar_url", column_text(res, 0, "avatar_url"));
	jx_key_str(b, "path", column_text(res, 0, "path"));
	jx_key(b, whose->member);
	rows_object(b, rows_open(&rq->tx.arena, rq->tx.children[0], 0, &form), 0);
	buf_char(b, '}');
	return answer_close(rq);
}

/* The picture as it is to be kept, in *out: ERR_OK; ERR_PAYLOAD_TOO_LARGE, ERR_UNSUPPORTED_MEDIA_TYPE. */
static enum err take(struct req *rq, struct buf *out, const char **type)
{
	const struct part *part = req_part(rq, "file");

	if (part->n > MAX_BYTES)
		return req_fail(rq, ERR_PAYLOAD_TOO_LARGE, "a picture may have at most 5 MiB");
	buf_init(out, &rq->tx.arena, part->n + 64);
	*type = picture_clean(part->bytes, part->n, out);
	return *type ? ERR_OK
		     : req_fail_field(rq, ERR_UNSUPPORTED_MEDIA_TYPE, "file",
				      "this is no PNG, JPEG, GIF or WebP, or it is broken");
}

/* Room first, by await, then the content, then the picture, by keep: no connection is held while it is
 * written. */
static enum err put(struct req *rq, const struct query *await, const struct query *keep,
		    const struct child *whose)
{
	struct storage_object o = { .backend = storage_backend() };
	unsigned char sha256[SECRET_BYTES];
	struct failure why = { ERR_OK };
	const char *ticket, *place;
	struct buf picture;
	PGresult *res;
	enum err rc = take(rq, &picture, &o.content_type);

	if (rc)
		return rc;
	o.size = (long long)picture.n;
	req_set(rq, "backend", o.backend);
	req_set(rq, "content_type", o.content_type);
	req_set(rq, "size", arena_fmt(&rq->tx.arena, "%zu", picture.n));
	rc = tx_call(&rq->tx, await, true, &res);
	if (rc)
		return rc;
	o.tenant_id = kept(rq, res, "tenant");
	o.id = kept(rq, res, "object_id");
	req_set(rq, "object", o.id);
	if (storage_put(&rq->tx.arena, &o, picture.p, picture.n, sha256, &why)) {
		rc = tx_call(&rq->tx, &q_picture_give_up, true, &res);
		if (rc)
			return rc;
		rq->tx.fail = why;
		return why.err;
	}
	ticket = ticket_new(&rq->tx.arena, o.tenant_id);
	place = arena_fmt(&rq->tx.arena, "/storage/pictures/%s", ticket);
	req_set(rq, "place", place);
	req_set(rq, "avatar_url", arena_fmt(&rq->tx.arena, "%s%s", cfg.public_url, place));
	req_set(rq, "key_hash", secret_sha256_hex(&rq->tx.arena, ticket));
	req_set(rq, "sha256", secret_bytea(&rq->tx.arena, sha256, sizeof(sha256)));
	rc = tx_call(&rq->tx, keep, false, &res);
	return rc ? rc : answer(rq, whose);
}

static enum err picture_put(struct req *rq)
{
	return put(rq, &q_picture_await, &q_picture_put, shown);
}

static enum err picture_put_user(struct req *rq)
{
	req_set(rq, "target", req_path_text(rq, "user_id"));
	req_set(rq, "seen_in", NULL);
	return put(rq, &q_account_picture_await, &q_account_picture_put, shown_user);
}

static enum err picture_put_mine(struct req *rq)
{
	PGresult *res;
	enum err rc = tx_call(&rq->tx, &q_profile_own, false, &res);

	if (rc)
		return rc;
	req_set(rq, "target", kept(rq, res, "id"));
	req_set(rq, "seen_in", NULL);
	return put(rq, &q_account_picture_await, &q_account_picture_put, shown_user);
}

/* nginx adds that nothing is guessed, and that it may do nothing as a page. */
static enum err picture_send(struct req *rq)
{
	const char *tenant, *hash;
	struct storage_object o;
	PGresult *res;
	enum err rc;

	if (!ticket_parse(&rq->tx.arena, req_path_text(rq, "picture_token"), &tenant, &hash))
		return answer_not_found(rq, NULL);
	auth_act_for(rq, tenant);
	req_set(rq, "key_hash", hash);
	rc = tx_call(&rq->tx, &q_picture_find, true, &res);
	if (rc)
		return rc;
	if (!PQntuples(res))
		return answer_not_found(rq, NULL);
	o = (struct storage_object){ .tenant_id = kept(rq, res, "tenant"),
				     .id = kept(rq, res, "object_id"),
				     .backend = kept(rq, res, "backend"),
				     .content_type = kept(rq, res, "content_type") };
	if (!storage_is_local(&o))
		return answer_redirect(rq, storage_download_url(&rq->tx.arena, &o, "picture", REDIRECT_S));
	if (!storage_has(&rq->tx.arena, &o))
		return answer_not_found(rq, NULL);
	req_set_header(rq, "Content-Type", o.content_type);
	req_set_header(rq, "Content-Disposition", "inline");
	req_set_header(rq, "Cache-Control", "private, max-age=31536000, immutable");
	req_set_header(rq, "X-Accel-Redirect", storage_internal(&rq->tx.arena, o.id));
	answer_open(rq);
	return answer_close(rq);
}
