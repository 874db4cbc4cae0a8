/*
 * Mails about notifications: one at once ("notification"), or many of some time
 * together ("notification_digest").  Before it is sent, it is asked again whether
 * the member still wants it and may see it, and what of it was read meanwhile.
 */
#ifndef WORKER_NOTIFICATION_MAIL_H
#define WORKER_NOTIFICATION_MAIL_H

#include <stdbool.h>

#include "lib/base/err.h"

struct job;
struct json_object;
struct tx;

/*
 * Fill in what such a mail says, in a transaction of its own.
 *
 * payload   the job's, with its "notification"; "data" is added to
 * language  that the mail will be in
 * links     *links is an object, the arena's: unsubscribe_url and stop_url
 * is_wanted false: there is nothing to send any more
 *
 * ERR_OK, or a failure of the transaction.
 */
enum err notification_mail_fill(struct tx *tx, const struct job *job, struct json_object *payload,
				const char *language, struct json_object **links, bool *is_wanted);

#endif
