/*
 * Signatures as the WHATWG's MIME Sniffing Standard has them, and some more that
 * people upload.
 */
#include "lib/base/sniff.h"

#include <string.h>
#include <strings.h>

/* Bytes at a place; of a family of which the declared type may be any member. */
static const struct signature {
	const char *type;
	size_t at;
	const char *bytes;
	size_t n;
	const char *family; /* what else it may be called: a prefix of the type; NULL: nothing */
} signatures[] = {
#define AT(place, text) place, text, sizeof(text) - 1
	{ "image/png", AT(0, "\x89PNG\r\n\x1a\n"), "image/apng" },
	{ "image/jpeg", AT(0, "\xff\xd8\xff"), "image/jpg" },
	{ "image/gif", AT(0, "GIF87a"), NULL },
	{ "image/gif", AT(0, "GIF89a"), NULL },
	{ "image/webp", AT(8, "WEBPVP"), NULL },
	{ "image/bmp", AT(0, "BM"), "image/x-ms-bmp" },
	{ "image/tiff", AT(0, "II*\0"), NULL },
	{ "image/tiff", AT(0, "MM\0*"), NULL },
	{ "image/avif", AT(4, "ftypavi"), NULL },
	{ "image/heic", AT(4, "ftypheic"), "image/hei" },
	{ "image/heic", AT(4, "ftypmif1"), "image/" },
	{ "application/pdf", AT(0, "%PDF-"), NULL },
	{ "application/zip", AT(0, "PK\3\4"), "application/" },
	{ "application/zip", AT(0, "PK\5\6"), "application/" },
	{ "application/gzip", AT(0, "\x1f\x8b\b"), "application/" },
	{ "application/x-7z-compressed", AT(0, "7z\xbc\xaf\x27\x1c"), NULL },
	{ "application/vnd.rar", AT(0, "Rar!\x1a\7"), "application/x-rar" },
	{ "application/x-ole-storage", AT(0, "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"), "application/" },
	{ "audio/mpeg", AT(0, "ID3"), "audio/mp3" },
	{ "audio/ogg", AT(0, "OggS\0"), "video/ogg" },
	{ "audio/wav", AT(8, "WAVE"), "audio/" },
	{ "audio/flac", AT(0, "fLaC"), "audio/x-flac" },
	{ "video/webm", AT(0, "\x1a\x45\xdf\xa3"), "video/" },
	{ "video/webm", AT(0, "\x1a\x45\xdf\xa3"), "audio/" },
	{ "video/mp4", AT(4, "ftyp"), "video/" },
	{ "video/mp4", AT(4, "ftyp"), "audio/" },
	{ "font/woff2", AT(0, "wOF2"), NULL },
	{ "font/woff", AT(0, "wOFF"), NULL },
#undef AT
};

enum { SIGNATURES = sizeof(signatures) / sizeof(*signatures) };

static const struct signature *found(const unsigned char *p, size_t n)
{
	for (int i = 0; i < SIGNATURES; i++) {
		const struct signature *s = &signatures[i];

		if (n >= s->at + s->n && !memcmp(p + s->at, s->bytes, s->n))
			return s;
	}
	return NULL;
}

/* Text has no such bytes; what is cut off inside of a character may be. */
static bool is_binary(const unsigned char *p, size_t n)
{
	if (n >= 2 && ((p[0] == 0xfe && p[1] == 0xff) || (p[0] == 0xff && p[1] == 0xfe)))
		return false; /* UTF-16 says so itself */
	for (size_t i = 0; i < n; i++)
		if (p[i] < 9 || p[i] == 0xb || (p[i] > 0xd && p[i] < 0x1b) || (p[i] > 0x1b && p[i] < 0x20))
			return true;
	return false;
}

/* Does text begin with that, in any case, behind white space and a byte order mark? */
static bool begins(const char *p, size_t n, const char *tag)
{
	return n >= strlen(tag) && !strncasecmp(p, tag, strlen(tag));
}

static const char *kind_of_text(const char *p, size_t n)
{
	static const char *const html[] = { "<!doctype html", "<html",  "<head", "<script",
					    "<iframe",        "<body",  "<h1",   "<div",
					    "<font",          "<table", "<a ",   "<style",
					    "<title",         "<b>",    "<br",   "<p>",
					    "<img",           "<meta",  "<!--",  NULL };
	size_t skip = n >= 3 && !memcmp(p, "\xef\xbb\xbf", 3) ? 3 : 0;

	while (skip < n && strchr(" \t\r\n\f", p[skip]) && p[skip])
		skip++;
	p += skip;
	n -= skip;
	for (const char *const *tag = html; *tag; tag++)
		if (begins(p, n, *tag))
			return "text/html";
	if (begins(p, n, "<svg") || (begins(p, n, "<?xml") && memmem(p, n, "<svg", 4)))
		return "image/svg+xml";
	return begins(p, n, "<?xml") ? "text/xml" : "text/plain";
}

const char *sniff_type(const void *head, size_t n)
{
	const struct signature *s = found(head, n);

	if (s)
		return s->type;
	return is_binary(head, n) ? "application/octet-stream" : kind_of_text(head, n);
}

/* Without its parameters. */
static bool is(const char *type, const char *name)
{
	size_t n = strcspn(type, "; \t");

	return strlen(name) == n && !strncasecmp(type, name, n);
}

static bool has_signature(const char *type)
{
	for (int i = 0; i < SIGNATURES; i++)
		if (is(type, signatures[i].type))
			return true;
	return false;
}

static bool is_text(const char *type)
{
	size_t n = strcspn(type, "; \t");

	return !strncasecmp(type, "text/", 5) || is(type, "application/json") ||
	       is(type, "application/xml") || is(type, "application/javascript") ||
	       is(type, "image/svg+xml") ||
	       (n > 5 && (!strncasecmp(type + n - 5, "+json", 5) || !strncasecmp(type + n - 4, "+xml", 4)));
}

bool sniff_agrees(const char *declared, const void *head, size_t n)
{
	const struct signature *s = found(head, n);

	if (is(declared, "application/octet-stream") || !n)
		return true;
	for (const struct signature *each = signatures; each < signatures + SIGNATURES; each++)
		if (n >= each->at + each->n && !memcmp((const char *)head + each->at, each->bytes, each->n) &&
		    (is(declared, each->type) ||
		     (each->family && !strncasecmp(declared, each->family, strlen(each->family)) &&
		      (!has_signature(declared) || strcmp(each->family, "application/") != 0))))
			return true;
	if (has_signature(declared))
		return is(declared, "audio/mpeg") && n >= 2 && ((const unsigned char *)head)[0] == 0xff &&
		       (((const unsigned char *)head)[1] & 0xe0) == 0xe0; /* a frame without a tag in front */
	/* "BM" may begin a word. */
	if (s && !(strcmp(s->type, "image/bmp") == 0 && is_text(declared)))
		return false;
	return !(is_text(declared) && is_binary(head, n));
}

bool sniff_is_inert(const char *type)
{
	static const char *const images[] = { "image/png",  "image/jpeg", "image/jpg", "image/gif",
					      "image/webp", "image/avif", "image/bmp", "image/heic",
					      "image/apng", NULL };

	for (const char *const *i = images; *i; i++)
		if (is(type, *i))
			return true;
	return is(type, "text/plain") || !strncasecmp(type, "audio/", 6) || !strncasecmp(type, "video/", 6);
}
