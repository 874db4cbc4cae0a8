#include "lib/base/sniff.h"

#include <string.h>

#include "t/unit/tap.h"

#define BYTES(text) text, sizeof(text) - 1

static void sniffed(const char *bytes, size_t n, const char *type)
{
	is_str(sniff_type(bytes, n), type, "%s", type);
}

static void agrees(const char *declared, const char *bytes, size_t n, bool can)
{
	ok(sniff_agrees(declared, bytes, n) == can, "%s %s %s", sniff_type(bytes, n),
	   can ? "may be" : "is not", declared);
}

int main(void)
{
	static const char png[] = "\x89PNG\r\n\x1a\n", zip[] = "PK\3\4....",
			  mp4[] = "\0\0\0\x18"
				  "ftypisom";

	sniffed(BYTES(png), "image/png");
	sniffed(BYTES("\xff\xd8\xff\xe0"), "image/jpeg");
	sniffed(BYTES("%PDF-1.7"), "application/pdf");
	sniffed(BYTES("RIFF....WEBPVP8 "), "image/webp");
	sniffed(BYTES(mp4), "video/mp4");
	sniffed(BYTES(" \n<!DocType HTML>"), "text/html");
	sniffed(BYTES("\xef\xbb\xbf<script>"), "text/html");
	sniffed(BYTES("<?xml version=\"1.0\"?><svg>"), "image/svg+xml");
	sniffed(BYTES("<?xml version=\"1.0\"?><a/>"), "text/xml");
	sniffed(BYTES("hello"), "text/plain");
	sniffed(BYTES("hel\0lo"), "application/octet-stream");
	sniffed("", 0, "text/plain");

	agrees("image/png", BYTES(png), true);
	agrees("IMAGE/PNG; x=y", BYTES(png), true);
	agrees("image/jpeg", BYTES(png), false);
	agrees("image/jpg", BYTES("\xff\xd8\xff\xe0"), true);
	agrees("image/png", BYTES("<script>"), false);
	agrees("text/plain", BYTES(png), false);
	agrees("application/octet-stream", BYTES(png), true);
	agrees("application/vnd.openxmlformats-officedocument.wordprocessingml.document", BYTES(zip), true);
	agrees("application/pdf", BYTES(zip), false);
	agrees("image/png", BYTES(zip), false);
	agrees("text/csv", BYTES("a,b\n"), true);
	agrees("text/csv", BYTES("BMW,b\n"), true);
	agrees("text/csv", BYTES("a\0b"), false);
	agrees("application/json", BYTES("{}"), true);
	agrees("application/json", BYTES("\1\2"), false);
	agrees("application/problem+json", BYTES("\1\2"), false);
	agrees("application/x-mine", BYTES("\1\2"), true);
	agrees("application/x-mine", BYTES(png), false);
	agrees("audio/mpeg", BYTES("\xff\xfb\x90"), true);
	agrees("audio/mp4", BYTES(mp4), true);
	agrees("image/svg+xml", BYTES("<svg/>"), true);
	agrees("image/png", "", 0, true);

	ok(sniff_is_inert("image/png") && sniff_is_inert("video/mp4") &&
		   sniff_is_inert("text/plain; charset=utf-8"),
	   "shown");
	ok(!sniff_is_inert("image/svg+xml") && !sniff_is_inert("text/html") &&
		   !sniff_is_inert("application/pdf"),
	   "not shown");
	return done_testing();
}
