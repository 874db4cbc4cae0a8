/*
 * The member of a workspace that something else names: its owner, its author.
 * The query has the column from member_ref() (sql/functions/tenancy/workspaces.sql).
 */
#ifndef HANDLERS_MEMBER_REF_H
#define HANDLERS_MEMBER_REF_H

#include "fcgi/field.h"

/* For an F_OBJECT, with F_NULL where who is named may have left. */
extern const struct field member_ref[];

#endif
