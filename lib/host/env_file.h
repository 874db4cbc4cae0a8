/*
 * Files of settings, read as systemd reads an EnvironmentFile, so that one file
 * serves the services and the command line.
 *
 *	# a comment, and so is a line that begins with ;
 *	NAME=value                  blanks around it are dropped; \ takes the next character as it is,
 *	                            and a line that ends with it goes on in the next one
 *	NAME='as it is'             also over several lines
 *	NAME="one \"word\"" more    \ takes ", \, ` and $ as they are; a word may follow
 *
 * A line without = means nothing.
 */
#ifndef ASHLAR_ENV_FILE_H
#define ASHLAR_ENV_FILE_H

#include "lib/base/arena.h"

/* What is done with a setting; the strings are the arena's. */
typedef void env_file_fn(const char *name, const char *value, void *ctx);

/*
 * Call fn for each setting of a file, in its order: of one that is there twice
 * the last one counts.
 *
 * NULL, or why the file cannot be read (strerror's).
 */
const char *env_file_read(struct arena *a, const char *path, env_file_fn *fn, void *ctx);

/* The same for a text. */
void env_file_parse(struct arena *a, const char *text, env_file_fn *fn, void *ctx);

#endif
