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
 * A module's check of a setting, which this module does not understand:
 *
 *	CONFIG_CHECK("ENCRYPTION_KEYS", cfg.encryption_keys, seal_check)
 *
 * problem(value) is what is wrong, in words that follow the setting's name; NULL: nothing.
 */
struct config_check {
	const char *name, *const *value;
	const char *(*problem)(const char *value);
	struct config_check *next;
};

void config_check(struct config_check *check);

#define CONFIG_CHECK(setting, field, fn)                                            \
	static struct config_check fn##_of_setting = { setting, &field, fn, NULL }; \
	__attribute__((constructor)) static void fn##_register(void)                \
	{                                                                           \
		config_check(&fn##_of_setting);                                     \
	}

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
