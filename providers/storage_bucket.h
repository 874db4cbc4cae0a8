/*
 * Content in a bucket (s3.h).
 */
#ifndef ASHLAR_STORAGE_BUCKET_H
#define ASHLAR_STORAGE_BUCKET_H

#include "providers/storage_backend.h"

extern const struct storage_backend storage_bucket;

/* More than so many bytes may come in parts. */
enum { STORAGE_BUCKET_PARTS_FROM = 100 << 20 };

/* As their namesakes in storage.h. */
long long storage_bucket_part_size(const struct storage_object *o);
int storage_bucket_part_count(const struct storage_object *o);
enum err storage_bucket_parts(struct arena *a, const struct storage_object *o, bool *has,
			      const char **upload_id, struct failure *why);
const char *storage_bucket_part_url(struct arena *a, const struct storage_object *o, int number, long ttl_s);

#endif
