/*
 * Content on this machine, under STORAGE_ROOT.
 */
#ifndef ASHLAR_STORAGE_DISK_H
#define ASHLAR_STORAGE_DISK_H

#include "providers/storage_backend.h"

extern const struct storage_backend storage_disk;

/* As their namesakes in storage.h. */
long long storage_disk_arrived(struct arena *a, const struct storage_object *o);
enum err storage_disk_append(struct arena *a, const struct storage_object *o, long long offset, int fd,
			     long long n, struct failure *why);

/* Its walk (storage_walk.c). */
enum err storage_disk_walk(struct arena *a, long grace_s, bool (*fn)(void *to, const struct storage_file *f),
			   void *to, struct failure *why);

#endif
