/*
 * Callers: who may use an endpoint, as data.  A row names one of them.
 *
 * A caller says which credentials are asked for, where the request takes place,
 * and which door asks whether they still stand: a named query that runs in front
 * of the request's first statement, in the same round trip (sql/queries/runtime/
 * doors.sql).  fcgi/auth.c reads the credentials and gives the door what it asks
 * for.
 *
 * Another kind of caller is another constant here, and a door where what it has
 * to prove is new.
 */
#ifndef ASHLAR_CALLER_H
#define ASHLAR_CALLER_H

#include <stdbool.h>

#include "lib/db/query.h"

/* X-API-Key */
enum caller_key {
	KEY_UNREAD, /* not even read */
	KEY_BESIDE, /* not asked for: a secret one that comes has to be good all the same, a public one opens
		       nothing, and only says whose page this is */
	KEY_TAKEN,  /* it may be left out; one that comes has to be good, and says whose tenant this is */
	KEY_NEEDED,
	KEY_SECRET,    /* needed, and a secret one */
	KEY_WORKSPACE, /* needed, and a workspace's, which no other row takes */
};

/* A bearer token */
enum caller_token {
	TOKEN_UNREAD, /* so that an expired one, which client libraries send along, does no harm */
	TOKEN_TAKEN,  /* it may be left out; one that comes is checked, and its user is the caller */
	TOKEN_NEEDED,
	TOKEN_OR_KEY,    /* needed, unless there is a secret key, beside which it is not read */
	TOKEN_OR_SECRET, /* needed, unless there is a secret key, beside which its user is the caller */
};

/* Whose roles count, and where .may of a row is asked. */
enum caller_place {
	IN_TENANT,       /* users.role; a secret key alone is an editor */
	IN_ORGANIZATION, /* that the path's {organization_id}, or the caller's .names, names: 404 without one,
			    403 for who is no member */
	IN_WORKSPACE,    /* the organization that X-Workspace-Id names, else the token ("wid"), else the
			    user's default one: 400 without one, 403 where the user is no active member of the
			    header's, known or not.  The queries have @workspace and @member.  The header may
			    be another one (.header), which is not to be left out */
};

struct caller {
	const char *name; /* for the reference and the tests */
	enum caller_key key;
	enum caller_token token;
	enum caller_place place;
	bool is_team;    /* the token is a team user's, of the dashboard */
	bool is_project; /* a program that sends traces: with a project's token or API key, and nothing else
			    is read */
	bool has_test_mode;          /* X-Test-Mode is read */
	bool key_is_bearer;          /* a secret key may be sent as the bearer */
	bool takes_organization_key; /* which is its maker there: enter_organization_key is its door */
	bool needs_person;           /* a tenant's own key, which is nobody, will not do */
	bool is_installation;   /* it is about the whole installation: the default tenant's, and no other's */
	const char *least_role; /* of the token's user */
	const char *names;      /* IN_ORGANIZATION: the path's parameter, where it is not organization_id */
	const char *header;     /* IN_WORKSPACE: the header, where it is not X-Workspace-Id; it is needed */
	const struct query *sign_up; /* where the door says that the user is new on the surface: what has them
					be there (auth_provision); or NULL */
	const struct query *door;    /* for who has a token */
	const struct query *key_door; /* for a key alone */
	const char *security;         /* OpenAPI's security requirements, without the brackets */
	const char *about; /* the same in a sentence, with what they cannot say, for the reference */
};

extern const struct caller by_anyone, /* credentials are not even read */
	by_guest,                     /* anyone; a user's token that comes along is checked */
	by_user,                      /* a user's token */
	by_admin,                     /* whose role is admin or superadmin */
	by_member,                    /* of a workspace */
	by_workspace_member,          /* the same, of the one that the path names: workspace_id */
	by_key,                       /* any API key; no token is read */
	by_anyone_with_key,           /* the same, but it may be left out: then it is the default tenant */
	by_key_with_user,             /* a token that comes along is checked, and its user is the caller */
	by_key_and_user,              /* both are needed */
	by_user_with_key,         /* the same, but the key may be left out: then it is the token's tenant */
	by_key_and_member,        /* both, and X-Organization-Id names an organization that the user is in */
	by_secret_key_and_member, /* the same with a secret key */
	by_organization_member,   /* both, and the user is a member of the path's organization */
	by_opsboard,   /* a user's token alone, on the observability surface: who is new there gets what it
			  takes */
	by_org_member, /* a user's token alone; the path calls the organization org_id */
	by_project,    /* a project's token, or its API key, as the bearer or as X-API-Key; the queries have
			  @project */
	by_secret_key, /* no token is read */
	by_secret_key_and_user,
	by_workspace_key, /* a workspace's: the queries have @workspace and no @member */
	by_key_or_user,   /* a secret key alone, or any key with a user's token */
	by_user_or_key,   /* a user's token, or a secret key alone, a tenant's or an organization's, which may
			     be   the bearer itself */
	by_person, /* the same without a tenant's key, for what makes the caller somebody's owner or member */
	by_own_session, /* by_person, of which the reference says nothing of keys: they get as far as being
		       told what they lack */
	by_signed_in, /* by_user, where the surface's roles count: for what no key may do for who has made it
		       */
	by_gateway,   /* as by_key_or_user, and the key may be the bearer: for other people's client libraries
		       */
	by_holder,    /* of any credentials, or none: who asks what those are for */
	by_operator,  /* by_user_or_key, of the default tenant */
	by_operator_session, /* the same for what no key has the role for: they get as far as being told so */
	by_team,             /* a team user's token */
	by_team_admin,       /* whose team role is admin or owner */
	by_team_any_mode,    /* by_team, for what has no test mode */
	by_team_admin_any_mode;

/* May there be, and is there perhaps, a user? */
bool caller_may_be_user(const struct caller *c);

/* IN_ORGANIZATION: the name of the path's parameter. */
const char *caller_organization(const struct caller *c);

/* IN_WORKSPACE: the header that names it. */
const char *caller_header(const struct caller *c);

/* Is an API key asked for? */
bool caller_takes_key(const struct caller *c);

/* Does one of its doors ask for that, by the name that it has in the query? */
bool caller_is_asked(const struct caller *c, const char *name);

#endif
