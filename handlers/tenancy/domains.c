/*
 * Domains of a workspace, and joining one by one's address.
 *
 * A domain is the workspace's when a TXT record in its DNS says so, which is looked for here without a
 * transaction, and regularly by worker/domains.c. What comes of it is domain_checked()'s
 * (sql/functions/tenancy/workspace_domains.sql).
 */
#include <string.h>

#include "build/sql/tenancy/domains.h"
#include "fcgi/answer.h"
#include "fcgi/req.h"
#include "handlers/permissions.h"
#include "handlers/tenancy/workspaces.h"
#include "lib/base/email.h"
#include "lib/base/mail_domain.h"
#include "lib/db/column.h"
#include "lib/db/db.h"
#include "lib/net/dns.h"

static enum err domain_create(struct req *rq), domain_verify(struct req *rq);

enum { MAX_DOMAIN = 245 }; /* of a name's 253, which _ashlar. has a part of */

/* clang-format off */
static const struct pattern domain_form = { "^[^@/:* ._]+(\\.[^@/:* ._]+)+\\.?$", "a domain that addresses end with, such as boats.example," };

static const char *const statuses[] = { "pending", "verified", "lapsed", NULL };
static const char *const outcomes[] = { "found", "missing", "unanswered", NULL };
static const char *const roles[] = { "member", "viewer", NULL };

static const struct field domain[] = {
	{ "id",              F_UUID,     OUT },
	{ "domain",          F_TEXT,     OUT | NEW | NEEDED, .min = 1, .max = 255, .fits = &domain_form, .about = "behind the @ of its people's addresses, and letter by letter: no subdomains", .example = "boats.example" },
	{ "status",          F_ENUM,     OUT, .values = statuses, .about = "lapsed: its record was gone for days" },
	{ "joining_enabled", F_BOOL,     OUT | SET, .about = "who has proved an address of it may join; only of a verified one" },
	{ "role",            F_ENUM,     OUT | NEW | SET, .values = roles, .def = "member", .about = "which they have then" },
	{ "record_name",     F_TEXT,     OUT, .about = "of the TXT record to set in its DNS, and to leave there", .example = "_ashlar.boats.example" },
	{ "record_value",    F_TEXT,     OUT, .example = "ashlar-verify=0c7d6c0fb0a34d5f9a3f4f3f5f0b1c2d" },
	{ "last_check",      F_ENUM,     OUT | F_NULL, .values = outcomes, .about = "what the last look for it has found; unanswered: DNS did not say" },
	{ "checked_at",      F_DATETIME, OUT | F_NULL },
	{ "verified_at",     F_DATETIME, OUT | F_NULL },
	{ "created_at",      F_DATETIME, OUT },
	{ "updated_at",      F_DATETIME, OUT },
	FIELD_END
};

static const struct field workspace_path[] = { { "workspace_id", F_UUID, F_REQUIRED, .example = "organization" }, FIELD_END };
static const struct field domain_path[] = {
	{ "workspace_id", F_UUID, F_REQUIRED, .example = "organization" },
	{ "domain_id", F_UUID, F_REQUIRED, .example = "domain" },
	FIELD_END
};

static const struct field joinable_out[] = {
	FIELDS_OF(workspace_brief_fields),
	{ "domain",       F_TEXT, 0, .about = "of the caller's address, by which they may join", .example = "harbour-works.example" },
	{ "role",         F_ENUM, 0, .values = roles },
	{ "member_count", F_INT,  0, .example = "3" },
	FIELD_END
};

static const struct field joined_out[] = {
	{ "message",   F_TEXT,   0, .about = "for people" },
	{ "workspace", F_OBJECT, 0, .fields = workspace_brief_fields },
	{ "member_id", F_UUID,   0 },
	{ "role",      F_ENUM,   0, .values = workspace_roles },
	FIELD_END
};

static const struct shape domain_shape = { "WorkspaceDomain", domain, "Domain" };
static const struct shape joinable_shape = { "JoinableWorkspace", joinable_out, "Workspace" };
static const struct shape joined_shape = { "WorkspaceJoined", joined_out, "Workspace" };

static const struct constraint constraints[] = {
	{ "workspace_domains_domain_unique",   ERR_CONFLICT, "domain", "this domain is there already" },
	{ "workspace_domains_verified_unique", ERR_CONFLICT, "domain", "another workspace has verified this domain: it has to give it up first" },
	{ NULL }
};
static const enum err not_claimed[] = { ERR_AUTHORIZATION, ERR_VALIDATION, ERR_CONFLICT, ERR_UNAVAILABLE, ERR_OK };
static const enum err not_verified[] = { ERR_CONFLICT, ERR_OK };
static const enum err not_joined[] = { ERR_AUTHORIZATION, ERR_NOT_FOUND, ERR_CONFLICT, ERR_GONE, ERR_OK };

#define BASE "/api/v1/workspaces"
#define ALL BASE "/{workspace_id}/domains"
#define ONE ALL "/{domain_id}"

const struct route domain_routes[] = {
	{ GET,    ALL, "workspace.organizations.list_domains", &by_workspace_member, "List a workspace's domains", .about = "By name, 20 at most. For owners and admins, as all of these.",
	  .may = &org_manage, .params = workspace_path, .out = &domain_shape, .list = &unwrapped, .items = "domains", .sql = &q_domain_list },
	{ POST,   ALL, "workspace.organizations.create_domain", &by_workspace_member, "Claim a domain", .about = "Set the TXT record of the answer in its DNS, then verify it. Never one that anybody gets an "
	  "address at, such as gmail.com (422).",
	  .may = &org_manage, .params = workspace_path, .body = domain, .as = NEW, .out = &domain_shape, .constraints = constraints, .errors = not_claimed,
	  .sql = &q_domain_create, .run = domain_create },
	{ GET,    ONE, "workspace.organizations.get_domain", &by_workspace_member, "Get a domain", .may = &org_manage, .params = domain_path, .out = &domain_shape, .sql = &q_domain_get },
	{ PUT,    ONE, "workspace.organizations.update_domain", &by_workspace_member, "Let people join by a domain, or no more", .about = "Who has joined stays.",
	  .may = &org_manage, .params = domain_path, .body = domain, .as = SET, .out = &domain_shape, .errors = not_verified, .sql = &q_domain_update },
	{ POST,   ONE "/verify", "workspace.organizations.verify_domain", &by_workspace_member, "Look for a domain's record", .about = "Found, it is verified; last_check says what was found. A domain is one workspace's "
	  "(409). Up to 60 looks an hour (429); behind that it is looked for daily: missing for 3 days it is lapsed, nobody joins by it, and the owners get a mail.",
	  .may = &org_manage, .params = domain_path, .out = &domain_shape, .constraints = constraints, .errors = not_verified, .sql = &q_domain_verify, .run = domain_verify,
	  .flags = SLOW | PRIVATE, .status = 200 }, /* who asks again wants another look */
	{ DELETE, ONE, "workspace.organizations.delete_domain", &by_workspace_member, "Give a domain up", .about = "Who has joined by it stays.",
	  .may = &org_manage, .params = domain_path, .out = &domain_shape, .sql = &q_domain_delete, .status = 204 },
	{ GET,    BASE "/joinable", "workspace.organizations.list_joinable_workspaces", &by_user, "List the workspaces that one may join", .about = "By the domain of the caller's address, which they have verified.",
	  .out = &joinable_shape, .list = &unwrapped, .items = "workspaces", .sql = &q_workspace_joinable },
	{ POST,   BASE "/{workspace_id}/join", "workspace.organizations.join_workspace", &by_user, "Join a workspace by one's address", .about = "An invitation that waits for the caller is accepted by it, and decides the role. "
	  "Who was taken out is to be invited (403).",
	  .needs = { "a verified address of one of its domains", ERR_NOT_FOUND }, .params = workspace_path, .out = &joined_shape, .errors = not_joined, .sql = &q_workspace_join, .status = 200 },
	ROUTE_END
};
/* clang-format on */

/*
 * The domain as DNS has it: in lower case, as A-labels, without a dot at its end.  NULL: it is none that
 * people have addresses at, but an address, a name of this machine, or no name at all.
 */
static const char *read_domain(struct arena *a, const char *text)
{
	size_t n = strlen(text), label = 0, labels = 1;
	bool is_number = true;
	const char *name;

	if (n && text[n - 1] == '.')
		n--;
	name = email_domain(a, arena_dup_n(a, text, n));
	if (!name || strlen(name) > MAX_DOMAIN)
		return NULL;
	for (const char *p = name;; p++) {
		if (*p && *p != '.') {
			if (!strchr("abcdefghijklmnopqrstuvwxyz0123456789-", *p) || ++label > 63)
				return NULL;
			if (*p == '-' && (label == 1 || !p[1] || p[1] == '.'))
				return NULL;
			is_number = is_number && strchr("0123456789", *p);
			continue;
		}
		if (!label)
			return NULL;
		if (!*p)
			return labels > 1 && !is_number ? name : NULL;
		labels++;
		label = 0;
		is_number = true;
	}
}

static enum err domain_create(struct req *rq)
{
	const char *name = read_domain(&rq->tx.arena, req_text(rq, "domain"));

	if (!name)
		return req_fail_field(rq, ERR_VALIDATION, "domain",
				      "domain must be one that addresses end with, such as boats.example");
	if (mail_domain_is_public(name))
		return req_fail_field(rq, ERR_VALIDATION, "domain",
				      "anybody gets an address at %s: nobody joins by it", name);
	if (!mail_domain_is_known())
		return req_fail(rq, ERR_UNAVAILABLE,
				"this program was built without the list of domains that anybody gets an "
				"address at: build it where npm can fetch that");
	req_set(rq, "domain", name);
	return answer_rows(rq, &q_domain_create);
}

static enum err domain_verify(struct req *rq)
{
	const char *name, *value;
	PGresult *res;
	enum err rc = tx_call(&rq->tx, &q_domain_look, true, &res);

	if (rc)
		return rc;
	if (!PQntuples(res))
		return answer_not_found(rq, req_path_text(rq, "domain_id"));
	if (column_int(res, 0, "retry_s"))
		return req_retry_after(rq, column_int(res, 0, "retry_s"));
	name = arena_dup(&rq->tx.arena, column_text(res, 0, "name"));
	value = arena_dup(&rq->tx.arena, column_text(res, 0, "value"));
	db_close();
	req_set(rq, "outcome", outcomes[dns_txt(&rq->tx.arena, name, value)]);
	return answer_rows(rq, &q_domain_verify);
}
