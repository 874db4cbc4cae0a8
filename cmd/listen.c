/*
 * ashlar listen: what happens, told to a developer's machine as webhooks are told to
 * servers: the same bodies, signed in the same way, for an address that no webhook
 * can reach.
 *
 * With a secret key, or for the team, it is all that happens in the tenant, with the bodies that webhooks
 * have, to the byte, and their ids.  A user hears what their channels tell.  It comes over
 * event streams, one connection each, in a process of its own; one that breaks off is taken
 * up again behind the last event.
 */
#include "cmd/cmd.h"

#include <curl/curl.h>
#include <json-c/json.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cmd/remote.h"
#include "lib/base/json.h"
#include "lib/base/jx.h"
#include "lib/base/qs.h"
#include "lib/base/sse.h"
#include "lib/crypto/secret.h"
#include "providers/standard_webhooks.h"

enum { CHANNELS = 16, FORWARD_S = 30, EVENT_MOST = 1 << 20, FIRST_PAUSE_MS = 250, LONGEST_PAUSE_MS = 15000 };

static const char *forward, *channels, *secret;
static const char whole_tenant[] = "the tenant's events";

static const struct cmd_option options[] = {
	{ "--forward", "URL", &forward,
	  "where each event is sent to, such as http://localhost:3000/webhook" },
	{ "--channels", "NAME,…", &channels,
	  "organization:<id>, user:<id>, …, for a user; tenant: all there is, for a secret key; when left "
	  "out the user's own "
	  "and their organizations', or all" },
	{ "--secret", "whsec_…", &secret,
	  "what they are signed with; a new one when left out, which is printed" },
	REMOTE_OPTIONS,
	{ NULL, NULL, NULL, NULL },
};

static const struct cmd_usage usage = {
	"listen --forward URL [--channels NAME,…] [--secret whsec_…] [--profile NAME]",
	"Send events that happen from now on to a server on this machine, signed as webhooks are, until\n"
	"Ctrl-C.  A line is printed for each: its type, its id, and what the receiver answered.",
	options,
};

/* One channel; or, by a path of its own, all of the tenant. */
struct listener {
	struct remote *remote;
	const char *channel;
	const char *path; /* or NULL */
	long long last;   /* the last event's id; 0: none yet */
	struct sse sse;
	struct arena memory; /* of the event in hand */
};

static void sleep_ms(long ms)
{
	struct timespec left = { ms / 1000, ms % 1000 * 1000000 };

	while (nanosleep(&left, &left))
		;
}

static size_t drop(char *p, size_t size, size_t n, void *to)
{
	(void)p;
	(void)to;
	return size * n;
}

/* Returns the receiver's status; 0: it did not answer. */
static long post(struct arena *a, const char *id, const char *body, size_t n)
{
	long long now = time(NULL);
	struct curl_slist *headers = NULL;
	CURL *curl = curl_easy_init();
	long status = 0;

	headers = curl_slist_append(headers, "Content-Type: application/json");
	headers = curl_slist_append(headers, "User-Agent: Ashlar-Webhooks/1.0");
	headers = curl_slist_append(headers, "Expect:");
	headers = curl_slist_append(headers, arena_fmt(a, "webhook-id: %s", id));
	headers = curl_slist_append(headers, arena_fmt(a, "webhook-timestamp: %lld", now));
	headers = curl_slist_append(headers, arena_fmt(a, "webhook-signature: %s",
						       standard_webhooks_sign(a, secret, id, now, body, n)));
	curl_easy_setopt(curl, CURLOPT_URL, forward);
	curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
	curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, (long)n);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, drop);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT, (long)FORWARD_S);
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	if (curl_easy_perform(curl) == CURLE_OK)
		curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
	curl_slist_free_all(headers);
	curl_easy_cleanup(curl);
	return status;
}

/* The same whenever it comes again, on this channel and on others: it is made of what happened. */
static const char *message_id(struct arena *a, const char *type, const char *at, const char *data)
{
	static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
	unsigned char hash[SECRET_BYTES];
	const char *text = arena_fmt(a, "%s\n%s\n%s", type, at, data);
	char id[32] = "msg_";

	secret_sha256(text, strlen(text), hash);
	for (int i = 0; i < 27; i++)
		id[4 + i] = digits[hash[i] % 62];
	return arena_dup(a, id);
}

static void post_and_tell(struct arena *a, const char *type, const char *id, const char *body, size_t n)
{
	long status = post(a, id, body, n);

	if (status)
		printf("%s %s %ld\n", cmd_shown(a, type), cmd_shown(a, id), status);
	else
		printf("%s %s nobody answered at %s\n", cmd_shown(a, type), cmd_shown(a, id), forward);
	fflush(stdout);
}

/* An event of the tenant: its body is a webhook's already. */
static void forward_body(struct listener *l, struct json_object *o)
{
	struct json_object *body = json_at(o, "body", NULL);
	const char *type = json_text(json_at(o, "event", NULL), 128),
		   *id = json_text(json_at(o, "id", NULL), 64);

	if (type && id && json_object_is_type(body, json_type_string))
		post_and_tell(&l->memory, type, id, json_object_get_string(body),
			      (size_t)json_object_get_string_len(body));
}

/* What a webhook's body is: type, timestamp, workspace_id, data. */
static void forward_event(struct listener *l, struct json_object *o)
{
	static const char organization[] = "organization:";
	struct arena *a = &l->memory;
	const char *type = json_text(json_at(o, "event", NULL), 128);
	const char *at = json_text(json_at(o, "timestamp", NULL), 64);
	struct json_object *data = json_at(o, "data", NULL);
	const char *text =
		json_object_to_json_string_ext(data, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
	struct buf b;

	if (!type || !at || !data)
		return;
	buf_init(&b, a, 4096);
	buf_char(&b, '{');
	jx_key_str(&b, "type", type);
	jx_key_str(&b, "timestamp", at);
	jx_key_text(&b, "workspace_id",
		    strncmp(l->channel, organization, sizeof(organization) - 1)
			    ? NULL
			    : l->channel + sizeof(organization) - 1);
	jx_key(&b, "data");
	buf_text(&b, text);
	buf_char(&b, '}');
	post_and_tell(a, type, message_id(a, type, at, text), b.p, b.n);
}

static bool take_event(void *to, const char *name, const char *text, size_t n)
{
	struct listener *l = to;
	struct json_object *o, *id;
	const char *problem, *type;

	(void)name;
	arena_init(&l->memory, 16384);
	if (!json_read(&l->memory, text, n, &o, &problem)) {
		type = json_text(json_at(o, "type", NULL), 64);
		id = json_at(o, "event_id", NULL);
		if (type && !strcmp(type, "subscribed")) {
			if (!l->last)
				fprintf(stderr, "listening to %s\n", l->channel);
			else if (!json_object_get_boolean(json_at(o, "recovered", NULL)))
				fprintf(stderr, "ashlar: %s: events were missed\n", l->channel);
		} else if (type && !strcmp(type, "update")) {
			forward_event(l, o);
		} else if (type && l->path && !strcmp(type, "event")) {
			forward_body(l, o);
		}
		if (json_object_is_type(id, json_type_int))
			l->last = json_object_get_int64(id);
	}
	arena_release(&l->memory);
	return true;
}

static bool take_piece(void *to, const char *p, size_t n)
{
	struct listener *l = to;

	return sse_feed(&l->sse, p, n, take_event, l);
}

/* One connection, until it ends.  False: it makes no sense to come again. */
static bool connect_once(struct listener *l, bool *was_answered)
{
	struct remote_call call = { .method = "GET",
				    .accept = "text/event-stream",
				    .take = take_piece,
				    .to = l,
				    .timeout_s = 86400 };
	const char *headers[2] = { NULL, NULL };
	struct remote_answer got;
	struct arena a;
	struct buf b;
	bool again;

	arena_init(&a, 16384);
	buf_init(&b, &a, 256);
	buf_text(&b, l->path ? l->path : "/api/v1/app/events?");
	if (!l->path)
		qs_add(&b, "channel", l->channel);
	call.target = buf_str(&b);
	if (l->last) {
		headers[0] = arena_fmt(&a, "Last-Event-ID: %lld", l->last);
		call.headers = headers;
	}
	sse_init(&l->sse, &a, EVENT_MOST);
	*was_answered = remote_call(l->remote, &a, &call, &got) && got.status == 200;
	again = *was_answered || !got.status || got.status == 429 || got.status >= 500;
	if (!again)
		fprintf(stderr, "ashlar: %s: %d %s\n", l->channel, got.status, cmd_shown(&a, got.body));
	arena_release(&a);
	return again;
}

static int listen_to(struct remote *remote, const char *channel)
{
	struct listener l = { .remote = remote, .channel = channel };
	long pause_ms = FIRST_PAUSE_MS;
	bool was_answered;

	if (channel == whole_tenant)
		l.path = remote->is_team ? "/api/v1/dashboard/events" : "/api/v1/tenant-events";
	while (connect_once(&l, &was_answered)) {
		pause_ms = was_answered                      ? FIRST_PAUSE_MS
			   : pause_ms * 2 > LONGEST_PAUSE_MS ? LONGEST_PAUSE_MS
							     : pause_ms * 2;
		sleep_ms(pause_ms + (long)secret_random_below((uint32_t)pause_ms));
	}
	return 1;
}

/* Channels */

/* The answer to a GET, or NULL with what is wrong on stderr. */
static struct json_object *get(struct remote *remote, struct arena *a, const char *target)
{
	struct remote_call call = { .method = "GET", .target = target };
	struct json_object *v = NULL;
	struct remote_answer got;
	const char *problem;

	if (!remote_call(remote, a, &call, &got))
		cmd_die("%s", got.problem);
	if (got.status == 200 && !json_read(a, got.body, got.n, &v, &problem))
		return v;
	fprintf(stderr, "ashlar: %s: %d %s\n", target, got.status, cmd_shown(a, got.body));
	return NULL;
}

/* Those that were named, else the user's own and their organizations'; how many. */
static int choose(struct remote *remote, const char *names[CHANNELS])
{
	struct arena *a = &remote->arena;
	struct json_object *me, *organizations;
	int n = 0;

	for (const char *p = channels; p && *(p += strspn(p, ", ")) && n < CHANNELS; p += strcspn(p, ", ")) {
		names[n] = arena_dup_n(a, p, strcspn(p, ", "));
		if (!strcmp(names[n], "tenant"))
			names[n] = whole_tenant;
		n++;
	}
	if (n)
		return n;
	if (remote->is_team || (remote->key && !strncmp(remote->key, "sk_", 3) && !remote->access_token)) {
		names[0] = whole_tenant;
		return 1;
	}
	if (!remote->access_token)
		cmd_die("events are for a secret key, ashlar login --key, or for a user, ashlar login "
			"--email");
	me = get(remote, a, "/api/v1/app/users/me");
	if (!me || !json_text(json_at(me, "id", NULL), 255))
		return 0;
	names[n++] = arena_fmt(a, "user:%s", json_text(json_at(me, "id", NULL), 255));
	organizations = remote->key ? get(remote, a, "/api/v1/organizations/my-organizations") : NULL;
	for (size_t i = 0; json_object_is_type(organizations, json_type_array) &&
			   i < json_object_array_length(organizations) && n < CHANNELS;
	     i++) {
		const char *id =
			json_text(json_at(json_object_array_get_idx(organizations, i), "id", NULL), 64);

		if (id)
			names[n++] = arena_fmt(a, "organization:%s", id);
	}
	return n;
}

static volatile sig_atomic_t is_over;

static void end(int signo)
{
	(void)signo;
	is_over = 1;
}

int cmd_listen(int argc, char **argv)
{
	const char *names[CHANNELS];
	struct sigaction sa = { .sa_handler = end };
	struct remote *remote;
	pid_t parent = getpid(), children[CHANNELS];
	int n;

	if (cmd_options(&usage, argc, argv) < argc)
		cmd_misuse(&usage, "takes no operands");
	if (!forward || (strncmp(forward, "http://", 7) != 0 && strncmp(forward, "https://", 8) != 0))
		cmd_misuse(&usage, "--forward must be an address that begins with http:// or https://");
	if (secret && !standard_webhooks_is_secret(secret, strlen(secret)))
		cmd_misuse(&usage, "--secret must be whsec_ and base64 of 24 bytes or more");
	remote = remote_open();
	n = choose(remote, names);
	if (!n)
		return 1;
	if (!secret) {
		secret = standard_webhooks_secret(&remote->arena);
		printf("secret %s\n", secret);
		fflush(stdout);
	}
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	for (int i = 0; i < n; i++) {
		children[i] = fork();
		if (children[i] < 0)
			cmd_die("no process for %s", names[i]);
		if (children[i])
			continue;
		signal(SIGINT, SIG_DFL);
		signal(SIGTERM, SIG_DFL);
		prctl(PR_SET_PDEATHSIG, SIGTERM);
		_exit(getppid() == parent ? listen_to(remote, names[i]) : 1);
	}
	for (int left = n; left > 0 && !is_over;)
		left -= wait(NULL) > 0;
	for (int i = 0; is_over && i < n; i++)
		kill(children[i], SIGTERM);
	return is_over ? 0 : 1;
}
