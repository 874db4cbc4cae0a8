/*
 * Jobs of kind "mail" (handlers/mail.h): rendered (mail_render.h) and sent
 * (providers/smtp.h), or, without a MAIL_URL, kept in MAIL_DIR.
 */
#ifndef WORKER_MAIL_H
#define WORKER_MAIL_H

#include "worker/job.h"

extern const struct job_kind mail_job;

/*
 * Where mails go, for the log of a worker that starts: "mails go to
 * smtp://mail.example.com:587", "… are kept in /…: there is no MAIL_URL".
 * *is_bad: they go nowhere.  Static storage.
 */
const char *mail_destination(bool *is_bad);

#endif
