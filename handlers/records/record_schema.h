/* Where record_schema.h was, until whoever includes it from here has been changed. */
#include "providers/record_schema.h"
