/*
 * Content on this machine, under STORAGE_ROOT.
 */
#ifndef ASHLAR_STORAGE_DISK_H
#define ASHLAR_STORAGE_DISK_H

#include "providers/storage_backend.h"

extern const struct storage_backend storage_disk;

/* Its walk (storage_walk.c). */
enum err storage_disk_walk(struct arena *a, long grace_s, bool (*fn)(void *to, const struct storage_file *f),
			   void *to, struct failure *why);

#endif
