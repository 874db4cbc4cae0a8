/*
 * The methods of HTTP that rows and requests have.
 */
#ifndef ASHLAR_METHOD_H
#define ASHLAR_METHOD_H

enum method { GET, POST, PUT, PATCH, DELETE, HEAD, OPTIONS, METHOD_COUNT };

/* "GET", … ; and back, METHOD_COUNT for a word that is no method of ours. */
const char *method_name(enum method m);
enum method method_find(const char *name);

#endif
