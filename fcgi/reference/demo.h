/*
 * The demo data, as examples name it: the rows of sql/sample in the default tenant,
 * where `ashlar seed` and so `make run` write them.  Who pastes an example there
 * asks about one of them.
 */
#ifndef ASHLAR_DEMO_H
#define ASHLAR_DEMO_H

#include <stddef.h>

/* Sorted by name; tools/demo makes them of sql/sample. */
struct demo_row {
	const char *name; /* "goal", "member theo": as in pg_temp.id('…'); "{queue}": a part of a path */
	const char *text;
};
extern const struct demo_row demo_rows[];
extern const size_t demo_nrows;

/* The id of a row, or the text of a part of a path; NULL: there is none of the name. */
const char *demo_text(const char *name);

/*
 * What a member or a part of a path is there, by its own name: goal_id the row "goal",
 * member_ids one "member".  NULL: there is none.
 *
 * room  whose it is where others have such rows, too: "dashboard"; or NULL
 */
const char *demo_named(const char *field, const char *room);

#endif
