/*
 * Pictures that people send to be shown to others: what they are by their structure, whatever is said of
 * them, and without what stands in them beside the picture.
 */
#ifndef ASHLAR_PICTURE_H
#define ASHLAR_PICTURE_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"

/*
 * Read a PNG, JPEG, GIF or WebP from its first byte to its end, and write it anew without what tells of the
 * person and the place: Exif (but which side is up), XMP, IPTC, comments, thumbnails, and whatever follows
 * the end.  Colour profiles and animations stay.  The picture itself is not decoded.
 *
 * bytes  borrowed
 * out    gets the picture
 *
 * "image/png", "image/jpeg", "image/gif", "image/webp"; NULL: it is none of them, or is broken, or is larger
 * than PICTURE_MAX_SIDE.  out then holds nothing of use.
 */
enum { PICTURE_MAX_SIDE = 16384 };
const char *picture_clean(const void *bytes, size_t n, struct buf *out);

#endif
