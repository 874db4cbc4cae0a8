/*
 * Surfaces: the dialects of ARCHITECTURE.md.
 */
#ifndef ASHLAR_SURFACE_H
#define ASHLAR_SURFACE_H

#include <stdbool.h>
#include <stddef.h>

#include "fcgi/budget.h"
#include "lib/base/err.h"

enum { SURFACES = 5 };

/* What clients of a surface compare literally: "detail" of an error, whatever its message says. */
struct literal {
	enum err err; /* ERR_OK ends the list */
	const char *detail;
};

/* What a surface does not tell apart, and calls by the other's code. */
struct alias {
	enum err err; /* ERR_OK ends the list */
	enum err as;
};

/* A surface's dialect: envelopes and habits, as data.  See ARCHITECTURE.md. */
struct surface {
	const char *name;
	int versions;            /* newest version; its rows answer under each of them */
	const char *about;       /* for the reference: for whom it is */
	const char *object_head; /* before and after a single object */
	const char *object_tail;
	const struct budget *budget;
	int validation_status; /* of VALIDATION_ERROR */
	bool has_micros;       /* times have microseconds, not milliseconds */
	bool is_strict;        /* a query parameter that a row does not have is refused */
	struct literal literals[3];
	struct alias aliases[3];
	bool maps_fields; /* an error's details also map the field to the message */
	size_t max_body;  /* bytes, of rows that say nothing else; 0: ROUTE_MAX_BODY */
	unsigned told;    /* bit per enum event_scope: what its webhook endpoints are told of */
};

/* The surface that an id such as "app.projects.list" belongs to; NULL: no surface has that name. */
const struct surface *surface_of(const char *route_id);

/* The i-th of the SURFACES, and the one of this name; NULL: none has it. */
const struct surface *surface_at(int i);
const struct surface *surface_find(const char *name);

#endif
