/*
 * What the first bytes of a file say that it is, and whether that is what it was
 * said to be.
 */
#ifndef ASHLAR_SNIFF_H
#define ASHLAR_SNIFF_H

#include <stdbool.h>
#include <stddef.h>

enum { SNIFF_BYTES = 1024 }; /* of a file are looked at */

/*
 * The media type that the first bytes of a file show, "image/png"; of text
 * "text/html", "image/svg+xml", "text/xml" or "text/plain"; of bytes that are
 * nothing known "application/octet-stream".  Static.
 */
const char *sniff_type(const void *head, size_t n);

/*
 * Can a file whose first bytes are these be of the type that was declared?  No,
 * where the declared type has a signature that is not there, where there is one of
 * another kind, and where binary bytes are said to be text.  An archive may be any format that is
 * made of one (DOCX), and application/octet-stream anything.
 */
bool sniff_agrees(const char *declared, const void *head, size_t n);

/*
 * May a browser show it in its own window?  Images, sound and video that are no
 * documents, and plain text; what could run a script, or nobody knows, not.
 */
bool sniff_is_inert(const char *content_type);

#endif
