#include "realtime/ws.h"

#include <libwebsockets.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/utf8.h"
#include "lib/host/log.h"
#include "realtime/commands.h"

enum {
	READ_BYTES = 1024,    /* each connection has its own buffer for these */
	SERVICE_BYTES = 4096, /* one, for all */
	HEADER_BYTES = 512,   /* of the request that we write */
	EARLY_MAX = 16 * 1024,
};

static struct lws_context *context;
static struct lws_vhost *vhost;

/* The upgrade in hand: the library calls back before ws_accept() returns. */
static struct {
	const struct ws_handshake *handshake;
	const struct pass *pass;
	struct conn *conn;
} adopting;

/* The transport */

static bool ws_write(struct conn *c, struct broadcast *p)
{
	struct lws *wsi = c->wire;

	/*
	 * In the middle of whatever made the message, not when the socket is next
	 * polled: nearly always the kernel takes it.  What it does not take the
	 * library keeps, one message at most, and is "partial" until it has gone.
	 */
	if (lws_partial_buffered(wsi)) {
		lws_callback_on_writable(wsi);
		return false;
	}
	if (lws_write(wsi, (unsigned char *)p->text, p->n, LWS_WRITE_TEXT) < 0)
		conn_broken(c);
	return true;
}

static void ws_end(struct conn *c)
{
	lws_close_reason(c->wire, (enum lws_close_status)c->close_code, (unsigned char *)c->close_reason,
			 strlen(c->close_reason));
	c->close_is_due = c->close_code;
	lws_callback_on_writable(c->wire);
}

static void ws_kill(struct conn *c)
{
	lws_set_timeout(c->wire, PENDING_TIMEOUT_KILLED_BY_PARENT, LWS_TO_KILL_SYNC);
}

static void ws_ping(struct conn *c)
{
	/* Of an empty pong the library does not tell. */
	static const char text[] = "ping";
	unsigned char frame[LWS_PRE + sizeof(text)];

	memcpy(frame + LWS_PRE, text, sizeof(text));
	if (!lws_partial_buffered(c->wire) &&
	    lws_write(c->wire, frame + LWS_PRE, sizeof(text) - 1, LWS_WRITE_PING) < 0)
		conn_broken(c);
}

static const struct transport transport = { ws_write, ws_end, ws_kill, ws_ping };

/* Receiving */

static void whole_message(struct conn *c, const char *p, size_t n)
{
	if (!utf8_valid(p, n))
		conn_doom(c, CLOSE_NOT_UTF8, "INVALID_MESSAGE", "a message must be UTF-8");
	else
		commands_message(c, p, n);
}

/* A message may come in frames, and a frame in pieces. */
static void received(struct conn *c, struct lws *wsi, const char *p, size_t n)
{
	bool is_last = lws_is_final_fragment(wsi) && !lws_remaining_packet_payload(wsi);

	if (c->is_closing)
		return;
	if (lws_frame_is_binary(wsi)) {
		conn_doom(c, CLOSE_BINARY, "INVALID_MESSAGE", "messages are text frames");
		return;
	}
	if (c->npartial + n > PROTOCOL_MAX_BYTES) {
		conn_doom(c, CLOSE_TOO_LARGE, "MESSAGE_TOO_LARGE", "a message has at most 32 KiB");
		return;
	}
	if (is_last && !c->npartial) {
		whole_message(c, p, n);
		return;
	}
	if (!c->partial)
		c->partial = malloc(PROTOCOL_MAX_BYTES);
	if (!c->partial)
		abort();
	memcpy(c->partial + c->npartial, p, n);
	c->npartial += n;
	if (is_last) {
		char *whole = c->partial;

		n = c->npartial;
		c->partial = NULL;
		c->npartial = 0;
		whole_message(c, whole, n);
		free(whole);
	}
}

/* The library */

/* What admission wants to be in the answer to a handshake. */
static int add_fields(struct lws_process_html_args *args)
{
	size_t room = args->max_len > 0 ? (size_t)args->max_len : 0;

	if (!adopting.handshake || adopting.handshake->nfields >= room)
		return 0;
	memcpy(args->p, adopting.handshake->fields, adopting.handshake->nfields);
	args->p += adopting.handshake->nfields;
	return 0;
}

static int callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t n)
{
	struct conn **at = user, *c = NULL;

	switch (reason) {
	case LWS_CALLBACK_ESTABLISHED:
	case LWS_CALLBACK_RECEIVE:
	case LWS_CALLBACK_RECEIVE_PONG:
	case LWS_CALLBACK_SERVER_WRITEABLE:
	case LWS_CALLBACK_WS_PEER_INITIATED_CLOSE:
	case LWS_CALLBACK_CLOSED: c = *at; break;
	default: break;
	}
	switch (reason) {
	case LWS_CALLBACK_ADD_HEADERS: return add_fields(in);
	case LWS_CALLBACK_ESTABLISHED:
		if (!adopting.pass)
			return -1;
		lws_set_timeout(wsi, NO_PENDING_TIMEOUT, 0);
		*at = adopting.conn = conn_new(&transport, wsi, adopting.pass);
		break;
	case LWS_CALLBACK_RECEIVE:
		if (!c)
			return -1;
		c->heard_ns = clock_ns();
		received(c, wsi, in, n);
		break;
	case LWS_CALLBACK_RECEIVE_PONG:
		if (c)
			c->heard_ns = clock_ns();
		break;
	case LWS_CALLBACK_SERVER_WRITEABLE:
		if (c && conn_writable(c))
			break;
		if (!c || !c->close_is_due)
			break;
		/* Once: told again, the library would no longer wait for the answer, and a
		   socket closed with a pong unread is reset, its last messages forgotten. */
		c->close_is_due = false;
		return -1;
	case LWS_CALLBACK_WS_PEER_INITIATED_CLOSE:
		if (c)
			conn_leaves(c);
		break;
	case LWS_CALLBACK_CLOSED:
		if (c) {
			*at = NULL;
			conn_gone(c);
		}
		break;
	case LWS_CALLBACK_FILTER_HTTP_CONNECTION: break;
	case LWS_CALLBACK_HTTP: return -1; /* nothing but an upgrade comes here */
	default: break;
	}
	return 0;
}

struct conn *ws_accept(int fd, const struct ws_handshake *h, const struct pass *pass)
{
	static char request[HEADER_BYTES + EARLY_MAX];
	struct lws *wsi;
	int n;

	n = snprintf(request, HEADER_BYTES,
		     "GET / HTTP/1.1\r\nHost: ashlar\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
		     "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n%s\r\n",
		     h->key, h->offers_bearer ? "Sec-WebSocket-Protocol: bearer\r\n" : "");
	if (n >= HEADER_BYTES || h->nearly > EARLY_MAX) {
		close(fd);
		return NULL;
	}
	adopting.handshake = h;
	adopting.pass = pass;
	adopting.conn = NULL;
	if (h->nearly)
		memcpy(request + n, h->early, h->nearly);
	wsi = lws_adopt_socket_vhost_readbuf(vhost, fd, request, (size_t)n + h->nearly);
	adopting.handshake = NULL;
	adopting.pass = NULL;
	/* The request is whole, so it is through or refused by now. */
	if (wsi && !adopting.conn)
		lws_set_timeout(wsi, PENDING_TIMEOUT_KILLED_BY_PARENT, LWS_TO_KILL_SYNC);
	return adopting.conn;
}

static void emit(int level, const char *line)
{
	(void)level;
	log_msg(LOG_DEBUG, NULL, "libwebsockets: %.*s", (int)strcspn(line, "\n"), line);
}

bool ws_open(struct ev_loop *loop)
{
	static const struct lws_protocols protocols[] = {
		{ "bearer", callback, sizeof(struct conn *), READ_BYTES, 0, NULL, 0 },
		{ NULL, NULL, 0, 0, 0, NULL, 0 },
	};
	/* Pings are ours: the library would sort a timer for each connection into a list. */
	static const lws_retry_bo_t no_pings;
	void *loops[] = { loop };
	struct lws_context_creation_info info = {
		.port = CONTEXT_PORT_NO_LISTEN_SERVER,
		.protocols = protocols,
		.options = LWS_SERVER_OPTION_LIBEV | LWS_SERVER_OPTION_EXPLICIT_VHOSTS |
			   LWS_SERVER_OPTION_DISABLE_IPV6,
		.foreign_loops = loops,
		.uid = (uid_t)-1,
		.gid = (gid_t)-1,
		.max_http_header_data = HEADER_BYTES,
		.max_http_header_pool = 16,
		.pt_serv_buf_size = SERVICE_BYTES,
		.retry_and_idle_policy = &no_pings,
	};

	lws_set_log_level(LLL_ERR | LLL_WARN, emit);
	context = lws_create_context(&info);
	vhost = context ? lws_create_vhost(context, &info) : NULL;
	if (!vhost)
		log_msg(LOG_ERROR, NULL,
			"libwebsockets does not start: is its libev part there (libwebsockets-evlib-ev)?");
	return vhost;
}

void ws_close(void)
{
	lws_context_destroy(context);
	context = NULL;
}
