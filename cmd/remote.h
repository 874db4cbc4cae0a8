/*
 * A server and who one is there: for the commands that talk to one over HTTP, from
 * any machine.
 *
 * A profile is a file of its user alone (0600), ~/.config/ashlar/NAME.json: the server's
 * address, and a key or a session, which is refreshed when it has expired.  The
 * environment comes before it: ASHLAR_URL, ASHLAR_API_KEY, ASHLAR_TOKEN, ASHLAR_CA.
 */
#ifndef ASHLAR_REMOTE_H
#define ASHLAR_REMOTE_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/arena.h"

/* What the commands take; options for cmd_options. */
extern const char *remote_profile, *remote_url, *remote_ca;
/* clang-format off */
#define REMOTE_OPTIONS \
	{ "--profile", "NAME", &remote_profile, "which of those that ashlar login made; \"default\" when left out" }, \
	{ "--url", "URL", &remote_url, "the server; the profile's, else ASHLAR_URL, else https://localhost:8443" }, \
	{ "--ca", "FILE", &remote_ca, "certificates to trust beside the system's, such as .run/cert.pem" }
/* clang-format on */

struct remote {
	struct arena arena;                             /* the process's */
	const char *url;                                /* without a slash at its end */
	const char *ca;                                 /* a file, or NULL */
	const char *key, *access_token, *refresh_token; /* or NULL */
	bool is_team;                                   /* the session is of the dashboard */
	bool is_kept;                                   /* the profile's file has the session */
};

struct remote_call {
	const char *method, *target; /* path and query */
	const char *body;            /* JSON; NULL: none */
	const char *workspace, *idempotency_key, *accept;
	const char *const *headers; /* "Name: value", NULL-terminated; or NULL */
	/* Given each piece of the answer as it comes; false ends it.  NULL: the body is kept. */
	bool (*take)(void *to, const char *p, size_t n);
	void *to;
	long timeout_s; /* 0: 60 */
};

struct remote_answer {
	int status;       /* 0: there was none, and problem says why */
	const char *body; /* NUL-terminated */
	size_t n;
	const char *type; /* of the body; "" where there is none */
	const char *request_id;
	const char *problem; /* NULL where somebody answered */
};

/* Read options, environment and profile, or die of a file that others may read, or that is none. */
struct remote *remote_open(void);

bool remote_has_credentials(const struct remote *r);

/*
 * Ask, and wait for the answer; a session that has expired is refreshed once, and kept
 * where it came from.  False: nobody answered.
 */
bool remote_call(struct remote *r, struct arena *a, const struct remote_call *call,
		 struct remote_answer *out);

/* Keep the address and the credentials as the profile, or die. */
void remote_keep(struct remote *r);

/* Forget them: remove the profile's file.  False: there was none. */
bool remote_forget(void);

#endif
