/*
 * Names of files as people have them: a label, and never a path.
 */
#ifndef ASHLAR_FILENAME_H
#define ASHLAR_FILENAME_H

#include <stdbool.h>

#include "lib/base/arena.h"

enum { FILENAME_MAX_CHARACTERS = 255 };

/*
 * A name that can be shown and offered anywhere, of one that a client sent (UTF-8).
 *
 * What stands before the last slash or backslash goes, and so do control
 * characters, those that change the direction of what stands behind them
 * (U+202E makes "gpj.exe" of "exe.jpg") and those that do not show; a colon and
 * whatever else Windows has no place for becomes '_', blanks and dots at the ends
 * go, and a device of Windows (NUL, com1.txt) gets a '_' in front.  Nothing left
 * is "file".  More than FILENAME_MAX_CHARACTERS are cut in front of the ending.
 * The arena's.
 */
char *filename_clean(struct arena *a, const char *name);

/*
 * The value of Content-Disposition (RFC 6266) for a clean name: in ASCII for old
 * clients, and where that differs as RFC 8187 has it.  The arena's.
 */
char *filename_disposition(struct arena *a, bool is_attachment, const char *name);

#endif
