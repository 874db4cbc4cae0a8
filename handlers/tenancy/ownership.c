/*
 * Coming into and going out of a workspace, beyond one at a time: leaving it, handing it on, and inviting
 * many.
 */
#include <json-c/json.h>

#include "build/sql/tenancy/ownership.h"
#include "fcgi/answer.h"
#include "fcgi/req.h"
#include "handlers/mail.h"
#include "handlers/permissions.h"
#include "handlers/tenancy/member_ref.h"
#include "handlers/tenancy/workspaces.h"
#include "lib/base/array.h"
#include "lib/base/email.h"
#include "lib/base/jx.h"
#include "lib/crypto/secret.h"
#include "lib/crypto/ticket.h"
#include "lib/db/column.h"
#include "lib/host/config.h"

static enum err ownership_accept(struct req *rq), invite_many(struct req *rq);

enum { MAX_INVITED = 100 };

/* clang-format off */
static const struct field workspace_path[] = { { "workspace_id", F_UUID, F_REQUIRED, .example = "organization" }, FIELD_END };

static const struct field offer_in[] = { { "member_id", F_UUID, F_REQUIRED, .about = "who is to own it", .example = "member theo" }, FIELD_END };

static const struct field offer_out[] = {
	{ "workspace_id", F_UUID,     0 },
	{ "from_member",  F_OBJECT,   F_NULL, .fields = member_ref, .about = "the owner, who is an admin once it is accepted" },
	{ "to_member",    F_OBJECT,   F_NULL, .fields = member_ref },
	{ "expires_at",   F_DATETIME, 0 },
	{ "created_at",   F_DATETIME, 0 },
	FIELD_END
};

static const struct field accepted_out[] = {
	{ "member_id",    F_UUID, 0, .about = "the caller's" },
	{ "workspace_id", F_UUID, 0 },
	{ "role",         F_ENUM, 0, .values = workspace_roles, .example = "owner" },
	FIELD_END
};

static const struct field person_in[] = {
	{ "email",      F_EMAIL, F_REQUIRED, .example = "grace@example.com" },
	{ "role",       F_ENUM,  0, .values = workspace_roles_given, .about = "left out: member", .example = "member" },
	{ "full_name",  F_TEXT,  F_NULL, .min = 1, .max = 255, .example = "Grace Hopper" },
	{ "title",      F_TEXT,  F_NULL, .max = 255, .example = "Rigger" },
	{ "department", F_TEXT,  F_NULL, .max = 255, .example = "Boatyard" },
	{ "ends_at",    F_DATETIME, F_NULL | F_RARE, .about = "when the membership is to end; left out: it has no end", .example = "2031-01-31T17:00:00Z" },
	FIELD_END
};

static const struct field many_in[] = {
	{ "invitations", F_LIST, F_REQUIRED, .fields = person_in, .min = 1, .max = MAX_INVITED },
	{ "message",     F_TEXT, F_NULL, .max = 1000, .about = "stands in the mails", .example = "Come and build boats with us." },
	{ "send_email",  F_BOOL, 0, .def = "true", .about = "false: no mails; send them later, or pass links on" },
	FIELD_END
};

static const char *const outcomes[] = { "invited", "member", "pending", "limited", "refused", NULL };
static const struct field result_out[] = {
	{ "email",      F_EMAIL,    0, .example = "grace@example.com" },
	{ "outcome",    F_ENUM,     0, .values = outcomes, .about = "member: they are in; pending: they are invited already; limited: too many mails, or 100 wait; refused: message says why" },
	{ "member_id",  F_UUID,     F_NULL, .about = "the invitation's" },
	{ "expires_at", F_DATETIME, F_NULL },
	{ "message",    F_TEXT,     F_NULL, .about = "for people: why not" },
	FIELD_END
};
static const struct field many_out[] = {
	{ "invited", F_INT,  0, .example = "1" },
	{ "results", F_LIST, 0, .fields = result_out, .about = "one of each, in the order in which they were sent" },
	FIELD_END
};

static const struct shape offer_shape = { "OwnershipOffer", offer_out, "Workspace" };
static const struct shape accepted_shape = { "OwnershipAccepted", accepted_out, "Workspace" };
static const struct shape many_shape = { "InvitationsSent", many_out, "Invitation" };
static const enum err not_left[] = { ERR_BAD_REQUEST, ERR_NOT_FOUND, ERR_OK };
static const enum err not_offered[] = { ERR_AUTHORIZATION, ERR_NOT_FOUND, ERR_CONFLICT, ERR_OK };
static const enum err not_many[] = { ERR_AUTHORIZATION, ERR_VALIDATION, ERR_OK };

#define ONE "/api/v1/workspaces/{workspace_id}"
#define OFFER ONE "/ownership-offer"

const struct route ownership_routes[] = {
	{ POST,   ONE "/leave", "workspace.organizations.leave_workspace", &by_user, "Leave a workspace", "What they made stays. Twice is harmless; the last owner stays (400).",
	  .needs = { "another owner", ERR_BAD_REQUEST }, .params = workspace_path, .errors = not_left, .sql = &q_workspace_leave, .status = 204 },
	{ GET,    OFFER, "workspace.organizations.get_ownership_offer", &by_workspace_member, "Get the offer of a workspace", .about = "For its owners, and who it is offered to.",
	  .may = &org_read, .params = workspace_path, .out = &offer_shape, .sql = &q_ownership_get },
	{ POST,   OFFER, "workspace.organizations.create_ownership_offer", &by_workspace_member, "Offer a workspace to a member", .about = "For owners who have signed in recently. Good for 7 days, in the place of "
	  "an offer before; once it is accepted they own it, and who offered it is an admin. Up to 10 an hour are mailed.",
	  .may = &org_read, .params = workspace_path, .body = offer_in, .out = &offer_shape, .errors = not_offered, .sql = &q_ownership_offer, .flags = RECENT },
	{ DELETE, OFFER, "workspace.organizations.delete_ownership_offer", &by_workspace_member, "Withdraw the offer of a workspace, or decline it", .may = &org_read, .params = workspace_path,
	  .errors = not_offered, .sql = &q_ownership_drop, .status = 204 },
	{ POST,   OFFER "/accept", "workspace.organizations.accept_ownership_offer", &by_workspace_member, "Accept the offer of a workspace", .about = "409: who offered it owns it no more.",
	  .needs = { "to be offered it", ERR_AUTHORIZATION }, .may = &org_read, .params = workspace_path, .out = &accepted_shape, .errors = not_offered, .sql = &q_ownership_accepted,
	  .run = ownership_accept, .status = 200 },
	{ POST,   ONE "/invitations", "workspace.organizations.invite_many", &by_workspace_member, "Invite up to 100 people", .about = "Whether they have an account or not. Each by itself: what came of one stands in its "
	  "place, and does no harm to the others. Limited as single ones are.",
	  .may = &org_manage, .params = workspace_path, .body = many_in, .out = &many_shape, .errors = not_many, .sql = &q_invite_many, .run = invite_many, .status = 200 },
	ROUTE_END
};
/* clang-format on */

static enum err ownership_accept(struct req *rq)
{
	PGresult *res;
	enum err rc = tx_call(&rq->tx, &q_ownership_accept, false, &res);

	return rc ? rc : answer_rows(rq, &q_ownership_accepted);
}

static const char *text_of(struct json_object *person, const char *name)
{
	struct json_object *value = NULL;

	json_object_object_get_ex(person, name, &value);
	return value ? json_object_get_string(value) : NULL;
}

/* Who is to be invited, as arrays of the addresses, their keys, how they were sent, and the roles. */
static void set_people(struct req *rq, struct json_object *list, struct email *people)
{
	static const char *const names[] = { "emails", "keys", "spellings", "roles" };
	struct buf arrays[4];
	size_t n = json_object_array_length(list);

	for (int k = 0; k < 4; k++) {
		buf_init(&arrays[k], &rq->tx.arena, 1024);
		buf_char(&arrays[k], '{');
	}
	for (size_t i = 0; i < n; i++) {
		struct json_object *person = json_object_array_get_idx(list, i);
		const char *sent = text_of(person, "email"), *role = text_of(person, "role");

		email_find(&rq->tx.arena, sent, &people[i]);
		array_add(&arrays[0], people[i].address);
		array_add(&arrays[1], people[i].key);
		array_add(&arrays[2], sent);
		array_add(&arrays[3], role ? role : "member");
	}
	for (int k = 0; k < 4; k++) {
		buf_char(&arrays[k], '}');
		req_set(rq, names[k], buf_str(&arrays[k]));
	}
}

/* One of them as the query has it, with a token and, where mails are sent, its mail. */
static enum err add(struct req *rq, struct buf *b, struct json_object *person, const struct email *e,
		    const PGresult *mails, int i, bool is_mailed)
{
	static const char *const said[] = { "full_name", "title", "department", "ends_at" };
	const char *ticket = ticket_new(&rq->tx.arena, column_text(mails, i, "tenant")),
		   *role = text_of(person, "role"), *page = column_text(mails, i, "page");
	enum err rc = ERR_OK;

	buf_text(b, i ? ",{" : "{");
	jx_key_str(b, "email", e->address);
	jx_key_str(b, "key", e->key);
	jx_key_str(b, "sent", text_of(person, "email"));
	jx_key_str(b, "role", role ? role : "member");
	for (size_t k = 0; k < sizeof(said) / sizeof(*said); k++)
		jx_key_str(b, said[k], text_of(person, said[k]));
	jx_key_str(b, "hash", secret_sha256_hex(&rq->tx.arena, ticket));
	if (is_mailed)
		rc = mail_prepare(
			rq, &(struct mail){ .template = "invitation",
					    .tenant = column_text(mails, i, "tenant"),
					    .to = column_text(mails, i, "email"),
					    .locale = column_text(mails, i, "locale"),
					    .link = page ? page
							 : arena_fmt(&rq->tx.arena, "%s/invitation.html",
								     cfg.public_url),
					    .ticket = ticket,
					    .data = column_text(mails, i, "data") });
	jx_key(b, "mail");
	jx_str(b, is_mailed && !rc ? req_text(rq, "mail_payload") : NULL);
	buf_char(b, '}');
	return rc;
}

static enum err invite_many(struct req *rq)
{
	const char *mailed = req_text(rq, "send_email");
	struct email people[MAX_INVITED];
	struct json_object *list = NULL;
	PGresult *mails = NULL;
	struct buf b;
	enum err rc;
	int n;

	json_object_object_get_ex(rq->asked.json, "invitations", &list);
	n = (int)json_object_array_length(list);
	set_people(rq, list, people);
	rc = tx_call(&rq->tx, &q_invite_many_prepare, false, &mails);
	buf_init(&b, &rq->tx.arena, 4096);
	buf_char(&b, '[');
	for (int i = 0; i < n && !rc; i++)
		rc = add(rq, &b, json_object_array_get_idx(list, (size_t)i), &people[i], mails, i,
			 *mailed == 't');
	buf_char(&b, ']');
	if (rc)
		return rc;
	req_set(rq, "people", buf_str(&b));
	return answer_rows(rq, &q_invite_many);
}
