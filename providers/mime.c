#include "providers/mime.h"

#include <openssl/evp.h>
#include <stdbool.h>
#include <string.h>

#include "lib/base/utf8.h"

enum {
	LINE_MAX_CHARS = 76, /* RFC 2045 6.7, RFC 2047 2 */
	WORD_MAX_BYTES =
		39, /* of text in an encoded word: 52 characters of base64 and 12 around, behind a name */
};

static bool is_printable(char c)
{
	return c >= ' ' && c <= '~';
}

/* Text for a header: one line of well-formed UTF-8 without control characters. */
static char *clean(struct arena *a, const char *text)
{
	size_t n = strlen(text);
	struct buf b;

	buf_init(&b, a, n + 8);
	for (size_t i = 0; i < n;) {
		int len = utf8_next(text + i, n - i);

		if (len < 0)
			buf_text(&b, "\xef\xbf\xbd");
		else if (len == 1 && ((unsigned char)text[i] < ' ' || text[i] == 127))
			buf_char(&b, ' ');
		else
			buf_add(&b, text + i, (size_t)len);
		i += (size_t)(len < 0 ? -len : len);
	}
	return buf_str(&b);
}

/* Can it stand in a header as it is? */
static bool is_plain(const char *text)
{
	for (const char *p = text; *p; p++)
		if (!is_printable(*p))
			return false;
	return !strstr(text, "=?");
}

/* RFC 2047: words of base64, each of whole characters, on a separate line. */
static void put_encoded(struct buf *b, const char *text)
{
	size_t n = strlen(text), i = 0;

	while (i < n) {
		size_t from = i;

		while (i < n) {
			size_t len = (size_t)utf8_next(text + i, n - i);

			if (i + len - from > WORD_MAX_BYTES)
				break;
			i += len;
		}
		if (from)
			buf_text(b, "\r\n ");
		buf_text(b, "=?UTF-8?B?");
		b->n += (size_t)EVP_EncodeBlock((unsigned char *)buf_room(b, (i - from + 2) / 3 * 4 + 1),
						(const unsigned char *)text + from, (int)(i - from));
		buf_text(b, "?=");
	}
}

/* Plain text, folded at spaces. */
static void put_folded(struct buf *b, const char *text, size_t column)
{
	while (*text) {
		size_t n = strcspn(text + 1, " ") + 1;

		if (*text == ' ' && column + n > LINE_MAX_CHARS && n > 1) {
			buf_text(b, "\r\n");
			column = 0;
		}
		buf_add(b, text, n);
		column += n;
		text += n;
	}
}

static void put_text_header(struct buf *b, const char *name, const char *value)
{
	const char *text = clean(b->arena, value);

	buf_fmt(b, "%s: ", name);
	if (is_plain(text))
		put_folded(b, text, strlen(name) + 2);
	else
		put_encoded(b, text);
	buf_text(b, "\r\n");
}

/* What stands between < and >: nothing that could end it. */
static void put_bracketed(struct buf *b, const char *text)
{
	buf_char(b, '<');
	for (; *text; text++)
		if ((unsigned char)*text > ' ' && *text != 127 && !strchr("<>", *text))
			buf_char(b, *text);
	buf_char(b, '>');
}

static void put_mailbox(struct buf *b, const char *header, const struct mailbox *m)
{
	const char *name = m->name ? clean(b->arena, m->name) : "";

	buf_fmt(b, "%s: ", header);
	if (*name && is_plain(name)) {
		buf_char(b, '"');
		for (; *name; name++) {
			if (strchr("\"\\", *name))
				buf_char(b, '\\');
			buf_char(b, *name);
		}
		buf_text(b, "\"\r\n ");
	} else if (*name) {
		put_encoded(b, name);
		buf_text(b, "\r\n ");
	}
	put_bracketed(b, m->address);
	buf_text(b, "\r\n");
}

static void put_date(struct buf *b, time_t t)
{
	static const char *const days[] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };
	static const char *const months[] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
					      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
	struct tm tm;

	gmtime_r(&t, &tm);
	buf_fmt(b, "Date: %s, %d %s %d %02d:%02d:%02d +0000\r\n", days[tm.tm_wday], tm.tm_mday,
		months[tm.tm_mon], 1900 + tm.tm_year, tm.tm_hour, tm.tm_min, tm.tm_sec);
}

/* RFC 2045 6.7.  No output line holds "=_", so none is a boundary. */
static void put_quoted_printable(struct buf *b, const char *text)
{
	static const char hex[] = "0123456789ABCDEF";
	size_t column = 0;

	for (const char *p = text; *p; p++) {
		bool at_end = p[1] == '\n' || !p[1] || (p[1] == '\r' && p[2] == '\n');
		bool is_raw = is_printable(*p) ? *p != '=' && !(*p == ' ' && at_end) : *p == '\t' && !at_end;
		size_t n = is_raw ? 1 : 3;

		if (*p == '\r' && p[1] == '\n')
			continue;
		if (*p == '\n') {
			buf_text(b, "\r\n");
			column = 0;
			continue;
		}
		if (column + n > LINE_MAX_CHARS - 1) {
			buf_text(b, "=\r\n");
			column = 0;
		}
		if (is_raw) {
			buf_char(b, *p);
		} else {
			buf_char(b, '=');
			buf_char(b, hex[(unsigned char)*p >> 4]);
			buf_char(b, hex[(unsigned char)*p & 15]);
		}
		column += n;
	}
	if (column)
		buf_text(b, "\r\n");
}

static void put_part(struct buf *b, const char *id, const char *type, const char *text)
{
	buf_fmt(b,
		"--=_%s\r\nContent-Type: %s; charset=utf-8\r\nContent-Transfer-Encoding: "
		"quoted-printable\r\n\r\n",
		id, type);
	put_quoted_printable(b, text);
	buf_text(b, "\r\n");
}

void mime_write(struct buf *b, const struct mime_mail *m)
{
	const char *at = strrchr(m->from.address, '@');
	struct mailbox to = { .address = m->to };

	put_date(b, m->date);
	put_mailbox(b, "From", &m->from);
	put_mailbox(b, "To", &to);
	if (m->reply_to.address)
		put_mailbox(b, "Reply-To", &m->reply_to);
	put_text_header(b, "Subject", m->subject);
	buf_text(b, "Message-ID: ");
	put_bracketed(b, arena_fmt(b->arena, "%s@%s", m->id, at ? at + 1 : "localhost"));
	buf_text(b, "\r\nAuto-Submitted: auto-generated\r\nX-Auto-Response-Suppress: All\r\n");
	if (m->language)
		put_text_header(b, "Content-Language", m->language);
	if (m->unsubscribe) {
		buf_text(b, "List-Unsubscribe: ");
		put_bracketed(b, m->unsubscribe);
		buf_text(b, "\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n");
	}
	buf_fmt(b, "MIME-Version: 1.0\r\nContent-Type: multipart/alternative;\r\n boundary=\"=_%s\"\r\n\r\n",
		m->id);
	put_part(b, m->id, "text/plain", m->text);
	put_part(b, m->id, "text/html", m->html);
	buf_fmt(b, "--=_%s--\r\n", m->id);
}

/* Reading */

/* "=?UTF-8?B?…?=" at p: what it says, and how long it is; 0: there is none. */
static size_t take_encoded(struct buf *b, const char *p)
{
	static const char start[] = "=?UTF-8?B?";
	const char *from = p + sizeof(start) - 1, *end;
	size_t n, padding = 0;

	if (strncmp(p, start, sizeof(start) - 1) != 0 || !(end = strstr(from, "?=")))
		return 0;
	n = (size_t)(end - from);
	while (padding < 2 && padding < n && end[-1 - (long)padding] == '=')
		padding++;
	if (n % 4 ||
	    EVP_DecodeBlock((unsigned char *)buf_room(b, n), (const unsigned char *)from, (int)n) < 0)
		return 0;
	b->n += n / 4 * 3 - padding;
	return (size_t)(end + 2 - p);
}

const char *mime_header(struct arena *a, const char *mail, const char *name)
{
	const char *end = strstr(mail, "\r\n\r\n"), *p = mail;
	size_t len = strlen(name), n;
	bool was_encoded = false;
	struct buf b;

	buf_init(&b, a, 128);
	while (p && p < end && (strncmp(p, name, len) != 0 || p[len] != ':'))
		p = (p = strstr(p, "\r\n")) ? p + 2 : NULL;
	if (!p || !end || p >= end)
		return "";
	for (p += len + 1 + (p[len + 1] == ' '); p < end;) {
		if (!strncmp(p, "\r\n", 2)) {
			if (p[2] != ' ')
				break;
			/* The fold between two encoded words is no blank. */
			p += 2 + (was_encoded && !strncmp(p + 3, "=?", 2));
			continue;
		}
		n = take_encoded(&b, p);
		was_encoded = n > 0;
		if (!n)
			buf_char(&b, *p);
		p += n ? n : 1;
	}
	return buf_str(&b);
}

static int hex_of(char c)
{
	const char *digits = "0123456789ABCDEF", *at = c ? strchr(digits, c) : NULL;

	return at ? (int)(at - digits) : -1;
}

const char *mime_text(struct arena *a, const char *mail)
{
	const char *p = strstr(mail, "\r\nContent-Type: text/plain"), *end;
	struct buf b;

	if (!p || !(p = strstr(p, "\r\n\r\n")))
		return NULL;
	p += 4;
	end = strstr(p, "\r\n--=_");
	if (!end)
		return NULL;
	buf_init(&b, a, (size_t)(end - p) + 1);
	for (; p < end; p++) {
		if (*p == '=' && p[1] == '\r') {
			p += 2;
		} else if (*p == '=' && hex_of(p[1]) >= 0 && hex_of(p[2]) >= 0) {
			buf_char(&b, (char)(hex_of(p[1]) << 4 | hex_of(p[2])));
			p += 2;
		} else if (*p != '\r') {
			buf_char(&b, *p);
		}
	}
	return buf_str(&b);
}
