/*
 * The router: from a method and a path to the row.
 */
#ifndef ASHLAR_ROUTER_H
#define ASHLAR_ROUTER_H

#include "fcgi/method.h"
#include "fcgi/route.h"

/* Check the rows and build the index.  Called once, before the first fork; ends the process on a bad table.
 */
void router_init(void);

/*
 * Find the route for a method and path (percent-encoded, without the query).
 * A trailing slash is ignored; HEAD finds GET; PUT and PATCH find each other.
 *
 * ERR_OK; ERR_NOT_FOUND: no such path; ERR_METHOD_NOT_ALLOWED: out->allowed
 * says which methods there are.
 */
enum err router_find(enum method method, const char *path, struct match *out);

/*
 * Call fn for each path of the tables that a row's path can be read as, its own
 * among them: with what both say, {names} where neither has a word.  An id is
 * read as no word that has letters which ids have not.  Words come before
 * {names}.  The path is borrowed for the call.
 */
void router_meet(const struct route *r, void (*fn)(void *arg, const char *path), void *arg);

#endif
