/*
 * Of products: "brand.sync" writes what a product's brand.json and guidelines say, after a change of it;
 * "product.archive" archives the open tasks of one that was archived, a batch at a time.
 */
#ifndef WORKER_PRODUCTS_H
#define WORKER_PRODUCTS_H

#include "worker/job.h"

extern const struct job_kind brand_sync_job, product_archive_job;

#endif
