/*
 * Users as other products' exports have them: t/ops/user_import.t imports such files; here
 * is what one record says, and that none is too odd to be read.
 */
#include "cmd/user_record.h"

#include "t/unit/tap.h"

static struct arena a;
static struct user_record u;
static struct user_record_hashing hashing;

static void read_json(const char *format, const char *text)
{
	const struct record record = { .line = 1, .text = text, .n = strlen(text) };

	user_record_read(&a, user_record_format(format), &record, NULL, &hashing, &u);
}

static long long created(const char *time)
{
	read_json("plain", arena_fmt(&a, "{\"email\":\"ann@example.com\",\"created_at\":%s}", time));
	return u.skipped ? -1 : u.created_ms;
}

static void test_times(void)
{
	static const char *const none[] = {
		"\"yesterday\"",
		"\"2023-13-01T00:00:00Z\"",
		"\"2023-01-32T00:00:00Z\"",
		"\"2023-01-01T24:00:00Z\"",
		"\"2023-01-01\"",
		"\"2023-01-01T00:00:00+\"",
		"\"2023-01-01T00:00:00 UTC\"",
		"\"2023-01-01T00:00:00+16\"",
		"\"2023-01-01T00:00:00Zx\"",
		"\"-1\"",
		"\"1e9\"",
		"-1",
		"\"9999999999999999\"",
	};

	is_int(created("\"2023-01-02T03:04:05Z\""), 1672628645000, "a time");
	is_int(created("\"2023-01-02T03:04:05.678901Z\""), 1672628645678, "with a fraction");
	is_int(created("\"2023-01-02T03:04:05.6Z\""), 1672628645600, "of one digit");
	is_int(created("\"2023-01-02 03:04:05.678901+00\""), 1672628645678, "as PostgreSQL writes it");
	is_int(created("\"2023-01-02T03:04:05+02:00\""), 1672621445000, "two hours east");
	is_int(created("\"2023-01-02T03:04:05-0230\""), 1672637645000, "two and a half west");
	is_int(created("\"2023-01-02T03:04:05\""), 1672628645000, "without an offset it is UTC");
	is_int(created("1508893925000"), 1508893925000, "milliseconds");
	is_int(created("\"1508893925000\""), 1508893925000, "as a text, too");
	is_int(created("null"), 0, "none");
	ok(created("\"2999-01-01T00:00:00Z\"") < 4102444800000, "what is to come is now");
	for (size_t i = 0; i < sizeof(none) / sizeof(*none); i++)
		is_int(created(none[i]), -1, "no time: %s", none[i]);
}

static const char *config(const char *text)
{
	return user_record_hashing(&a, text, &hashing);
}

static void test_config(void)
{
#define KEY "base64_signer_key: AAAAAAAAAAAAAAAAAAAAAA==, "
#define REST "base64_salt_separator: Bw==,\n rounds: 8, mem_cost: 14"
	is_str(config("hash_config {\n algorithm: SCRYPT,\n " KEY "\n" REST ",\n}\n"), NULL,
	       "as the console shows it");
	is_str(hashing.signer, "AAAAAAAAAAAAAAAAAAAAAA==", "its key");
	is_str(hashing.separator, "Bw==", "its separator");
	is_int(hashing.rounds, 8, "its rounds");
	is_int(hashing.mem_cost, 14, "its cost");
	is_str(config(REST ", " KEY), NULL, "on two lines, in another order");
	has_str(config(REST), "base64_signer_key", "no key");
	has_str(config(""), "must have", "nothing");
	has_str(config("}{:::,,,"), "must have", "nothing of any sense");
	has_str(config("algorithm: BCRYPT, " KEY REST), "SCRYPT", "another algorithm");
	has_str(config("base64_signer_key: AAAA, " REST), "no base64", "a key that is none");
	is_str(config(": x, a: y, " KEY REST), NULL, "what has half a name, or none, is nothing");
	hashing = (struct user_record_hashing){ 0 };
}

static void test_verified(void)
{
	read_json("supabase", "{\"id\":\"1\",\"email\":\"a@example.com\",\"email_confirmed_at\":\"null\"}");
	ok(!u.skipped && !u.is_verified, "\"null\" is no time at which an address was confirmed");
	read_json("supabase", "{\"id\":\"1\",\"email\":\"a@example.com\",\"deleted_at\":\"null\"}");
	has_str(u.skipped, "deleted_at", "nor one at which a user was deleted");
	read_json("supabase",
		  "{\"id\":\"1\",\"email\":\"a@example.com\",\"confirmed_at\":\"2024-01-01T00:00:00Z\","
		  "\"raw_user_meta_data\":{\"email_verified\":true},\"email_verified\":true}");
	ok(!u.is_verified, "what was confirmed may be a number, and what users write is no proof");
	read_json(
		"supabase",
		"{\"id\":\"1\",\"email\":\"a@example.com\",\"email_confirmed_at\":\"2024-01-01 00:00:00+00\","
		"\"is_sso_user\":\"t\",\"identities\":\"[{\\\"provider\\\":\\\"google\\\",\\\"provider_"
		"id\\\":"
		"\\\"g\\\"}]\"}");
	ok(!u.is_verified && !u.google, "whom a customer's server vouches for is not verified, nor linked");
	read_json(
		"supabase",
		"{\"id\":\"1\",\"email\":\"a@example.com\",\"email_confirmed_at\":\"2024-01-01 00:00:00+00\","
		"\"identities\":\"[{\\\"provider\\\":\\\"google\\\",\\\"provider_id\\\":\\\"g\\\"}]\"}");
	ok(u.is_verified, "whom Supabase does is");
	is_str(u.google, "g", "  with identities that are a text of JSON, as in a column of CSV");
	read_json("clerk", "{\"id\":\"1\",\"email_addresses\":\"a@example.com|b@example.com\"}");
	is_str(u.email.address, "a@example.com", "the first of Clerk's list");
	ok(!u.is_verified, "  of which is not said that it is verified");
	read_json("clerk",
		  "{\"id\":\"1\",\"primary_email_address\":\"a@example.com\",\"verified_email_addresses\":"
		  "\"aa@example.com|xa@example.com\"}");
	ok(!u.is_verified, "nor is one that others end with");
	read_json("plain", "{\"email\":\"a@example.com\",\"email_verified\":\"yes\",\"is_active\":false,"
			   "\"avatar_url\":\"https://example.com/\\u0001\"}");
	ok(!u.is_verified && !u.is_active && !u.avatar, "true is true, and a URL has no control characters");
	read_json("plain", "{\"email\":\"a@example.com\",\"full_name\":\" \\n \"}");
	is_str(u.name, NULL, "a name of blanks is none");
}

/* Whatever the types are, and wherever it is cut. */
static void test_odd(void)
{
	static const char *const values[] = {
		"null", "7",      "true",  "\"\"",     "\"x\"", "[]",
		"{}",   "[[{}]]", "\"{\"", "\"[{}]\"", "-1.5",  "[null,7,\"x\",{\"provider\":\"google\"}]"
	};
	static const char *const names[] = {
		"id",
		"email",
		"encrypted_password",
		"email_confirmed_at",
		"raw_user_meta_data",
		"identities",
		"banned_until",
		"localId",
		"emailVerified",
		"passwordHash",
		"salt",
		"providerUserInfo",
		"createdAt",
		"email_addresses",
		"primary_email_address",
		"verified_email_addresses",
		"external_accounts",
		"password_digest",
		"first_name",
		"password_hash",
		"created_at",
		"is_active",
		"google_id",
	};
	static const char *const hashes[] = { "$fbscrypt$",
					      "$fbscrypt$v=1,n=14,r=8,p=1,ss=",
					      "$fbscrypt$v=1,n=14,r=8,p=1,ss=Bw==",
					      "$fbscrypt$v=1,n=14,r=8,p=1,ss=Bw==,sk=$$",
					      "$fbscrypt$v=1,n=14,r=8,p=1,ss=Bw==$a$b,sk=",
					      "$fbscrypt$v=1,n=14,r=8,p=2,ss=Bw==,sk=AAAA$AAAA$AAAA",
					      "$2a$",
					      "$2a$10$",
					      "$scrypt$" };
	int n = 0;

	hashing = (struct user_record_hashing){
		.signer = "AAAAAAAAAAAAAAAAAAAAAA==", .separator = "Bw==", .rounds = 8, .mem_cost = 14
	};
	for (const struct user_record_format *f = user_record_formats; f->name; f++)
		for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
			for (size_t k = 0; k < sizeof(values) / sizeof(*values); k++, n++)
				read_json(f->name,
					  arena_fmt(&a, "{\"email\":\"a@example.com\",\"%s%s\":%s}", names[i],
						    strcmp(names[i], "email") != 0 ? "" : "s", values[k]));
	ok(n > 1000, "%d odd records are read", n);
	for (size_t i = 0; i < sizeof(hashes) / sizeof(*hashes); i++) {
		read_json(
			"supabase",
			arena_fmt(&a,
				  "{\"id\":\"1\",\"email\":\"a@example.com\",\"encrypted_password\":\"%s\"}",
				  hashes[i]));
		ok(u.refused && !u.hash && !u.skipped, "a hash that is none: %s", hashes[i]);
	}
}

int main(void)
{
	arena_init(&a, 4096);
	test_times();
	test_config();
	test_verified();
	test_odd();
	is_int(!user_record_format("auth0"), 1, "what has no format");
	arena_release(&a);
	return done_testing();
}
