#include "lib/net/http_multi.h"

#include <assert.h>
#include <curl/curl.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "lib/net/http_exchange.h"
#include "lib/net/http_guard.h"

/*
 * A call is looking its host's name up (a thread does, see http_guard.h), then
 * under way in curl, then done until it is asked for.
 */
struct slot {
	enum { FREE, LOOKING, SENDING, DONE } state;
	struct exchange x;
	struct guard_lookup *lookup;
	CURL *h;
	enum err rc;
	void *user;
};

enum { MAX_WATCHED = 8 };

struct http_multi {
	CURLM *curl;
	int notify; /* an eventfd that look-ups write to; stays open, since one that was given up still does
		     */
	int count, looking;
	int max;
	struct slot slots[];
};

struct http_multi *http_multi_new(int max)
{
	struct http_multi *m = calloc(1, sizeof(*m) + (size_t)max * sizeof(m->slots[0]));

	if (!m)
		return NULL;
	m->max = max;
	m->curl = curl_multi_init();
	m->notify = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (m->curl && m->notify >= 0) {
		/* A user's host: no connection and no TLS session is left behind for another user. */
		curl_multi_setopt(m->curl, CURLMOPT_MAXCONNECTS, 1L);
		return m;
	}
	if (m->curl)
		curl_multi_cleanup(m->curl);
	free(m);
	return NULL;
}

int http_multi_room(const struct http_multi *m)
{
	return m->max - m->count;
}

int http_multi_count(const struct http_multi *m)
{
	return m->count;
}

static void slot_done(struct slot *s, enum err rc)
{
	s->rc = rc;
	s->state = DONE;
	s->x.out->duration_ms = (long)(http_exchange_now_ms() - s->x.start_ms);
	http_exchange_hop_release(&s->x);
}

static void slot_send(struct http_multi *m, struct slot *s)
{
	s->h = curl_easy_init();
	if (!s->h) {
		slot_done(s, http_exchange_fail(&s->x, ERR_EXTERNAL, curl_easy_strerror(CURLE_FAILED_INIT)));
		return;
	}
	http_exchange_prepare(&s->x, s->h);
	curl_easy_setopt(s->h, CURLOPT_PRIVATE, s);
	curl_easy_setopt(s->h, CURLOPT_FRESH_CONNECT, 1L);
	curl_easy_setopt(s->h, CURLOPT_FORBID_REUSE, 1L);
	s->state = SENDING;
	curl_multi_add_handle(m->curl, s->h);
}

/* What the look-up found, or not. */
static void slot_found(struct http_multi *m, struct slot *s, int problem, struct addrinfo *found)
{
	enum err rc = http_exchange_hop_pin(&s->x, problem, found);

	if (rc)
		slot_done(s, rc);
	else
		slot_send(m, s);
}

void http_multi_add(struct http_multi *m, struct arena *a, const struct http_call *call,
		    struct http_answer *out, void *user)
{
	struct addrinfo *found = NULL;
	struct slot *s = m->slots;
	const char *name = NULL;
	enum err rc;
	int problem;

	assert(m->count < m->max);
	while (s->state != FREE)
		s++;
	m->count++;
	s->user = user;
	s->lookup = NULL;
	s->h = NULL;
	http_exchange_init(&s->x, a, call, out);
	rc = http_exchange_check(&s->x);
	if (!rc)
		rc = http_exchange_hop_parse(&s->x, call->url);
	if (!rc && call->flags & HTTP_USER_URL)
		rc = http_exchange_hop_name(&s->x, &name);
	if (rc) {
		slot_done(s, rc);
		return;
	}
	if (!name) {
		slot_send(m, s);
		return;
	}
	problem = http_guard_lookup_begin(name, s->x.port, m->notify, &s->lookup, &found);
	if (problem || !s->lookup) {
		slot_found(m, s, problem, found);
		return;
	}
	s->state = LOOKING;
	m->looking++;
}

/* Look-ups that are done, or have taken all the time there was. */
static void take_lookups(struct http_multi *m)
{
	int64_t now = http_exchange_now_ms();

	for (int i = 0; m->looking && i < m->max; i++) {
		struct slot *s = &m->slots[i];
		struct addrinfo *found = NULL;
		int problem = 0;

		if (s->state != LOOKING)
			continue;
		if (http_guard_lookup_end(s->lookup, &problem, &found)) {
			m->looking--;
			slot_found(m, s, problem, found);
		} else if (now >= s->x.deadline_ms) {
			http_guard_lookup_drop(s->lookup);
			m->looking--;
			slot_found(m, s, EAI_AGAIN, NULL);
		}
	}
}

static void take_answers(struct http_multi *m)
{
	CURLMsg *msg;
	int left;

	while ((msg = curl_multi_info_read(m->curl, &left))) {
		CURLcode came = msg->data.result;
		CURL *h = msg->easy_handle;
		struct slot *s = NULL;

		if (msg->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(h, CURLINFO_PRIVATE, (char **)&s);
		came = http_exchange_take(&s->x, h, came);
		curl_multi_remove_handle(m->curl, h);
		curl_easy_cleanup(h);
		s->h = NULL;
		slot_done(s, http_exchange_verdict(&s->x, came));
	}
}

static bool has_done(const struct http_multi *m)
{
	for (int i = 0; m->count && i < m->max; i++)
		if (m->slots[i].state == DONE)
			return true;
	return false;
}

void http_multi_wait(struct http_multi *m, const int *fds, int n, int timeout_ms)
{
	struct curl_waitfd watched[MAX_WATCHED + 1];
	int running = 0, count = 0;
	eventfd_t ignored;

	assert(n <= MAX_WATCHED);
	for (int i = 0; i < n; i++)
		if (fds[i] >= 0)
			watched[count++] = (struct curl_waitfd){ .fd = fds[i], .events = CURL_WAIT_POLLIN };
	watched[count++] = (struct curl_waitfd){ .fd = m->notify, .events = CURL_WAIT_POLLIN };
	curl_multi_perform(m->curl, &running);
	take_answers(m);
	if (has_done(m))
		timeout_ms = 0;
	if (m->looking && timeout_ms > 1000)
		timeout_ms = 1000; /* their deadlines are watched here alone */
	curl_multi_poll(m->curl, watched, (unsigned)count, timeout_ms, NULL);
	if (eventfd_read(m->notify, &ignored) < 0 && errno != EAGAIN)
		abort();
	take_lookups(m);
	curl_multi_perform(m->curl, &running);
	take_answers(m);
}

void *http_multi_next(struct http_multi *m, enum err *rc)
{
	for (int i = 0; m->count && i < m->max; i++) {
		struct slot *s = &m->slots[i];

		if (s->state != DONE)
			continue;
		s->state = FREE;
		m->count--;
		*rc = s->rc;
		return s->user;
	}
	return NULL;
}

static void slot_end(struct http_multi *m, struct slot *s)
{
	if (s->state == LOOKING)
		http_guard_lookup_drop(s->lookup);
	if (s->h) {
		http_exchange_take(&s->x, s->h, CURLE_ABORTED_BY_CALLBACK);
		curl_multi_remove_handle(m->curl, s->h);
		curl_easy_cleanup(s->h);
		s->h = NULL;
	}
	if (s->state == LOOKING || s->state == SENDING)
		http_exchange_hop_release(&s->x);
}

void http_multi_drop(struct http_multi *m, const void *user)
{
	for (int i = 0; i < m->max; i++) {
		struct slot *s = &m->slots[i];

		if (s->state == FREE || s->user != user)
			continue;
		slot_end(m, s);
		m->looking -= s->state == LOOKING;
		m->count--;
		s->state = FREE;
	}
}

void http_multi_free(struct http_multi *m)
{
	for (int i = 0; m && i < m->max; i++)
		slot_end(m, &m->slots[i]);
	if (m)
		curl_multi_cleanup(m->curl);
	free(m);
}
