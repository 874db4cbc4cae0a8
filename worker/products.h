/*
 * Of products: "brand.sync" writes what a product's brand.json and guidelines say, after a change of it.
 */
#ifndef WORKER_PRODUCTS_H
#define WORKER_PRODUCTS_H

#include "worker/job.h"

extern const struct job_kind brand_sync_job;

#endif
