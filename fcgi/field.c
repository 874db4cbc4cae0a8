#include "fcgi/field.h"

#include <ctype.h>
#include <errno.h>
#include <json-c/json.h>
#include <limits.h>
#include <math.h>
#include <stdint.h>
#include <strings.h>

#include "lib/base/array.h"
#include "lib/base/email.h"
#include "lib/base/failure.h"
#include "lib/base/jx.h"
#include "lib/base/nfc.h"
#include "lib/base/utf8.h"
#include "lib/net/http_guard.h"

/*
 * What a type looks like and how to say so.  Text longer than its type's own
 * bound is refused even where the table names no maximum.
 */
enum { TEXT_MAX = 65535, EMAIL_MAX = 254, SLUG_MAX = 63, URL_MAX = 2048, LIST_MAX = 1000 };

/* Where what is checked is kept, and what is said of it where it is refused. */
struct input {
	struct arena *a;
	struct failure *why;
};

size_t field_count(const struct field *table)
{
	size_t n = 0;

	while (table && table[n].type != F_END)
		n++;
	return n;
}

struct field field_item(const struct field *f)
{
	struct field item = f->each ? *f->each : (struct field){ .type = f->item, .values = f->values };

	item.name = f->name;
	if (f->fields)
		item = (struct field){ .name = f->name, .type = F_OBJECT, .fields = f->fields };
	else if (item.type == F_END)
		item.type = F_JSON;
	return item;
}

bool field_is_array(const struct field *f)
{
	enum field_type type = f->type == F_LIST ? field_item(f).type : F_JSON;

	return type != F_OBJECT && type != F_LIST && type != F_JSON;
}

const char *field_compile(const struct field *table)
{
	const char *problem = NULL;

	for (const struct field *f = table; f && f->type != F_END && !problem; f++) {
		if (f->fits)
			problem = pattern_compile(f->fits);
		if (!problem && f->each && f->each->fits)
			problem = pattern_compile(f->each->fits);
		if (!problem && f->fields != table)
			problem = field_compile(f->fields);
	}
	return problem;
}

static bool has_min(const struct field *f)
{
	return f->min || !(f->flags & F_SIGNED);
}

static bool has_max(const struct field *f)
{
	return f->max || f->flags & F_MAX;
}

static long long bound(const struct field *f)
{
	if (f->max)
		return f->max;
	switch (f->type) {
	case F_TEXT: return TEXT_MAX;
	case F_EMAIL: return EMAIL_MAX;
	case F_SLUG: return SLUG_MAX;
	case F_URL: return URL_MAX;
	case F_LIST: return LIST_MAX;
	default: return LLONG_MAX;
	}
}

static char *choices(struct arena *a, const char *const *values)
{
	struct buf b;

	buf_init(&b, a, 64);
	for (int i = 0; values[i]; i++) {
		if (i)
			buf_text(&b, ", ");
		buf_text(&b, values[i]);
	}
	return buf_str(&b);
}

/* "a number above 0 and below 1" */
static const char *range(struct arena *a, const struct field *f)
{
	const char *noun = f->type == F_INT ? "an integer" : "a number";
	bool low = has_min(f), high = has_max(f) && !(f->flags & F_CLAMP);
	struct buf b;

	if (low && high && !(f->flags & (F_ABOVE | F_BELOW)))
		return arena_fmt(a, "%s from %lld to %lld", noun, f->min, f->max);
	buf_init(&b, a, 64);
	buf_text(&b, noun);
	if (low)
		buf_fmt(&b, f->flags & F_ABOVE ? " above %lld" : " of %lld or more", f->min);
	if (low && high)
		buf_text(&b, " and");
	if (high)
		buf_fmt(&b,
			f->flags & F_BELOW ? " below %lld"
			: low              ? " at most %lld"
					   : " of at most %lld",
			f->max);
	return buf_str(&b);
}

/* What a field takes, to stand behind "must be". */
static const char *expected(struct arena *a, const struct field *f)
{
	long long max = bound(f);

	switch (f->type) {
	case F_TEXT:
		if (f->fits && !f->max)
			return f->fits->says;
		return arena_fmt(a, "%s of %lld to %lld characters", f->fits ? f->fits->says : "a string",
				 f->min, max);
	case F_INT:
	case F_NUMBER: return range(a, f);
	case F_BOOL: return "true or false";
	case F_UUID: return "a UUID";
	case F_EMAIL: return "an e-mail address";
	case F_SLUG:
		return arena_fmt(a, "words of a-z and 0-9 joined by single hyphens, at most %lld characters",
				 max);
	case F_URL:
		return arena_fmt(
			a,
			"an absolute http or https URL of at most %lld characters, without user info%s, on "
			"port 80, 443, or 1024 and up",
			max, f->flags & F_PAGE ? "" : " and fragment");
	case F_DATETIME:
		return f->flags & F_DAY ? "a date, or a time such as 2026-01-31T12:00:00Z"
					: "a time such as 2026-01-31T12:00:00Z";
	case F_DATE: return "a date such as 2026-01-31";
	case F_ENUM: return arena_fmt(a, "one of %s", choices(a, f->values));
	case F_OBJECT: return "an object";
	case F_LIST: return arena_fmt(a, "a list of %lld to %lld elements", f->min, max);
	case F_COLOR: return "a colour such as #1a73e8";
	default: return "a JSON value";
	}
}

/* wanted, where the value has told more than its field could; or NULL */
static enum err refuse(const struct input *in, const struct field *f, const char *path, const char *wanted)
{
	return failure_set(in->why, in->a, ERR_VALIDATION, path, "%s must be %s", path,
			   wanted ? wanted : expected(in->a, f));
}

/* The forms that are text both in JSON and in a URL */

bool field_is_uuid(const char *s)
{
	int i;

	for (i = 0; i < 36; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;

		if (dash ? s[i] != '-' : !isxdigit((unsigned char)s[i]))
			return false;
	}
	return s[i] == '\0';
}

/* What stands in a URL, and in a name of a host, as it is. */
static bool is_slug(const char *s)
{
	do {
		size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789");

		if (!n)
			return false;
		s += n;
	} while (*s++ == '-');
	return !s[-1];
}

/*
 * "host", "host:port" or "[address]:port".  Below 1024 other services listen, mail
 * servers among them, which a request must not be mistaken by (http_guard.h has
 * the same for redirects).
 */
static bool is_authority(const char *s, size_t n)
{
	const char *end = memchr(s, *s == '[' ? ']' : ':', n);
	size_t host = !end ? n : (size_t)(end - s) + (*s == '[');
	long port = 0;

	if (memchr(s, '@', n) || (*s == '[' && !end))
		return false;
	if (host == n)
		return true;
	if (s[host] != ':' || n - host > sizeof("65535"))
		return false;
	for (size_t i = host + 1; i < n; i++) {
		if (!isdigit((unsigned char)s[i]))
			return false;
		port = port * 10 + s[i] - '0';
	}
	return n == host + 1 || http_guard_port(port);
}

static bool is_url(const char *s, bool is_page)
{
	const char *host, *p;

	if (!strncasecmp(s, "https://", 8))
		host = s + 8;
	else if (!strncasecmp(s, "http://", 7))
		host = s + 7;
	else
		return false;
	if (!*host || strchr("/?#:@", *host) || (!is_page && strchr(host, '#')) ||
	    !is_authority(host, strcspn(host, "/?#")))
		return false;
	for (p = s; *p; p++)
		if ((unsigned char)*p <= ' ' || *p == 127 || strchr("\"<>\\^`{|}", *p))
			return false;
	return true;
}

/* Where a host ends: in front of its port, or of the path. */
static const char *host_end(const char *host)
{
	return *host == '[' ? strchr(host, ']') : host + strcspn(host, ":/?#");
}

static bool is_escape(const char *p)
{
	return isxdigit((unsigned char)p[1]) && isxdigit((unsigned char)p[2]);
}

/*
 * A URL as RFC 3986 has it: what is not ASCII percent-encoded, and a '%' that is none of an escape; the host
 * as A-labels.  NULL: its host is none.
 */
static const char *url_in_ascii(struct arena *a, const char *s)
{
	const char *host = strchr(s, '/') + 2, *end = host_end(host), *domain;
	struct buf b;

	for (domain = host; domain < end && (unsigned char)*domain < 128; domain++)
		;
	buf_init(&b, a, strlen(s) + 64);
	buf_add(&b, s, (size_t)(host - s));
	domain = domain == end ? arena_dup_n(a, host, (size_t)(end - host))
			       : email_domain(a, arena_dup_n(a, host, (size_t)(end - host)));
	if (!domain)
		return NULL;
	buf_text(&b, domain);
	for (const char *p = end; *p; p++) {
		if ((unsigned char)*p >= 128 || (*p == '%' && !is_escape(p)))
			buf_fmt(&b, "%%%02X", (unsigned char)*p);
		else
			buf_char(&b, *p);
	}
	return buf_str(&b);
}

static bool is_color(const char *s)
{
	return *s == '#' && strspn(s + 1, "0123456789abcdefABCDEF") == 6 && !s[7];
}

static bool digits(const char **s, int n, int *out)
{
	int v = 0;

	while (n--) {
		if (!isdigit((unsigned char)**s))
			return false;
		v = v * 10 + *(*s)++ - '0';
	}
	*out = v;
	return true;
}

static bool read_date(const char **s)
{
	static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	int y, m, d;

	if (!digits(s, 4, &y) || *(*s)++ != '-' || !digits(s, 2, &m) || *(*s)++ != '-' || !digits(s, 2, &d))
		return false;
	if (y < 1 || m < 1 || m > 12 || d < 1)
		return false;
	return d <= days[m - 1] + (m == 2 && ((y % 4 == 0 && y % 100 != 0) || y % 400 == 0));
}

static bool is_date(const char *s)
{
	return read_date(&s) && !*s;
}

/*
 * RFC 3339 date-time; the zone is required.  PostgreSQL takes offsets of less
 * than 16 hours only, and no text of any length.
 */
static bool is_datetime(const char *s)
{
	enum { FRACTION_MAX = 9, OFFSET_HOUR_MAX = 15 };
	int hour, minute, second;

	if (!read_date(&s) || (*s != 'T' && *s != 't'))
		return false;
	s++;
	if (!digits(&s, 2, &hour) || *s++ != ':' || !digits(&s, 2, &minute) || *s++ != ':' ||
	    !digits(&s, 2, &second) || hour > 23 || minute > 59 || second > 60)
		return false;
	if (*s == '.') {
		size_t n = strspn(++s, "0123456789");

		if (n < 1 || n > FRACTION_MAX)
			return false;
		s += n;
	}
	if (*s == 'Z' || *s == 'z')
		return !s[1];
	if (*s != '+' && *s != '-')
		return false;
	s++;
	return digits(&s, 2, &hour) && *s++ == ':' && digits(&s, 2, &minute) && !*s &&
	       hour <= OFFSET_HOUR_MAX && minute <= 59;
}

/* local@domain in outline: what the database may have, wherever it came from. */
static bool has_outline(const char *s)
{
	const char *at = strchr(s, '@');

	return at && at > s && at[1] && !strchr(at + 1, '@') && !strpbrk(s, " \t\r\n\v\f");
}

/* Where it is refused, out->text is what was expected. */
static bool take_email(const struct input *in, const struct field *f, const char *text, struct value *out)
{
	struct email email = { .address = text };
	bool ok = true;

	if (f->flags & F_KNOWN)
		ok = has_outline(text);
	else
		out->text = email_read(in->a, text, &email);
	if (!ok || out->text)
		return false;
	out->text = email.address;
	out->sent = text;
	return true;
}

/* Without its blanks, those that do not break (U+00A0) among them. */
static const char *without_blanks(struct arena *a, const char *text)
{
	char *out = arena_dup(a, text), *to = out;

	for (const char *p = out; *p; p++) {
		if (p[0] == '\xc2' && p[1] == '\xa0')
			p++;
		else if (*p != ' ' && *p != '\t')
			*to++ = *p;
	}
	*to = '\0';
	return out;
}

/*
 * A value that is text in JSON too.  text is valid UTF-8 without NUL and n bytes long.
 * Where it is refused, out->text may be what was expected.
 */
static bool take_text(const struct input *in, const struct field *f, const char *text, size_t n,
		      struct value *out)
{
	long long length = (long long)utf8_length(text, n);
	bool ok;

	if (f->flags & F_CODE) {
		text = without_blanks(in->a, text);
		length = (long long)utf8_length(text, strlen(text));
	}
	/* What is too long in any spelling is not worth the work. */
	if (f->flags & F_NFC && length <= NFC_MAX_SPELLING * bound(f)) {
		text = nfc(in->a, text);
		if (!text)
			return false;
		length = (long long)utf8_length(text, strlen(text));
	}
	switch (f->type) {
	case F_TEXT:
		ok = length >= f->min && length <= bound(f) && (!f->fits || pattern_fits(f->fits, text));
		break;
	case F_UUID: ok = field_is_uuid(text); break;
	case F_EMAIL: return length <= bound(f) && take_email(in, f, text, out);
	case F_SLUG: ok = length <= bound(f) && is_slug(text); break;
	case F_URL:
		ok = length <= bound(f) && is_url(text, f->flags & F_PAGE) &&
		     (text = url_in_ascii(in->a, text)) && (long long)strlen(text) <= bound(f);
		break;
	case F_DATETIME: ok = is_datetime(text) || (f->flags & F_DAY && is_date(text)); break;
	case F_DATE: ok = is_date(text); break;
	case F_COLOR: ok = is_color(text); break;
	case F_ENUM:
		ok = false;
		for (int i = 0; f->values[i] && !ok; i++)
			ok = !strcmp(f->values[i], text);
		break;
	default: ok = false;
	}
	if (ok)
		out->text = f->type == F_UUID ? arena_lower(in->a, text) : text;
	return ok;
}

/* low and high tell how the value compares with min and max: below 0, 0, above. */
static bool is_within(const struct field *f, int low, int high)
{
	if (has_min(f) && (low < 0 || (!low && f->flags & F_ABOVE)))
		return false;
	return !has_max(f) || high < 0 || (!high && !(f->flags & F_BELOW));
}

static bool take_int(const struct input *in, const struct field *f, long long i, struct value *out)
{
	if (f->flags & F_CLAMP && i > bound(f))
		i = bound(f);
	if (!is_within(f, (i > f->min) - (i < f->min), (i > f->max) - (i < f->max)))
		return false;
	out->i = i;
	out->text = arena_fmt(in->a, "%lld", i);
	return true;
}

static bool take_number(const struct input *in, const struct field *f, double d, struct value *out)
{
	double min = (double)f->min, max = (double)f->max;
	struct buf text;

	if (!isfinite(d) || !is_within(f, (d > min) - (d < min), (d > max) - (d < max)))
		return false;
	out->d = d;
	/* The shortest text that reads back: 0.1 must not reach a numeric column as 0.10000000000000001. */
	buf_init(&text, in->a, 32);
	jx_double(&text, d);
	out->text = buf_str(&text);
	return true;
}

static enum err take(const struct input *in, const struct field *f, const char *text, struct value *out);

static bool take_bool(const struct field *f, bool b, struct value *out)
{
	out->is_off = !b && f->def && !strcmp(f->def, "false");
	out->b = b;
	out->text = b ? "true" : "false";
	return true;
}

/*
 * "a, b": blanks around a value, and values without letters, are left out.  Values that have commas of their
 * own cannot be sent so.
 */
static enum err take_csv(const struct input *in, const struct field *f, const char *text, struct value *out)
{
	struct field item = field_item(f);
	struct value v;
	long long n = 0;
	struct buf b;

	buf_init(&b, in->a, 64);
	buf_char(&b, '{');
	for (const char *p = text, *end; *(p += strspn(p, ", \t")); p = end) {
		size_t len = strcspn(p, ",");
		enum err rc;

		end = p + len;
		while (p[len - 1] == ' ' || p[len - 1] == '\t')
			len--;
		item.name = arena_fmt(in->a, "%s[%lld]", f->name, n);
		rc = take(in, &item, arena_dup_n(in->a, p, len), &v);
		if (rc)
			return rc;
		array_add(&b, v.is_null ? NULL : v.text);
		n++;
	}
	if (n < f->min || n > bound(f))
		return refuse(in, f, f->name, NULL);
	buf_char(&b, '}');
	out->text = buf_str(&b);
	out->is_off = !n;
	return ERR_OK;
}

static enum err take(const struct input *in, const struct field *f, const char *text, struct value *out)
{
	bool ok = false;
	char *end;

	*out = (struct value){ .name = f->name, .given = true };
	errno = 0;
	switch (f->type) {
	case F_INT: {
		long long i = strtoll(text, &end, 10);
		const char *p = text + (*text == '-');

		ok = isdigit((unsigned char)*p) && !*end && !errno && take_int(in, f, i, out);
		break;
	}
	case F_NUMBER: {
		double d = strtod(text, &end);
		const char *p = text + (*text == '-');

		/* strtod also reads hexadecimal, "inf", leading blanks and "1."; here digits stand at both
		 * ends. */
		ok = isdigit((unsigned char)*p) && !strpbrk(text, "xXpP") && !*end &&
		     isdigit((unsigned char)end[-1]) && take_number(in, f, d, out);
		break;
	}
	case F_BOOL:
		if (!strcmp(text, "true") || !strcmp(text, "1"))
			ok = take_bool(f, true, out);
		else if (!strcmp(text, "false") || !strcmp(text, "0"))
			ok = take_bool(f, false, out);
		break;
	case F_LIST:
		if (field_is_array(f)) /* of a query string, or a default */
			return take_csv(in, f, text, out);
		break;
	default: ok = take_text(in, f, text, strlen(text), out);
	}
	return ok ? ERR_OK : refuse(in, f, f->name, out->text);
}

/* path is the field's name, behind the object it stands in. */
static enum err absent(const struct input *in, const struct field *f, const char *path, struct value *out)
{
	enum err rc;

	*out = (struct value){ .name = f->name, .is_null = true };
	if (f->flags & F_REQUIRED)
		return failure_set(in->why, in->a, ERR_VALIDATION, path, "%s is required: %s", path,
				   expected(in->a, f));
	if (!f->def)
		return ERR_OK;
	rc = take(in, f, f->def, out);
	out->given = false;
	return rc;
}

enum err field_from_text(struct arena *a, const struct field *f, const char *text, struct value *out,
			 struct failure *why)
{
	return take(&(struct input){ a, why }, f, text, out);
}

enum err field_absent(struct arena *a, const struct field *f, struct value *out, struct failure *why)
{
	return absent(&(struct input){ a, why }, f, f->name, out);
}

static enum err check_members(const struct input *in, const struct field *table, struct json_object *object,
			      const char *prefix, struct value *out);
static enum err take_json(const struct input *in, const struct field *f, struct json_object *json,
			  const char *path, struct value *out);

static enum err take_list(const struct input *in, const struct field *f, struct json_object *json,
			  const char *path, struct value *out)
{
	size_t n = json_object_array_length(json);
	struct field item = field_item(f);
	bool is_array = field_is_array(f);
	struct value v;
	struct buf b;

	buf_init(&b, in->a, is_array ? 256 : 0);
	if (is_array)
		buf_char(&b, '{');
	if ((long long)n < f->min || (long long)n > bound(f))
		return refuse(in, f, path, NULL);
	for (size_t i = 0; i < n; i++) {
		enum err rc = take_json(in, &item, json_object_array_get_idx(json, i),
					arena_fmt(in->a, "%s[%zu]", path, i), &v);

		if (rc)
			return rc;
		if (is_array)
			array_add(&b, v.is_null ? NULL : v.text);
	}
	if (is_array) {
		buf_char(&b, '}');
		out->text = buf_str(&b);
		out->is_off = !n;
	}
	return ERR_OK;
}

static enum err take_json(const struct input *in, const struct field *f, struct json_object *json,
			  const char *path, struct value *out)
{
	enum json_type type = json_object_get_type(json);
	enum err rc;
	bool ok = false;

	*out = (struct value){ .name = f->name, .given = true };
	if (!json && f->flags & F_NULL) {
		out->is_null = true;
		return ERR_OK;
	}
	if (!json && f->type != F_JSON)
		return failure_set(in->why, in->a, ERR_VALIDATION, path, "%s must be %s, not null", path,
				   expected(in->a, f));
	switch (f->type) {
	case F_INT: ok = type == json_type_int && take_int(in, f, json_object_get_int64(json), out); break;
	case F_NUMBER:
		ok = (type == json_type_int || type == json_type_double) &&
		     take_number(in, f, json_object_get_double(json), out);
		break;
	case F_BOOL:
		ok = type == json_type_boolean && take_bool(f, json_object_get_boolean(json), out);
		break;
	case F_OBJECT:
		ok = type == json_type_object;
		rc = ok && f->fields ? check_members(in, f->fields, json, path, NULL) : ERR_OK;
		if (rc)
			return rc;
		break;
	case F_LIST:
		ok = type == json_type_array;
		rc = ok ? take_list(in, f, json, path, out) : ERR_OK;
		if (rc)
			return rc;
		break;
	case F_JSON: ok = true; break;
	default:
		ok = type == json_type_string && take_text(in, f, json_object_get_string(json),
							   (size_t)json_object_get_string_len(json), out);
	}
	return ok ? ERR_OK : refuse(in, f, path, out->text);
}

/* What is JSON in SQL too goes there as text, and arrays have theirs; inside of another such value it is part
 * of that text. */
static void keep_json(const struct field *f, struct json_object *json, struct value *v)
{
	enum field_type type = f->type;

	if (v->is_null || (type != F_OBJECT && type != F_LIST && type != F_JSON))
		return;
	v->json = json;
	if (!field_is_array(f) && !(f->flags & F_TREE))
		v->text = json_object_to_json_string_ext(json, JSON_C_TO_STRING_PLAIN);
}

/* prefix names the object inside the body ("" for the body itself); out may be NULL. */
static enum err check_members(const struct input *in, const struct field *table, struct json_object *object,
			      const char *prefix, struct value *out)
{
	size_t n = field_count(table);
	struct value ignored;

	for (size_t i = 0; i < n; i++) {
		const struct field *f = &table[i];
		struct value *v = out ? &out[i] : &ignored;
		const char *path = *prefix ? arena_fmt(in->a, "%s.%s", prefix, f->name) : f->name;
		struct json_object *member = NULL;
		enum err rc;

		if (f->flags & F_WHOLE)
			member = object;
		if (member || (object && json_object_object_get_ex(object, f->name, &member)))
			rc = take_json(in, f, member, path, v);
		else
			rc = absent(in, f, path, v);
		if (rc)
			return rc;
		if (out && v->given)
			keep_json(f, member, v);
	}
	return ERR_OK;
}

enum err field_from_json(struct arena *a, const struct field *table, struct json_object *object,
			 struct value *out, struct failure *why)
{
	return check_members(&(struct input){ a, why }, table, object, "", out);
}
