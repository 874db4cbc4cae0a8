#include "cmd/user_record.h"

#include <ctype.h>
#include <json-c/json.h>

#include "lib/base/clock.h"
#include "lib/base/json.h"
#include "lib/base/utf8.h"
#include "lib/crypto/imported.h"
#include "lib/crypto/password.h"

enum { MAX_ID = 255, MAX_URL = 2048, MAX_HASH = 1024, MAX_SUBJECT = 255 };

/*
 * Values
 */

static void free_tree(void *tree)
{
	json_object_put(tree);
}

/* A member; one that is JSON within a string, as columns of CSV are, is what that says.  NULL: none. */
static struct json_object *member(struct arena *a, struct json_object *in, const char *name)
{
	struct json_object *value, *inner;
	const char *problem, *text;

	if (!json_object_is_type(in, json_type_object) || !json_object_object_get_ex(in, name, &value))
		return NULL;
	text = json_object_is_type(value, json_type_string) ? json_object_get_string(value) : "";
	if (*text != '{' && *text != '[')
		return value;
	return json_read(a, text, strlen(text), &inner, &problem) ? value : inner;
}

/* A text, or a number as one; NULL: it is not there, empty, or something else. */
static const char *text_of(struct arena *a, struct json_object *in, const char *name)
{
	struct json_object *value;
	const char *text;

	if (!json_object_is_type(in, json_type_object) || !json_object_object_get_ex(in, name, &value) ||
	    (!json_object_is_type(value, json_type_string) && !json_object_is_type(value, json_type_int)))
		return NULL;
	text = json_object_get_string(value);
	return *text ? arena_dup(a, text) : NULL;
}

/* The first of several members that is a text; the list ends with NULL. */
static const char *first_of(struct arena *a, struct json_object *in, const char *const *names)
{
	const char *text = NULL;

	for (; *names && !text; names++)
		text = text_of(a, in, *names);
	return text;
}

/* As JSON has it, or PostgreSQL's CSV. */
static bool is_true(struct json_object *in, const char *name)
{
	struct json_object *value;
	const char *text;

	if (!json_object_is_type(in, json_type_object) || !json_object_object_get_ex(in, name, &value))
		return false;
	if (json_object_is_type(value, json_type_boolean))
		return json_object_get_boolean(value);
	text = json_object_is_type(value, json_type_string) ? json_object_get_string(value) : "";
	return !strcasecmp(text, "true") || !strcasecmp(text, "t");
}

/* Minutes east of UTC of "Z", "+02", "+0200" and "+02:00", and nothing behind it; false: it is none. */
static bool read_offset(const char *text, int *minutes)
{
	int h = 0, m = 0, at = 0, sign = *text == '-' ? -1 : 1;

	*minutes = 0;
	if (!*text || !strcmp(text, "Z") || !strcmp(text, "z"))
		return true;
	if (*text != '+' && *text != '-')
		return false;
	text++;
	if ((sscanf(text, "%2d:%2d%n", &h, &m, &at) != 2 || !at || text[at]) &&
	    (at = 0, sscanf(text, "%2d%2d%n", &h, &m, &at) != 2 || !at || text[at]) &&
	    (at = m = 0, sscanf(text, "%2d%n", &h, &at) != 1 || !at || text[at]))
		return false;
	*minutes = sign * (h * 60 + m);
	return h >= 0 && h <= 15 && m >= 0 && m < 60;
}

/* "2026-01-31T12:00:00.123Z", or with a blank and an offset as PostgreSQL writes it, in ms; false: it is
 * none. */
static bool read_date(const char *text, int64_t *ms)
{
	struct tm tm = { 0 };
	int at = 0, minutes;
	long fraction = 0;

	if (sscanf(text, "%4d-%2d-%2d%*1[T ]%2d:%2d:%2d%n", &tm.tm_year, &tm.tm_mon, &tm.tm_mday, &tm.tm_hour,
		   &tm.tm_min, &tm.tm_sec, &at) != 6 ||
	    !at || tm.tm_mon < 1 || tm.tm_mon > 12 || tm.tm_mday < 1 || tm.tm_mday > 31 || tm.tm_hour < 0 ||
	    tm.tm_hour > 23 || tm.tm_min < 0 || tm.tm_min > 59 || tm.tm_sec < 0 || tm.tm_sec > 60)
		return false;
	text += at;
	if (*text == '.') {
		for (int i = 0; i < 3; i++)
			fraction = fraction * 10 + (isdigit((unsigned char)text[1]) ? *++text - '0' : 0);
		text += 1 + strspn(text + 1, "0123456789");
	}
	if (!read_offset(text, &minutes))
		return false;
	tm.tm_year -= 1900;
	tm.tm_mon--;
	*ms = ((int64_t)timegm(&tm) - minutes * 60) * 1000 + fraction;
	return true;
}

/* A time, also in milliseconds since 1970; 0: there is none.  false: it is no time. */
static bool read_time(struct arena *a, struct json_object *in, const char *name, int64_t *ms)
{
	const char *text = text_of(a, in, name);
	char *end;

	*ms = 0;
	if (!text)
		return true;
	if (strspn(text, "0123456789") == strlen(text) && strlen(text) <= 15) {
		*ms = strtoll(text, &end, 10);
		return true;
	}
	return read_date(text, ms);
}

static int64_t now_ms(void)
{
	return (int64_t)time(NULL) * 1000;
}

/* What an avatar may be; else none. */
static const char *url_of(const char *text)
{
	size_t n = text ? strlen(text) : 0;

	if (!n || n > MAX_URL || (strncmp(text, "https://", 8) != 0 && strncmp(text, "http://", 7) != 0))
		return NULL;
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)text[i] <= ' ' || text[i] == 127)
			return NULL;
	return text;
}

/* On one line; NULL: nothing is left of it. */
static const char *name_of(struct arena *a, const char *text)
{
	char *out = text ? arena_dup(a, text) : NULL, *p;

	if (!out)
		return NULL;
	for (p = out; *p; p++)
		if ((unsigned char)*p < ' ' || *p == 127)
			*p = ' ';
	out += strspn(out, " ");
	for (p = out + strlen(out); p > out && p[-1] == ' '; p--)
		p[-1] = '\0';
	return *out ? out : NULL;
}

/* Is one among those in text, between bars, commas or blanks? */
static bool is_listed(const char *text, const char *one)
{
	size_t n = strlen(one), len;

	for (; text && *(text += strspn(text, "|,; ")); text += len) {
		len = strcspn(text, "|,; ");
		if (len == n && !strncasecmp(text, one, n))
			return true;
	}
	return false;
}

static void skip(struct user_record *out, const char *why)
{
	if (!out->skipped)
		out->skipped = why;
}

static void take_time(struct arena *a, struct json_object *in, const char *name, struct user_record *out)
{
	if (!read_time(a, in, name, &out->created_ms))
		skip(out, arena_fmt(a, "its %s is no time", name));
	/* Nobody came tomorrow, and a list by age would show them for ever. */
	if (out->created_ms > now_ms())
		out->created_ms = now_ms();
}

/*
 * Hashes
 */

/* One of Firebase's, of its parts in base64. */
static void take_firebase(struct arena *a, const struct user_record_hashing *how, const char *salt,
			  const char *hash, struct user_record *out)
{
	out->signer = imported_signer(a, how->signer);
	out->hash = imported_firebase(a, how->mem_cost, how->rounds, how->separator ? how->separator : "",
				      USER_RECORD_NO_KEY, salt ? salt : "", hash);
	if (!out->signer)
		out->refused = "the signer key is no base64 of 16 to 128 bytes";
	else if (!out->hash)
		out->refused = "the hash or its salt is no base64";
}

/* Supabase keeps those that came from Firebase as "$fbscrypt$v=1,n=14,r=8,p=1,ss=Bw==,sk=…$salt$hash". */
static void take_fbscrypt(struct arena *a, const char *text, struct user_record *out)
{
	struct user_record_hashing how = { 0 };
	const char *p, *salt, *hash;
	int version, lanes, at = 0;

	out->refused = "the hash is none of Firebase's";
	if (sscanf(text, "$fbscrypt$v=%2d,n=%2d,r=%3d,p=%2d,ss=%n", &version, &how.mem_cost, &how.rounds,
		   &lanes, &at) != 4 ||
	    !at || version != 1 || lanes != 1)
		return;
	p = text + at;
	salt = strchr(p, '$');
	hash = salt ? strchr(salt + 1, '$') : NULL;
	how.separator = arena_dup_n(a, p, strcspn(p, ",$"));
	p += strlen(how.separator);
	if (!hash || strncmp(p, ",sk=", 4) != 0)
		return;
	how.signer = arena_dup_n(a, p + 4, (size_t)(salt - p) - 4);
	out->refused = NULL;
	take_firebase(a, &how, arena_dup_n(a, salt + 1, (size_t)(hash - salt) - 1), hash + 1, out);
}

/* A hash that says itself what it is. */
static void take_hash(struct arena *a, const char *text, struct user_record *out)
{
	if (!text)
		return;
	if (!strncmp(text, "$fbscrypt$", 10))
		take_fbscrypt(a, text, out);
	else
		out->hash = text;
}

/*
 * Formats
 */

static const char *const names[] = { "full_name", "name", "display_name", NULL };
static const char *const pictures[] = { "avatar_url", "picture", NULL };

/*
 * A row of auth.users, with its auth.identities if they were asked for, or a user of
 * the admin API.  What users write themselves is user_metadata: there is an
 * email_verified in it, too.
 */
static void read_supabase(struct arena *a, struct json_object *in, const struct user_record_hashing *hashing,
			  struct user_record *out)
{
	struct json_object *meta = member(a, in, "raw_user_meta_data"), *all = member(a, in, "identities"),
			   *one;
	int64_t until, confirmed, deleted;

	(void)hashing;
	if (!meta)
		meta = member(a, in, "user_metadata");
	out->id = text_of(a, in, "id");
	out->address = text_of(a, in, "email");
	/* Of single sign-on a customer's own server says whose address it is. */
	out->is_verified = read_time(a, in, "email_confirmed_at", &confirmed) && confirmed &&
			   !is_true(in, "is_sso_user");
	if (!read_time(a, in, "deleted_at", &deleted))
		skip(out, "its deleted_at is no time");
	out->is_gone = deleted;
	take_hash(a, text_of(a, in, "encrypted_password"), out);
	out->name = first_of(a, meta, names);
	out->avatar = first_of(a, meta, pictures);
	take_time(a, in, "created_at", out);
	if (!read_time(a, in, "banned_until", &until))
		skip(out, "its banned_until is no time");
	out->is_active = until <= now_ms();
	for (size_t i = 0; json_object_is_type(all, json_type_array) && i < json_object_array_length(all);
	     i++) {
		const char *provider;

		one = json_object_array_get_idx(all, i);
		provider = text_of(a, one, "provider");
		if (!provider || strcmp(provider, "google") != 0)
			continue;
		out->google = text_of(a, member(a, one, "identity_data"), "sub");
		if (!out->google)
			out->google = text_of(a, one, "provider_id");
	}
}

/* firebase auth:export.  In CSV the providers are columns, of which Google's are the first. */
static const char *const firebase_columns[] = {
	"localId",
	"email",
	"emailVerified",
	"passwordHash",
	"salt",
	"displayName",
	"photoUrl",
	"googleId",
	"",
	"",
	"",
	"",
	"",
	"",
	"",
	"",
	"",
	"",
	"",
	"",
	"",
	"",
	"",
	"createdAt",
	"lastSignedInAt",
	"phoneNumber",
	"disabled",
	"customAttributes",
	NULL,
};

static void read_firebase(struct arena *a, struct json_object *in, const struct user_record_hashing *hashing,
			  struct user_record *out)
{
	struct json_object *all = member(a, in, "providerUserInfo"), *one;
	const char *hash = text_of(a, in, "passwordHash");

	out->id = text_of(a, in, "localId");
	out->address = text_of(a, in, "email");
	out->is_verified = is_true(in, "emailVerified");
	out->is_active = !is_true(in, "disabled");
	out->name = text_of(a, in, "displayName");
	out->avatar = text_of(a, in, "photoUrl");
	out->google = text_of(a, in, "googleId");
	take_time(a, in, "createdAt", out);
	for (size_t i = 0; json_object_is_type(all, json_type_array) && i < json_object_array_length(all);
	     i++) {
		const char *provider;

		one = json_object_array_get_idx(all, i);
		provider = text_of(a, one, "providerId");
		if (provider && !strcmp(provider, "google.com"))
			out->google = text_of(a, one, "rawId");
	}
	/* "REDACTED" in base64 is what whoever may not see hashes gets. */
	if (hash && !strcmp(hash, "UkVEQUNURUQ="))
		out->refused =
			"the hash is redacted: who exported it needs firebaseauth.configs.getHashConfig";
	else if (hash && !hashing->signer)
		out->refused = "the hash needs --hash-config";
	else if (hash)
		take_firebase(a, hashing, text_of(a, in, "salt"), hash, out);
}

/* The address of Clerk's Backend API: a list of objects, with the id of the primary one beside it. */
static void read_clerk_addresses(struct arena *a, struct json_object *in, struct json_object *all,
				 struct user_record *out)
{
	const char *primary = text_of(a, in, "primary_email_address_id"), *id, *status;

	for (size_t i = 0; i < json_object_array_length(all); i++) {
		struct json_object *one = json_object_array_get_idx(all, i);

		id = text_of(a, one, "id");
		if (out->address && (!primary || !id || strcmp(id, primary) != 0))
			continue;
		out->address = text_of(a, one, "email_address");
		status = text_of(a, member(a, one, "verification"), "status");
		out->is_verified = status && !strcmp(status, "verified");
	}
}

/* The dashboard's CSV, a list that the Backend API answered with, or what the support sends. */
static void read_clerk(struct arena *a, struct json_object *in, const struct user_record_hashing *hashing,
		       struct user_record *out)
{
	struct json_object *all = member(a, in, "email_addresses"),
			   *accounts = member(a, in, "external_accounts");
	const char *first = text_of(a, in, "first_name"), *last = text_of(a, in, "last_name"), *list;

	(void)hashing;
	out->id = text_of(a, in, "id");
	out->address = text_of(a, in, "primary_email_address");
	if (out->address)
		out->is_verified = is_listed(text_of(a, in, "verified_email_addresses"), out->address);
	else if (json_object_is_type(all, json_type_array))
		read_clerk_addresses(a, in, all, out);
	else if ((list = text_of(a, in, "email_addresses")))
		out->address =
			arena_dup_n(a, list, strcspn(list, "|")); /* which is verified it does not say */
	out->is_active = !is_true(in, "banned");
	take_hash(a, text_of(a, in, "password_digest"), out);
	out->name = first && last ? arena_fmt(a, "%s %s", first, last) : first ? first : last;
	out->avatar = text_of(a, in, "image_url");
	take_time(a, in, "created_at", out);
	for (size_t i = 0;
	     json_object_is_type(accounts, json_type_array) && i < json_object_array_length(accounts); i++) {
		struct json_object *one = json_object_array_get_idx(accounts, i);
		const char *provider = text_of(a, one, "provider"),
			   *status = text_of(a, member(a, one, "verification"), "status");

		if (provider && !strcmp(provider, "oauth_google") && status && !strcmp(status, "verified"))
			out->google = text_of(a, one, "provider_user_id");
	}
}

/* Our own, for what has no row here: JSON Lines, and no member but these. */
static void read_plain(struct arena *a, struct json_object *in, const struct user_record_hashing *hashing,
		       struct user_record *out)
{
	static const char *const known[] = { "id",        "email",      "email_verified", "password_hash",
					     "full_name", "avatar_url", "created_at",     "is_active",
					     "google_id", NULL };
	struct json_object *active;

	(void)hashing;
	json_object_object_foreach(in, name, value)
	{
		const char *const *k = known;

		(void)value;
		while (*k && strcmp(*k, name) != 0)
			k++;
		if (!*k)
			skip(out, arena_fmt(a, "\"%.40s\" is no member of this format", name));
	}
	out->id = text_of(a, in, "id");
	out->address = text_of(a, in, "email");
	out->is_verified = is_true(in, "email_verified");
	out->is_active =
		!json_object_object_get_ex(in, "is_active", &active) || !active || is_true(in, "is_active");
	take_hash(a, text_of(a, in, "password_hash"), out);
	out->name = text_of(a, in, "full_name");
	out->avatar = text_of(a, in, "avatar_url");
	out->google = text_of(a, in, "google_id");
	take_time(a, in, "created_at", out);
}

/* clang-format off */
const struct user_record_format user_record_formats[] = {
	{ "supabase", NULL,    NULL,             "rows of auth.users, or users of the admin API",     read_supabase },
	{ "firebase", "users", firebase_columns, "what firebase auth:export wrote",                   read_firebase },
	{ "clerk",    "data",  NULL,             "the dashboard's CSV, or users of the Backend API",  read_clerk },
	{ "plain",    NULL,    NULL,             "JSON Lines of our own",                             read_plain },
	{ NULL,       NULL,    NULL,             NULL,                                                NULL },
};
/* clang-format on */

const struct user_record_format *user_record_format(const char *name)
{
	const struct user_record_format *f = user_record_formats;

	while (f->name && strcmp(f->name, name) != 0)
		f++;
	return f->name ? f : NULL;
}

/*
 * hash_config
 */

static bool is_named(const char *text, size_t n, const char *name)
{
	return strlen(name) == n && !memcmp(text, name, n);
}

const char *user_record_hashing(struct arena *a, const char *text, struct user_record_hashing *out)
{
	const char *algorithm = NULL, *number = "";

	*out = (struct user_record_hashing){ 0 };
	for (size_t n; *(text += strspn(text, " \t\r\n{},")); text += n) {
		const char *name = text, *value;
		size_t len;

		n = strcspn(text, ":{\n");
		if (text[n] != ':') /* "hash_config {" */
			continue;
		len = n;
		text += n + 1;
		text += strspn(text, " \t\"");
		n = strcspn(text, " \t\r\n,\"}");
		value = arena_dup_n(a, text, n);
		if (is_named(name, len, "algorithm"))
			algorithm = value;
		else if (is_named(name, len, "base64_signer_key"))
			out->signer = value;
		else if (is_named(name, len, "base64_salt_separator"))
			out->separator = value;
		else if (is_named(name, len, "rounds"))
			out->rounds = atoi(number = value);
		else if (is_named(name, len, "mem_cost"))
			out->mem_cost = atoi(number = value);
	}
	if (!*number || !out->signer || !out->separator || !out->rounds || !out->mem_cost)
		return "must have base64_signer_key, base64_salt_separator, rounds and mem_cost";
	if (algorithm && strcmp(algorithm, "SCRYPT") != 0)
		return "must be of the algorithm SCRYPT";
	return imported_signer(a, out->signer)
		       ? NULL
		       : "has a base64_signer_key that is no base64 of 16 to 128 bytes";
}

/*
 * Records
 */

/* The object of a record; NULL, and out->skipped. */
static struct json_object *object_of(struct arena *a, const struct record *record, const char *const *columns,
				     struct user_record *out)
{
	struct json_object *in = NULL;
	const char *problem;

	if (record->problem) {
		out->skipped = record->problem;
	} else if (!record->fields) {
		if (json_read(a, record->text, record->n, &in, &problem))
			out->skipped = problem;
		else if (!json_object_is_type(in, json_type_object))
			out->skipped = "it is no object";
	} else {
		in = json_object_new_object();
		arena_defer(a, free_tree, in);
		for (int i = 0; i < record->nfields && columns[i]; i++)
			if (*columns[i])
				json_object_object_add(in, columns[i],
						       json_object_new_string(record->fields[i]));
	}
	return out->skipped ? NULL : in;
}

/* What holds for all formats. */
static void judge(struct arena *a, struct user_record *out)
{
	const char *problem;

	out->name = name_of(a, out->name);
	out->avatar = url_of(out->avatar);
	if (out->is_gone)
		out->skipped = "it was deleted there";
	else if (!out->address)
		skip(out, "it has no address");
	else if ((problem = email_read(a, out->address, &out->email)))
		skip(out, arena_fmt(a, "its address must be %s", problem));
	if (out->id && utf8_length(out->id, strlen(out->id)) > MAX_ID)
		skip(out, "its id has more than 255 characters");
	if (out->google && (!out->is_verified || utf8_length(out->google, strlen(out->google)) > MAX_SUBJECT))
		out->google = NULL;
	if (out->hash && !out->refused && (problem = password_problem(a, out->hash)))
		out->refused = arena_fmt(a, "the hash %s", problem);
	if (out->refused)
		out->hash = out->signer = NULL;
}

void user_record_read(struct arena *a, const struct user_record_format *format, const struct record *record,
		      const char *const *columns, const struct user_record_hashing *hashing,
		      struct user_record *out)
{
	struct json_object *in;

	*out = (struct user_record){ .is_active = true };
	in = object_of(a, record, columns, out);
	if (!in)
		return;
	format->read(a, in, hashing, out);
	judge(a, out);
}
