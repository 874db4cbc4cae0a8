/* What hangs on records, as several answers show it: interactions, tasks, insights. */
#ifndef HANDLERS_RECORD_TRACKING_H
#define HANDLERS_RECORD_TRACKING_H

#include "fcgi/field.h"

/* With marks. */
extern const struct field record_interaction[], record_task[], record_insight[];

/* follow_up, risk, … */
extern const char *const record_insight_types[];

/* low, medium, high, urgent. */
extern const char *const record_priorities[];

/* {"message": "…", "id": "…"}: what was deleted. */
extern const struct shape record_tracking_deleted;

#endif
