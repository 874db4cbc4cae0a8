/*
 * Events: what webhooks tell of, as data.
 *
 * The list is handlers/events.c.  Code that validates the types that an endpoint
 * subscribes to, lists them, or prints them for the reference reads it there.
 * The events themselves are made in SQL, by the triggers of
 * sql/functions/integrations/announcements.sql; t/api/integrations/events.t holds the two together.
 */
#ifndef ASHLAR_EVENT_H
#define ASHLAR_EVENT_H

#include "fcgi/field.h"

/* Whose endpoints hear of it. */
enum event_scope {
	EVENT_TENANT,       /* those of the tenant (the dashboard's) only */
	EVENT_ORGANIZATION, /* also those of the organization that it happened in */
};

struct event {
	const char *type; /* "project.updated": the resource, and what became of it */
	enum event_scope scope;
	const char *about;        /* one line for people: when it is sent */
	const struct shape *data; /* "data" of the message */
	bool has_previous; /* and previous_attributes: the members that are other ones now, as they were */
};

/* All of them, in the order in which people read them; ends with a NULL type. */
extern const struct event events[];

/* The event of this type; NULL: there is none. */
const struct event *event_find(const char *type);

#endif
