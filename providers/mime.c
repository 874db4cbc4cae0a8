#include "providers/mime.h"

#include <openssl/evp.h>
#include <stdbool.h>
#include <string.h>

#include "fcgi/utf8.h"

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

/* RFC 2047: words of base64, each of whole characters, on a line of its own. */
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
