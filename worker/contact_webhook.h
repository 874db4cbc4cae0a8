/*
 * Jobs of kind "contact.webhook": see contact_webhook.c.
 */
#ifndef WORKER_CONTACT_WEBHOOK_H
#define WORKER_CONTACT_WEBHOOK_H

#include "worker/job.h"

extern const struct job_kind contact_webhook_job;

#endif
