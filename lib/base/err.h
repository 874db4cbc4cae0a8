/*
 * Errors are values from one list, err.def.  What can fail returns enum err;
 * ERR_OK is 0.
 */
#ifndef ASHLAR_ERR_H
#define ASHLAR_ERR_H

enum err {
#define ERR(name, status, code, message) ERR_##name,
#include "err.def"
#undef ERR
	ERR_COUNT
};

struct err_info {
	int status;          /* HTTP status */
	const char *code;    /* what programs compare */
	const char *message; /* the default text for people */
};

/* The row of err.def; e must be a member of the enum.  Static storage. */
const struct err_info *err_info(enum err e);

/* The error for a public code such as "CONFLICT", or ERR_COUNT when there is none. */
enum err err_find(const char *code);

#endif
