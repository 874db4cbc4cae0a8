/*
 * The routes' pools as nginx reads them: lines of its map from a request line
 * to a pool.
 */
#ifndef ASHLAR_ROUTE_MAP_H
#define ASHLAR_ROUTE_MAP_H

#include "lib/base/buf.h"

/*
 * Write a line for every few routes that are not of the pool "main":
 *
 *	"~^POST /api/v1/webhooks(?:/[0-9A-Fa-f%-]+/test|)/?(?:[?]|$)" slow;
 *
 * matched against "$request_method $request_uri", and so against what the
 * router will be given, byte for byte: what it sends to such a route matches,
 * and nothing else that it knows.  nginx tries the lines one after the other,
 * so there are as few of them as its longest word allows, each of them a tree
 * that is left at the first segment that differs.
 */
void route_map_write(struct buf *b);

#endif
