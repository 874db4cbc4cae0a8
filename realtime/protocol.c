#include "realtime/protocol.h"

#include <json-c/json.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/json.h"
#include "lib/base/jx.h"
#include "lib/base/utf8.h"

/* Reading */

static bool refuse(struct problem *why, const char *code, const char *message)
{
	*why = (struct problem){ .code = code, .message = message };
	return false;
}

bool protocol_is_channel(const char *name)
{
	size_t kind = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_"), n;
	const char *id = name + kind + 1;

	if (!kind || kind > 32 || name[0] < 'a' || name[kind] != ':')
		return false;
	n = strlen(id);
	if (!n || n > 4 * PROTOCOL_MAX_ID || !utf8_valid(id, n) || utf8_length(id, n) > PROTOCOL_MAX_ID)
		return false;
	/* Spaces and control characters beyond ASCII are PostgreSQL's to refuse. */
	for (; *id; id++)
		if ((unsigned char)*id <= ' ' || *id == 127)
			return false;
	return true;
}

static struct json_object *member(struct json_object *o, const char *name)
{
	struct json_object *v = NULL;

	json_object_object_get_ex(o, name, &v);
	return v;
}

static bool read_type(struct json_object *o, enum client_type *out)
{
	static const char *const names[] = { "subscribe", "unsubscribe", "message" };
	struct json_object *v = member(o, "type");

	for (int i = 0; json_object_is_type(v, json_type_string) && i < 3; i++) {
		if (strcmp(json_object_get_string(v), names[i]) != 0)
			continue;
		*out = (enum client_type)i;
		return true;
	}
	return false;
}

static bool read_channel(struct json_object *o, struct client_message *out, struct problem *why)
{
	struct json_object *v = member(o, "channel");

	if (!json_object_is_type(v, json_type_string))
		return refuse(why, "INVALID_CHANNEL", "channel must be a string, <kind>:<id>");
	out->channel = json_object_get_string(v);
	if (!protocol_is_channel(out->channel))
		return refuse(why, "INVALID_CHANNEL", "channel must be <kind>:<id>, such as project:<id>");
	return true;
}

static bool read_options(struct json_object *o, struct client_message *out, struct problem *why)
{
	struct json_object *id = member(o, "last_event_id"), *presence = member(o, "presence");

	why->channel = out->channel;
	if (id && (!json_object_is_type(id, json_type_int) || json_object_get_int64(id) < 0)) {
		refuse(why, "INVALID_MESSAGE", "last_event_id must be an integer, 0 or more");
		return false;
	}
	if (presence && !json_object_is_type(presence, json_type_boolean)) {
		refuse(why, "INVALID_MESSAGE", "presence must be true or false");
		return false;
	}
	out->has_last_event_id = id;
	out->last_event_id = id ? json_object_get_int64(id) : 0;
	out->wants_presence = presence && json_object_get_boolean(presence);
	return true;
}

bool protocol_read(struct arena *a, const char *p, size_t n, struct client_message *out, struct problem *why)
{
	struct json_object *o;
	const char *problem;

	*out = (struct client_message){ 0 };
	if (json_read(a, p, n, &o, &problem)) {
		*why = (struct problem){ .code = "INVALID_MESSAGE", .message = problem };
		return false;
	}
	if (!json_object_is_type(o, json_type_object))
		return refuse(why, "INVALID_MESSAGE", "a message is a JSON object");
	if (!read_type(o, &out->type))
		return refuse(why, "INVALID_MESSAGE", "type must be subscribe, unsubscribe or message");
	if (!read_channel(o, out, why))
		return false;
	if (out->type == CLIENT_SUBSCRIBE)
		return read_options(o, out, why);
	out->data = member(o, "data");
	if (out->type == CLIENT_MESSAGE && !json_object_is_type(out->data, json_type_object)) {
		refuse(why, "INVALID_MESSAGE", "data must be an object");
		why->channel = out->channel;
		return false;
	}
	return true;
}

/* Writing */

void protocol_connected(struct buf *b, const char *user_id)
{
	buf_text(b, "{\"type\":\"connected\",\"data\":{\"user_id\":");
	jx_str(b, user_id);
	buf_text(b, ",\"connected_at\":");
	jx_timestamptz(b, clock_pg_us());
	buf_text(b, "}}");
}

void protocol_subscribed(struct buf *b, const char *channel, bool is_recovered, int64_t position)
{
	buf_text(b, "{\"type\":\"subscribed\",\"channel\":");
	jx_str(b, channel);
	jx_key(b, "recovered"), jx_bool(b, is_recovered);
	jx_key(b, "event_id"), jx_int(b, position);
	buf_char(b, '}');
}

void protocol_unsubscribed(struct buf *b, const char *channel, const char *code)
{
	buf_text(b, "{\"type\":\"unsubscribed\",\"channel\":");
	jx_str(b, channel);
	if (code)
		jx_key(b, "code"), jx_str(b, code);
	buf_char(b, '}');
}

void protocol_error(struct buf *b, const struct problem *why)
{
	buf_text(b, "{\"type\":\"error\",\"message\":");
	jx_str(b, why->message);
	jx_key(b, "code"), jx_str(b, why->code);
	if (why->channel)
		jx_key(b, "channel"), jx_str(b, why->channel);
	buf_char(b, '}');
}

void protocol_present(struct buf *b, const char *channel, const struct protocol_user *users, int n)
{
	buf_text(b, "{\"type\":\"presence\",\"channel\":");
	jx_str(b, channel);
	buf_text(b, ",\"event\":\"state\",\"users\":[");
	for (int i = 0; i < n; i++) {
		buf_text(b, i ? ",{\"user_id\":" : "{\"user_id\":");
		jx_str(b, users[i].user_id);
		jx_key(b, "connections"), buf_text(b, users[i].connections);
		jx_key(b, "joined_at"), jx_str(b, users[i].joined_at);
		buf_char(b, '}');
	}
	buf_text(b, "]}");
}

/*
 * Has the object a member of this name?  Only of PostgreSQL's own text, which
 * is well-formed, has no space in front of a colon, and escapes no letter.
 */
static bool has_member(const char *json, const char *name)
{
	size_t n = strlen(name);
	int depth = 0;

	for (const char *p = json; *p; p++) {
		if (*p == '{' || *p == '[') {
			depth++;
		} else if (*p == '}' || *p == ']') {
			depth--;
		} else if (*p == '"') {
			const char *from = ++p;

			while (*p && *p != '"')
				p += *p == '\\' && p[1] ? 2 : 1;
			if (!*p)
				return false;
			if (depth == 1 && p[1] == ':' && (size_t)(p - from) == n && !memcmp(from, name, n))
				return true;
		}
	}
	return false;
}

/* A member in front of those that the payload has: behind them would be another comma to think of. */
static void place(struct buf *b, const struct published *row, const char *already)
{
	if (!already || !has_member(already, "channel"))
		jx_key(b, "channel"), jx_str(b, row->channel);
	if (row->id && (!already || !has_member(already, "event_id")))
		jx_key(b, "event_id"), jx_int(b, row->id);
	if (!already || !has_member(already, "timestamp"))
		jx_key(b, "timestamp"), jx_str(b, row->created_at);
}

static bool is_own_form(const struct published *row)
{
	return !row->sender && row->payload[0] == '{' && has_member(row->payload, "type");
}

const char *protocol_published(struct buf *b, const struct published *row)
{
	buf_char(b, '{');
	if (!strcmp(row->kind, "presence") || is_own_form(row)) {
		bool is_presence = !strcmp(row->kind, "presence");

		if (is_presence)
			jx_key(b, "type"), jx_str(b, "presence");
		place(b, row, row->payload);
		if (row->payload[1] != '}' && b->p[b->n - 1] != '{')
			buf_char(b, ',');
		buf_text(b, row->payload + 1);
		return is_presence ? "presence" : "message";
	}
	if (!strcmp(row->kind, "notification")) {
		jx_key(b, "type"), jx_str(b, "notification");
	} else if (!strcmp(row->kind, "event")) {
		jx_key(b, "type"), jx_str(b, "event");
		jx_key(b, "event"), jx_str(b, row->event);
	} else {
		jx_key(b, "type"), jx_str(b, "channel_message");
		jx_key(b, "sender_id"), jx_str(b, row->sender);
	}
	jx_key(b, "data"), buf_text(b, row->payload);
	place(b, row, NULL);
	buf_char(b, '}');
	return !strcmp(row->kind, "notification") ? "notification"
	       : !strcmp(row->kind, "event")      ? row->event
						  : "channel_message";
}
