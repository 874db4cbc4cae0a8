/*
 * What rows of workspaces and of their members show of each other.
 */
#ifndef HANDLERS_TENANCY_WORKSPACES_H
#define HANDLERS_TENANCY_WORKSPACES_H

#include "fcgi/field.h"

/* Workspace, WorkspaceBrief, and Member (workspace_members.c), for shapes in which they are objects; the last
 * as a shape, too. */
extern const struct field workspace_fields[], workspace_brief_fields[], workspace_member_fields[];
extern const struct shape workspace_shape, workspace_member_shape;

/* WorkspaceMember (workspace_members.c): a member, or who is invited and has not answered. */
extern const struct shape workspace_person_shape;

/* What the name of a time zone looks like; whether there is one PostgreSQL knows (is_timezone()). */
extern const struct pattern workspace_timezone;

/* A user as others see one there: UserBrief. */
extern const struct field user_brief_fields[];

#endif
