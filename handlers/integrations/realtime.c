/*
 * The way into realtime: tickets.  The sockets themselves are realtime/'s.
 */
#include "build/sql/integrations/realtime.h"
#include "fcgi/answer.h"
#include "fcgi/req.h"
#include "handlers/shapes.h"
#include "lib/base/jx.h"
#include "lib/crypto/ticket.h"
#include "lib/db/column.h"

#include <stdio.h>

/* clang-format off */
static const struct field ticket_out[] = {
	{ "ticket",     F_TEXT,     0, .about = "for one connection: wss://…/api/v1/app/ws?ticket=…",
	  .example = "AZGtaHAAcACAAAAAAAAACrhN3cyuLPCiLcDbi8h4eS0C4p9UPUl7n5_mQ3T0bq3C" },
	{ "expires_at", F_DATETIME, 0, .about = "30 seconds from now" },
	FIELD_END
};

static const struct shape ticket_shape = { "RealtimeTicket", ticket_out };
/* clang-format on */

/* Where the credentials do not name the tenant the key does, and only PostgreSQL knows whose that is. */
static enum err find_tenant(struct req *rq, const char **out)
{
	PGresult *res;
	enum err rc;

	*out = rq->who.tenant_id;
	if (*out)
		return ERR_OK;
	rc = tx_call(&rq->tx, &q_realtime_connect, false, &res);
	if (rc)
		return rc;
	if (!PQntuples(res))
		return req_fail(rq, ERR_AUTHENTICATION, NULL);
	*out = column_text(res, 0, "tenant_id");
	return ERR_OK;
}

/* The connection stands for the credentials that the ticket was asked for with, and ends with them. */
static enum err ticket_create(struct req *rq)
{
	char *end_s = arena_fmt(&rq->tx.arena, "%lld", (long long)rq->who.expires_s), *ticket;
	const char *tenant;
	enum err rc = find_tenant(rq, &tenant);

	if (rc)
		return rc;
	ticket = ticket_new(&rq->tx.arena, tenant);
	req_set(rq, "ticket", ticket);
	req_set(rq, "ticket_hash", secret_sha256_hex(&rq->tx.arena, ticket));
	req_set(rq, "session", rq->who.session);
	req_set(rq, "issuer", rq->who.session ? NULL : rq->who.issuer);
	req_set(rq, "subject", rq->who.session ? NULL : rq->who.subject);
	req_set(rq, "end_s", rq->who.session ? NULL : end_s);
	return answer_rows(rq, &q_realtime_ticket_create);
}

/*
 * An authorizer of realtime runs the other two (realtime/authorizer.c), and reads
 * what they answer: whom it lets in.  No client sees it.
 */

static enum err admit(struct req *rq, const PGresult *res, const char *channel)
{
	const struct value *after = req_value(rq, "last_event_id");
	struct buf *b;

	if (!PQntuples(res))
		return req_fail(rq, ERR_AUTHENTICATION, NULL);
	b = answer_open(rq);
	buf_char(b, '{');
	jx_key(b, "tenant_id"), jx_str(b, column_text(res, 0, "tenant_id"));
	jx_key(b, "id"), jx_str(b, column_text(res, 0, "id"));
	jx_key(b, "public_id"), jx_str(b, column_text(res, 0, "public_id"));
	jx_key(b, "is_from_page"), jx_bool(b, column_bool(res, 0, "is_from_page"));
	if (channel)
		jx_key(b, "channel"), jx_str(b, channel);
	if (channel && after && !after->is_null)
		jx_key(b, "event_id"), jx_int(b, after->i);
	buf_char(b, '}');
	return answer_close(rq);
}

static enum err realtime_connect(struct req *rq)
{
	PGresult *res;
	enum err rc = tx_call(&rq->tx, &q_realtime_connect, true, &res);

	return rc ? rc : admit(rq, res, NULL);
}

static enum err realtime_listen(struct req *rq)
{
	const char *channel = req_text(rq, "channel");
	PGresult *res;
	enum err rc = tx_call(&rq->tx, &q_realtime_listen, true, &res);

	if (rc)
		return rc;
	if (PQntuples(res) && !column_bool(res, 0, "is_channel"))
		return req_fail_field(rq, ERR_VALIDATION, "channel",
				      "channel must be <kind>:<id>, such as project:<id>");
	if (PQntuples(res) && !column_bool(res, 0, "may"))
		return req_fail(rq, ERR_AUTHORIZATION, "you may not listen to this channel");
	return admit(rq, res, channel);
}

/* clang-format off */
static const struct field connect_in[] = {
	{ "ticket", F_TEXT, 0, .max = 255,  .about = "of POST /api/v1/app/ws/ticket: for pages, which can set no header" },
	{ "token",  F_TEXT, 0, .max = 8192, .about = "a bearer token, where there is no other way; it is in no log of this server" },
	FIELD_END
};

static const struct field listen_in[] = {
	{ "channel",       F_TEXT, F_REQUIRED, .max = 288, .example = "user:user_demo", .about = "<kind>:<id>" },
	{ "last_event_id", F_INT,  0, .min = 0, .max = 999999999999999999, .about = "send what came behind this event first; the header Last-Event-ID goes before it" },
	{ "ticket",        F_TEXT, 0, .max = 255,  .about = "of POST /api/v1/app/ws/ticket: EventSource can set no header" },
	{ "token",         F_TEXT, 0, .max = 8192, .about = "a bearer token, where there is no other way; it is in no log of this server" },
	FIELD_END
};

static const struct field listen_headers[] = {
	{ "Last-Event-ID", F_INT, 0, .max = 999999999999999999, .about = "as browsers send it that come back: what came behind this event first" },
	FIELD_END
};

static const struct field workspace_in[] = {
	{ "workspace_id", F_UUID, 0, .about = "for EventSource, which can set no header; X-Workspace-Id goes before it" },
	{ "ticket",       F_TEXT, 0, .max = 255,  .about = "of POST /api/v1/app/ws/ticket" },
	{ "token",        F_TEXT, 0, .max = 8192, .about = "a bearer token, where there is no other way; it is in no log of this server" },
	FIELD_END
};

static const enum err connect_errors[] = { ERR_UPGRADE_REQUIRED, ERR_ORIGIN, ERR_OK };
static const enum err listen_errors[] = { ERR_ORIGIN, ERR_AUTHORIZATION, ERR_OK };
/* clang-format on */

/* clang-format off */
const struct route realtime_routes[] = {
	{ POST, "/api/v1/app/ws/ticket", "app.realtime.ticket", &by_user, "Get a ticket for a realtime connection",
	  .about = "Opens one WebSocket or one event stream within 30 seconds, in place of a token in the URL. The connection ends when the session does, or with the token where another issuer made it.",
	  .out = &ticket_shape, .run = ticket_create, .flags = PRIVATE },
	{ GET, "/api/v1/app/ws", "app.realtime.connect", &by_user, "Connect by WebSocket",
	  .about = "JSON text frames in both directions: subscribe to channels, send to them, get what others and the server send. The token comes in the query (ticket, token), in Authorization, or as Sec-WebSocket-Protocol: bearer, <token>.",
	  .query = connect_in, .errors = connect_errors, .run = realtime_connect, .flags = REALTIME | BARE, .status = 101 },
	{ GET, "/api/v1/app/events", "app.realtime.listen", &by_user, "Listen to a channel by server-sent events",
	  .about = "The messages of one channel as a stream; EventSource reconnects by itself and misses nothing of the last two minutes.",
	  .query = listen_in, .headers = listen_headers, .errors = listen_errors, .run = realtime_listen, .flags = REALTIME | BARE, .status = 200,
	  .content_type = "text/event-stream" },
	{ GET, "/api/v1/notifications/stream", "workspace.notifications.stream", &by_member, "Listen to my notifications by server-sent events",
	  .about = "Events of two kinds: notification, whose data are one of mine as the list shows it, and workspace_event, {event_type, workspace_id, actor_id, data, timestamp}, which tells every member that something is another one now, such as teams_updated; notifications_updated, {notification_id, unread_count}, is of mine, and comes first of all and when one of my devices has read some. A comment line comes every 15 s. EventSource reconnects by itself and misses nothing of the last two minutes.",
	  .query = workspace_in, .headers = listen_headers, .errors = listen_errors, .sql = &q_realtime_workspace, .flags = REALTIME | BARE, .status = 200,
	  .content_type = "text/event-stream" },
	{ GET, "/api/v1/dashboard/events", "platform.webhooks_out.stream_dashboard_events", &by_team_admin_any_mode, "Listen to the tenant's events by server-sent events",
	  .about = "All that webhooks are told of, as it happens: data are {type, event, id, body, event_id}, of which id and body are what a webhook "
		   "is sent, to be signed and forwarded (ashlar listen does). Missed ones of the last two minutes come behind Last-Event-ID.",
	  .headers = listen_headers, .errors = listen_errors, .sql = &q_realtime_team_events, .flags = REALTIME | BARE, .status = 200,
	  .content_type = "text/event-stream" },
	{ GET, "/api/v1/tenant-events", "platform.webhooks_out.stream_tenant_events", &by_secret_key, "Listen to the tenant's events by server-sent events",
	  .about = "The same as /api/v1/dashboard/events, for the tenant's own server: with a key whose scopes are not limited.",
	  .headers = listen_headers, .errors = listen_errors, .sql = &q_realtime_key_events, .flags = REALTIME | BARE, .status = 200,
	  .content_type = "text/event-stream" },
	{ GET, "/api/v1/dashboard/requests", "platform.realtime.stream_dashboard_requests", &by_team_any_mode, "Watch the product's requests by server-sent events",
	  .about = "Each as it is answered: {at, method, path, operation, status, duration_ms, code, request_id, user, skipped}. At most 20 a second, "
		   "skipped says how many were left out before it; those of the team itself, and those without credentials, are not among them.",
	  .errors = listen_errors, .sql = &q_realtime_team_requests, .flags = REALTIME | BARE, .status = 200, .content_type = "text/event-stream" },
	ROUTE_END
};
/* clang-format on */
