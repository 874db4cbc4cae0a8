#include "worker/mail.h"

#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "build/sql/runtime/mail.h"
#include "lib/base/buf.h"
#include "lib/base/json.h"
#include "lib/base/mailbox.h"
#include "lib/crypto/seal.h"
#include "lib/db/column.h"
#include "lib/db/tx.h"
#include "lib/host/config.h"
#include "providers/mime.h"
#include "providers/smtp.h"
#include "worker/mail_render.h"
#include "worker/notification_mail.h"

static const char *member(struct json_object *object, const char *name)
{
	struct json_object *value;

	return json_object_object_get_ex(object, name, &value) && json_object_is_type(value, json_type_string)
		       ? json_object_get_string(value)
		       : NULL;
}

/* Link, token and code; NULL in *out where nothing was sealed. */
static enum err open_secrets(struct tx *tx, const struct job *job, struct json_object *payload,
			     struct json_object **out)
{
	const char *sealed = member(payload, "sealed"), *text, *problem;

	*out = NULL;
	if (!sealed)
		return ERR_OK;
	text = seal_open(&tx->arena, "mail", job->tenant_id, sealed);
	if (!text || json_read(&tx->arena, text, strlen(text), out, &problem))
		return tx_fail_inside(tx, ERR_UNAVAILABLE,
				      "the link does not open: JWT_SECRET or ENCRYPTION_KEYS is not what it "
				      "was sealed with");
	return ERR_OK;
}

/* The tenant's name in front of our address; where it has none, MAIL_FROM's. */
static struct mailbox sender(struct arena *a, const PGresult *tenant)
{
	const char *name = column_text(tenant, 0, "email_from_name"), *host = strstr(cfg.public_url, "://");
	struct mailbox from;

	if (!*cfg.mail_from || !mailbox_parse(a, cfg.mail_from, &from)) {
		host = host ? host + 3 : "localhost";
		from = (struct mailbox){ .address = arena_fmt(a, "no-reply@%.*s", (int)strcspn(host, ":/"),
							      host) };
	}
	if (name && *name)
		from.name = name;
	else if (!from.name || !column_bool(tenant, 0, "is_default"))
		from.name = column_text(tenant, 0, "tenant");
	return from;
}

static struct mailbox answers_to(struct arena *a, struct json_object *payload, const char *support)
{
	const char *reply_to = member(payload, "reply_to");
	struct mailbox box = { NULL };

	if (reply_to && mailbox_is_address(reply_to))
		box.address = reply_to;
	else if (support && mailbox_is_address(support))
		box.address = support;
	else if (*cfg.mail_reply_to)
		mailbox_parse(a, cfg.mail_reply_to, &box);
	return box;
}

/* Write a file that is there as a whole or not at all, and for us alone: it has links in it that let in. */
static enum err keep(struct tx *tx, const struct job *job, const char *template, time_t date,
		     const struct buf *mail)
{
	const char *name, *temporary;
	struct tm tm;
	char day[32];
	FILE *f;
	int fd;

	gmtime_r(&date, &tm);
	strftime(day, sizeof(day), "%Y%m%dT%H%M%SZ", &tm);
	name = arena_fmt(&tx->arena, "%s/%s-%s-%s.eml", cfg.mail_dir, day, template, job->id);
	temporary = arena_fmt(&tx->arena, "%s/.%s", cfg.mail_dir, job->id);
	if (mkdir(cfg.mail_dir, 0700) && errno != EEXIST)
		return tx_fail_inside(tx, ERR_UNAVAILABLE, "%s: %s", cfg.mail_dir, strerror(errno));
	fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	f = fd < 0 ? NULL : fdopen(fd, "w");
	if (!f)
		return tx_fail_inside(tx, ERR_UNAVAILABLE, "%s: %s", temporary, strerror(errno));
	fwrite(mail->p, 1, mail->n, f);
	if (fclose(f) || rename(temporary, name))
		return tx_fail_inside(tx, ERR_UNAVAILABLE, "%s: %s", name, strerror(errno));
	return ERR_OK;
}

static enum err hand_over(struct tx *tx, const struct job *job, const char *template, time_t date,
			  const char *from, const char *to, const struct buf *mail)
{
	const struct smtp_mail m = { .from = from, .to = to, .text = mail->p, .n = mail->n };
	const char *reason;
	enum err rc;

	if (!*cfg.mail_url && *cfg.mail_dir)
		return keep(tx, job, template, date, mail);
	rc = smtp_send(&tx->arena, &m, &reason);
	if (rc == ERR_VALIDATION)
		return job_give_up(tx, "%s", reason);
	return rc ? tx_fail_inside(tx, rc, "%s", reason) : ERR_OK;
}

/* ERR_OK with *is_sent false: nobody wants it any more. */
static enum err send(struct tx *tx, const struct job *job, struct json_object *payload,
		     const PGresult *tenant, bool *is_sent)
{
	const char *to = member(payload, "to"), *template = member(payload, "template"),
		   *locale = member(payload, "locale"), *problem;
	const struct mail_kind *kind = template ? mail_render_kind(template) : NULL;
	long long age_s = column_int(tenant, 0, "age_s");
	struct mailbox from = sender(&tx->arena, tenant);
	struct mail_brand brand = {
		.name = from.name,
		.logo_url = column_text(tenant, 0, "logo_url"),
		.color = column_text(tenant, 0, "brand_color"),
		.support_email = column_text(tenant, 0, "support_email"),
	};
	struct json_object *secrets, *data = NULL;
	struct mail_content content;
	struct mime_mail mail;
	struct buf text;
	enum err rc;

	if (!kind || !to || !mailbox_is_address(to))
		return job_give_up(tx, "no mail that there is, or nobody that it could go to");
	if (kind->life_s && age_s >= kind->life_s)
		return job_give_up(tx,
				   "it would come too late: its link was good for %ld s, and is %lld s old",
				   kind->life_s, age_s);
	rc = open_secrets(tx, job, payload, &secrets);
	if (rc)
		return rc;
	if (secrets && age_s >= MAIL_CODE_LIFE_S)
		json_object_object_del(secrets, "code"); /* the link is still good */
	json_object_object_get_ex(payload, "data", &data);
	if (json_object_object_get_ex(payload, "notification", NULL)) {
		rc = notification_mail_fill(tx, job, payload,
					    mail_render_language(&tx->arena, kind, locale ? locale : "en"),
					    &secrets, is_sent);
		if (rc || !*is_sent)
			return rc;
	}
	problem = mail_render(&tx->arena, kind, locale ? locale : "en", &brand, to, data, secrets, &content);
	if (problem)
		return tx_fail_inside(tx, ERR_INTERNAL, "%s", problem);

	mail = (struct mime_mail){
		.id = job->id,
		.date = (time_t)column_int(tenant, 0, "created_s"),
		.from = from,
		.reply_to = answers_to(&tx->arena, payload, brand.support_email),
		.to = to,
		.subject = content.subject,
		.language = content.language,
		.unsubscribe = content.unsubscribe,
		.text = content.text,
		.html = content.html,
	};
	buf_init(&text, &tx->arena, 2 * (strlen(content.text) + strlen(content.html)) + 4096);
	mime_write(&text, &mail);
	return hand_over(tx, job, kind->name, mail.date, *cfg.mail_bounce ? cfg.mail_bounce : from.address,
			 to, &text);
}

/*
 * Everything that is needed is read first, in a transaction that ends before the
 * server is asked.  When it has taken the mail, the job forgets what it said,
 * and is done, in one more.  Who dies in between sends it again, with the same
 * Message-ID and every byte the same.
 */
static enum err run(struct tx *tx, const struct job *job)
{
	struct json_object *payload;
	const char *problem;
	PGresult *tenant, *res;
	bool is_sent = true;
	enum err rc;

	tx_set(tx, "job_id", job->id);
	rc = tx_call(tx, &q_mail_begin, true, &tenant);
	if (rc)
		return rc;
	if (json_read(&tx->arena, job->payload, strlen(job->payload), &payload, &problem) ||
	    !json_object_is_type(payload, json_type_object))
		return job_give_up(tx, "its payload is no JSON object");
	if (!PQntuples(tenant))
		return job_give_up(tx, "the job is gone");
	rc = send(tx, job, payload, tenant, &is_sent);
	return rc ? rc : tx_call(tx, is_sent ? &q_mail_forget : &q_mail_drop, false, &res);
}

const struct job_kind mail_job = { .name = "mail", .run = run };

const char *mail_destination(bool *is_bad)
{
	static char text[1200];
	struct mail_server server;
	struct arena a;

	*is_bad = !*cfg.mail_url && !*cfg.mail_dir;
	if (*is_bad)
		return "mails are not sent: there is neither MAIL_URL nor MAIL_DIR";
	if (!*cfg.mail_url) {
		snprintf(text, sizeof(text), "mails are not sent but kept in %s: there is no MAIL_URL",
			 cfg.mail_dir);
		return text;
	}
	arena_init(&a, 1024);
	mailbox_server_parse(&a, cfg.mail_url, &server);
	snprintf(text, sizeof(text), "mails go to %s%s", server.url, server.has_tls ? "" : ", without TLS");
	arena_release(&a);
	return text;
}
