/*
 * Signed addresses: AWS's own example, and what is encoded and ordered how.  "sign" signs what the
 * environment says, for t/clients/s3.t, which asks Amazon's own signer for the same.
 */
#include "lib/crypto/sigv4.h"

#include <stdlib.h>
#include <string.h>

#include "t/unit/tap.h"

static struct arena arena;

static const char *env(const char *name)
{
	const char *value = getenv(name);

	return value ? value : "";
}

/* "name=value" each. */
static void take(struct sigv4_pair *to, char *text)
{
	char *value = strchr(text, '=');

	if (value) {
		*value = '\0';
		*to = (struct sigv4_pair){ text, value + 1 };
	}
}

/* sign METHOD ORIGIN PATH TIME TTL [?QUERY=VALUE | HEADER=VALUE]… */
static void print(int argc, char **argv)
{
	struct sigv4_key key = { env("KEY_ID"), env("SECRET"), env("REGION"), "s3" };
	struct sigv4_request request = { .method = argv[2], .origin = argv[3], .path = argv[4] };
	int nquery = 0, nheaders = 0;

	for (int i = 7; i < argc; i++)
		if (argv[i][0] == '?')
			take(&request.query[nquery++], argv[i] + 1);
		else
			take(&request.headers[nheaders++], argv[i]);
	puts(sigv4_presign(&arena, &key, &request, strtoll(argv[5], NULL, 10), strtol(argv[6], NULL, 10)));
}

int main(int argc, char **argv)
{
	/* https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html */
	static const struct sigv4_key key = { "AKIAIOSFODNN7EXAMPLE",
					      "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "us-east-1", "s3" };
	static const struct sigv4_request get = { .method = "GET",
						  .origin = "https://examplebucket.s3.amazonaws.com",
						  .path = "/test.txt" };
	static const struct sigv4_request put = {
		.method = "PUT",
		.origin = "http://127.0.0.1:9000",
		.path = "/bucket/a b+c/\xc3\xa4",
		.query = { { "uploadId", "x/y=" }, { "partNumber", "10" }, { "empty", "" } },
		.headers = { { "x-amz-b", "2" }, { "content-type", " text/plain;  charset=utf-8 " } },
	};
	struct sigv4_request same = put, other = put;
	const char *url;

	arena_init(&arena, 8192);
	if (argc >= 7 && !strcmp(argv[1], "sign")) {
		print(argc, argv);
		return 0;
	}
	is_str(sigv4_presign(&arena, &key, &get, 1369353600, 86400),
	       "https://examplebucket.s3.amazonaws.com/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256"
	       "&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request"
	       "&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400"
	       "&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
	       "&X-Amz-SignedHeaders=host",
	       "the example of Amazon's documentation");
	url = sigv4_presign(&arena, &key, &put, 1369353600, 60);
	has_str(url, "http://127.0.0.1:9000/bucket/a%20b%2Bc/%C3%A4?",
		"a path is encoded but for its slashes");
	has_str(url, "&empty=&partNumber=10&uploadId=x%2Fy%3D", "a query is encoded and ordered");
	has_str(url, "X-Amz-SignedHeaders=content-type%3Bhost%3Bx-amz-b",
		"headers that are signed are named");
	same.headers[1].value = "text/plain; charset=utf-8";
	is_str(sigv4_presign(&arena, &key, &same, 1369353600, 60), url,
	       "blanks of a header's value do not count");
	other.headers[1].value = "text/plain; charset=utf-9";
	ok(strcmp(sigv4_presign(&arena, &key, &other, 1369353600, 60), url) != 0, "its value does");
	ok(!strstr(url, key.secret), "the secret is not in it");
	arena_release(&arena);
	return done_testing();
}
