/*
 * What is asked of a server of others, and what it answered.
 */
#ifndef ASHLAR_HTTP_CALL_H
#define ASHLAR_HTTP_CALL_H

#include <stdbool.h>
#include <stddef.h>

struct http_answer;

enum http_flag {
	HTTP_RETRY = 1,    /* may be sent twice: a POST that carries an idempotency key, say */
	HTTP_USER_URL = 2, /* a user chose the URL: public addresses only, on every hop */
	HTTP_FOLLOW = 4,   /* follow redirects of GET and HEAD, at most three, never from https to http */
	HTTP_CUT = 8,      /* a body longer than max_bytes is no failure: the rest is not read */
	HTTP_FILE = 16,    /* body_fd has the body, and not memory: for what may be large */
};

struct http_call {
	const char
		*provider;  /* names the breaker; from code or configuration, never from a user; NULL: none */
	const char *method; /* NULL: POST with a body, else GET */
	const char *url;    /* NULL or "": the provider is not configured */
	const char *const
		*headers;    /* "Name: value", NULL-terminated, or NULL; not sent on to another origin */
	const char *ca_file; /* certificates (PEM) that the server is trusted by; NULL or "": the system's */
	const void *body;
	int body_fd; /* with HTTP_FILE: a file, from its beginning; its offset is left alone */
	size_t body_len;
	size_t max_bytes;        /* of the answer's body; 0: 1 MiB */
	long timeout_ms;         /* for everything, retries and redirects included; 0: HTTP_TIMEOUT_MS */
	long connect_timeout_ms; /* 0: HTTP_CONNECT_TIMEOUT_MS */
	unsigned flags;
	/*
	 * For a service with rules of its own: is this answer, or its absence (status 0:
	 * the connection failed, perhaps with the request already carried out), worth
	 * sending again?  NULL: 502, 503, 504 and what never was connected.
	 */
	bool (*is_passing)(const struct http_answer *out);
	/*
	 * For an answer that is read while it comes: given each piece of the body of one with status 2xx,
	 * which then is not kept.  False: the rest is not wanted, and the call ends with ERR_CLIENT_CLOSED.
	 * NULL: the body is kept.
	 */
	bool (*take)(void *to, const char *p, size_t n);
	/*
	 * Asked a few times a second while the call waits: does anybody still want it?  False ends it in the
	 * same way.  NULL: somebody does.
	 */
	bool (*is_wanted)(void *to);
	void *to;
};

struct http_answer {
	int status;       /* 0: there was none */
	const char *body; /* NUL-terminated; the arena's, like everything here */
	size_t body_len;
	const char *head;   /* for http_header */
	const char *reason; /* what went wrong, for the log: no secret, no query string; NULL on ERR_OK */
	long duration_ms;
	int attempts; /* requests sent, on all hops */
};

#endif
