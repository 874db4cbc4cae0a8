#include "worker/notification_mail.h"

#include <json-c/json.h>
#include <string.h>

#include "build/sql/work/notify.h"
#include "lib/base/buf.h"
#include "lib/base/json.h"
#include "lib/db/column.h"
#include "lib/db/tx.h"
#include "lib/host/config.h"
#include "providers/notification.h"
#include "worker/job.h"
#include "worker/mail_render.h"

enum { MOST_LINES = 200 }; /* of a digest; how many there are beyond that is its last one */

static const char *word(struct json_object *payload, const char *name)
{
	return json_text(json_at(payload, "notification", name), 255);
}

static void put_json(void *json)
{
	json_object_put(json);
}

/* What a kind of event is called in a language: its own words, or the list's. */
static const char *label_of(struct arena *a, const char *words, const char *name)
{
	const struct notification_type *type = notification_find(name);
	size_t n = strlen(name);

	for (const char *line = words; line && *line; line += strcspn(line, "\n"), line += *line == '\n')
		if (!strncmp(line, name, n) && line[n] == ':')
			return arena_dup_n(a, line + n + 1 + strspn(line + n + 1, " "),
					   strcspn(line, "\n") - n - 1 - strspn(line + n + 1, " "));
	return type ? type->label : name;
}

static struct json_object *links_of(struct tx *tx, const struct job *job, struct json_object *payload)
{
	struct json_object *links = json_object_new_object();
	const char *token = notification_link_token(&tx->arena, job->tenant_id, word(payload, "organization"),
						    word(payload, "member"), word(payload, "event"));

	arena_defer(&tx->arena, put_json, links);
	if (token) {
		const char *url = cfg.public_url;

		json_object_object_add(
			links, "unsubscribe_url",
			json_object_new_string(
				arena_fmt(&tx->arena, "%s/api/v1/notifications/unsubscribe/%s", url, token)));
		json_object_object_add(links, "stop_url",
				       json_object_new_string(arena_fmt(
					       &tx->arena, "%s/unsubscribe.html?token=%s", url, token)));
	}
	return links;
}

static void add_line(struct arena *a, struct buf *b, const char *label, const char *message, long long count)
{
	if (!b->p)
		buf_init(b, a, 1024);
	buf_fmt(b, "%s%s", b->n ? "\n" : "", label);
	if (*message)
		buf_fmt(b, ": %s", message);
	if (count > 1)
		buf_fmt(b, " (%lld\xc3\x97)", count);
}

static void add_part(struct json_object *data, const char *name, struct buf *b)
{
	if (b->p && b->n)
		json_object_object_add(data, name, json_object_new_string(buf_str(b)));
}

/* What waits for attention first, then all else by category. */
static bool fill_digest(struct tx *tx, const PGresult *res, const char *words, struct json_object *data)
{
	struct buf attention = { NULL }, parts[32] = { { NULL } };
	struct json_object *more = NULL;
	int n = PQntuples(res), shown = n < MOST_LINES ? n : MOST_LINES;
	long long beyond = json_object_object_get_ex(data, "more", &more) ? json_object_get_int64(more) : 0;

	for (int i = 0; i < shown; i++) {
		const char *category = column_text(res, i, "category");
		struct buf *to = column_bool(res, i, "needs_attention") ? &attention : NULL;

		for (int c = 0; !to && notification_categories[c].name; c++)
			if (!strcmp(notification_categories[c].name, category))
				to = &parts[c];
		if (to)
			add_line(&tx->arena, to,
				 label_of(&tx->arena, words, column_text(res, i, "event_type")),
				 column_text(res, i, "message"), column_int(res, i, "count"));
	}
	add_part(data, "attention", &attention);
	for (int c = 0; notification_categories[c].name; c++)
		add_part(data, notification_categories[c].name, &parts[c]);
	beyond += n - shown;
	json_object_object_del(data, "more");
	if (beyond)
		json_object_object_add(data, "more", json_object_new_int64(beyond));
	json_object_object_add(data, "count", json_object_new_int64(shown + beyond));
	return shown + beyond > 0;
}

enum err notification_mail_fill(struct tx *tx, const struct job *job, struct json_object *payload,
				const char *language, struct json_object **links, bool *is_wanted)
{
	const char *words = mail_render_words(&tx->arena, language, "notification_types"),
		   *event = word(payload, "event");
	struct json_object *data = json_at(payload, "data", NULL);
	PGresult *res;
	enum err rc;

	*is_wanted = false;
	if (!data || !word(payload, "organization") || !word(payload, "member"))
		return job_give_up(tx, "the payload names no member");
	tx_set(tx, "job_id", job->id);
	tx_set(tx, "organization", word(payload, "organization"));
	tx_set(tx, "member", word(payload, "member"));
	tx_set(tx, "event", event);
	rc = tx_call(tx, event ? &q_notification_mailable : &q_notification_digest, true, &res);
	if (rc)
		return rc;
	*links = links_of(tx, job, payload);
	if (!event) {
		*is_wanted = fill_digest(tx, res, words, data);
		return ERR_OK;
	}
	*is_wanted = column_bool(res, 0, "may");
	json_object_object_add(data, "title", json_object_new_string(label_of(&tx->arena, words, event)));
	return ERR_OK;
}
