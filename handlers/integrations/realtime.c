/*
 * The way into realtime: tickets.  The sockets themselves are realtime/'s.
 */
#include "fcgi/req.h"
#include "fcgi/ticket.h"
#include "handlers/routes.h"

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

/* The connection stands for the credentials that the ticket was asked for with, and ends with them. */
static enum err ticket_create(struct req *rq)
{
	char *ticket = ticket_new(&rq->arena, rq->who.tenant_id);
	char *end_s = arena_fmt(&rq->arena, "%lld", (long long)rq->who.expires_s);

	req_set(rq, "ticket", ticket);
	req_set(rq, "ticket_hash", sha256_hex(&rq->arena, ticket));
	req_set(rq, "session", rq->who.session);
	req_set(rq, "issuer", rq->who.session ? NULL : rq->who.issuer);
	req_set(rq, "subject", rq->who.session ? NULL : rq->who.subject);
	req_set(rq, "end_s", rq->who.session ? NULL : end_s);
	return req_answer(rq, Q_realtime_ticket_create);
}

/* clang-format off */
const struct route realtime_routes[] = {
	{ POST, "/api/v1/app/ws/ticket", "app.realtime.ticket", USER, "Get a ticket for a realtime connection",
	  .about = "Opens one WebSocket or one event stream within 30 seconds, in place of a token in the URL. The connection ends when the session does, or with the token where another issuer made it.",
	  .out = &ticket_shape, .run = ticket_create, .flags = PRIVATE },
	ROUTE_END
};
/* clang-format on */
