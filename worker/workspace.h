/*
 * "workspace.migrate": a workspace's data are brought to the version that this release is built for, step by
 * step.
 */
#ifndef WORKER_WORKSPACE_H
#define WORKER_WORKSPACE_H

#include "worker/job.h"

extern const struct job_kind workspace_migrate_job;

#endif
