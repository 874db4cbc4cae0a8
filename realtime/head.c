#include "realtime/head.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

/* RFC 9110 5.6.2 */
static bool is_token(const char *p, const char *end)
{
	static const char chars[] = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz"
				    "ABCDEFGHIJKLMNOPQRSTUVWXYZ";

	if (p == end)
		return false;
	for (; p < end; p++)
		if (!*p || !strchr(chars, *p))
			return false;
	return true;
}

static bool is_text(const char *p, const char *end, char lowest)
{
	for (; p < end; p++)
		if (((unsigned char)*p < (unsigned char)lowest && *p != '\t') || *p == 127)
			return false;
	return true;
}

/* "GET /path HTTP/1.1"; end is where its CR stands. */
static bool request_line(char *p, char *end, struct head *out)
{
	char *target = memchr(p, ' ', (size_t)(end - p)), *version;

	if (!target || !is_token(p, target))
		return false;
	*target++ = '\0';
	version = memchr(target, ' ', (size_t)(end - target));
	if (!version || *target != '/' || !is_text(target, version, '!'))
		return false;
	*version++ = '\0';
	out->method = p;
	out->target = target;
	*end = '\0';
	return !strcmp(version, "HTTP/1.1");
}

static bool field_line(char *p, char *end, struct head_field *out)
{
	char *colon = memchr(p, ':', (size_t)(end - p)), *value;

	if (!colon || !is_token(p, colon))
		return false;
	value = colon + 1;
	while (value < end && (*value == ' ' || *value == '\t'))
		value++;
	while (end > value && (end[-1] == ' ' || end[-1] == '\t'))
		end--;
	if (!is_text(value, end, ' '))
		return false;
	*colon = '\0';
	*end = '\0';
	*out = (struct head_field){ p, value };
	return true;
}

/* A body would be taken for WebSocket frames. */
static bool has_body(const struct head *h)
{
	const char *length = head_field(h, "Content-Length");

	return head_field(h, "Transfer-Encoding") || (length && strcmp(length, "0"));
}

enum head_found head_read(char *p, size_t n, struct head *out)
{
	size_t within = n < HEAD_MAX_BYTES ? n : HEAD_MAX_BYTES;
	char *end = memmem(p, within, "\r\n\r\n", 4), *line, *cr;

	if (!end)
		return n >= HEAD_MAX_BYTES ? HEAD_LARGE : HEAD_MORE;
	*out = (struct head){ .n = (size_t)(end - p) + 4 };
	cr = memmem(p, (size_t)(end - p) + 2, "\r\n", 2);
	if (!request_line(p, cr, out))
		return HEAD_BAD;
	for (line = cr + 2; line < end; line = cr + 2) {
		cr = memmem(line, (size_t)(end - line) + 2, "\r\n", 2);
		if (out->nfields == HEAD_MAX_FIELDS)
			return HEAD_LARGE;
		if (!field_line(line, cr, &out->fields[out->nfields++]))
			return HEAD_BAD;
	}
	/* Whatever else is asked, it is refused by its method, and nothing is read behind it. */
	return !strcmp(out->method, "GET") && has_body(out) ? HEAD_BAD : HEAD_WHOLE;
}

const char *head_field(const struct head *h, const char *name)
{
	for (int i = 0; i < h->nfields; i++)
		if (!strcasecmp(h->fields[i].name, name))
			return h->fields[i].value;
	return NULL;
}
