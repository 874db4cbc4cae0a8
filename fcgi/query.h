/*
 * Named queries: what tools/queries makes of sql/queries, a header for each file.
 *
 *	#include "build/sql/work/projects.h"
 *	… .sql = &q_project_get …
 */
#ifndef ASHLAR_QUERY_H
#define ASHLAR_QUERY_H

enum query_shape { SHAPE_EXEC, SHAPE_ROW, SHAPE_ROWS, SHAPE_PAGE };

struct query {
	const char *name;
	const char *text; /* with $1, $2, … */
	enum query_shape shape;
	int nparams;
	const char *const *params; /* names; "has_x" asks whether the field x was given */
};

#endif
