/*
 * The header X-Organization-Id: which organization a request without one in its path is about.
 */
#ifndef HANDLERS_ORGANIZATION_HEADER_H
#define HANDLERS_ORGANIZATION_HEADER_H

#include "fcgi/field.h"
#include "lib/base/err.h"

struct req;

/* For a row's .headers. */
extern const struct field organization_header_in[];

/*
 * Its value as the parameter "organization", a uuid or NULL; that the caller is a member is for the query to
 * ask.
 *
 * ERR_OK; ERR_BAD_REQUEST: it is no UUID.
 */
enum err organization_header_read(struct req *rq);

#endif
