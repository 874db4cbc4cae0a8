/*
 * Field tables: for every type the last value accepted and the first refused,
 * from a query string and from a body, and what a refusal says.
 */
#include "fcgi/field.h"

#include <limits.h>
#include <math.h>

#include <json-c/json.h>

#include "fcgi/req.h"
#include "lib/base/json.h"
#include "t/unit/tap.h"

#define COUNT(table) (sizeof(table) / sizeof(*(table)))

static struct req rq;

static void begin(void)
{
	struct arena arena = rq.tx.arena;

	arena_reset(&arena);
	rq = (struct req){ .tx.arena = arena };
}

/* n times the same piece. */
static const char *repeat(const char *piece, int n)
{
	struct buf b;

	buf_init(&b, &rq.tx.arena, 64);
	while (n--)
		buf_text(&b, piece);
	return buf_str(&b);
}

/* For a test's name, which is one line. */
static const char *visible(const char *s)
{
	char *copy = arena_dup(&rq.tx.arena, s);

	for (char *p = copy; *p; p++)
		if ((unsigned char)*p < ' ')
			*p = '?';
	return copy;
}

/* The message of one text against one field; NULL when it is accepted. */
static const char *message_of(const struct field *f, const char *text, struct value *v)
{
	rq.tx.fail = (struct failure){ 0 };
	if (!field_from_text(&rq.tx.arena, f, text, v, &rq.tx.fail))
		return NULL;
	return rq.tx.fail.message;
}

/* The values of a body's members, or NULL when it is refused. */
static struct value *read_body(const struct field *table, const char *json)
{
	struct value *values = arena_alloc(&rq.tx.arena, (field_count(table) + 1) * sizeof(*values));
	struct json_object *body = NULL;
	const char *problem = "";

	rq.tx.fail = (struct failure){ 0 };
	if (json && json_read(&rq.tx.arena, json, strlen(json), &body, &problem)) {
		ok(false, "%s: %s", json, problem);
		return NULL;
	}
	return field_from_json(&rq.tx.arena, table, body, values, &rq.tx.fail) ? NULL : values;
}

/* clang-format off */
static const char *const sizes[] = { "small", "large", NULL };

static const struct pattern key_pattern = { "^[a-z][a-z0-9_]*$", "a word of a-z, 0-9 and _" };
static const struct field day = { NULL, F_INT, .min = 1, .max = 7 };

static const struct field
	any_text  = { "name", F_TEXT },
	text      = { "name", F_TEXT, .min = 2, .max = 4 },
	any_int   = { "n", F_INT },
	integer   = { "n", F_INT, .min = -5, .max = 100 },
	lowest    = { "n", F_INT, .min = LLONG_MIN },
	number    = { "x", F_NUMBER, .min = -1, .max = 2 },
	any_number = { "x", F_NUMBER },
	boolean   = { "flag", F_BOOL },
	uuid      = { "id", F_UUID },
	email     = { "email", F_EMAIL },
	known     = { "email", F_EMAIL, F_KNOWN },
	slug      = { "slug", F_SLUG },
	short_slug = { "slug", F_SLUG, .max = 3 },
	url       = { "link", F_URL, .max = 30 },
	datetime  = { "at", F_DATETIME },
	date      = { "day", F_DATE },
	size      = { "size", F_ENUM, .values = sizes },
	binary    = { "blob", F_BINARY },
	color     = { "color", F_COLOR },
	key       = { "key", F_TEXT, .fits = &key_pattern },
	short_key = { "key", F_TEXT, .min = 2, .max = 4, .fits = &key_pattern },
	below_zero = { "n", F_INT, .min = -10, .max = -5 },
	up_to_zero = { "n", F_INT, F_MAX, .min = -10 },
	signed_int = { "n", F_INT, F_SIGNED },
	signed_up  = { "n", F_INT, F_SIGNED, .max = 5 },
	above      = { "x", F_NUMBER, F_ABOVE, .max = 1 },
	between    = { "x", F_NUMBER, F_ABOVE | F_BELOW, .min = -1, .max = 1 },
	below      = { "n", F_INT, F_BELOW, .max = 3 },
	signed_below = { "x", F_NUMBER, F_SIGNED | F_MAX | F_BELOW },
	any_sign   = { "x", F_NUMBER, F_SIGNED },
	labels     = { "labels", F_LIST, F_CSV, .max = 3, .item = F_TEXT },
	ids        = { "ids", F_LIST, F_CSV, .min = 1, .item = F_UUID },
	days       = { "days", F_LIST, F_CSV, .each = &day },
	picks      = { "picks", F_LIST, F_CSV, .item = F_ENUM, .values = sizes };

/* want: the text form that reaches SQL; NULL: refused. */
static const struct {
	const struct field *f;
	const char *text, *want;
} texts[] = {
	{ &text, "ab", "ab" }, { &text, "abcd", "abcd" }, { &text, "a", NULL }, { &text, "abcde", NULL },
	{ &text, "äöü€", "äöü€" }, { &text, "äöü€😀", NULL }, { &text, "", NULL }, { &any_text, "", "" },

	{ &integer, "-5", "-5" }, { &integer, "-6", NULL }, { &integer, "100", "100" }, { &integer, "101", NULL },
	{ &integer, "007", "7" }, { &integer, "-0", "0" }, { &integer, "+5", NULL }, { &integer, "", NULL },
	{ &integer, "-", NULL }, { &integer, " 5", NULL }, { &integer, "5 ", NULL }, { &integer, "5.0", NULL },
	{ &integer, "1e1", NULL }, { &integer, "0x10", NULL }, { &integer, "five", NULL }, { &integer, "--5", NULL },
	{ &any_int, "0", "0" }, { &any_int, "-1", NULL },
	{ &any_int, "9223372036854775807", "9223372036854775807" }, { &any_int, "9223372036854775808", NULL },
	{ &lowest, "-9223372036854775808", "-9223372036854775808" }, { &lowest, "-9223372036854775809", NULL },
	{ &any_int, "99999999999999999999999999999999999999", NULL },

	{ &number, "-1", "-1" }, { &number, "-1.0000001", NULL }, { &number, "2", "2" }, { &number, "2.0000001", NULL },
	{ &number, "0.1", "0.1" }, { &number, "1e-3", "0.001" }, { &number, "-0.5", "-0.5" },
	{ &number, ".5", NULL }, { &number, "1.", NULL }, { &number, "0x1", NULL }, { &number, "nan", NULL },
	{ &number, "inf", NULL }, { &number, "", NULL }, { &number, " 1", NULL }, { &number, "1 ", NULL },
	{ &number, "1e", NULL }, { &number, "1,5", NULL }, { &number, "+1", NULL },
	{ &any_number, "19.99", "19.99" }, { &any_number, "1e308", "1e+308" }, { &any_number, "1e309", NULL },
	{ &any_number, "-0.001", NULL },

	{ &boolean, "true", "true" }, { &boolean, "1", "true" }, { &boolean, "false", "false" },
	{ &boolean, "0", "false" }, { &boolean, "True", NULL }, { &boolean, "yes", NULL }, { &boolean, "", NULL },

	{ &uuid, "01932f3e-8b5a-7c3d-9e4f-5a6b7c8d9e0f", "01932f3e-8b5a-7c3d-9e4f-5a6b7c8d9e0f" },
	{ &uuid, "01932F3E-8B5A-7C3D-9E4F-5A6B7C8D9E0F", "01932f3e-8b5a-7c3d-9e4f-5a6b7c8d9e0f" },
	{ &uuid, "01932f3e-8b5a-7c3d-9e4f-5a6b7c8d9e0", NULL },
	{ &uuid, "01932f3e-8b5a-7c3d-9e4f-5a6b7c8d9e0f0", NULL },
	{ &uuid, "01932f3e8b5a7c3d9e4f5a6b7c8d9e0f", NULL },
	{ &uuid, "{01932f3e-8b5a-7c3d-9e4f-5a6b7c8d9e0f}", NULL },
	{ &uuid, "01932f3e-8b5a-7c3d-9e4f-5a6b7c8d9e0g", NULL },
	{ &uuid, "01932f3e-8b5a-7c3d-9e4f_5a6b7c8d9e0f", NULL },
	{ &uuid, "", NULL },

	{ &email, "ada@example.com", "ada@example.com" }, { &email, "Ada@Example.COM", "ada@example.com" },
	{ &email, "a@b.c", "a@b.c" }, { &email, "ada+tag@mail.example.co.uk", "ada+tag@mail.example.co.uk" },
	{ &email, "o'neil@example.com", "o'neil@example.com" }, { &email, "grün@example.com", "grün@example.com" },
	{ &email, "ada@ex-ample.com", "ada@ex-ample.com" },
	{ &email, "GRÜN@example.com", "grün@example.com" }, { &email, "gru\u0308n@example.com", "grün@example.com" },
	{ &email, "ada@grün.example", "ada@xn--grn-ioa.example" }, { &email, "\u212Aate@example.com", NULL },
	{ &known, "Ada@Example.COM", "Ada@Example.COM" }, { &known, "\u212Aate@example.com", "\u212Aate@example.com" },
	{ &known, "ada@localhost", "ada@localhost" }, { &known, "gru\u0308n@example.com", "gru\u0308n@example.com" },
	{ &known, "ada", NULL }, { &known, "ada lovelace@example.com", NULL }, { &known, "a@b@example.com", NULL },
	{ &known, "@example.com", NULL }, { &known, "ada@", NULL },
	{ &email, "", NULL }, { &email, "ada", NULL }, { &email, "@example.com", NULL }, { &email, "ada@", NULL },
	{ &email, "ada@example", NULL }, { &email, "ada@@example.com", NULL }, { &email, "a@b@example.com", NULL },
	{ &email, ".ada@example.com", NULL }, { &email, "ada.@example.com", NULL }, { &email, "a..b@example.com", NULL },
	{ &email, "ada@example..com", NULL }, { &email, "ada@.example.com", NULL }, { &email, "ada@example.com.", NULL },
	{ &email, "ada@-example.com", NULL }, { &email, "ada@example-.com", NULL }, { &email, "ada@exam_ple.com", NULL },
	{ &email, "ada lovelace@example.com", NULL }, { &email, "ada@exa mple.com", NULL }, { &email, "ada\n@example.com", NULL },
	{ &email, "ada@example.com\r\nBcc: x@example.com", NULL }, { &email, "\"ada\"@example.com", NULL },
	{ &email, "<ada@example.com>", NULL }, { &email, "ada@[127.0.0.1]", NULL }, { &email, "a,b@example.com", NULL },

	{ &slug, "a", "a" }, { &slug, "0", "0" }, { &slug, "acme-2-x", "acme-2-x" }, { &short_slug, "a-b", "a-b" },
	{ &slug, "a23456789-123456789-123456789-123456789-123456789-123456789-123", "a23456789-123456789-123456789-123456789-123456789-123456789-123" },
	{ &slug, "a23456789-123456789-123456789-123456789-123456789-123456789-1234", NULL }, { &short_slug, "abcd", NULL },
	{ &slug, "", NULL }, { &slug, "-", NULL }, { &slug, "-a", NULL }, { &slug, "a-", NULL }, { &slug, "a--b", NULL },
	{ &slug, "A", NULL }, { &slug, "a_b", NULL }, { &slug, "a b", NULL }, { &slug, "a\n", NULL }, { &slug, "ä", NULL },

	{ &url, "https://e.com:1024/a?b=c@d:1", "https://e.com:1024/a?b=c@d:1" }, { &url, "HTTP://example.com", "HTTP://example.com" },
	{ &url, "http://[::1]:8080/", "http://[::1]:8080/" }, { &url, "https://example.com/9012345678", "https://example.com/9012345678" },
	{ &url, "https://example.com/90123456789", NULL },
	{ &url, "", NULL }, { &url, "https://", NULL }, { &url, "https:///path", NULL }, { &url, "https://?q", NULL },
	{ &url, "https://:80/", NULL }, { &url, "https://@x/", NULL }, { &url, "ftp://example.com", NULL },
	{ &url, "javascript:alert(1)", NULL }, { &url, "//example.com", NULL }, { &url, "example.com", NULL },
	{ &url, "https://exa mple.com", NULL }, { &url, "https://example.com/\r\nX: y", NULL },
	{ &url, "https://e.com/\xc3\xbc?q=%41%", "https://e.com/%C3%BC?q=%41%25" },
	{ &url, "https://B\xc3\xbc" "cher.de:8443/", "https://xn--bcher-kva.de:8443/" },
	{ &url, "https://e.com/\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc", NULL }, { &url, "https://\xe2\x80\x8b.com", NULL },
	{ &url, "https://e.com/a b", NULL },
	{ &url, "https://example.com/<b>", NULL }, { &url, "https://example.com/\"", NULL }, { &url, " https://example.com", NULL },
	{ &url, "https://example.com\\@evil", NULL }, { &url, "https://example.com/\x7f", NULL },

	{ &datetime, "2026-01-31T12:00:00Z", "2026-01-31T12:00:00Z" }, { &datetime, "2026-01-31t12:00:00z", "2026-01-31t12:00:00z" },
	{ &datetime, "2026-01-31T23:59:59.999999999+15:59", "2026-01-31T23:59:59.999999999+15:59" },
	{ &datetime, "2026-01-31T23:59:59.9999999999Z", NULL },
	{ &datetime, "2026-01-31T00:00:00-15:59", "2026-01-31T00:00:00-15:59" },
	{ &datetime, "2026-01-31T00:00:00+16:00", NULL }, { &datetime, "2026-01-31T00:00:00-23:59", NULL },
	{ &datetime, "2026-01-31T00:00:00+01:60", NULL }, { &datetime, "2026-06-30T23:59:60Z", "2026-06-30T23:59:60Z" },
	{ &datetime, "2026-06-30T23:59:61Z", NULL }, { &datetime, "2026-01-31T24:00:00Z", NULL },
	{ &datetime, "2026-01-31T12:60:00Z", NULL }, { &datetime, "2026-01-31T12:00:00", NULL },
	{ &datetime, "2026-01-31 12:00:00Z", NULL }, { &datetime, "2026-01-31", NULL }, { &datetime, "2026-01-31T12:00Z", NULL },
	{ &datetime, "2026-01-31T12:00:00.Z", NULL }, { &datetime, "2026-01-31T12:00:00+0100", NULL },
	{ &datetime, "2026-01-31T12:00:00+01", NULL }, { &datetime, "2026-01-31T12:00:00Z ", NULL },
	{ &datetime, "2026-01-31T12:00:00ZZ", NULL }, { &datetime, "2026-01-31T12:00:00+01:00Z", NULL },
	{ &datetime, "2026-02-30T12:00:00Z", NULL }, { &datetime, "", NULL }, { &datetime, "now", NULL },
	{ &datetime, "2026-1-31T12:00:00Z", NULL }, { &datetime, "infinity", NULL },

	{ &date, "2026-01-31", "2026-01-31" }, { &date, "2026-01-32", NULL }, { &date, "2026-01-00", NULL },
	{ &date, "2026-12-31", "2026-12-31" }, { &date, "2026-13-01", NULL }, { &date, "2026-00-01", NULL },
	{ &date, "2024-02-29", "2024-02-29" }, { &date, "2026-02-29", NULL }, { &date, "2000-02-29", "2000-02-29" },
	{ &date, "1900-02-29", NULL }, { &date, "2026-04-30", "2026-04-30" }, { &date, "2026-04-31", NULL },
	{ &date, "0001-01-01", "0001-01-01" }, { &date, "0000-12-31", NULL }, { &date, "9999-12-31", "9999-12-31" },
	{ &date, "10000-01-01", NULL }, { &date, "2026-1-1", NULL }, { &date, "2026/01/31", NULL },
	{ &date, "2026-01-31T00:00:00Z", NULL }, { &date, "-026-01-31", NULL }, { &date, "", NULL },

	{ &size, "small", "small" }, { &size, "large", "large" }, { &size, "Small", NULL }, { &size, "smal", NULL },
	{ &size, "smaller", NULL }, { &size, "", NULL },

	{ &binary, "anything", NULL },

	{ &color, "#1a73e8", "#1a73e8" }, { &color, "#FFFFFF", "#FFFFFF" }, { &color, "1a73e8", NULL }, { &color, "#1a73e", NULL },
	{ &color, "#1a73e80", NULL }, { &color, "#1a73eg", NULL }, { &color, "#1a73e8\n", NULL }, { &color, "", NULL },

	{ &key, "a_1", "a_1" }, { &key, "1a", NULL }, { &key, "a b", NULL }, { &key, "a\n", NULL }, { &key, "", NULL },
	{ &short_key, "ab", "ab" }, { &short_key, "abcd", "abcd" }, { &short_key, "a", NULL }, { &short_key, "abcde", NULL },

	{ &below_zero, "-10", "-10" }, { &below_zero, "-11", NULL }, { &below_zero, "-5", "-5" }, { &below_zero, "-4", NULL },
	{ &up_to_zero, "-10", "-10" }, { &up_to_zero, "0", "0" }, { &up_to_zero, "1", NULL }, { &up_to_zero, "-11", NULL },
	{ &signed_int, "-9223372036854775808", "-9223372036854775808" }, { &signed_int, "9223372036854775807", "9223372036854775807" },
	{ &signed_up, "-1", "-1" }, { &signed_up, "5", "5" }, { &signed_up, "6", NULL },
	{ &above, "0", NULL }, { &above, "0.001", "0.001" }, { &above, "1", "1" }, { &above, "1.001", NULL }, { &above, "-1", NULL },
	{ &between, "-1", NULL }, { &between, "-0.5", "-0.5" }, { &between, "1", NULL }, { &between, "0.5", "0.5" },
	{ &below, "2", "2" }, { &below, "3", NULL }, { &below, "0", "0" }, { &below, "-1", NULL },
	{ &signed_below, "-0.5", "-0.5" }, { &signed_below, "0", NULL }, { &any_sign, "-1e300", "-1e+300" }, { &any_sign, "1e300", "1e+300" },

	{ &labels, "a,b c", "{\"a\",\"b c\"}" }, { &labels, "", "{}" }, { &labels, "a,, b ,", "{\"a\",\"b\"}" }, { &labels, " , ", "{}" },
	{ &labels, "a\"b,c\\d,{e}", "{\"a\\\"b\",\"c\\\\d\",\"{e}\"}" }, { &labels, "NULL", "{\"NULL\"}" }, { &labels, "a,b,c,d", NULL },
	{ &ids, "01932F3E-8B5A-7C3D-9E4F-5A6B7C8D9E0F", "{\"01932f3e-8b5a-7c3d-9e4f-5a6b7c8d9e0f\"}" }, { &ids, "", NULL },
	{ &ids, " ,", NULL }, { &ids, "x", NULL },
	{ &days, "1,7", "{\"1\",\"7\"}" }, { &days, "0", NULL }, { &days, "1,8", NULL }, { &days, "", "{}" },
	{ &picks, "large,small", "{\"large\",\"small\"}" }, { &picks, "large, small", "{\"large\",\"small\"}" }, { &picks, "large small", NULL },
};

static const struct {
	const struct field *f;
	const char *text, *message;
} messages[] = {
	{ &text, "a", "name must be a string of 2 to 4 characters" },
	{ &any_int, "x", "n must be an integer of 0 or more" },
	{ &integer, "x", "n must be an integer from -5 to 100" },
	{ &number, "x", "x must be a number from -1 to 2" },
	{ &any_number, "x", "x must be a number of 0 or more" },
	{ &boolean, "x", "flag must be true or false" },
	{ &uuid, "x", "id must be a UUID" },
	{ &email, "x", "email must be an e-mail address" },
	{ &email, "\u212Aate@example.com",
	  "email must be an e-mail address without characters that stand for others, such as U+212A" },
	{ &known, "x", "email must be an e-mail address" },
	{ &url, "x", "link must be an absolute http or https URL of at most 30 characters, without user info and fragment, on port 80, 443, or 1024 and up" },
	{ &datetime, "x", "at must be a time such as 2026-01-31T12:00:00Z" },
	{ &date, "x", "day must be a date such as 2026-01-31" },
	{ &size, "x", "size must be one of small, large" },
	{ &color, "x", "color must be a colour such as #1a73e8" },
	{ &key, "1", "key must be a word of a-z, 0-9 and _" },
	{ &short_key, "a", "key must be a word of a-z, 0-9 and _ of 2 to 4 characters" },
	{ &below_zero, "0", "n must be an integer from -10 to -5" },
	{ &up_to_zero, "1", "n must be an integer from -10 to 0" },
	{ &signed_int, "x", "n must be an integer" },
	{ &signed_up, "6", "n must be an integer of at most 5" },
	{ &above, "0", "x must be a number above 0 and at most 1" },
	{ &between, "1", "x must be a number above -1 and below 1" },
	{ &below, "3", "n must be an integer of 0 or more and below 3" },
	{ &signed_below, "1", "x must be a number below 0" },
	{ &labels, "a,b,c,d", "labels must be a list of 0 to 3 elements" },
};
/* clang-format on */

static void test_texts(void)
{
	struct value v;

	for (size_t i = 0; i < COUNT(texts); i++) {
		const struct field *f = texts[i].f;
		const char *message;

		begin();
		message = message_of(f, texts[i].text, &v);
		if (texts[i].want)
			is_str(message ? message : v.text, texts[i].want, "%s %s is taken", f->name,
			       visible(texts[i].text));
		else
			ok(message && rq.tx.fail.err == ERR_VALIDATION, "%s %s is refused", f->name,
			   visible(texts[i].text));
	}
}

/* An F_NFC: é is one character, and becomes the one of NFC. */
static void test_spellings(void)
{
	static const struct field f = { "name", F_TEXT, F_NFC, .min = 2, .max = 4 };
	struct value v;

	begin();
	is_str(message_of(&f, "e\xcc\x81", &v), "name must be a string of 2 to 4 characters",
	       "a letter and its accent are one character");
	ok(!message_of(&f, "ae\xcc\x81", &v), "with another they are two");
	is_str(v.text, "a\xc3\xa9", "  as which they are kept");
	ok(!message_of(&f, repeat("\xe1\xbe\x82", 4), &v), "four of four");
	ok(!message_of(&f, repeat("\xce\xb1\xcc\x93\xcc\x80\xcd\x85", 4), &v), "and in pieces");
	is_str(v.text, repeat("\xe1\xbe\x82", 4), "  are the same");
	ok(message_of(&f, repeat("\xce\xb1\xcc\x93\xcc\x80\xcd\x85", 5), &v), "five are not");
	ok(message_of(&f, "ab\xef\xac\xac", &v), "what NFC takes apart counts as its parts");
}

/* A query string's list names the element that is wrong. */
static void test_csv(void)
{
	struct value v;

	begin();
	is_str(message_of(&days, "1,8", &v), "days[1] must be an integer from 1 to 7",
	       "an element that is refused");
	is_str(rq.tx.fail.field, "days[1]", "  is named");
}

static void test_own_bounds(void)
{
	struct field f = any_text;
	struct value v;
	const char *local, *label;

	begin();
	local = repeat("l", 64);
	label = repeat("d", 63);
	ok(!message_of(&f, repeat("ä", 65535), &v), "a text without a maximum has one all the same");
	has_str(message_of(&f, repeat("ä", 65536), &v), "0 to 65535 characters", "and says so");
	ok(!message_of(&email, arena_fmt(&rq.tx.arena, "%s@%s.%s.de", local, label, label), &v),
	   "64 characters in front of the @, 63 between two dots");
	ok(message_of(&email, arena_fmt(&rq.tx.arena, "%sl@example.com", local), &v), "but not 65 in front");
	ok(message_of(&email, arena_fmt(&rq.tx.arena, "a@%sd.com", label), &v), "nor 64 between");
	ok(!message_of(&email, arena_fmt(&rq.tx.arena, "%s@%s.%s.%s", local, label, label, repeat("e", 61)),
		       &v),
	   "254 characters of address");
	ok(message_of(&email, arena_fmt(&rq.tx.arena, "%s@%s.%s.%s", local, label, label, repeat("e", 62)),
		      &v),
	   "but not 255");
	f = (struct field){ "link", F_URL };
	ok(!message_of(&f, arena_fmt(&rq.tx.arena, "http://%s", repeat("a", 2041)), &v),
	   "2048 characters of URL");
	ok(message_of(&f, arena_fmt(&rq.tx.arena, "http://%s", repeat("a", 2042)), &v), "but not 2049");
}

static void test_messages(void)
{
	struct value v;

	for (size_t i = 0; i < COUNT(messages); i++) {
		begin();
		is_str(message_of(messages[i].f, messages[i].text, &v), messages[i].message, "%s",
		       messages[i].message);
		is_str(rq.tx.fail.field, messages[i].f->name, "  and its field");
	}
}

static void test_values(void)
{
	struct value v;

	begin();
	ok(!field_from_text(&rq.tx.arena, &integer, "42", &v, &rq.tx.fail) && v.i == 42 && v.given &&
		   !v.is_null && v.name == integer.name,
	   "an integer is there as such");
	ok(!field_from_text(&rq.tx.arena, &number, "0.25", &v, &rq.tx.fail) && v.d == 0.25,
	   "and so is a number");
	ok(!field_from_text(&rq.tx.arena, &boolean, "1", &v, &rq.tx.fail) && v.b, "and true");
	ok(!field_from_text(&rq.tx.arena, &boolean, "0", &v, &rq.tx.fail) && !v.b && !v.is_off, "and false");
	ok(!field_absent(&rq.tx.arena, &(struct field){ "all", F_BOOL, .def = "false" }, &v, &rq.tx.fail) &&
		   v.is_off,
	   "which is off, where it is the default");
	ok(!field_from_text(&rq.tx.arena, &(struct field){ "ids", F_LIST, F_CSV, .item = F_UUID }, "", &v,
			    &rq.tx.fail) &&
		   v.is_off,
	   "and so is a list without anything in it");
}

/* Bodies */

/* clang-format off */
static const struct field all[] = {
	{ "text",     F_TEXT,     F_REQUIRED, .min = 1, .max = 3 },
	{ "int",      F_INT,      0,          .min = -1, .max = 1 },
	{ "number",   F_NUMBER,   0,          .max = 1 },
	{ "bool",     F_BOOL,     0 },
	{ "uuid",     F_UUID,     F_NULL },
	{ "email",    F_EMAIL,    0 },
	{ "json",     F_JSON,     0 },
	{ "cleared",  F_JSON,     F_NULL },
	{ "size",     F_ENUM,     F_NULL,     .values = sizes, .def = "small" },
	{ "limit",    F_INT,      0,          .max = 100, .def = "20" },
	{ "is_open",  F_BOOL,     0,          .def = "true" },
	FIELD_END
};
enum { TEXT, INT, NUMBER, BOOL, A_UUID, EMAIL, JSON, CLEARED, SIZE, LIMIT, IS_OPEN };

static const struct {
	const char *json, *field, *message;
} refusals[] = {
	{ "{}", "text", "text is required: a string of 1 to 3 characters" },
	{ NULL, "text", "text is required: a string of 1 to 3 characters" },
	{ "{\"text\":null}", "text", "text must be a string of 1 to 3 characters, not null" },
	{ "{\"text\":1}", "text", "text must be a string of 1 to 3 characters" },
	{ "{\"text\":[\"a\"]}", "text", "text must be a string of 1 to 3 characters" },
	{ "{\"text\":\"\"}", "text", "text must be a string of 1 to 3 characters" },
	{ "{\"text\":\"äöüß\"}", "text", "text must be a string of 1 to 3 characters" },
	{ "{\"text\":\"a\",\"int\":\"1\"}", "int", "int must be an integer from -1 to 1" },
	{ "{\"text\":\"a\",\"int\":1.0}", "int", "int must be an integer from -1 to 1" },
	{ "{\"text\":\"a\",\"int\":2}", "int", "int must be an integer from -1 to 1" },
	{ "{\"text\":\"a\",\"int\":-2}", "int", "int must be an integer from -1 to 1" },
	{ "{\"text\":\"a\",\"int\":true}", "int", "int must be an integer from -1 to 1" },
	{ "{\"text\":\"a\",\"int\":null}", "int", "int must be an integer from -1 to 1, not null" },
	{ "{\"text\":\"a\",\"number\":1.5}", "number", "number must be a number from 0 to 1" },
	{ "{\"text\":\"a\",\"number\":\"1\"}", "number", "number must be a number from 0 to 1" },
	{ "{\"text\":\"a\",\"bool\":1}", "bool", "bool must be true or false" },
	{ "{\"text\":\"a\",\"bool\":\"true\"}", "bool", "bool must be true or false" },
	{ "{\"text\":\"a\",\"uuid\":\"x\"}", "uuid", "uuid must be a UUID" },
	{ "{\"text\":\"a\",\"uuid\":{}}", "uuid", "uuid must be a UUID" },
	{ "{\"text\":\"a\",\"email\":\"x\"}", "email", "email must be an e-mail address" },
	{ "{\"text\":\"a\",\"size\":\"tiny\"}", "size", "size must be one of small, large" },
};
/* clang-format on */

static void test_body(void)
{
	struct value *v;

	for (size_t i = 0; i < COUNT(refusals); i++) {
		begin();
		ok(!read_body(all, refusals[i].json), "%s is refused",
		   refusals[i].json ? refusals[i].json : "no body");
		is_str(rq.tx.fail.message, refusals[i].message, "  with the reason");
		is_str(rq.tx.fail.field, refusals[i].field, "  and the field");
	}
	begin();
	v = read_body(all, "{\"text\":\"äöü\",\"int\":-1,\"number\":1,\"bool\":false,\"uuid\":null,"
			   "\"email\":\"Ada@Example.com\",\"json\":null,\"cleared\":null,\"unknown\":[1]}");
	if (!ok(v, "all types at once, and a member that the table does not know"))
		return;
	is_str(v[TEXT].text, "äöü", "text");
	ok(v[INT].i == -1 && !strcmp(v[INT].text, "-1"), "integer");
	ok(v[NUMBER].d == 1 && !strcmp(v[NUMBER].text, "1"), "an integer where a number is wanted");
	ok(!v[BOOL].b && !strcmp(v[BOOL].text, "false"), "boolean");
	ok(v[A_UUID].given && v[A_UUID].is_null && !v[A_UUID].text,
	   "null where it is a value: given, and null");
	is_str(v[EMAIL].text, "ada@example.com", "e-mail in lower case");
	ok(v[JSON].given && !v[JSON].is_null && !strcmp(v[JSON].text, "null"),
	   "null is a JSON value like any other");
	ok(v[CLEARED].given && v[CLEARED].is_null, "unless null clears the field");
	ok(!v[SIZE].given && !v[SIZE].is_null && !strcmp(v[SIZE].text, "small"),
	   "a default is not given, and not null");
	ok(!v[LIMIT].given && v[LIMIT].i == 20 && !strcmp(v[LIMIT].text, "20"),
	   "an integer by default is there as such");
	ok(!v[IS_OPEN].given && v[IS_OPEN].b, "and true by default");

	begin();
	v = read_body(all, "{\"text\":\"a\",\"size\":null}");
	ok(v && v[SIZE].is_null && v[SIZE].given, "null is not replaced by the default");
	ok(v && !v[EMAIL].given && v[EMAIL].is_null && !v[EMAIL].text,
	   "what is left out without a default is null, and not given");
}

static void test_numbers(void)
{
	static const struct field table[] = { { "price", F_NUMBER }, FIELD_END };
	struct value *v;

	begin();
	v = read_body(table, "{\"price\":0.1}");
	is_str(v ? v->text : NULL, "0.1",
	       "a number keeps its digits: 0.1, not 0.1000…01, reaches a numeric column");
	v = read_body(table, "{\"price\":1e3}");
	is_str(v ? v->text : NULL, "1000", "an exponent is written out");
	v = read_body(table, "{\"price\":9007199254740993}");
	is_str(v ? v->text : NULL, "9007199254740992", "beyond 2^53 it is the nearest double");
	ok(!read_body(table, "{\"price\":-0.1}"), "without a minimum that is negative, it is 0 or more");
}

/* clang-format off */
static const struct field reference[] = {
	{ "url",   F_URL,  F_REQUIRED },
	{ "since", F_DATE, 0 },
	FIELD_END
};

static const struct field item[] = {
	{ "name", F_TEXT,   F_REQUIRED, .min = 1, .max = 10 },
	{ "qty",  F_INT,    0,          .min = 1, .max = 9, .def = "1" },
	{ "ref",  F_OBJECT, F_NULL,     .fields = reference },
	{ "refs", F_LIST,   0,          .fields = reference },
	FIELD_END
};

static const struct field order[] = {
	{ "items",  F_LIST,   F_REQUIRED, .min = 1, .max = 3, .fields = item },
	{ "ref",    F_OBJECT, F_NULL,     .fields = reference },
	{ "labels", F_LIST,   0,          .max = 2, .item = F_TEXT },
	{ "extra",  F_OBJECT, 0 },
	FIELD_END
};

static const struct {
	const char *json, *field, *message;
} nested[] = {
	{ "{\"items\":[]}", "items", "items must be a list of 1 to 3 elements" },
	{ "{\"items\":{}}", "items", "items must be a list of 1 to 3 elements" },
	{ "{\"items\":[{\"name\":\"a\"},{\"name\":\"a\"},{\"name\":\"a\"},{\"name\":\"a\"}]}", "items", "items must be a list of 1 to 3 elements" },
	{ "{\"items\":[{\"name\":\"a\"},7]}", "items[1]", "items[1] must be an object" },
	{ "{\"items\":[null]}", "items[0]", "items[0] must be an object, not null" },
	{ "{\"items\":[{\"name\":\"a\"},{\"name\":\"b\"},{}]}", "items[2].name", "items[2].name is required: a string of 1 to 10 characters" },
	{ "{\"items\":[{\"name\":\"a\"},{\"name\":\"\"}]}", "items[1].name", "items[1].name must be a string of 1 to 10 characters" },
	{ "{\"items\":[{\"name\":\"a\",\"qty\":0}]}", "items[0].qty", "items[0].qty must be an integer from 1 to 9" },
	{ "{\"items\":[{\"name\":\"a\",\"ref\":{}}]}", "items[0].ref.url", "items[0].ref.url is required: an absolute http or https URL of at most 2048 characters, without user info and fragment, on port 80, 443, or 1024 and up" },
	{ "{\"items\":[{\"name\":\"a\",\"ref\":{\"url\":\"x\"}}]}", "items[0].ref.url", "items[0].ref.url must be an absolute http or https URL of at most 2048 characters, without user info and fragment, on port 80, 443, or 1024 and up" },
	{ "{\"items\":[{\"name\":\"a\",\"refs\":[{\"url\":\"http://a\"},{\"url\":\"http://b\",\"since\":\"x\"}]}]}",
	  "items[0].refs[1].since", "items[0].refs[1].since must be a date such as 2026-01-31" },
	{ "{\"items\":[{\"name\":\"a\"}],\"ref\":{\"url\":null}}", "ref.url", "ref.url must be an absolute http or https URL of at most 2048 characters, without user info and fragment, on port 80, 443, or 1024 and up, not null" },
	{ "{\"items\":[{\"name\":\"a\"}],\"labels\":[\"a\",\"b\",\"c\"]}", "labels", "labels must be a list of 0 to 2 elements" },
	{ "{\"items\":[{\"name\":\"a\"}],\"labels\":[\"a\",2]}", "labels[1]", "labels[1] must be a string of 0 to 65535 characters" },
	{ "{\"items\":[{\"name\":\"a\"}],\"extra\":[]}", "extra", "extra must be an object" },
};

/* A list's elements, of every type that can stand alone. */
static const struct {
	enum field_type item;
	const char *good, *bad;
} elements[] = {
	{ F_TEXT,     "\"a\"", "1" },
	{ F_INT,      "1", "1.5" },
	{ F_NUMBER,   "1.5", "\"1\"" },
	{ F_BOOL,     "true", "0" },
	{ F_UUID,     "\"01932f3e-8b5a-7c3d-9e4f-5a6b7c8d9e0f\"", "\"x\"" },
	{ F_EMAIL,    "\"a@b.c\"", "\"a@b\"" },
	{ F_SLUG,     "\"a-b\"", "\"a--b\"" },
	{ F_URL,      "\"http://a\"", "\"javascript:alert(1)\"" },
	{ F_DATETIME, "\"2026-01-31T12:00:00Z\"", "\"2026-01-31\"" },
	{ F_DATE,     "\"2026-01-31\"", "\"2026-02-31\"" },
	{ F_ENUM,     "\"small\"", "\"tiny\"" },
	{ F_OBJECT,   "{}", "[]" },
	{ F_LIST,     "[]", "{}" },
};
/* clang-format on */

static void test_nested(void)
{
	struct value *v;

	for (size_t i = 0; i < COUNT(nested); i++) {
		begin();
		ok(!read_body(order, nested[i].json), "%s is refused", nested[i].json);
		is_str(rq.tx.fail.field, nested[i].field, "  in %s", nested[i].field);
		is_str(rq.tx.fail.message, nested[i].message, "  and says why");
	}
	begin();
	v = read_body(order, "{\"items\":[{\"name\":\"a\",\"ref\":null}],\"ref\":{\"url\":\"http://a/\"},"
			     "\"labels\":[],\"extra\":{\"any\":[1,{\"x\":null}]}}");
	if (ok(v, "objects and lists inside each other")) {
		is_str(v[0].text, "[{\"name\":\"a\",\"ref\":null}]", "a list goes to SQL as JSON");
		is_str(v[1].text, "{\"url\":\"http:\\/\\/a\\/\"}", "and so does an object");
		is_int((long long)json_object_array_length(v[2].json), 0, "for a handler it is a tree");
		is_str(v[2].text, "{}", "of plain values it is an array in SQL");
		is_str(v[3].text, "{\"any\":[1,{\"x\":null}]}",
		       "an object without a table is taken as it is");
	}
	begin();
	v = read_body(order, "{\"items\":[{\"name\":\"a\"}],\"ref\":null}");
	ok(v && v[1].given && v[1].is_null && !v[1].json, "an object that may be null is null");
	ok(v && !v[2].given && v[2].is_null, "a list that is left out is null");
}

static void test_elements(void)
{
	for (size_t i = 0; i < COUNT(elements); i++) {
		struct field table[] = { { "list", F_LIST, .item = elements[i].item, .values = sizes },
					 FIELD_END };

		begin();
		ok(read_body(table, arena_fmt(&rq.tx.arena, "{\"list\":[%s,%s]}", elements[i].good,
					      elements[i].good)),
		   "a list of %s", elements[i].good);
		ok(!read_body(table, arena_fmt(&rq.tx.arena, "{\"list\":[%s,%s]}", elements[i].good,
					       elements[i].bad)),
		   "but not with %s in it", elements[i].bad);
		is_str(rq.tx.fail.field, "list[1]", "  which is named");
		ok(!read_body(table, "{\"list\":[null]}"), "  nor with a null");
	}
}

/* What reaches SQL, and a default. */
static void test_arrays(void)
{
	static const struct field emails[] = { { "to", F_LIST, .item = F_EMAIL }, FIELD_END };
	static const struct field texts_in[] = { { "tags", F_LIST, .item = F_TEXT, .def = "a,b" },
						 FIELD_END };
	static const struct field empty[] = { { "tags", F_LIST, .item = F_TEXT, .def = "" }, FIELD_END };
	static const struct field short_text = { NULL, F_TEXT, .min = 1, .max = 3 };
	static const struct field bounded[] = { { "tags", F_LIST, .each = &short_text }, FIELD_END };
	struct value *v;

	begin();
	v = read_body(emails, "{\"to\":[\"Ada@Example.COM\"]}");
	is_str(v ? v->text : NULL, "{\"ada@example.com\"}", "an array has its elements as they are kept");
	v = read_body(texts_in, "{\"tags\":[\"a\\\"b\",\"c\\\\d\",\"e,f\",\"\"]}");
	is_str(v ? v->text : NULL, "{\"a\\\"b\",\"c\\\\d\",\"e,f\",\"\"}",
	       "with quotes and backslashes escaped");
	v = read_body(texts_in, "{}");
	is_str(v ? v->text : NULL, "{\"a\",\"b\"}", "its default is written as in a query string");
	ok(v && !v->given, "  and not given");
	v = read_body(empty, "{}");
	is_str(v ? v->text : NULL, "{}", "an empty one is possible");
	ok(read_body(bounded, "{\"tags\":[\"a\",\"abc\"]}"), "an element may have bounds");
	ok(!read_body(bounded, "{\"tags\":[\"a\",\"abcd\"]}"), "  which are kept");
	is_str(rq.tx.fail.message, "tags[1] must be a string of 1 to 3 characters", "  and told");
	ok(field_is_array(emails) && !field_is_array(&order[0]), "lists of objects are no arrays");
}

/* clang-format off */
static const struct field part[] = {
	{ "kept", F_TEXT, 0 },
	{ "more", F_TEXT, DETAIL },
	FIELD_END
};

static const struct field resource[] = {
	{ "id",     F_UUID, OUT },
	{ "name",   F_TEXT, OUT | NEW | SET | NEEDED, .min = 1, .max = 9 },
	{ "note",   F_TEXT, OUT | NEW | SET | F_NULL },
	{ "plan",   F_TEXT, OUT | NEW | SET | F_NULL_OUT | F_NULL_SET },
	{ "kind",   F_ENUM, OUT | NEW | F_NULL_OUT, .values = sizes, .def = "small" },
	{ "state",  F_ENUM, OUT | SET | F_REQUIRED, .values = sizes },
	{ "level",  F_INT,  OUT | NEW | SET, .min = -5, .max = 5, .def = "1" },
	{ "secret", F_TEXT, NEW | SET },
	{ "count",  F_INT,  OUT, .min = 1, .max = 3 },
	{ "parts",  F_LIST, OUT, .fields = part },
	{ "always", F_BOOL, F_REQUIRED },
	{ "long",   F_TEXT, DETAIL },
	FIELD_END
};
/* clang-format on */

/* "name! note? …": what is required, and what may be null */
static const char *names_of(const struct field *table)
{
	struct buf b;

	buf_init(&b, &rq.tx.arena, 128);
	for (; table->type != F_END; table++)
		buf_fmt(&b, "%s%s%s%s", b.n ? " " : "", table->name, table->flags & F_REQUIRED ? "!" : "",
			table->flags & F_NULL ? "?" : "");
	return buf_str(&b);
}

static const struct field inner[] = { { "y", F_TEXT, F_NULL }, FIELD_END };
static const struct field more[] = {
	FIELDS_OF(resource), { "x", F_TEXT }, { .type = F_FIELDS, F_OPTIONAL, .fields = inner }, FIELD_END
};

static const struct field *field_named(const struct field *table, const char *name)
{
	while (strcmp(table->name, name) != 0)
		table++;
	return table;
}

static void test_uses(void)
{
	const struct field *out = field_use(resource, OUT), *detail = field_use(resource, DETAIL),
			   *new = field_use(resource, NEW), *set = field_use(resource, SET), *level;

	begin();
	is_str(names_of(out), "id name note? plan? kind? state level count parts always!", "an answer");
	is_str(names_of(detail), "id name note? plan? kind? state level count parts always! long",
	       "its long form");
	is_str(names_of(new), "name! note? plan kind level secret always!", "a create");
	is_str(names_of(set), "name note? plan? state! level secret always!", "an update");
	is_str(names_of(field_named(out, "parts")->fields), "kept", "and so on inside");
	is_str(names_of(field_named(detail, "parts")->fields), "kept more", "  where a detail has more, too");
	level = field_named(out, "level");
	ok(!level->min && !level->max && !level->def && level->flags & F_SIGNED,
	   "bounds are of what is sent");
	ok(field_named(out, "count")->max == 3, "  unless nobody sends it");
	is_str(field_named(new, "level")->def, "1", "a create has defaults");
	ok(!field_named(set, "level")->def && field_named(set, "level")->max == 5,
	   "an update has none, but bounds");
	ok(field_use(resource, NEW) == new, "it is made once");
	ok(field_use(all, NEW) == all && !field_use(NULL, OUT), "a table without marks is used as it is");
	ok(!(new->flags &(MARKS | NEEDED)), "marks are gone");
	is_str(names_of(field_use(more, NEW)), "name! note? plan kind level secret always! x y?",
	       "another table's fields stand in their place, by the same marks");
	is_str(names_of(field_use(more, OUT)),
	       "id name note? plan? kind? state level count parts always! x y?", "  in each use");
	ok(field_named(field_use(more, NEW), "y")->flags & F_OPTIONAL, "  with the flags of the place");
	ok(!field_compile(resource), "nothing to compile");
	ok(field_compile((const struct field[]){ { "x", F_TEXT, .fits = &(struct pattern){ "(", "x" } },
						 FIELD_END }),
	   "a pattern that is none");
}

static void test_long_lists(void)
{
	static const struct field table[] = { { "list", F_LIST, .item = F_INT }, FIELD_END };

	begin();
	ok(read_body(table, arena_fmt(&rq.tx.arena, "{\"list\":[1%s]}", repeat(",1", 999))),
	   "a list without a maximum takes 1000 elements");
	ok(!read_body(table, arena_fmt(&rq.tx.arena, "{\"list\":[1%s]}", repeat(",1", 1000))),
	   "but not 1001");
	is_str(rq.tx.fail.message, "list must be a list of 0 to 1000 elements", "and says so");
}

/* A table may hold itself; how deep a body goes, the reader of JSON bounds. */
static struct field tree[] = { { "name", F_TEXT, F_REQUIRED }, { "children", F_LIST }, FIELD_END };

static void test_recursion(void)
{
	struct buf b;

	tree[1].fields = tree;
	begin();
	buf_init(&b, &rq.tx.arena, 512);
	buf_text(&b, "{\"name\":\"x\"");
	for (int i = 0; i < 15; i++)
		buf_text(&b, ",\"children\":[{\"name\":\"x\"");
	for (int i = 0; i < 15; i++)
		buf_text(&b, "}]");
	buf_char(&b, '}');
	ok(read_body(tree, buf_str(&b)), "a table that holds itself, as deep as JSON may be");
	b.n = 0;
	buf_text(&b, "{\"name\":\"x\"");
	for (int i = 0; i < 15; i++)
		buf_text(&b, ",\"children\":[{\"name\":\"x\"");
	b.n -= strlen("{\"name\":\"x\"");
	buf_text(&b, "{");
	for (int i = 0; i < 15; i++)
		buf_text(&b, "}]");
	buf_char(&b, '}');
	ok(!read_body(tree, buf_str(&b)), "and what is missing at its end");
	is_str(rq.tx.fail.field + strlen(rq.tx.fail.field) - strlen("children[0].children[0].name"),
	       "children[0].children[0].name", "is named by its whole path");
}

static void test_absent(void)
{
	struct field f = { "sort", F_ENUM, .values = sizes };
	struct value v;

	begin();
	is_int(field_count(NULL), 0, "no table has no fields");
	is_int((long long)field_count(all), IS_OPEN + 1, "field_count counts up to the end");
	ok(!field_absent(&rq.tx.arena, &f, &v, &rq.tx.fail) && v.is_null && !v.given && !v.text &&
		   v.name == f.name,
	   "absent without a default: null");
	f.def = "large";
	ok(!field_absent(&rq.tx.arena, &f, &v, &rq.tx.fail) && !v.is_null && !v.given &&
		   !strcmp(v.text, "large"),
	   "with one: the default, and not given");
	f.flags = F_REQUIRED;
	is_int(field_absent(&rq.tx.arena, &f, &v, &rq.tx.fail), ERR_VALIDATION,
	       "required: refused, default or not");
	is_str(rq.tx.fail.message, "sort is required: one of small, large", "and says what is wanted");
}

int main(void)
{
	arena_init(&rq.tx.arena, 65536);
	test_texts();
	test_spellings();
	test_csv();
	test_own_bounds();
	test_messages();
	test_values();
	test_body();
	test_numbers();
	test_nested();
	test_elements();
	test_arrays();
	test_uses();
	test_long_lists();
	test_recursion();
	test_absent();
	arena_release(&rq.tx.arena);
	return done_testing();
}
