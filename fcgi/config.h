/*
 * Configuration: environment variables, declared once in config.def.
 */
#ifndef ASHLAR_CONFIG_H
#define ASHLAR_CONFIG_H

#include <stdbool.h>
#include <stdio.h>

struct config {
#define TEXT(field, name, def, about) const char *field;
#define SECRET(field, name, def, about) const char *field;
#define INT(field, name, def, min, max, about) long field;
#define BOOL(field, name, def, about) bool field;
#define LIST(field, name, def, about) const char *const *field; /* NULL-terminated */
#define CHOICE(field, name, def, choices, about) const char *field;
#include "config.def"
#undef TEXT
#undef SECRET
#undef INT
#undef BOOL
#undef LIST
#undef CHOICE
};

/* Read-only once config_load returned. */
extern struct config cfg;

/*
 * Read the environment into cfg.  Each mistake is written to err, one line
 * each ("PORT: must be 1 to 65535, is \"x\""); returns how many there were.
 * Settings that need each other (a secret's length, an issuer without keys)
 * are checked too.
 */
int config_load(FILE *err);

/*
 * As config_load, but without asking for what only a server needs: DATABASE_URL
 * and a way to sign in.  For the offline commands.
 */
int config_load_offline(FILE *err);

/* Print every setting with its value (secrets masked), default and meaning. */
void config_print(FILE *out);

/*
 * Name the variables that are no settings but look as if they were meant to be:
 * one letter off.  A line each on err.  A warning, since such a name may be
 * another program's (MAILDIR).
 */
void config_warn_unknown(FILE *err, char *const *environment);

/* True in development. */
bool config_is_development(void);

#endif
