#include "lib/net/http_trace.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>

const char *http_trace_name(const struct http_call *call)
{
	return call->method ? call->method : call->body ? "POST" : "GET";
}

static void add_url(struct span *s, const struct http_call *call)
{
	CURLU *url = curl_url();
	char *host = NULL, *port = NULL, *whole = NULL;

	curl_url_set(url, CURLUPART_URL, call->url ? call->url : "", 0);
	if (!curl_url_get(url, CURLUPART_HOST, &host, 0) &&
	    !curl_url_get(url, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT)) {
		span_text(s, SPAN_SERVER_ADDRESS, host);
		span_number(s, SPAN_SERVER_PORT, strtol(port, NULL, 10));
		curl_url_set(url, CURLUPART_USER, NULL, 0);
		curl_url_set(url, CURLUPART_PASSWORD, NULL, 0);
		curl_url_set(url, CURLUPART_QUERY, NULL, 0);
		curl_url_set(url, CURLUPART_FRAGMENT, NULL, 0);
		if (call->flags & HTTP_USER_URL)
			curl_url_set(url, CURLUPART_PATH, NULL, 0);
		if (!curl_url_get(url, CURLUPART_URL, &whole, 0))
			span_text(s, SPAN_URL_FULL, whole);
	}
	curl_free(whole);
	curl_free(port);
	curl_free(host);
	curl_url_cleanup(url);
}

void http_trace(struct span *s, const struct http_call *call, const struct http_answer *out, enum err rc)
{
	char status[12];

	span_text(s, SPAN_HTTP_METHOD, http_trace_name(call));
	span_text(s, SPAN_PROVIDER, call->provider);
	if (out->status)
		span_number(s, SPAN_HTTP_STATUS, out->status);
	if (out->attempts > 1)
		span_number(s, SPAN_HTTP_RESENDS, out->attempts - 1);
	s->is_error = rc || out->status >= 400;
	snprintf(status, sizeof(status), "%d", out->status);
	if (s->is_error)
		span_text(s, SPAN_ERROR_TYPE, out->status ? status : err_info(rc)->code);
	add_url(s, call);
}
