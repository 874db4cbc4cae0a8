/*
 * Every few seconds: tell those who are too many for the transaction in which it
 * happened (sql/functions/work/notify.sql), bring back what was snoozed
 * (notification_places.sql), and make digests of what has waited for long enough
 * (notification_mails.sql).
 */
#ifndef WORKER_NOTIFICATIONS_H
#define WORKER_NOTIFICATIONS_H

#include "worker/job.h"

extern const struct job_kind notifications_job;

#endif
