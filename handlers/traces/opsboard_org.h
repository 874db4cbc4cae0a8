/*
 * What the rows of the observability surface share of organizations and projects.
 */
#ifndef HANDLERS_TRACES_OPSBOARD_ORG_H
#define HANDLERS_TRACES_OPSBOARD_ORG_H

#include "fcgi/field.h"

struct req;

/* An organization as the surface shows it: org_shown() of sql/functions/traces/trace_projects.sql. */
extern const struct field opsboard_org[];

/* Of a path with a {project_id}: that is a project which spans are sent to. */
extern const struct field opsboard_project_path[];

extern const char *const opsboard_plans[], *const opsboard_roles[];

/* Give queries :members and :projects, what a free organization may have (FREEPLAN_MAX_USERS,
 * FREEPLAN_MAX_PROJECTS). */
void opsboard_org_limits(struct req *rq);

#endif
